"""Readings that must stay within bounds: the probability that they will, learned like the objective is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import log_ndtr

from surrogates.acquisition.base import Acquisition, Belief
from surrogates.acquisition.feasible import Chance
from surrogates.encode import Array
from surrogates.models.outcome import Outcome

LIKELY = math.log(0.5)


class Bounds(Protocol):
    """The part of `campaigns.outcome_constraint.OutcomeConstraint` that is read here, in the reading's unit."""

    @property
    def at_least(self) -> float | None: ...

    @property
    def at_most(self) -> float | None: ...


@dataclass(frozen=True)
class Bounded:
    """A belief about one reading and what it must stay between, standardised as the belief is (infinite: no bound)."""

    belief: Belief
    low: float
    high: float

    @classmethod
    def of(cls, belief: Belief, outcome: Outcome, bounds: Bounds) -> Bounded:
        """With the bounds in the reading's unit brought to what `belief` models through `outcome`."""
        sides = [-math.inf if bounds.at_least is None else bounds.at_least]
        sides.append(math.inf if bounds.at_most is None else bounds.at_most)
        ends = [
            outcome.sign * side if math.isinf(side) else float(outcome.forward(np.array([side]))[0])
            for side in sides
        ]
        return cls(belief, min(ends), max(ends))


class OutcomeChance:
    """A `Chance`: that every bounded reading, free of noise, is within its bounds; readings taken as independent.

    The probability of feasibility of Gardner et al. (ICML 2014).
    """

    def __init__(self, readings: Sequence[Bounded]) -> None:
        self.readings = tuple(readings)

    def log_probability(self, X: Array) -> Array:
        """(m,) at unit points X (m, d)."""
        out = np.zeros(len(X))
        for reading in self.readings:
            mean, sd = reading.belief.posterior(X)
            out += log_between((reading.low - mean) / sd, (reading.high - mean) / sd)
        return out

    def log_probability_gradient(self, X: Array, along: Array) -> tuple[Array, Array]:
        """The same with its gradient (m, len(along)) by the numeric columns `along`."""
        out, slope = np.zeros(len(X)), np.zeros((len(X), len(along)))
        for reading in self.readings:
            mean, sd, mean_slope, sd_slope = reading.belief.posterior_gradient(X, along)
            a, b = (reading.low - mean) / sd, (reading.high - mean) / sd
            log_p = log_between(a, b)
            out += log_p
            for t, sign in ((a, -1.0), (b, 1.0)):
                if not np.isfinite(t).all():
                    continue  # no bound on this side
                rate = sign * np.exp(-0.5 * t**2 - 0.5 * math.log(2 * math.pi) - log_p) / sd
                slope += rate[:, None] * (-mean_slope - t[:, None] * sd_slope)
        return out, slope


@dataclass(frozen=True)
class Together:
    """A `Chance`: that several independent wishes come true, such as a result at all and readings within bounds."""

    chances: tuple[Chance, ...]

    def log_probability(self, X: Array) -> Array:
        return np.sum([chance.log_probability(X) for chance in self.chances], axis=0)

    def log_probability_gradient(self, X: Array, along: Array) -> tuple[Array, Array]:
        each = [chance.log_probability_gradient(X, along) for chance in self.chances]
        return np.sum([value for value, _ in each], axis=0), np.sum([slope for _, slope in each], axis=0)


@dataclass(frozen=True)
class LogWhereFeasible:
    """log a + log P, for acquisitions that are logarithms: the constrained expected improvement of Gardner et al.
    (ICML 2014), and of hypervolume."""

    acquisition: Acquisition
    chance: Chance

    def value(self, belief: Belief, X: Array) -> Array:
        out: Array = self.acquisition.value(belief, X) + self.chance.log_probability(X)
        return out

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        a, slope = self.acquisition.gradient(belief, X, along)
        log_p, log_slope = self.chance.log_probability_gradient(X, along)
        return a + log_p, slope + log_slope

    def coarse(self) -> LogWhereFeasible | None:
        rough = self.acquisition.coarse()
        return None if rough is None else LogWhereFeasible(rough, self.chance)


def best_feasible(mean: Array, log_chance: Array) -> float:
    """The highest posterior mean (n,) of the measured points that more likely than not are within bounds. Where none
    is, the lowest of all: nearly everything improves on that, so what decides is the probability of being within.

    Raises ValueError for no point.
    """
    if not len(mean):
        raise ValueError("wanted at least one measured point, got none")
    likely = log_chance >= LIKELY
    return float(mean[likely].max() if likely.any() else mean.min())


def log_between(a: Array, b: Array) -> Array:
    """log(ndtr(b) - ndtr(a)) for a < b (m,), stable in both tails and for intervals that are far away."""
    turned = a > 0  # by symmetry the far tail is always the lower one
    low, high = np.where(turned, -b, a), np.where(turned, -a, b)
    log_high, gap = log_ndtr(high), log_ndtr(low) - log_ndtr(high)
    out: Array = log_high + np.log(-np.expm1(np.minimum(gap, -1e-300)))
    return out
