"""Ensembles of small interatomic potentials: energies, forces and stresses of cells, learned from energies and
forces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from campaigns.structure import Structure
from surrogates.materials.attack.cells import SKIN, Cells
from surrogates.materials.attack.densities import Densities, species_of
from surrogates.materials.attack.stacked import StackedMLP

Array = np.ndarray[Any, Any]
FLOOR = 0.05  # of the most varied description: what hardly varies in the lessons is not magnified more
ENERGY, FORCE = 1.0, 10.0  # weights of squared errors of energies per atom^(1/2) (eV) and of forces (eV/A)


@dataclass(frozen=True)
class PotentialSettings:
    """members: potentials; width: of two hidden layers; cutoff: angstrom; radial: Gaussians of the distance; steps: of
    Adam, on all frames at once, the rate falling to nothing along a cosine."""

    members: int = 5
    width: int = 24
    cutoff: float = 4.5
    radial: int = 8
    steps: int = 400
    rate: float = 1e-2


class Frame(NamedTuple):
    """A labelled cell: energy in eV (of the cell), forces (n, 3) in eV/angstrom or None, weight in training."""

    structure: Structure
    energy: float
    forces: Array | None
    weight: float = 1.0


class Said(NamedTuple):
    """Of M members, g cells with n atoms: energies (M, g) in eV, forces (M, n, 3) in eV/angstrom, stresses
    (M, g, 3, 3) in eV/angstrom^3 (positive under tension)."""

    energies: Tensor
    forces: Tensor
    stresses: Tensor


class PotentialEnsemble:
    """An energy per atom, a perceptron's of what the atom sees; the members differ by where their training began."""

    def __init__(self, frames: Sequence[Frame], settings: PotentialSettings, seed: int = 0) -> None:
        """Trained. Raises ValueError without frames."""
        if not frames:
            raise ValueError("an ensemble of potentials: wanted labelled cells, got none")
        self.settings = settings
        cells = Cells.of([frame.structure for frame in frames], settings.cutoff)
        self.densities = Densities(species_of(cells.numbers.tolist()), settings.cutoff, settings.radial)
        sizes = (self.densities.length, settings.width, settings.width, 1)
        generator = torch.Generator().manual_seed(seed)
        self.net = StackedMLP(settings.members, sizes, generator, nn.functional.silu)
        seen = self.densities(cells, cells.positions[None], self._still(cells, 1))[0]
        spread = seen.std(dim=0)
        self.centre, self.spread = seen.mean(dim=0), spread.clamp(min=float(FLOOR * spread.max()) + 1e-9)
        counts = self._counts(cells)
        energies = torch.tensor([frame.energy for frame in frames], dtype=torch.float64)
        self.alone = torch.linalg.lstsq(counts, energies[:, None], driver="gelsd").solution[:, 0]
        self._fit(cells, seen, frames, energies - counts @ self.alone)

    def __call__(
        self,
        cells: Cells,
        positions: Tensor | None = None,
        strain: Tensor | None = None,
        *,
        graph: bool = False,
    ) -> Said:
        """What each member says of the cells, their atoms at `positions` (n, 3), stretched by `strain` (g, 3, 3); with
        `graph` it can be differentiated by both once more."""
        members = self.settings.members
        where = cells.positions if positions is None else positions
        stretch = torch.zeros(len(cells), 3, 3, dtype=torch.float64) if strain is None else strain
        # Each member at a copy of its own: one backward pass gives the forces of all.
        x = where.expand(members, *where.shape)
        s = stretch.expand(members, *stretch.shape)
        if not graph:
            x, s = x.detach().clone(), s.detach().clone()
        x, s = (t if t.requires_grad else t.clone().requires_grad_() for t in (x, s))
        energies = self._energies(cells, self.densities(cells, x, s))
        slopes, strains = torch.autograd.grad(energies.sum(), (x, s), create_graph=graph)
        volumes = torch.linalg.det(cells.lattices).abs()
        stresses = (strains + strains.transpose(-1, -2)) / (2.0 * volumes[:, None, None])
        return Said(energies if graph else energies.detach(), -slopes, stresses)

    def mean_forces(self, cells: Cells) -> tuple[Array, Array]:
        """The mean potential's energies (g,) and forces (n, 3): what a simulation moves by."""
        x = cells.positions[None].clone().requires_grad_()
        energies = self._energies(cells, self.densities(cells, x, self._still(cells, 1))).mean(dim=0)
        (slopes,) = torch.autograd.grad(energies.sum(), x)
        return energies.detach().numpy(), -slopes[0].numpy()

    def cells(self, structures: Sequence[Structure]) -> Cells:
        """With the neighbours that the potential sees, and a skin."""
        return Cells.of(structures, self.settings.cutoff + SKIN)

    def seen(self, cells: Cells) -> Array:
        """(n, length) what each atom sees, in units of its spread in the lessons."""
        found = self.densities(cells, cells.positions[None], self._still(cells, 1))[0]
        out: Array = ((found - self.centre) / self.spread).numpy()
        return out

    def _energies(self, cells: Cells, seen: Tensor) -> Tensor:
        atoms = self.net((seen - self.centre) / self.spread)[..., 0]
        total = atoms.new_zeros(atoms.shape[0], len(cells)).index_add(1, cells.cell, atoms)
        return total + self._counts(cells) @ self.alone

    def _counts(self, cells: Cells) -> Tensor:
        """(g, z) atoms of each element."""
        kinds = self.densities.kinds(cells.numbers)
        one = nn.functional.one_hot(kinds, len(self.densities.species)).to(torch.float64)
        return torch.zeros(len(cells), one.shape[1], dtype=torch.float64).index_add(0, cells.cell, one)

    @staticmethod
    def _still(cells: Cells, copies: int) -> Tensor:
        return torch.zeros(copies, len(cells), 3, 3, dtype=torch.float64)

    def _fit(self, cells: Cells, seen: Tensor, frames: Sequence[Frame], energies: Tensor) -> None:
        """What an atom sees, and how that changes with every coordinate, does not depend on the weights: it is made
        once, and a step costs no neighbours."""
        x = ((seen - self.centre) / self.spread).detach()
        known = [frame.forces is not None for frame in frames]
        slopes = (self._slopes(cells) if any(known) else x.new_zeros(0, *x.shape)) / self.spread
        sizes = cells.sizes
        forces = torch.zeros(len(slopes), len(cells), dtype=torch.float64)
        for k, frame in enumerate(frames):
            if frame.forces is not None:
                forces[: 3 * int(sizes[k]), k] = torch.from_numpy(np.asarray(frame.forces, float).ravel())
        counted = torch.arange(len(slopes))[:, None] < 3 * sizes
        counted = counted & torch.tensor(known)
        weights = torch.tensor([frame.weight for frame in frames], dtype=torch.float64)
        weights = weights / weights.sum()
        per_force = counted * weights / (3.0 * sizes)
        optimiser = torch.optim.Adam(self.net.parameters(), lr=self.settings.rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.settings.steps)
        for _ in range(self.settings.steps):
            own = x.expand(self.settings.members, *x.shape).clone().requires_grad_()
            atoms = self.net(own)[..., 0]
            total = atoms.new_zeros(atoms.shape[0], len(cells)).index_add(1, cells.cell, atoms)
            loss = ENERGY * ((total - energies) ** 2 * weights / sizes).sum()
            if any(known):
                (push,) = torch.autograd.grad(atoms.sum(), own, create_graph=True)
                each = -torch.einsum("mnd,cnd->mcn", push, slopes)
                said = each.new_zeros(each.shape[0], each.shape[1], len(cells)).index_add(2, cells.cell, each)
                loss = loss + FORCE * ((said - forces) ** 2 * per_force).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        for parameter in self.net.parameters():
            parameter.requires_grad_(False)

    def _slopes(self, cells: Cells) -> Tensor:
        """(c, n, length): derivative of what each atom sees by coordinate c of its own cell, forward mode."""
        first = torch.cumsum(cells.sizes, 0) - cells.sizes
        within = torch.arange(len(cells.numbers)) - first[cells.cell]
        still = self._still(cells, 1)
        out = []
        for c in range(3 * int(cells.sizes.max())):
            tangent = torch.zeros_like(cells.positions)
            tangent[within == c // 3, c % 3] = 1.0
            moved = torch.func.jvp(
                lambda x: self.densities(cells, x[None], still)[0], (cells.positions,), (tangent,)
            )
            out.append(moved[1])
        return torch.stack(out)
