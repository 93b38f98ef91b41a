"""Acquisition functions, larger is better, with gradients by the numeric columns of the unit cube.

Own code beside botorch's `UpperConfidenceBound`, `LogExpectedImprovement` and `PosteriorStandardDeviation`, whose
values the tests hold these to: through autograd the search for a maximum in a box of six dimensions costs 150 ms,
here 2 ms, and finds the same one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import erfcx

from surrogates.encode import Array

CHUNK = 8192  # rows of a pool scored at a time


class Belief(Protocol):
    """What an acquisition needs of a surrogate; X (m, d), all in standardised units."""

    def posterior(self, X: Array) -> tuple[Array, Array]: ...

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]: ...

    def covariance(self, X: Array, Y: Array) -> Array: ...


class Acquisition(Protocol):
    def value(self, belief: Belief, X: Array) -> Array:
        """(m,)"""

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        """Value (m,) and gradient (m, len(along))."""

    def coarse(self) -> Acquisition | None:
        """A cheaper one that ranks nearly alike, to screen large pools with; None where there is no need."""


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
class IntegratedVariance:
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

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        """By forward differences: in a box the reference is small and this stays below ten milliseconds."""
        value, step = self.value(belief, X), 1e-6
        slope = np.empty((len(X), len(along)))
        for k, column in enumerate(along):
            moved = X.copy()
            moved[:, column] += step
            slope[:, k] = (self.value(belief, moved) - value) / step
        return value, slope

    def coarse(self) -> IntegratedVariance | None:
        return IntegratedVariance(self.reference[::8], self.noise) if len(self.reference) >= 64 else None


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


def score(acquisition: Acquisition, belief: Belief, X: Array) -> Array:
    """Values of any number of rows, in chunks so that memory stays flat."""
    if len(X) <= CHUNK:
        return acquisition.value(belief, X)
    return np.concatenate([acquisition.value(belief, X[i : i + CHUNK]) for i in range(0, len(X), CHUNK)])
