"""CIF text: every data block with atoms is a crystal, its cell as the file has it. pymatgen reads."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pymatgen.core import Composition
from pymatgen.io.cif import CifParser

from campaigns.structure import MOST_ATOMS, NUMBER, Structure
from surrogates.materials.crystals import from_pymatgen
from surrogates.materials.errors import SourceError, StructureRejected
from surrogates.materials.sources.records import DAMAGED
from surrogates.materials.sources.rows import Item
from surrogates.materials.sources.text import stem, text_of

BLOCK = re.compile(r"^[ \t]*data_(\S*)", flags=re.MULTILINE)
GROUP_NAMES = ("_symmetry_space_group_name_H-M", "_space_group_name_H-M_alt", "_symmetry_Int_Tables_number")
NO_GROUP = {"P1", "P 1", "1", "?", ".", ""}
ASSUMED = "Defaulting to P1"
WRONG = ("Missing elements", "Incorrect stoichiometry")
LONGEST = 2**24  # characters of one block


def items(path: Path, source: str | None = None, name: str | None = None) -> Iterator[Item]:
    """One item per block, called after the file (or `name`), and after the block too where there are several. Bytes
    that are not UTF-8 stand in comments and names of authors: they are replaced."""
    name = stem(path) if name is None else name
    text = text_of(path, errors="replace")
    blocks = [block for block in _blocks(text) if "_atom_site" in block[2]] or list(_blocks(text))
    if not blocks:
        raise SourceError(f"{path}: wanted a CIF, got a text without a data_ block")
    for header, line, block in blocks:
        known = name if len(blocks) == 1 else f"{name}/{header}"
        where = f"{path}:{line}"
        yield Item(known, where, source or path.name, partial(structure_of_block, block))


def _blocks(text: str) -> Iterator[tuple[str, int, str]]:
    """Header, first line and text of every data block."""
    found = list(BLOCK.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)] * bool(found)
    line, counted = 1, 0
    for match, end in zip(found, ends, strict=True):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        yield match[1], line, text[match.start() : end]


def structure_of_cif(text: str) -> Structure:
    """The one crystal of a CIF. Raises StructureRejected."""
    blocks = [block for *_, block in _blocks(text) if "_atom_site" in block]
    if len(blocks) != 1:
        raise StructureRejected(
            "unreadable", f"wanted a CIF with one crystal, got {len(blocks)} blocks with atoms"
        )
    return structure_of_block(blocks[0])


def structure_of_block(text: str) -> Structure:
    """Of one data block. Raises StructureRejected, also where the crystal does not have the block's own formula."""
    if len(text) > LONGEST:
        raise StructureRejected(
            "too-large", f"wanted a block of at most {LONGEST} characters, got {len(text)}"
        )
    try:
        with warnings.catch_warnings():
            # What pymatgen mends or doubts it says twice: as a warning and in the parser's own list.
            warnings.simplefilter("ignore")
            parser = CifParser.from_str(text, check_cif=False)
            crystal = parser.parse_structures(primitive=False, on_error="raise")[0]
            partial_site = next((site for site in crystal if not site.is_ordered), None)
            doubt = None if partial_site is not None else parser.check(crystal)
    except DAMAGED as fault:
        lacks = "it lacks " if isinstance(fault.__cause__ or fault, KeyError) else ""
        raise _rejected(f"{lacks}{fault or type(fault).__name__}", text) from fault
    if doubt and doubt.startswith(WRONG):
        raise StructureRejected("unreadable", f"atoms and formula disagree: {_on_one_line(doubt)}")
    said = "; ".join(parser.warnings)  # type: ignore[attr-defined]  # set where a text is parsed
    if "implicit hydrogens" in said:
        raise StructureRejected("unreadable", "hydrogen atoms are named in the formula but have no place")
    if ASSUMED in said and (group := _group(parser.as_dict())):
        raise StructureRejected("unreadable", f"wanted a space group that pymatgen knows, got {group}")
    if ASSUMED in said and (wanted := _atoms(parser.as_dict())) and len(crystal) not in wanted:
        raise StructureRejected(
            "unreadable",
            f"no symmetry is given, and {len(crystal)} atoms are not the {wanted[0]} of the formula",
        )
    if len(crystal) > MOST_ATOMS:
        raise StructureRejected(
            "too-large", f"wanted at most {MOST_ATOMS} atoms in the cell, got {len(crystal)}"
        )
    return from_pymatgen(crystal)


def _group(blocks: Mapping[str, Any]) -> str:
    values: Mapping[str, Any] = next(iter(blocks.values()), {})
    names = [str(values[key]).strip("'\" ") for key in GROUP_NAMES if key in values]
    return next((name for name in names if name not in NO_GROUP), "")


def _atoms(blocks: Mapping[str, Any]) -> tuple[int, ...]:
    """Atoms that the cell has by formula and number of formula units; some writers give the formula of the cell.
    Nothing where one is not given."""
    values: Mapping[str, Any] = next(iter(blocks.values()), {})
    try:
        atoms = int(Composition(values["_chemical_formula_sum"]).num_atoms)
        return int(values["_cell_formula_units_Z"]) * atoms, atoms
    except DAMAGED:
        return ()


def _rejected(text: str, block: str) -> StructureRejected:
    reason = _on_one_line(text.replace("No structure parsed for section 1 in CIF.\n", ""))
    if "ccupancy" in reason:
        return StructureRejected("partial-occupancy", reason)
    if "no structures" in reason:
        unknown = _unknown_symbols(block)
        if unknown:
            return StructureRejected("unknown-element", f"no elements: {', '.join(unknown)}")
        reason = "no atoms could be read from it"
    return StructureRejected("unreadable", f"no CIF that can be used: {reason}")


def _unknown_symbols(block: str) -> list[str]:
    """Of the column of atom types, for pymatgen passes over what it does not know."""
    from pymatgen.io.cif import CifFile

    try:
        parsed = next(iter(CifFile.from_str(block).data.values()))
    except DAMAGED:
        return []
    key = next((k for k in ("_atom_site_type_symbol", "_atom_site_label") if k in parsed.data), None)
    symbols = parsed.data[key] if key else []
    found = {re.sub(r"[^A-Za-z].*", "", str(symbol)) for symbol in symbols}
    return sorted(
        name for name in found if name.capitalize() not in NUMBER and name[:1].upper() not in NUMBER
    )


def _on_one_line(text: str) -> str:
    return " ".join(text.split())[:300]
