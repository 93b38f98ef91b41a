"""Which crystals are the same, however their cells are written: pymatgen's StructureMatcher where cheap marks agree."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import spglib
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice
from pymatgen.core import Structure as Crystal
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from campaigns.structure import ELEMENTS, NUMBER, Structure
from surrogates.materials.crystals import to_pymatgen

LOOSE, TIGHT = (
    0.1,
    0.02,
)  # A: unrelaxed cells keep their symmetry only roughly; near one limit, the other decides
WINDOW = 1.5  # times the volume per atom: the matcher itself scales volumes away

_matcher = StructureMatcher(primitive_cell=False)


class Marks(NamedTuple):
    """What two cells of one crystal have in common: sites in the primitive cell and spglib's space group (0 where it
    finds none)."""

    sites: int
    space_group: int


class _Seen(NamedTuple):
    marks: Marks
    primitive: Crystal


class Cluster(NamedTuple):
    """Places of structures that are one crystal, and of the one that stands for them."""

    members: tuple[int, ...]
    representative: int


def marks(structure: Structure, symprec: float = LOOSE) -> Marks:
    """Of a structure's symmetry within `symprec` angstrom."""
    return _seen(structure.key, structure, symprec).marks


def same(a: Structure, b: Structure) -> bool:
    """Whether two structures are one crystal: the same composition, volumes per atom within a factor of 1.5, the same
    space group and number of sites in the primitive cell, to 0.1 or to 0.02 A, and StructureMatcher (its own
    tolerances, as in Merchant et al. 2023) maps one on the other. Crystals that differ by a distortion that breaks
    symmetry are two, where the matcher alone may call them one."""
    if a.key == b.key:
        return True
    if a.formula != b.formula:
        return False
    ratio = a.volume / a.n_atoms / (b.volume / b.n_atoms)
    if not 1.0 / WINDOW <= ratio <= WINDOW:
        return False
    for symprec in (LOOSE, TIGHT):
        left, right = _seen(a.key, a, symprec), _seen(b.key, b, symprec)
        if left.marks == right.marks:
            return bool(_matcher.fit(left.primitive, right.primitive))
    return False


def same_as_any(structure: Structure, others: Sequence[Structure]) -> bool:
    """Whether a structure is one of others."""
    return any(structure.key == other.key for other in others) or any(same(structure, o) for o in others)


def duplicates(structures: Sequence[Structure], known: Sequence[Structure] = ()) -> dict[int, int]:
    """Place of each structure that is there already -> where: place -1 - k stands for known structure k, any other for
    the earlier structure of that place. What is not in the result is new."""
    there: dict[str, list[tuple[int, Structure]]] = {}
    for k, structure in enumerate(known):
        there.setdefault(structure.formula, []).append((-1 - k, structure))
    out: dict[int, int] = {}
    for k, structure in enumerate(structures):
        earlier = there.setdefault(structure.formula, [])
        found = next((at for at, other in earlier if structure.key == other.key), None)
        if found is None:
            found = next((at for at, other in earlier if same(structure, other)), None)
        if found is None:
            earlier.append((k, structure))
        else:
            out[k] = found
    return out


def clusters(structures: Sequence[Structure], energies: Sequence[float | None]) -> list[Cluster]:
    """Polymorphs: connected components of all pairs that are the `same`, each represented by its member of least energy
    (eV per atom; the first where none has one). In the order of their first members."""
    by_formula: dict[str, list[int]] = {}
    for k, structure in enumerate(structures):
        by_formula.setdefault(structure.formula, []).append(k)
    pairs = [
        (i, j)
        for group in by_formula.values()
        for at, i in enumerate(group)
        for j in group[at + 1 :]
        if same(structures[i], structures[j])
    ]
    rows = np.array(pairs, int).reshape(-1, 2)
    n = len(structures)
    graph = csr_array((np.ones(len(rows)), (rows[:, 0], rows[:, 1])), shape=(n, n))
    labels = connected_components(graph, directed=False)[1] if n else np.zeros(0, int)
    members: dict[int, list[int]] = {}
    for k, label in enumerate(labels):
        members.setdefault(int(label), []).append(k)
    return [
        Cluster(tuple(group), min(group, key=lambda k: _energy(energies[k]))) for group in members.values()
    ]


def _energy(value: float | None) -> float:
    return np.inf if value is None or np.isnan(value) else value


@lru_cache(maxsize=20_000)
def _seen(key: str, structure: Structure, symprec: float) -> _Seen:
    cell = (structure.lattice, structure.frac, [NUMBER[symbol] for symbol in structure.species])
    dataset = spglib.get_symmetry_dataset(cell, symprec=symprec)
    found = spglib.find_primitive(cell, symprec=symprec)
    if dataset is None or found is None:
        primitive, group = to_pymatgen(structure), 0
    else:
        lattice, frac, numbers = found
        primitive = Crystal(Lattice(lattice), [ELEMENTS[number - 1] for number in numbers], frac)
        group = int(dataset.number)
    return _Seen(Marks(len(primitive), group), primitive.get_reduced_structure())
