"""Readings that follow from others by a formula: the networks learn the others, and each member's word goes through the
formula, so that what they do not agree on, and what no label would tell, is carried to the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from campaigns.surrogate_choice import DERIVED
from surrogates.encode import Array
from surrogates.materials import mechanics

DRAWS = 32  # of what no label would tell, for its standard deviation after the formula
SOFT = 1.0  # GPa: a modulus of that or less is a failed calculation, or a crystal about to fall apart


class Derivation(Protocol):
    """A formula. `learned`: readings that it starts from, whose decimal logarithms the networks learn; `derived`: what
    it gives."""

    @property
    def learned(self) -> tuple[str, ...]: ...
    @property
    def derived(self) -> tuple[str, ...]: ...

    def logarithms(self, values: Array) -> Array:
        """Of values (..., L) in their own units; NaN where one says nothing."""

    def values(self, learned: Array, volumes: Array) -> Array:
        """(..., N, D) of learned values (..., N, L) in their own units and volumes per atom (N,), A^3."""


class Mechanics:
    """Bulk and shear modulus (GPa) -> Vickers hardness (GPa), fracture toughness (MPa m^(1/2)), Poisson's ratio and
    Young's modulus (GPa), after Mazhnik and Oganov: see `surrogates.materials.mechanics`."""

    learned, derived = DERIVED["mechanics"]

    def logarithms(self, values: Array) -> Array:
        return np.log10(np.where(values > SOFT, values, np.nan))

    def values(self, learned: Array, volumes: Array) -> Array:
        bulk, shear = learned[..., 0], learned[..., 1]
        out = {
            "hardness": mechanics.hardness(bulk, shear).value,
            "toughness": mechanics.fracture_toughness(bulk, shear, volumes).value,
            "poisson_ratio": mechanics.poisson_ratio(bulk, shear),
            "young_modulus": mechanics.young_modulus(bulk, shear),
        }
        return np.stack([out[name] for name in self.derived], axis=-1)


DERIVATIONS: dict[str, Derivation] = {"mechanics": Mechanics()}


@dataclass(frozen=True)
class Derived:
    """What a derivation starts from: of N materials the logarithms (M, N, L) as each member has them, the sd (N, L)
    that no label would take away, and volumes per atom (N,), A^3."""

    derivation: Derivation
    logarithms: Array
    aleatoric: Array
    volumes: Array

    def drawn(self, each: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """(M * each, N, L) and (M * each, N, D): what labels may turn out to be, `each` times of every member."""
        m, n, width = self.logarithms.shape
        noise = rng.standard_normal((m, each, n, width)) * self.aleatoric
        learned = 10.0 ** (self.logarithms[:, None] + noise).reshape(m * each, n, width)
        return learned, self.derivation.values(learned, self.volumes)

    def members(self) -> tuple[Array, Array]:
        """(M, N, L + D) learned and derived values of the members, and the sd (N, L + D) of what no label would take
        away, about the members' mean."""
        values = 10.0**self.logarithms
        whole = np.concatenate([values, self.derivation.values(values, self.volumes)], axis=2)
        centre = self.logarithms.mean(axis=0, keepdims=True)
        about = Derived(self.derivation, centre, self.aleatoric, self.volumes)
        drawn = np.concatenate(about.drawn(DRAWS, np.random.default_rng(0)), axis=2)
        sd: Array = drawn.std(axis=0)
        return whole, sd

    def completed(self, labels: Array) -> Array:
        """Labels (N, L + D), the derived ones calculated where they are missing and the learned ones are there."""
        n_learned = len(self.derivation.learned)
        made = self.derivation.values(labels[:, :n_learned], self.volumes)
        rest = np.where(np.isfinite(labels[:, n_learned:]), labels[:, n_learned:], made)
        return np.hstack([labels[:, :n_learned], rest])
