"""Analytic energy surfaces, and ensembles of perceptrons on them: where everything about an attack can be seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from surrogates.materials.attack.objective import force_variance, likelihood, log_partition
from surrogates.materials.attack.selection import apart
from surrogates.materials.attack.stacked import StackedMLP

Surface = Callable[[Tensor], Tensor]


def double_well_1d(x: Tensor) -> Tensor:
    """E = 5x^4 - 10x^2 + 1.5x at (n, 1): wells of -6.5 at x = -1.04 and -3.5 at x = 0.96."""
    x = x[..., 0]
    return 5.0 * x**4 - 10.0 * x**2 + 1.5 * x


def double_well_2d(x: Tensor) -> Tensor:
    """E = 10x^4 - 10x^2 + 2x + 4y^2 at (n, 2)."""
    x, y = x[..., 0], x[..., 1]
    return 10.0 * x**4 - 10.0 * x**2 + 2.0 * x + 4.0 * y**2


class Labelled(NamedTuple):
    """Points (n, d), energies (n,), forces (n, d), weights (n,)."""

    points: Tensor
    energies: Tensor
    forces: Tensor
    weights: Tensor

    @classmethod
    def of(cls, surface: Surface, points: Tensor, weight: float = 1.0) -> Labelled:
        """The surface's own energies and forces."""
        points = points.detach().clone().requires_grad_()
        energies = surface(points)
        (slopes,) = torch.autograd.grad(energies.sum(), points)
        ones = torch.full((len(points),), weight, dtype=torch.float64)
        return cls(points.detach(), energies.detach(), -slopes, ones)

    def __add__(self, other: tuple[Tensor, ...]) -> Labelled:  # type: ignore[override]
        return Labelled(*(torch.cat(pair) for pair in zip(self, other, strict=True)))


class SurfaceEnsemble:
    """Perceptrons of four hidden softplus layers, energies and forces of the points as their lessons, 1:10.

    `published`: as in the source's code, three hidden layers of softplus less log 2, Glorot's first weights.
    """

    def __init__(
        self, dimensions: int, *, members: int = 5, width: int = 1024, seed: int = 0, published: bool = False
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        hidden = [width] * (3 if published else 4)
        activation = _shifted if published else nn.functional.softplus
        self.net = StackedMLP(members, (dimensions, *hidden, 1), generator, activation, glorot=published)

    def __call__(self, points: Tensor, *, graph: bool = False) -> tuple[Tensor, Tensor]:
        """Energies (M, n) and forces (M, n, d) at (n, d); `graph`: differentiable once more."""
        members = len(self.net.weights[0])
        # Each member at a copy of its own: one backward pass gives the forces of all.
        x = points.expand(members, *points.shape)
        if not x.requires_grad:
            x = x.clone().requires_grad_()
        energies = self.net(x)[..., 0]
        (slopes,) = torch.autograd.grad(energies.sum(), x, create_graph=graph)
        return (energies, -slopes) if graph else (energies.detach(), -slopes)

    def fit(self, data: Labelled, *, steps: int, rate: float = 3e-3) -> None:
        """Adam on all points at once, the rate falling to nothing along a cosine."""
        optimiser = torch.optim.Adam(self.net.parameters(), lr=rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        weights = data.weights / data.weights.sum()
        for _ in range(steps):
            energies, forces = self(data.points, graph=True)
            miss = (energies - data.energies) ** 2 + 10.0 * ((forces - data.forces) ** 2).mean(dim=-1)
            optimiser.zero_grad()
            (miss * weights).sum().backward()
            optimiser.step()
            schedule.step()

    def fit_in_batches(
        self, data: Labelled, *, epochs: int, batch: int = 35, rate: float = 1e-3, seed: int = 0
    ) -> None:
        """As in the source's code: points that weigh more are there more often, so many at once in random order."""
        rows = torch.repeat_interleave(torch.arange(len(data.points)), data.weights.round().long())
        generator = torch.Generator().manual_seed(seed)
        optimiser = torch.optim.Adam(self.net.parameters(), lr=rate)
        steps = epochs * math.ceil(len(rows) / batch)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(epochs):
            for part in torch.split(rows[torch.randperm(len(rows), generator=generator)], batch):
                energies, forces = self(data.points[part], graph=True)
                miss = (energies - data.energies[part]) ** 2
                miss = miss + 10.0 * ((forces - data.forces[part]) ** 2).mean(dim=-1)
                optimiser.zero_grad()
                miss.mean(dim=1).sum().backward()
                optimiser.step()
                schedule.step()

    def attack(
        self,
        points: Tensor,
        energies: Tensor,
        *,
        kT: float,
        rate: float,
        steps: int,
        start: float = 0.01,
        seed: int = 0,
    ) -> Tensor:
        """From each of the points (n, d) along the gradient of p sigma_F^2: (n, d). `energies`: of the training data;
        `start`: standard deviation of the first displacement."""
        generator = torch.Generator().manual_seed(seed)
        delta = start * torch.randn(points.shape, generator=generator, dtype=torch.float64)
        delta.requires_grad_()
        optimiser = torch.optim.Adam([delta], lr=rate)
        log_q = log_partition(energies, kT)
        for _ in range(steps):
            said, forces = self(points + delta, graph=True)
            gain = force_variance(forces) * likelihood(said, kT, log_q)
            (delta.grad,) = torch.autograd.grad(-gain.sum(), delta)
            optimiser.step()
        return (points + delta).detach()


def _shifted(x: Tensor) -> Tensor:
    return nn.functional.softplus(x) - math.log(2.0)


class Generation(NamedTuple):
    """After a training: mean variance of the forces on the grid, points attacked to and kept (k, d), and the model."""

    grid_variance: float
    found: Tensor
    ensemble: SurfaceEnsemble


def attack_surface(
    surface: Surface,
    points: Tensor,
    grid: Tensor,
    *,
    generations: int,
    attack_rate: float,
    attack_steps: int,
    fit_steps: int,
    width: int,
    kT: float = 5.0,
    most: int = 20,
    closest: float = 0.1,
    cluster: float = 0.01,
    start: float = 0.01,
    weight: float = 4.0,
    seed: int = 0,
    published: bool = False,
) -> tuple[list[Generation], Labelled]:
    """Train, attack, label, `generations` times. What is attacked to is labelled where the variance is at least that
    of the 80th percentile of the training points and no training point lies nearer than `closest`, one of each cluster
    of width `cluster`; at most `most` a generation, drawn at random, which count `weight` times. `published`: networks
    and training as in the source's code, `fit_steps` epochs, and as many attacks from a point as it counts."""
    data, out = Labelled.of(surface, points), []
    for turn in range(generations):
        ensemble = SurfaceEnsemble(points.shape[1], width=width, seed=seed + 1000 * turn, published=published)
        starts = data.points
        if published:
            ensemble.fit_in_batches(data, epochs=fit_steps, seed=seed + 1000 * turn)
            starts = torch.repeat_interleave(starts, data.weights.round().long(), dim=0)
        else:
            ensemble.fit(data, steps=fit_steps)
        trained = force_variance(ensemble(data.points)[1])
        reached = ensemble.attack(
            starts, data.energies, kT=kT, rate=attack_rate, steps=attack_steps, start=start, seed=seed + turn
        )  # fmt: skip
        doubt = force_variance(ensemble(reached)[1])
        unsure = reached[doubt >= torch.quantile(trained, 0.8)]
        near = torch.cdist(unsure, data.points).numpy()
        kept = apart(torch.cdist(unsure, unsure).numpy(), near, closest, cluster)
        chosen = torch.randperm(len(kept), generator=torch.Generator().manual_seed(seed + turn))[:most]
        found = unsure[[kept[int(k)] for k in chosen]]
        variance = float(force_variance(ensemble(grid)[1]).mean())
        out.append(Generation(variance, found, ensemble))
        data = data + Labelled.of(surface, found, weight)
    return out, data
