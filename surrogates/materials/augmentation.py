"""Volume augmentation (Merchant et al., Nature 624, 80, 2023): a candidate's cell is not relaxed, so its energy is
asked at several volumes; and copies of known crystals at other volumes, so that a network knows such cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from surrogates.encode import Array
from surrogates.materials.graph import Graph

GPA = 1 / 160.21766  # eV / A^3
Label = Literal["relaxed", "equation of state"]


@dataclass(frozen=True)
class Volumes:
    """lowest, highest  ends of the range, as shares of the reference volume
    count   isotropic volumes asked of a candidate, ends included; the reference volume besides
    copies  for each structure learned from, at volumes drawn evenly from the range
    """

    lowest: float = 0.8
    highest: float = 1.2
    count: int = 20
    copies: int = 1

    def __post_init__(self) -> None:
        if not 0.0 < self.lowest < 1.0 < self.highest:
            raise ValueError(f"wanted volumes about 1, got {self.lowest:g} to {self.highest:g}")
        if self.count < 3 or self.copies < 0:
            raise ValueError(f"wanted 3 volumes at least and copies >= 0, got {self.count} and {self.copies}")

    @property
    def factors(self) -> Array:
        """(count + 1,) shares of the reference volume, which is the first."""
        return np.concatenate([[1.0], np.linspace(self.lowest, self.highest, self.count)])


@dataclass(frozen=True)
class Minimum:
    """Where each of m energy curves is lowest.

    place   (m,) index into `Volumes.factors`: 0, the reference volume, where the minimum was rejected
    edge    (m,) True where it was at an end of the range, hence rejected
    """

    place: Array
    edge: Array


def lowest_inside(curves: Array, *, reject: bool = True) -> Minimum:
    """Of energies (count + 1, m) at the reference volume and `count` rising ones.

    An energy that still falls at the end of the range is not near a minimum but outside of what the network knows:
    it is worse than no augmentation, and the reference volume is taken. `reject=False`: as published.
    """
    volumes = curves[1:]
    found = volumes.argmin(axis=0)
    edge = (found == 0) | (found == len(volumes) - 1)
    place = found + 1
    place[curves[0] <= volumes[found, np.arange(len(found))]] = 0
    if reject:
        place[edge] = 0
    return Minimum(place=place, edge=edge)


def perturbed(
    graphs: Sequence[Graph], volumes: Volumes, rng: np.random.Generator
) -> tuple[list[Graph], Array]:
    """`copies` of each graph in turn, at volumes drawn evenly from the range, and their shares of the reference
    volume (copies * n,). Only for nearest neighbours, which keep their order."""
    shares = rng.uniform(volumes.lowest, volumes.highest, volumes.copies * len(graphs))
    many = [graph for graph in graphs for _ in range(volumes.copies)]
    return [graph.scaled(share ** (1 / 3)) for graph, share in zip(many, shares, strict=True)], shares


def strain_energy(shares: Array, volume: Array, modulus: Array) -> Array:
    """eV per atom above the minimum, at shares of the equilibrium volume (A^3 per atom) of a crystal of that bulk
    modulus (GPa): Birch and Murnaghan's equation of second order (Birch, Phys. Rev. 71, 809, 1947),
    9/8 K V0 ((V0/V)^(2/3) - 1)^2."""
    out: Array = 9 / 8 * GPA * modulus * volume * (shares ** (-2 / 3) - 1.0) ** 2
    return out
