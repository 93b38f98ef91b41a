"""Soft spheres: how near atoms may come, and moving them (and the cell) apart until they keep that distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres

from campaigns.structure import NUMBER, Structure
from surrogates.encode import Array
from surrogates.materials.crystals import covalent_radius, neighbours

RADII = 0.85  # of the sum of covalent radii, for pairs that no known structure shows
KEPT = 0.9  # of the distance that known structures keep: the start of a relaxation, not its end
DENSEST = 0.74  # share of space that spheres of one size can fill
SHOWN = 3  # structures that a pair must be in for its distance to count as known
QUANTILE = 0.1  # of the structures' shortest distances of a pair
REACH = 5.0  # A: pairs further apart set no least distance
SLACK = 0.05  # of its least distance may a pair lack and still pass
STEPS, STALLED = 60, 10  # at most; without a tenth less lacking
RATE = 0.5
COINCIDENT = 1e-3  # A: no direction to push such a pair in
MOST_STRAIN = 0.05  # of the cell, in a step

_PERIODIC = np.ones(3, np.int64)


class Separations:
    """Least distances of pairs of elements, A: those that known structures keep, else from covalent radii."""

    def __init__(self, known: Sequence[Structure] = ()) -> None:
        shortest: dict[tuple[str, str], list[float]] = {}
        for each in known:
            species = np.array([NUMBER[s] for s in each.species])
            i, j, distances = neighbours(each, REACH)
            pairs = np.minimum(species[i], species[j]) * 1000 + np.maximum(species[i], species[j])
            order = np.lexsort((distances, pairs))
            first = np.unique(pairs[order], return_index=True)
            name = {NUMBER[s]: s for s in each.elements}
            for code, at in zip(*first, strict=True):
                pair = (name[int(code) // 1000], name[int(code) % 1000])
                shortest.setdefault(pair, []).append(float(distances[order][at]))
        self._known = {
            pair: KEPT * float(np.quantile(d, QUANTILE)) for pair, d in shortest.items() if len(d) >= SHOWN
        }

    def of(self, a: str, b: str) -> float:
        """For atoms of elements a and b, A."""
        pair = (a, b) if NUMBER[a] <= NUMBER[b] else (b, a)
        known = self._known.get(pair)
        return RADII * (covalent_radius(a) + covalent_radius(b)) if known is None else known

    def matrix(self, species: Sequence[str]) -> Array:
        """(n, n) for the sites of a cell."""
        symbols, site = np.unique(np.array(species), return_inverse=True)
        table = np.array([[self.of(str(a), str(b)) for b in symbols] for a in symbols])
        out: Array = table[site[:, None], site[None]]
        return out


def least_volume(least: Array) -> float:
    """Volume, A^3, that the largest kind of atoms alone needs to keep its least distance (diagonal of (n, n))."""
    return float(
        np.pi / 6.0 * (np.diag(least) ** 3).max() * np.sum(np.diag(least) >= np.diag(least).max()) / DENSEST
    )


class Symmetry(NamedTuple):
    """Operations on a cell: `rotations` (k, 3, 3) of fractional coordinates, their inverses, and the site that each
    takes each site to, `sites` (k, n)."""

    rotations: Array
    inverses: Array
    sites: Array

    def moves(self, moves: Array) -> Array:
        """The symmetric part of shifts (n, 3) of fractional coordinates."""
        out: Array = np.einsum("kab,knb->na", self.inverses, moves[self.sites]) / len(self.sites)
        return out

    def strain(self, strain: Array, lattice: Array) -> Array:
        """The symmetric part of a strain (3, 3) of row vectors."""
        turns = np.linalg.inv(lattice) @ self.rotations.transpose(0, 2, 1) @ lattice
        out: Array = (turns @ strain @ turns.transpose(0, 2, 1)).sum(axis=0) / len(turns)
        return out


def relax(lattice: Array, frac: Array, least: Array, symmetry: Symmetry) -> tuple[Array, Array, float]:
    """Moves atoms and shears the cell, at constant volume, until no pair (i, j) is nearer than `least` (n, n).

    Lattice (3, 3), frac (n, 3). Returns both and the largest share of its least distance that a pair lacks (at or
    below `SLACK`: relaxed; 1: two atoms on one another). Each pair is pushed along its line by half of what it lacks,
    the cell strained by the pushes' virial without its trace. Symmetry holds exactly: where a symmetric arrangement is
    a saddle, rounding errors alone would leave it.
    """
    lattice, frac = lattice.copy(), frac % 1.0
    n, reach = len(frac), float(least.max())
    lacking, before = 1.0, np.inf
    for step in range(STEPS):
        points = np.ascontiguousarray(frac @ lattice)
        i, j, image, distance = find_points_in_spheres(
            points, points, reach, _PERIODIC, np.ascontiguousarray(lattice), 1e-8
        )
        real = (distance > 1e-8) | (i != j)
        i, j, image, distance = i[real], j[real], image[real], distance[real]
        missing = least[i, j] - distance
        close = missing > 0.0
        if not close.any():
            return lattice, frac, 0.0
        i, j, image, distance, missing = i[close], j[close], image[close], distance[close], missing[close]
        lacking = float(np.max(missing / least[i, j]))
        if lacking <= SLACK:
            break
        if step % STALLED == 0:
            if lacking > 0.9 * before:
                break
            before = lacking
        if distance.min() < COINCIDENT:
            return lattice, frac, 1.0
        away = points[j] + image @ lattice - points[i]
        push = away * (missing / distance)[:, None]
        moves = np.zeros((n, 3))
        np.add.at(moves, i, -RATE * push)
        moves /= np.sqrt(np.bincount(i, minlength=n).clip(1))[:, None]
        virial = (push.T @ away) / (distance**2).sum()
        strain = virial - np.eye(3) * np.trace(virial) / 3.0
        strain = symmetry.strain(strain, lattice)
        strain *= min(RATE, MOST_STRAIN / max(float(np.abs(strain).max()), 1e-12))
        frac = (frac + symmetry.moves(moves @ np.linalg.inv(lattice))) % 1.0
        grown = lattice @ (np.eye(3) + strain)
        lattice = grown * (np.linalg.det(lattice) / np.linalg.det(grown)) ** (1.0 / 3.0)
    return lattice, frac, lacking
