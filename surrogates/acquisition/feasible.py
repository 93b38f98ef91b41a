"""An acquisition where experiments may come to nothing: weighed by the probability that there will be a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from surrogates.acquisition.base import Acquisition, Belief
from surrogates.encode import Array


class Chance(Protocol):
    """Log probability of something wished for at unit points X (m, d), with its gradient by columns `along`."""

    def log_probability(self, X: Array) -> Array: ...

    def log_probability_gradient(self, X: Array, along: Array) -> tuple[Array, Array]: ...


@dataclass(frozen=True)
class WhereFeasible:
    """P a + (1 - P) floor: what an acquisition is worth where P is the probability that there will be a result at
    all (Gardner et al., ICML 2014) and a failure is worth `floor`, in the acquisition's units."""

    acquisition: Acquisition
    feasibility: Chance
    floor: float

    def value(self, belief: Belief, X: Array) -> Array:
        a, log_p = self.acquisition.value(belief, X), self.feasibility.log_probability(X)
        out: Array = self.floor + np.exp(log_p) * (a - self.floor)
        return out

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        a, slope = self.acquisition.gradient(belief, X, along)
        log_p, log_slope = self.feasibility.log_probability_gradient(X, along)
        p, above = np.exp(log_p), a - self.floor
        return self.floor + p * above, p[:, None] * (slope + above[:, None] * log_slope)

    def coarse(self) -> WhereFeasible | None:
        rough = self.acquisition.coarse()
        return None if rough is None else WhereFeasible(rough, self.feasibility, self.floor)
