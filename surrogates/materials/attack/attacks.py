"""Attacks on cells: from labelled ones along the gradient of p sigma_F^2, through positions and, if wanted,
the cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from campaigns.structure import Structure
from surrogates.materials.attack.cells import SKIN, Cells, displacement
from surrogates.materials.attack.objective import likelihood, log_partition
from surrogates.materials.attack.potential import Frame, PotentialEnsemble, Said
from surrogates.materials.attack.selection import apart
from surrogates.materials.attack.unlikeness import spread_out, unlikeness
from surrogates.materials.crystals import check, structure_of
from surrogates.materials.errors import StructureRejected

Array = np.ndarray[Any, Any]
REFRESH = 2  # steps between two searches for neighbours
FARTHEST = 3.0  # A that an atom may be moved along each axis
PERCENTILE = 80.0  # of the force variance of the training frames: what is surer than this is not asked for
CLOSEST = 0.1  # A, root mean square displacement of two geometries that are told apart
PLAUSIBLE = 6.0  # kT of mean energy per atom above the lowest training frame


@dataclass(frozen=True)
class AttackSettings:
    """kT: eV per atom; steps and rate (angstrom) of Adam; start: standard deviation of the first displacement,
    angstrom; cell: whether the shape of the cell is attacked too, by a symmetric strain."""

    kT: float = 0.1
    steps: int = 60
    rate: float = 1e-2
    start: float = 1e-2
    cell: bool = False


class Attacked(NamedTuple):
    """A geometry, the training frame it began at, energy above the lowest training frame (eV per atom) and force
    variance (eV^2/A^2) as the ensemble has them, and the objective p sigma_F^2."""

    structure: Structure
    start: int
    energy: float
    variance: float
    value: float


def variances(said: Said, cells: Cells) -> Tensor:
    """(g,) the members' unbiased variance of the forces, mean over atoms and axes."""
    per_atom = said.forces.var(dim=0, unbiased=True).mean(dim=-1)
    total = torch.zeros(len(cells), dtype=torch.float64).index_add(0, cells.cell, per_atom)
    return total / cells.sizes


def stress_variances(said: Said, cells: Cells) -> Tensor:
    """(g,) the members' unbiased variance of stress times volume per atom, mean over the nine components, eV^2."""
    volume = torch.linalg.det(cells.lattices).abs() / cells.sizes
    return said.stresses.var(dim=0, unbiased=True).mean(dim=(-1, -2)) * volume**2


def attack(
    ensemble: PotentialEnsemble,
    frames: Sequence[Frame],
    starts: Sequence[int],
    settings: AttackSettings,
    rng: np.random.Generator,
) -> list[Attacked]:
    """One geometry from each of the frames number `starts`; those that fell apart on the way are left out.

    Q is that of all frames, energies per atom. With `cell` the variance of the stress counts beside that of the forces.
    """
    per_atom = torch.tensor([f.energy / f.structure.n_atoms for f in frames], dtype=torch.float64)
    lowest = per_atom.min()
    log_q = log_partition(per_atom - lowest, settings.kT)
    cells = ensemble.cells([frames[k].structure for k in starts])
    origin, shapes = cells.positions, cells.lattices
    delta = torch.from_numpy(settings.start * rng.standard_normal(origin.shape)).requires_grad_()
    strain = torch.zeros(len(cells), 3, 3, dtype=torch.float64, requires_grad=True)
    moving = [delta, strain] if settings.cell else [delta]
    optimiser = torch.optim.Adam(moving, lr=settings.rate)
    reach = ensemble.settings.cutoff + SKIN
    for step in range(settings.steps + 1):
        even = (strain + strain.transpose(-1, -2)) / 2.0
        if step % REFRESH == 0 or step == settings.steps:
            base = even.detach()
            cells = cells.moved(*_stretched(origin + delta.detach(), shapes, base, cells.cell), reach)
            inverse = torch.linalg.inv(torch.eye(3, dtype=torch.float64) + base)
        # `cells` is stretched by `base` already: what is left of the strain.
        more = inverse @ (torch.eye(3, dtype=torch.float64) + even) - torch.eye(3, dtype=torch.float64)
        where = origin + delta
        where = where + torch.einsum("ni,nij->nj", where, base[cells.cell])
        said = ensemble(cells, where, more, graph=True)
        above = said.energies / cells.sizes - lowest
        doubt = variances(said, cells)
        wanted = doubt + stress_variances(said, cells) if settings.cell else doubt
        value = wanted * likelihood(above, settings.kT, log_q)
        if step == settings.steps:
            break
        grads = torch.autograd.grad(-value.sum(), moving)
        for variable, grad in zip(moving, grads, strict=True):
            variable.grad = torch.nan_to_num(grad)
        optimiser.step()
        with torch.no_grad():
            delta.clamp_(-FARTHEST, FARTHEST)
    lattices = _stretched(origin, shapes, even.detach(), cells.cell)[1]
    ends = _stretched(origin + delta.detach(), shapes, even.detach(), cells.cell)[0]
    out = []
    for k, start in enumerate(starts):
        own, shape = (cells.cell == k).numpy(), lattices[k].numpy()
        try:
            frac = ends.numpy()[own] @ np.linalg.inv(shape)
            one = structure_of(shape, frames[start].structure.species, frac)
            check(one)
        except StructureRejected:
            continue
        out.append(
            Attacked(
                one,
                start,
                float(above[:, k].detach().mean()),
                float(doubt[k].detach()),
                float(value[k].detach()),
            )
        )
    return out


def worth_a_label(
    found: Sequence[Attacked],
    ensemble: PotentialEnsemble,
    frames: Sequence[Frame],
    kT: float,
    most: int,
    *,
    percentile: float = PERCENTILE,
) -> list[Attacked]:
    """At most `most`, by p sigma_F^2 and by how unlike each is to those before it (`spread_out`): no two closer than
    CLOSEST to each other or to a frame, none surer than the 80th percentile of the frames, none with an energy that is
    not plausible."""
    cells = ensemble.cells([frame.structure for frame in frames])
    trained = variances(ensemble(cells), cells).numpy()
    limit = np.percentile(trained, percentile)
    left = [a for a in found if a.variance >= limit and a.energy <= PLAUSIBLE * kT]
    if not left:
        return []
    among = _distances([a.structure for a in left], [a.structure for a in left])
    known = _distances([a.structure for a in left], [f.structure for f in frames])
    kept = apart(among, known, CLOSEST, CLOSEST, np.array([a.value for a in left]))
    if not kept:
        return []
    some = [left[k] for k in kept]
    distances = unlikeness(ensemble, [a.structure for a in some])
    return [some[k] for k in spread_out(np.array([a.value for a in some]), distances, most)]


def _distances(a: Sequence[Structure], b: Sequence[Structure]) -> Array:
    """(k, m) angstrom; far where the atoms are not the same ones."""
    places = [np.array(s.frac) for s in b]
    out = np.full((len(a), len(b)), np.inf)
    for i, one in enumerate(a):
        lattice, frac = np.array(one.lattice), np.array(one.frac)
        for j, other in enumerate(b):
            if one.species == other.species:
                # A cell of another shape: half the difference of its vectors counts as well.
                shape = np.linalg.norm(lattice - np.array(other.lattice), axis=1).mean() / 2.0
                out[i, j] = displacement(frac @ lattice, places[j] @ lattice, lattice) + shape
    return np.minimum(out, 1e3)


def _stretched(positions: Tensor, lattices: Tensor, strain: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    moved = positions + torch.einsum("ni,nij->nj", positions, strain[cell])
    return moved, lattices + lattices @ strain
