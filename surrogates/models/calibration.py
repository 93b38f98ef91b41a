"""How far the model's intervals can be believed: leave-one-out, in closed form from the Cholesky factor."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from surrogates.encode import Array

FEWEST = 3  # results below which leaving one out says nothing


@dataclass(frozen=True)
class Diagnostics:
    """Figures of merit of a belief; None where there are too few results.

    n              results that the model was fitted to
    coverage_90    share of results inside the 90 % interval predicted from all others
    loo_rmse       leave-one-out root mean square error, in the objective's unit
    loo_nrmse      that over the standard deviation of the results
    max_sd, mean_sd  of the noise-free objective over the space, in its unit
    mean_variance  that sd squared, averaged over the space (integrated variance)
    noise_sd       learned standard deviation of one measurement, in its unit
    length_scales  per free parameter, in units of the scaled parameter: short = it matters; None of a model without
    importance     per free parameter, shares that sum to 1
    improvement_probability, expected_improvement  of the candidate that an optimiser would choose next, over the best
                   posterior mean so far, the latter in the objective's unit; only where a rule asks for them
    next_cost      what that candidate costs
    """

    n: int
    coverage_90: float | None = None
    loo_rmse: float | None = None
    loo_nrmse: float | None = None
    max_sd: float | None = None
    mean_sd: float | None = None
    mean_variance: float | None = None
    noise_sd: float | None = None
    length_scales: dict[str, float] | None = None
    importance: dict[str, float] | None = None
    improvement_probability: float | None = None
    expected_improvement: float | None = None
    next_cost: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def coverage(residuals: Array, level: float = 0.9) -> float | None:
    """Share of standardised residuals (n,) inside the central interval that should hold `level` of them."""
    if len(residuals) < FEWEST:
        return None
    return float((np.abs(residuals) <= ndtri(0.5 + level / 2)).mean())


def errors(truth: Array, predicted: Array) -> tuple[float | None, float | None]:
    """Root mean square error, and that over the sd of `truth`; None where n or the spread is too small."""
    if len(truth) < FEWEST:
        return None, None
    unit = float(np.abs(truth).max()) or 1.0  # squares of values near the limits of float64 would overflow
    rmse = float(np.sqrt((((predicted - truth) / unit) ** 2).mean()))
    spread = float((truth / unit).std())
    return min(rmse * unit, 1.7e308), rmse / spread if spread > 0 and math.isfinite(rmse / spread) else None
