"""Periodic cells whose positions and shapes are differentiable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pymatgen.optimization.neighbors import find_points_in_spheres
from torch import Tensor

from campaigns.structure import NUMBER, Structure

Array = np.ndarray[Any, Any]
SKIN = 0.3  # A beyond the cut-off, for what moves between two searches for neighbours
PERIODIC = np.ones(3, dtype=np.int64)


@dataclass(frozen=True)
class Cells:
    """g cells with n atoms and e directed edges in all.

    numbers (n,) atomic numbers; positions (n, 3) and lattices (g, 3, 3; rows), angstrom; cell (n,) each atom's cell;
    receivers, senders (e,); images (e, 3) lattice vectors that the sender is shifted by
    """

    numbers: Tensor
    positions: Tensor
    lattices: Tensor
    cell: Tensor
    receivers: Tensor
    senders: Tensor
    images: Tensor

    def __len__(self) -> int:
        return len(self.lattices)

    @property
    def sizes(self) -> Tensor:
        """(g,) atoms in each cell."""
        return torch.bincount(self.cell, minlength=len(self))

    @classmethod
    def of(cls, structures: Sequence[Structure], reach: float) -> Cells:
        """With the neighbours nearer than `reach` angstrom."""
        numbers = [np.array([NUMBER[s] for s in each.species]) for each in structures]
        lattices = np.array([each.lattice for each in structures])
        frac = [np.array(each.frac) for each in structures]
        positions = [f @ lattice for f, lattice in zip(frac, lattices, strict=True)]
        return cls.at(numbers, positions, lattices, reach)

    @classmethod
    def at(cls, numbers: Sequence[Array], positions: Sequence[Array], lattices: Array, reach: float) -> Cells:
        """From arrays: of each cell (n,), (n, 3), and lattices (g, 3, 3)."""
        edges, images, first = [], [], 0
        for own, lattice in zip(positions, lattices, strict=True):
            to, of, shift = _edges(np.asarray(own), np.asarray(lattice), reach)
            edges.append(np.stack([to, of]) + first)
            images.append(shift)
            first += len(own)
        pairs = np.concatenate(edges, axis=1)
        counts = [len(own) for own in positions]
        return cls(
            torch.from_numpy(np.concatenate(numbers).astype(np.int64)),
            torch.from_numpy(np.concatenate(positions).astype(float)),
            torch.from_numpy(np.asarray(lattices, dtype=float)),
            torch.from_numpy(np.repeat(np.arange(len(counts)), counts)),
            torch.from_numpy(pairs[0]),
            torch.from_numpy(pairs[1]),
            torch.from_numpy(np.concatenate(images).astype(float)),
        )

    def moved(self, positions: Tensor, lattices: Tensor, reach: float) -> Cells:
        """The same atoms elsewhere, neighbours searched anew."""
        where = np.split(positions.detach().numpy(), np.cumsum(self.sizes.numpy())[:-1])
        kinds = np.split(self.numbers.numpy(), np.cumsum(self.sizes.numpy())[:-1])
        return Cells.at(kinds, where, lattices.detach().numpy(), reach)

    def vectors(self, positions: Tensor, strain: Tensor) -> Tensor:
        """(L, e, 3) from receiver to sender, for positions (L, n, 3) before each cell and what is in it is stretched by
        `strain` (L, g, 3, 3): every vector times 1 + strain."""
        shifts = torch.einsum("ei,eij->ej", self.images, self.lattices[self.cell[self.receivers]])
        between = positions[:, self.senders] - positions[:, self.receivers] + shifts
        stretch = strain[:, self.cell[self.receivers]]
        return between + torch.einsum("lei,leij->lej", between, stretch)


def _edges(positions: Array, lattice: Array, reach: float) -> tuple[Array, Array, Array]:
    """Receivers (e,), senders (e,) and images (e, 3) for positions that may lie outside the cell."""
    frac = positions @ np.linalg.inv(lattice)
    floor = np.floor(frac)
    inside = np.ascontiguousarray((frac - floor) @ lattice)
    to, of, images, distances = find_points_in_spheres(
        inside, inside, r=float(reach), pbc=PERIODIC, lattice=np.ascontiguousarray(lattice), tol=1e-8
    )
    real = (distances > 1e-8) | (to != of)
    to, of = to[real], of[real]
    return to, of, images[real] - floor[of] + floor[to]


def displacement(a: Array, b: Array, lattice: Array) -> float:
    """Root mean square displacement per atom, angstrom, between two arrangements (n, 3) of the same atoms in one cell,
    by nearest images, the common shift taken out."""
    frac = (a - b) @ np.linalg.inv(lattice)
    moved = (frac - np.round(frac)) @ lattice
    return float(np.sqrt(((moved - moved.mean(axis=0)) ** 2).sum(axis=1).mean()))
