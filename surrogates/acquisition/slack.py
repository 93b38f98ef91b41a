"""The way to a first result that meets the outcome constraints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.acquisition.base import Belief, Differences
from surrogates.acquisition.outcome_constraints import Bounded
from surrogates.encode import Array


@dataclass(frozen=True)
class OptimisticSlack(Differences):
    """The smallest margin, over all bounds, by which a reading may be on the right side of one: the upper confidence
    bound of how well the constraints are met, in standard deviations of each reading's results.

    As long as no result meets the constraints, the first that does is what is sought. The probability of that
    (Gelbart, Snoek and Adams, UAI 2014) says little while it is small everywhere: far from the bound it is largest
    where least is known, and the search runs to corners.
    """

    readings: tuple[Bounded, ...]
    beta: float

    def value(self, belief: Belief, X: Array) -> Array:
        """(m,) at X (m, d); `belief` is not looked at: each reading brings its own."""
        margins = []
        for reading in self.readings:
            mean, sd = reading.belief.posterior(X)
            margins.append(np.minimum(mean - reading.low, reading.high - mean) + self.beta * sd)
        smallest: Array = np.min(margins, axis=0)
        return smallest
