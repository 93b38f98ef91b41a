"""The default model: an exact Gaussian process, its hyper-parameters set by at most some hundreds of the results."""

from __future__ import annotations

import numpy as np

from surrogates.encode import Array
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths

MOST_FITTED = 400  # results that set hyper-parameters: a fit costs the cube of their number, many times over
DEFAULT = Recipe(Matern52(), shared_lengths, loose_noise)


def fit(U: Array, z: Array, variance: Array, columns: Columns, seed: int = 0, recipe: Recipe = DEFAULT) -> GP:
    """A process for points U (n, d), standardised values z (n,) and known noise variances (n,)."""
    chosen = thinned(z, MOST_FITTED)
    gp = GP.fit(U[chosen], z[chosen], variance[chosen], columns, recipe)
    return gp if len(chosen) == len(z) else GP(U, z, variance, columns, recipe, gp.theta)


def thinned(z: Array, most: int) -> Array:
    """Rows (sorted) that stand for all where there are too many: the best quarter, the rest evenly in time."""
    if len(z) <= most:
        return np.arange(len(z))
    best = np.argsort(-z, kind="stable")[: most // 4]
    rest = np.setdiff1d(np.arange(len(z)), best)
    return np.sort(np.concatenate([best, rest[np.linspace(0, len(rest) - 1, most - len(best)).astype(int)]]))
