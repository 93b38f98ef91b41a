"""Learning where the objective crosses a level: on which side of it each candidate lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from surrogates.acquisition.base import Belief
from surrogates.encode import Array


@dataclass(frozen=True)
class Straddle:
    """beta * sd - |mean - level| (Bryan et al., NIPS 2005): high where it is not known on which side the objective
    lies. `level` is standardised and transformed as the belief is; beta 1.96 is the 95 % interval of the paper.
    """

    level: float
    beta: float = 1.96

    def value(self, belief: Belief, X: Array) -> Array:
        mean, sd = belief.posterior(X)
        return self.beta * sd - np.abs(mean - self.level)

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        mean, sd, mean_slope, sd_slope = belief.posterior_gradient(X, along)
        away = mean - self.level
        return self.beta * sd - np.abs(away), self.beta * sd_slope - np.sign(away)[:, None] * mean_slope

    def coarse(self) -> None:
        return None


def expected_misclassification(mean: Array, sd: Array, level: float) -> float:
    """Share of points that are expected on the other side of `level` than their posterior mean (m,) is, between 0
    and 0.5; `sd` (m,) of the noise-free function."""
    away = np.abs(mean - level) / np.maximum(sd, np.finfo(float).tiny)
    return float(ndtr(-away).mean())
