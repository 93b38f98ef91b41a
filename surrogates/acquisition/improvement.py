"""Expected improvement over the best so far."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx

from surrogates.acquisition.base import Belief
from surrogates.encode import Array


@dataclass(frozen=True)
class LogExpectedImprovement:
    """log E[max(f - best, 0)], stable far below `best` (Ament et al., NeurIPS 2023)."""

    best: float

    def value(self, belief: Belief, X: Array) -> Array:
        mean, sd = belief.posterior(X)
        return np.log(sd) + log_improvement((mean - self.best) / sd)[0]

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        mean, sd, mean_slope, sd_slope = belief.posterior_gradient(X, along)
        z = (mean - self.best) / sd
        log_h, slope = log_improvement(z)
        over = 1.0 / sd[:, None]
        return np.log(sd) + log_h, over * (sd_slope + slope[:, None] * (mean_slope - z[:, None] * sd_slope))

    def coarse(self) -> None:
        return None


def log_improvement(z: Array) -> tuple[Array, Array]:
    """log h(z) and h'(z) / h(z) for h(z) = pdf(z) + z cdf(z).

    h(z) = pdf(z) * (1 + z m(z)) for z < 0 with Mills' ratio m through erfcx; below -40, where that bracket cancels,
    its asymptotic series 1/z^2 - 3/z^4 + 15/z^6.
    """
    low = np.minimum(z, 0.0)
    mills = math.sqrt(math.pi / 2) * erfcx(-low / math.sqrt(2))
    square = 1.0 / np.maximum(low**2, 1600.0)
    bracket = np.where(low < -40, square * (1 - 3 * square + 15 * square**2), 1 + low * mills)
    log_pdf = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    high = np.maximum(z, 0.0)
    cdf = 1.0 - 0.5 * erfcx(high / math.sqrt(2)) * np.exp(-0.5 * high**2)
    h = np.exp(-0.5 * high**2) / math.sqrt(2 * math.pi) + high * cdf
    negative = z < 0
    return (
        np.where(negative, log_pdf + np.log(bracket), np.log(h)),
        np.where(negative, mills / bracket, cdf / h),
    )
