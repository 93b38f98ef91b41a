"""The probability that a candidate is better than the best so far, and by how much: for choosing and for stopping."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, log_ndtr

from surrogates.acquisition.base import Belief
from surrogates.acquisition.improvement import log_improvement
from surrogates.encode import Array


@dataclass(frozen=True)
class LogProbabilityOfImprovement:
    """log P(f > best) of the noise-free function (Kushner 1964)."""

    best: float

    def value(self, belief: Belief, X: Array) -> Array:
        mean, sd = belief.posterior(X)
        out: Array = log_ndtr((mean - self.best) / sd)
        return out

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        mean, sd, mean_slope, sd_slope = belief.posterior_gradient(X, along)
        t = (mean - self.best) / sd
        # pdf / cdf, by the scaled complementary error function, since far below `best` both vanish.
        with np.errstate(over="ignore"):
            hazard = math.sqrt(2 / math.pi) / erfcx(-t / math.sqrt(2))
        slope = (hazard / sd)[:, None] * (mean_slope - t[:, None] * sd_slope)
        return log_ndtr(t), slope

    def coarse(self) -> None:
        return None


def expected_improvement(mean: Array, sd: Array, best: float) -> Array:
    """E[max(f - best, 0)] (m,) for normal beliefs of mean (m,) and sd (m,) (Mockus 1975), in the units of both.

    Where sd is 0 it is max(mean - best, 0)."""
    known = sd <= 0
    scale = np.where(known, 1.0, sd)
    with np.errstate(under="ignore", over="ignore"):
        improvement = scale * np.exp(log_improvement((mean - best) / scale)[0])
    return np.where(known, np.maximum(mean - best, 0.0), improvement)
