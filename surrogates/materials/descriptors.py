"""A crystal as a row of numbers: statistics of its elements' properties, and what its cell tells. For classifiers and
baselines that are no networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import spglib
from numpy.typing import NDArray

from campaigns.structure import NUMBER, Structure
from surrogates.materials.crystals import REACH, covalent_radius, neighbours
from surrogates.materials.elements import physical_features

Array = NDArray[np.float64]
SYMPREC = 0.01  # A: as the Materials Project's own space groups
TOUCHING = 1.25  # of the sum of covalent radii: neighbours nearer than this are contacts
DALTON = 1.66053907  # g/cm^3 times A^3


def composition_descriptors(structures: Sequence[Structure]) -> Array:
    """(m, d): mean, mean absolute deviation, least, largest and range over the atoms of each property of their elements
    (the form of Ward et al., npj Comput. Mater. 2, 16028, 2016, on this package's table of elements), then the number
    of elements and the 0, 2 and 3 norms of the atomic fractions."""
    table = physical_features()
    rows = []
    for structure in structures:
        numbers = [NUMBER[symbol] for symbol in structure.counts]
        if max(numbers) >= len(table):
            raise ValueError(f"{structure.formula}: wanted elements up to number {len(table) - 1}")
        values = table[numbers].astype(float)
        share = np.array(list(structure.counts.values()), float) / structure.n_atoms
        mean = share @ values
        deviation = share @ np.abs(values - mean)
        low, high = values.min(axis=0), values.max(axis=0)
        norms = [len(share), np.sqrt(np.sum(share**2)), np.cbrt(np.sum(share**3)), share.min()]
        rows.append(np.concatenate([mean, deviation, low, high, high - low, norms]))
    return np.array(rows) if rows else np.zeros((0, 5 * table.shape[1] + 4))


def structure_descriptors(structures: Sequence[Structure]) -> Array:
    """(m, 12): atoms in the primitive cell; volume per atom (A^3); density (g/cm^3); share of the volume that covalent
    spheres fill; space group, its operations and the Wyckoff orbits; least, mean and spread of the nearest distances in
    covalent radii; mean and spread of the numbers of contacts. The space group is 1 where spglib finds none."""
    return np.array([_structure(structure) for structure in structures]).reshape(-1, 12)


def descriptors(structures: Sequence[Structure]) -> Array:
    """(m, d): of the composition, then of the structure."""
    return np.hstack([composition_descriptors(structures), structure_descriptors(structures)])


def _structure(structure: Structure) -> list[float]:
    n, volume = structure.n_atoms, structure.volume
    radii = np.array([covalent_radius(symbol) for symbol in structure.species])
    numbers = [NUMBER[symbol] for symbol in structure.species]
    found = spglib.get_symmetry_dataset((structure.lattice, structure.frac, numbers), symprec=SYMPREC)
    if found is None:
        group, operations, orbits, primitive = 1, 1, n, n
    else:
        group, operations = found.number, len(found.rotations)
        orbits, primitive = len(set(found.equivalent_atoms)), len(set(found.mapping_to_primitive))
    i, j, distances = neighbours(structure, REACH)
    relative = distances / (radii[i] + radii[j])
    nearest = np.full(n, REACH / np.maximum(2 * radii, 1e-9))
    np.minimum.at(nearest, i, relative)
    contacts = np.bincount(i[relative < TOUCHING], minlength=n)
    return [
        primitive,
        volume / n,
        DALTON * _mass(structure) / volume,
        4.0 / 3.0 * np.pi * float(np.sum(radii**3)) / volume,
        group,
        operations * primitive / n,
        orbits,
        float(nearest.min()),
        float(nearest.mean()),
        float(nearest.std()),
        float(contacts.mean()),
        float(contacts.std()),
    ]


def _mass(structure: Structure) -> float:
    from pymatgen.core import Element

    return sum(n * float(Element(symbol).atomic_mass) for symbol, n in structure.counts.items())
