"""Learning: the measurement that is expected to move the predictions most."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from surrogates.acquisition.base import Belief, Differences
from surrogates.encode import Array

MEAN_ABSOLUTE = math.sqrt(2.0 / math.pi)  # of a standard normal


@dataclass(frozen=True)
class ExpectedModelChange(Differences):
    """Expected absolute change of the posterior mean, averaged over `reference` (r, d), by one measurement whose
    variance is `noise`; standardised units.

    Expected model change (Cai, Zhang and Zhou, ICDM 2013), there the gradient of the loss by the parameters; for a
    process the change is exact: cov(x, r) / sqrt(var + noise) times a standard normal. The integrated variance is the
    same with squares for absolute values.
    """

    reference: Array
    noise: float

    def value(self, belief: Belief, X: Array) -> Array:
        sd = belief.posterior(X)[1]
        shared = np.abs(belief.covariance(X, self.reference)).mean(axis=1)
        out: Array = MEAN_ABSOLUTE * shared / np.sqrt(sd**2 + self.noise)
        return out

    def coarse(self) -> ExpectedModelChange | None:
        return ExpectedModelChange(self.reference[::8], self.noise) if len(self.reference) >= 64 else None
