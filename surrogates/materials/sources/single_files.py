"""Files of other codes: VASP's POSCAR by pymatgen, extended xyz by ASE."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.structure import Structure
from surrogates.materials.crystals import from_pymatgen, structure_of
from surrogates.materials.errors import SourceError, StructureRejected
from surrogates.materials.sources.json_lines import chosen, fails
from surrogates.materials.sources.records import DAMAGED, check_species
from surrogates.materials.sources.rows import Item
from surrogates.materials.sources.text import stem, text_of

IDS = ("id", "material_id", "name", "config_name")


def poscar(path: Path) -> Iterator[Item]:
    """One item, called after the file."""
    yield Item(stem(path), str(path), path.name, partial(_poscar, text_of(path)))


def _poscar(text: str) -> Structure:
    from pymatgen.io.vasp.inputs import Poscar

    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            crystal = Poscar.from_str(text).structure
    except DAMAGED as fault:
        raise StructureRejected("unreadable", f"no POSCAR: {fault}") from fault
    if any("false names" in str(warning.message) for warning in said):
        raise StructureRejected("unreadable", "no elements are named: write them above the numbers of atoms")
    return from_pymatgen(crystal)


def xyz(path: Path, columns: Mapping[str, str] | None) -> Iterator[Item]:
    """Every frame with a cell that repeats in all directions. The values are the numbers of its comment line, or those
    of `columns` (reading -> name); the frame's total energy becomes `energy` in eV per atom."""
    lines = text_of(path).splitlines(keepends=True)
    at, k = 0, 0
    while at < len(lines) and any(line.strip() for line in lines[at:]):
        where = f"{path}:{at + 1}"
        head = lines[at].strip()
        if not head.isdecimal() or at + 2 + int(head) > len(lines):
            reason = f"wanted a number of atoms and that many lines, got {head[:40]!r}"
            yield Item(f"{stem(path)}/{k}", where, path.name, fails("unreadable", reason))
            return
        end = at + 2 + int(head)
        yield _frame("".join(lines[at:end]), f"{stem(path)}/{k}", where, path.name, columns)
        at, k = end, k + 1


def _frame(text: str, name: str, where: str, source: str, columns: Mapping[str, str] | None) -> Item:
    try:
        from ase.io.extxyz import read_extxyz
    except ImportError as fault:
        raise SourceError(f"{where}: xyz files need ASE. Cure: pip install ase") from fault
    if text.startswith("0"):
        return Item(name, where, source, fails("empty", "wanted at least one atom, got an empty cell"))
    try:
        atoms = next(iter(read_extxyz(io.StringIO(text), index=0)))
    except (*DAMAGED, OSError) as fault:
        return Item(name, where, source, fails("unreadable", f"no extended xyz: {fault}"))
    known = next((str(atoms.info[key]) for key in IDS if key in atoms.info), name)
    numbers: dict[str, Any] = {
        key: float(value)
        for key, value in atoms.info.items()
        if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    }
    numbers = {key: value for key, value in numbers.items() if key not in IDS}
    if atoms.calc is not None and (energy := atoms.calc.results.get("energy")) is not None:
        numbers["energy"] = float(energy) / len(atoms)
    values = numbers if columns is None else chosen(numbers, columns)
    return Item(known, where, source, partial(_of_atoms, atoms), values, tuple(numbers))


def _of_atoms(atoms: Any) -> Structure:
    if not np.all(atoms.pbc) or abs(np.linalg.det(atoms.cell.array)) < 1e-6:
        raise StructureRejected("unreadable", "wanted a cell that repeats in all directions, got none")
    species = list(atoms.get_chemical_symbols())
    check_species(species)
    return structure_of(atoms.cell.array, species, atoms.get_scaled_positions(wrap=False))
