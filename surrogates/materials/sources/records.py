"""A structure from one record of a table: Alquimia's own, or pymatgen's dictionary."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from campaigns.errors import did_you_mean, shown
from campaigns.structure import ELEMENTS, MOST_ATOMS, NUMBER, Structure, StructureError
from surrogates.materials.crystals import from_pymatgen
from surrogates.materials.errors import StructureRejected

# What pymatgen's readers raise on damaged input: they index, convert and divide before they look.
DAMAGED = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, AssertionError, RuntimeError)


def structure_of_record(data: Any) -> Structure:
    """Of {"lattice", "species", "frac"} or of a pymatgen Structure dictionary. Raises StructureRejected."""
    if isinstance(data, Mapping) and "sites" in data:
        return _pymatgen(data)
    if not isinstance(data, Mapping):
        raise StructureRejected("unreadable", f"wanted a structure, got {shown(data)}")
    species = data.get("species")
    if isinstance(species, list):
        check_species(species)
    try:
        return Structure.from_json(data)
    except StructureError as fault:
        raise StructureRejected("unreadable", str(fault)) from fault


def check_species(species: list[Any]) -> None:
    """Raises StructureRejected: empty, too-large, partial-occupancy, unknown-element."""
    if not species:
        raise StructureRejected("empty", "wanted at least one atom, got an empty cell")
    if len(species) > MOST_ATOMS:
        raise StructureRejected(
            "too-large", f"wanted at most {MOST_ATOMS} atoms in the cell, got {len(species)}"
        )
    for k, symbol in enumerate(species):
        if isinstance(symbol, Mapping | list):
            raise StructureRejected(
                "partial-occupancy", f"site {k}: wanted one element on each site, got {shown(symbol)}"
            )
        if not isinstance(symbol, str) or symbol not in NUMBER:
            cure = did_you_mean(symbol, ELEMENTS) if isinstance(symbol, str) else ""
            raise StructureRejected(
                "unknown-element", f"site {k}: wanted the symbol of an element, got {shown(symbol)}; {cure}"
            )


def _pymatgen(data: Mapping[str, Any]) -> Structure:
    from pymatgen.core import Structure as Crystal

    if not data["sites"]:
        raise StructureRejected("empty", "wanted at least one atom, got an empty cell")
    if isinstance(data["sites"], list) and len(data["sites"]) > MOST_ATOMS:
        raise StructureRejected(
            "too-large", f"wanted at most {MOST_ATOMS} atoms in the cell, got {len(data['sites'])}"
        )
    if "lattice" not in data:
        raise StructureRejected("unreadable", "wanted a crystal, got a molecule: no lattice")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of properties that only some sites have
            crystal = Crystal.from_dict(dict(data))
    except DAMAGED as fault:
        raise StructureRejected(_code(str(fault)), f"no pymatgen structure: {fault}") from fault
    if not (np.all(np.isfinite(crystal.frac_coords)) and np.all(np.isfinite(crystal.lattice.matrix))):
        raise StructureRejected("unreadable", "wanted finite numbers as lattice and coordinates")
    return from_pymatgen(crystal)


def _code(text: str) -> str:
    """pymatgen says by text alone that a symbol is not one."""
    return (
        "unknown-element"
        if "is not a valid Element" in text or "Can't parse Element" in text
        else "unreadable"
    )
