"""The Wyckoff positions of the 230 space groups, worked out from the groups' operations."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
import spglib

from surrogates.encode import Array

GROUPS = 230
_TINY = 1e-5
_SHIFTS = np.array(list(product(range(-2, 3), repeat=3)), float)
_GENERIC = np.array([0.1234567, 0.3141593, 0.2718282])  # on no symmetry element


class Position(NamedTuple):
    """Sites that symmetry makes equal: `multiplicity` of them in the conventional cell, the first anywhere on
    `origin` (3,) + `directions` (3, d) u; d = 0 is a fixed point. Fractional coordinates."""

    multiplicity: int
    origin: Array
    directions: Array

    @property
    def fixed(self) -> bool:
        """Whether no coordinate is free: such a position can be taken once."""
        return self.directions.shape[1] == 0


class SpaceGroup(NamedTuple):
    """`rotations` (n, 3, 3) and `translations` (n, 3) act on fractional coordinates of the conventional cell,
    centring included; `primitive` (3, 3): rows are a primitive basis in the conventional one; `centring` lattice points
    in the conventional cell."""

    number: int
    rotations: Array
    translations: Array
    primitive: Array
    centring: int
    positions: tuple[Position, ...]

    def orbit(self, point: Array) -> Array:
        """All images (m, 3) of a point, in the conventional cell, each once."""
        images = (self.rotations @ point + self.translations) % 1.0
        near = np.abs(images[:, None] - images[None])
        same = np.all(np.minimum(near, 1.0 - near) < _TINY, axis=2)
        first: Array = images[np.argmax(same, axis=1) == np.arange(len(images))]
        return first


@lru_cache(maxsize=GROUPS)
def space_group(number: int) -> SpaceGroup:
    """In the setting that the International Tables list first (spglib's standard). Raises ValueError: no such group."""
    if not 1 <= number <= GROUPS:
        raise ValueError(f"wanted the number of a space group, 1 to {GROUPS}, got {number}")
    database = spglib.get_symmetry_from_database(_hall_numbers()[number])
    if database is None:
        raise RuntimeError(f"spglib has no operations for space group {number}")
    rotations, translations = database["rotations"].astype(float), database["translations"] % 1.0
    pure = np.all(rotations == np.eye(3), axis=(1, 2))
    centring = int(pure.sum())
    positions = _positions(number, rotations, translations)
    return SpaceGroup(number, rotations, translations, _primitive(translations[pure]), centring, positions)


@lru_cache(maxsize=1)
def _hall_numbers() -> dict[int, int]:
    """Space group -> the first of its settings in Hall's list."""
    first: dict[int, int] = {}
    for hall in range(1, 531):
        kind = spglib.get_spacegroup_type(hall)
        if kind is None:
            raise RuntimeError(f"spglib does not know Hall number {hall}")
        first.setdefault(kind.number, hall)
    return first


def _primitive(centrings: Array) -> Array:
    """A primitive basis (3, 3) from the centring vectors: the shortest triple that spans one lattice point."""
    vectors = (centrings[:, None] + _SHIFTS[None]).reshape(-1, 3)
    vectors = vectors[np.max(np.abs(vectors), axis=1) <= 1.0 + _TINY]
    vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")][1:]
    for i, a in enumerate(vectors):
        for j in range(i):
            for b in vectors[:j]:
                basis = np.array([b, vectors[j], a])
                if abs(abs(np.linalg.det(basis)) * len(centrings) - 1.0) < _TINY:
                    return basis if np.linalg.det(basis) > 0 else basis[[1, 0, 2]]
    raise RuntimeError("the centring vectors span no lattice")


class _Set(NamedTuple):
    """Points origin + directions u: origin (3,), directions (3, d)."""

    origin: Array
    directions: Array


def _positions(number: int, rotations: Array, translations: Array) -> tuple[Position, ...]:
    """The general position, then what every operation leaves in place, then where those meet: each once, up to
    symmetry."""
    orbits = _Orbits(number, rotations, translations)
    found = [_Set(np.zeros(3), np.eye(3))]
    for current in found:  # grows
        found += _crossings(current, orbits)
    return tuple(
        sorted(
            (_position(each, rotations, translations) for each in found),
            key=lambda p: (p.multiplicity, p.directions.shape[1], tuple(p.origin)),
        )
    )


def _position(each: _Set, rotations: Array, translations: Array) -> Position:
    generic = each.origin + each.directions @ _GENERIC[: each.directions.shape[1]]
    away = rotations @ generic + translations - generic
    site_symmetry = int(np.all(np.abs(away - np.round(away)) < _TINY, axis=1).sum())
    return Position(len(rotations) // site_symmetry, each.origin % 1.0, each.directions)


class _Orbits:
    """Sets of points told apart up to symmetry: by their nearest point to the origin and their projector, in a metric
    that the group keeps, as one whole number."""

    def __init__(self, number: int, rotations: Array, translations: Array) -> None:
        self.translations, self.number_of = translations, np.zeros(len(rotations), int)
        self.matrices, self.number_of = np.unique(rotations, axis=0, return_inverse=True)
        self.seen: dict[int, Array] = {}
        metric = np.eye(3)
        if 143 <= number <= 194:  # hexagonal axes
            metric[0, 1] = metric[1, 0] = -0.5
        self._root = np.linalg.cholesky(metric).T
        self._mix = np.random.default_rng(0).integers(1, 2**62, 12) * 2 + 1

    def keys(self, origins: Array, directions: Array) -> Array:
        """Of sets (n, 3) that differ in their origin alone."""
        spans = self._root @ directions
        projector = spans @ np.linalg.pinv(spans) if spans.shape[1] else np.zeros((3, 3))
        nearest = origins @ (self._root.T @ (np.eye(3) - projector))
        # The offset keeps fractions of small whole numbers away from where rounding turns over.
        whole = np.floor(nearest * 1e3 + 0.37).astype(np.int64)
        own = np.floor(projector.ravel() * 1e3 + 0.37).astype(np.int64)
        out: Array = whole @ self._mix[:3] + own @ self._mix[3:]
        return out

    def add(self, each: _Set) -> None:
        """All images of a set, by operations and lattice translations, count as seen."""
        origins = (self.matrices[self.number_of] @ each.origin + self.translations) % 1.0
        keys = [
            self.keys(
                (origins[self.number_of == k][:, None] + _SHIFTS).reshape(-1, 3), matrix @ each.directions
            )
            for k, matrix in enumerate(self.matrices)
        ]
        d = each.directions.shape[1]
        self.seen[d] = np.unique(np.concatenate([*keys, self.seen.get(d, np.zeros(0, np.int64))]))

    def new(self, origins: Array, directions: Array) -> list[_Set]:
        """Of sets (n, 3) that differ in their origin alone, those that are no images of seen ones or of each other."""
        out = []
        origins = origins % 1.0
        keys = self.keys(origins, directions)
        while len(origins):
            fresh = ~np.isin(keys, self.seen.get(directions.shape[1], np.zeros(0, np.int64)))
            origins, keys = origins[fresh], keys[fresh]
            if len(origins):
                out.append(_Set(origins[0], directions))
                self.add(out[-1])
        return out


def _crossings(current: _Set, orbits: _Orbits) -> list[_Set]:
    """The new sets within `current`, of lower dimension, that one more operation leaves in place."""
    new: list[_Set] = []
    for k, matrix in enumerate(orbits.matrices):
        moved = (matrix - np.eye(3)) @ current.directions
        _, sizes, rows = np.linalg.svd(moved)
        rank = int((sizes > _TINY).sum())
        if rank == 0:
            continue
        shifts = (orbits.translations[orbits.number_of == k][:, None] + _SHIFTS).reshape(-1, 3)
        away = -((matrix - np.eye(3)) @ current.origin + shifts)
        u = away @ np.linalg.pinv(moved).T
        u = u[np.all(np.abs(u @ moved.T - away) < _TINY, axis=1)]
        new += orbits.new(current.origin + u @ current.directions.T, current.directions @ rows[rank:].T)
    return new
