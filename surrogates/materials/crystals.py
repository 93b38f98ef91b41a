"""A structure as pymatgen's own, and what makes one unfit for every model and calculator: atoms on top of each other,
atoms that nothing is near."""

from __future__ import annotations

import os
import warnings
from functools import lru_cache

import numpy as np
from pymatgen.analysis.molecule_structure_comparator import CovalentRadius
from pymatgen.core import Composition, DummySpecies, Element, Lattice
from pymatgen.core import Structure as Crystal
from pymatgen.optimization.neighbors import find_points_in_spheres

from campaigns.structure import NUMBER, Structure, StructureError
from surrogates.encode import Array
from surrogates.materials.errors import StructureRejected

CLOSEST = 0.6  # of the sum of two covalent radii: in 6,200 relaxed crystals (Materials Project, WBM) the least is 0.62
OVERLAP = 0.5  # A, whatever the radii
REACH = 6.0  # A: an atom with no neighbour nearer is isolated; interatomic potentials see no further
DIGITS = 8  # of coordinates of structures made here: a record read back is the record written
HEAVY = 1.7  # A, covalent radius where none is tabulated (beyond Cm)

_PERIODIC = np.ones(3, np.int64)
# spglib prints where it finds no symmetry at a tolerance; its callers here read that from what it returns.
os.environ.setdefault("SPGLIB_WARNING", "OFF")


@lru_cache(maxsize=200)
def covalent_radius(symbol: str) -> float:
    """In angstrom (Cordero et al., Dalton Trans. 2832, 2008)."""
    return float(CovalentRadius.radius.get(symbol, HEAVY))


def to_pymatgen(structure: Structure) -> Crystal:
    """The same crystal, sites in the same order."""
    return Crystal(Lattice(structure.lattice), structure.species, structure.frac)


def from_pymatgen(crystal: Crystal) -> Structure:
    """The same crystal without oxidation states, sites in the same order, coordinates in [0, 1), 8 decimals.

    Raises StructureRejected: partial-occupancy, unknown-element, empty, or what `Structure` itself refuses (too-large,
    unreadable)."""
    if not len(crystal):
        raise StructureRejected("empty", "wanted at least one atom, got an empty cell")
    symbols = []
    for k, site in enumerate(crystal):
        if not site.is_ordered:
            raise StructureRejected(
                "partial-occupancy",
                f"site {k} holds {site.species_string}: wanted one whole atom on each site; order the structure first",
            )
        symbols.append(_symbol(site.specie, k))
    return structure_of(crystal.lattice.matrix, symbols, crystal.frac_coords)


def _symbol(specie: object, k: int) -> str:
    symbol = "" if isinstance(specie, DummySpecies) else str(getattr(specie, "symbol", specie))
    symbol = {"D": "H", "T": "H"}.get(symbol, symbol)
    if symbol not in NUMBER:
        raise StructureRejected(
            "unknown-element", f"site {k} holds {specie}: wanted the symbol of an element"
        )
    return symbol


def structure_of(lattice: Array, species: list[str] | tuple[str, ...], frac: Array) -> Structure:
    """A record from arrays: lattice (3, 3) in angstrom, frac (n, 3) of any image. Raises StructureRejected."""
    wrapped = np.round(np.asarray(frac, float) % 1.0, DIGITS) % 1.0 + 0.0
    rows = np.round(np.asarray(lattice, float), DIGITS) + 0.0
    if not (np.all(np.isfinite(rows)) and np.all(np.isfinite(wrapped))):
        raise StructureRejected("unreadable", "wanted finite numbers as lattice and coordinates")
    try:
        return Structure.from_json(
            {"lattice": rows.tolist(), "species": list(species), "frac": wrapped.tolist()}
        )
    except StructureError as fault:
        raise StructureRejected("unreadable", str(fault)) from fault


def neighbours(structure: Structure, reach: float) -> tuple[Array, Array, Array]:
    """All pairs nearer than `reach` angstrom, periodic images included: two index arrays (e,) and distances (e,). Each
    pair is there in both directions; an atom is its own neighbour only as an image."""
    lattice = np.ascontiguousarray(structure.lattice, float)
    points = np.ascontiguousarray((np.asarray(structure.frac, float) % 1.0) @ lattice)
    i, j, _, distances = find_points_in_spheres(points, points, float(reach), _PERIODIC, lattice, 1e-8)
    # Two atoms at one place are neighbours at distance 0; an atom is not its own.
    real = (distances > 1e-8) | (i != j)
    return i[real], j[real], distances[real]


def check(
    structure: Structure, *, closest: float = CLOSEST, reach: float = REACH, max_atoms: int | None = None
) -> None:
    """Raises StructureRejected: too-large (more than `max_atoms`), overlap (two atoms nearer than `closest` times the
    sum of their covalent radii, or than 0.5 A), isolated (an atom without a neighbour within `reach` angstrom)."""
    if not structure.species:
        raise StructureRejected("empty", "wanted at least one atom, got an empty cell")
    if max_atoms is not None and structure.n_atoms > max_atoms:
        raise StructureRejected(
            "too-large", f"wanted at most {max_atoms} atoms in the cell, got {structure.n_atoms}"
        )
    i, j, distances = neighbours(structure, reach)
    near = np.full(structure.n_atoms, np.inf)
    np.minimum.at(near, i, distances)
    if np.any(lonely := ~np.isfinite(near)):
        k = int(np.argmax(lonely))
        raise StructureRejected(
            "isolated", f"site {k} ({structure.species[k]}) has no neighbour within {reach:g} A"
        )
    radii = np.array([covalent_radius(symbol) for symbol in structure.species])
    slack = distances - np.maximum(closest * (radii[i] + radii[j]), OVERLAP)
    worst = int(np.argmin(slack))
    if slack[worst] < 0.0:
        a, b, d = int(i[worst]), int(j[worst]), float(distances[worst])
        raise StructureRejected(
            "overlap",
            f"sites {a} ({structure.species[a]}) and {b} ({structure.species[b]}) are {d:.3f} A apart: wanted at "
            f"least {d - slack[worst]:.3f} A",
        )


def scaled(structure: Structure, volume: float) -> Structure:
    """The structure with its cell scaled evenly to `volume`, A^3. Raises StructureRejected (unreadable: no volume)."""
    factor = (volume / structure.volume) ** (1.0 / 3.0) if volume > 0.0 else 0.0
    return structure_of(np.asarray(structure.lattice) * factor, structure.species, np.asarray(structure.frac))


def formula(structure: Structure) -> str:
    """As chemists write it: LiFePO4."""
    return str(Composition(structure.counts).reduced_formula)


@lru_cache(maxsize=200)
def atomic_volume(symbol: str) -> float:
    """Of a sphere with the element's atomic radius, A^3 (Slater's radii, as pymatgen has them; the covalent one where
    there is none)."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # pymatgen warns of each element without a tabulated radius
        radius = Element(symbol).atomic_radius
    tabulated = float(radius) if radius else covalent_radius(symbol)
    return float(4.0 / 3.0 * np.pi * tabulated**3)
