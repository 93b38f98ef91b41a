"""Arrangements of atoms that a crystal's symmetry tells apart: subsets of sites up to a group of permutations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import spglib

from campaigns.structure import NUMBER, Structure
from surrogates.encode import Array

SYMPREC = 0.01  # A: the coordinates of a pool have 6 decimals
MOST_SITES = 62  # sites fit into the bits of a whole number


def site_group(structure: Structure, sites: Sequence[int], *, symprec: float = SYMPREC) -> SiteGroup:
    """How the crystal's symmetry permutes some of its sites: whole orbits, such as all sites of an element. Where
    spglib finds no symmetry within `symprec` angstrom, only the identity. Raises ValueError: more than 62 sites."""
    numbers = [NUMBER[symbol] for symbol in structure.species]
    found = spglib.get_symmetry((structure.lattice, structure.frac, numbers), symprec=symprec)
    if found is None:
        return SiteGroup(np.arange(len(sites))[None])
    frac = np.asarray(structure.frac)[list(sites)]
    moved = frac @ found["rotations"].transpose(0, 2, 1) + found["translations"][:, None]
    away = moved[:, :, None] - frac[None, None]
    away -= np.round(away)
    distance = np.linalg.norm(away @ np.asarray(structure.lattice), axis=3)
    return SiteGroup(np.argmin(distance, axis=2))


class SiteGroup:
    """A group of permutations of n sites: rows (g, n), row[i] is where site i goes."""

    def __init__(self, permutations: Array) -> None:
        """Raises ValueError: rows that are no permutations, more than 62 sites."""
        self.permutations = np.unique(permutations, axis=0)
        self.n = self.permutations.shape[1]
        if self.n > MOST_SITES:
            raise ValueError(f"wanted at most {MOST_SITES} sites, got {self.n}")
        if np.any(np.sort(self.permutations, axis=1) != np.arange(self.n)):
            raise ValueError("wanted permutations, got rows that name a site twice: orbits must be whole")
        self._bits = np.left_shift(np.int64(1), self.permutations.astype(np.int64))

    def __len__(self) -> int:
        return len(self.permutations)

    @cached_property
    def orbits(self) -> tuple[tuple[int, ...], ...]:
        """Sites that the group makes equal."""
        return tuple(sorted({tuple(sorted(set(column.tolist()))) for column in self.permutations.T}))

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """How many subsets of k = 0 .. n sites the group tells apart (Burnside's lemma: the mean over permutations of
        the subsets that each leaves in place, unions of its cycles)."""
        total = [0] * (self.n + 1)
        for lengths, times in Counter(map(_cycles, self.permutations.tolist())).items():
            ways = [1] + [0] * self.n
            for length in lengths:
                for size in range(self.n, length - 1, -1):
                    ways[size] += ways[size - length]
            total = [a + times * b for a, b in zip(total, ways, strict=True)]
        if any(a % len(self) for a in total):
            raise ValueError(f"these {len(self)} permutations of {self.n} sites are no group")
        return tuple(a // len(self) for a in total)

    def arrangements(self, k: int, *, most: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
        """Subsets of k sites, each as one of its images: all that the group tells apart, or `most` of them drawn at
        random (a subset with many images more often) where there are more. Sorted."""
        if self.counts[k] <= most:
            small = self._all(min(k, self.n - k))
            everything = (1 << self.n) - 1
            codes = small if 2 * k <= self.n else {everything ^ code for code in small}
            if len(codes) != self.counts[k]:
                raise RuntimeError(
                    f"{len(codes)} arrangements of {k} of {self.n} sites, {self.counts[k]} counted"
                )
        else:
            codes = set[int]()
            while len(codes) < most:
                drawn = np.argsort(rng.random((most, self.n)), axis=1)[:, :k]
                codes |= set(self._least(drawn)[: most - len(codes)])
        return [tuple(at for at in range(self.n) if code >> at & 1) for code in sorted(codes)]

    def _all(self, k: int) -> set[int]:
        """Each subset of k up to symmetry, as its least image: all of them grow from those of k - 1."""
        found = {0}
        for _ in range(k):
            grown = {code | 1 << at for code in found for at in range(self.n) if not code >> at & 1}
            places = np.array([[at for at in range(self.n) if code >> at & 1] for code in sorted(grown)])
            found = set(self._least(places))
        return found

    def _least(self, places: Array) -> list[int]:
        """The least images of subsets (m, k), as whole numbers with a bit per site."""
        out: list[int] = []
        for part in np.array_split(places, max(1, len(places) * len(self) * places.shape[1] // 4_000_000)):
            out += self._bits[:, part].sum(axis=2).min(axis=0).tolist()
        return out


def _cycles(row: list[int]) -> tuple[int, ...]:
    """Lengths of a permutation's cycles, sorted."""
    left, out = set(range(len(row))), []
    while left:
        at, length = left.pop(), 1
        while (at := row[at]) in left:
            left.remove(at)
            length += 1
        out.append(length)
    return tuple(sorted(out))
