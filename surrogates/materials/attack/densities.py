"""What an atom sees of its neighbourhood, as smooth numbers that turning the crystal does not change: radial symmetry
functions (Behler and Parrinello, Phys. Rev. Lett. 98, 146401, 2007) and, for angles, squared lengths of the densities'
vectors and tensors, as in embedded-atom networks (Zhang, Hu and Jiang, J. Phys. Chem. Lett. 10, 4962, 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.materials.attack.cells import Cells

NEAREST = 1.5  # A, centre of the first Gaussian
# Products of a unit vector's components that a symmetric tensor has, and how often each counts in its square.
PAIRS = ((0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0), (0, 1, 2.0), (0, 2, 2.0), (1, 2, 2.0))


@dataclass(frozen=True)
class Densities:
    """species: atomic numbers that there may be; cutoff: angstrom; radial: Gaussians."""

    species: tuple[int, ...]
    cutoff: float
    radial: int

    @property
    def length(self) -> int:
        """How many numbers describe an atom."""
        return len(self.species) * self.radial * 3 + len(self.species)

    def kinds(self, numbers: Tensor) -> Tensor:
        """(n,) place of each atom's element among `species`."""
        return (numbers[:, None] == torch.tensor(self.species)).to(torch.int64).argmax(dim=1)

    def __call__(self, cells: Cells, positions: Tensor, strain: Tensor) -> Tensor:
        """(L, n, length), for positions (L, n, 3) and strain (L, g, 3, 3) as `Cells.vectors` takes them."""
        vectors = cells.vectors(positions, strain)
        distances = (vectors**2).sum(dim=-1).clamp(min=1e-12).sqrt()
        units = vectors / distances[..., None]
        centres = torch.linspace(NEAREST, self.cutoff, self.radial, dtype=torch.float64)
        step = (self.cutoff - NEAREST) / (self.radial - 1)
        inside = distances.clamp(max=self.cutoff)
        smooth = 0.5 * (torch.cos(math.pi * inside / self.cutoff) + 1.0)
        radial = torch.exp(-(((distances[..., None] - centres) / step) ** 2)) * smooth[..., None]
        z, n = len(self.species), len(cells.numbers)
        kinds = self.kinds(cells.numbers)
        place = cells.receivers * z + kinds[cells.senders]
        angular = torch.stack([_traceless(units, a, b) for a, b, _ in PAIRS], dim=-1)
        # Scalar, vector and tensor of an edge as one row of ten.
        kinds_of = torch.cat([torch.ones_like(distances)[..., None], units, angular], dim=-1)
        edges = radial[..., :, None] * kinds_of[..., None, :]
        total = edges.new_zeros(edges.shape[0], n * z, self.radial, 10).index_add(1, place, edges)
        scalar = total[..., 0]
        vector = (total[..., 1:4] ** 2).sum(dim=-1)
        tensor = (total[..., 4:] ** 2 * torch.tensor([c for _, _, c in PAIRS], dtype=torch.float64)).sum(
            dim=-1
        )
        seen = torch.stack([scalar, vector, tensor], dim=-1).reshape(edges.shape[0], n, z * self.radial * 3)
        own = torch.nn.functional.one_hot(kinds, z).to(seen.dtype).expand(edges.shape[0], n, z)
        return torch.cat([seen, own], dim=-1)


def _traceless(units: Tensor, a: int, b: int) -> Tensor:
    product = units[..., a] * units[..., b]
    return product - 1.0 / 3.0 if a == b else product


def species_of(numbers: Sequence[int]) -> tuple[int, ...]:
    """Each once, in order."""
    return tuple(sorted({int(z) for z in numbers}))
