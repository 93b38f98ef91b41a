"""Optimism: the upper confidence bound."""

from __future__ import annotations

from dataclasses import dataclass

from surrogates.acquisition.base import Belief
from surrogates.encode import Array


@dataclass(frozen=True)
class UpperConfidenceBound:
    """mean + beta * sd (Srinivas et al. 2010; botorch's beta is the square of this one)."""

    beta: float = 2.0

    def value(self, belief: Belief, X: Array) -> Array:
        mean, sd = belief.posterior(X)
        return mean + self.beta * sd

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        mean, sd, mean_slope, sd_slope = belief.posterior_gradient(X, along)
        return mean + self.beta * sd, mean_slope + self.beta * sd_slope

    def coarse(self) -> None:
        return None
