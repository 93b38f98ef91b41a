"""Learning: where the belief is least sure, and where one measurement makes it surer of the whole space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.acquisition.base import Belief, Differences
from surrogates.encode import Array


@dataclass(frozen=True)
class PosteriorStandardDeviation:
    """sd of the noise-free function: where it is least known."""

    def value(self, belief: Belief, X: Array) -> Array:
        return belief.posterior(X)[1]

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        _, sd, _, slope = belief.posterior_gradient(X, along)
        return sd, slope

    def coarse(self) -> None:
        return None


@dataclass(frozen=True)
class IntegratedVariance(Differences):
    """How much of the posterior variance, summed over `reference` (r, d), one noisy measurement would take away.

    sum_r cov(x, r)^2 / (var(x) + noise) (Cohn 1996; botorch's qNegIntegratedPosteriorVariance up to a constant),
    its square root, so that it is in standardised units of the objective. Points at the rim, where the sd is
    largest, say little about the rest and are not preferred as they are by the plain sd.
    """

    reference: Array
    noise: float

    def value(self, belief: Belief, X: Array) -> Array:
        sd = belief.posterior(X)[1]
        shared = belief.covariance(X, self.reference)
        return np.sqrt((shared**2).mean(axis=1) / (sd**2 + self.noise))

    def coarse(self) -> IntegratedVariance | None:
        return IntegratedVariance(self.reference[::8], self.noise) if len(self.reference) >= 64 else None
