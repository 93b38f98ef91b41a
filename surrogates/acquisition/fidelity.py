"""How well to measure a candidate, once it is chosen for what it promises at the target fidelity."""

from __future__ import annotations

import numpy as np

from surrogates.acquisition.base import Belief
from surrogates.encode import Array

LEAST = 0.1


def choose_fidelity(
    belief: Belief,
    unit_target: Array,
    columns: Array,
    levels: Array,
    costs: Array,
    noise: Array | float,
    *,
    least: float = LEAST,
) -> int:
    """The number of the level whose measurement takes away most of the variance at the target per cost.

    unit_target  (d,), the candidate at the target fidelity
    columns      (c,), or one number: the unit columns of the fidelity
    levels       (k,) or (k, c): unit values of the levels; the one nearest to the target's counts as the target
    costs        (k,), positive
    noise        variance of one measurement, one for all or (k,)

    One measurement at level l takes cov(target, l)^2 / (var(l) + noise) from the variance at the target: its share of
    what is not known, by which candidate first and fidelity second are chosen as in BOCA (Kandasamy et al., ICML 2017)
    and, by information, in MF-MES (Takeno et al., ICML 2020). A level that takes less than `least` of what a
    measurement at the target takes is not considered however cheap it is: it says too little of the target, or has
    said what it can. With every cheap measurement its own variance falls, so that the target's turn comes.

    Raises ValueError for costs that are not positive or as many as the levels.
    """
    levels = np.asarray(levels, float).reshape(len(levels), -1)
    columns, costs = np.atleast_1d(columns), np.asarray(costs, float)
    if costs.shape != (len(levels),) or not (costs > 0).all():
        raise ValueError(
            f"fidelity: wanted {len(levels)} positive costs, one per level, got {costs.tolist()}"
        )
    X = np.repeat(unit_target[None], len(levels), axis=0)
    X[:, columns] = levels
    sd = belief.posterior(X)[1]
    taken = belief.covariance(X, unit_target[None])[:, 0] ** 2 / (sd**2 + noise)
    target = int(np.argmin(((levels - unit_target[columns]) ** 2).sum(axis=1)))
    worth = np.where(taken >= least * taken[target], taken / costs, -np.inf)
    worth[target] = taken[target] / costs[target]
    best = np.flatnonzero(worth == worth.max())
    return target if target in best or not np.isfinite(worth.max()) else int(best[0])
