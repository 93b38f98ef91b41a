"""How well each source orders this campaign's results, and what weight that earns it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surrogates.encode import Array
from surrogates.models.base import Model
from surrogates.models.gp import GP

DRAWS = 256
MOST = 100  # results compared with each other
DILUTION = 0.95  # quantile of this campaign's own loss that a source's median must not exceed


def ranking_weights(target: Model, processes: Sequence[GP], seed: int) -> Array:
    """Weights (1 + sources,), the target's own first, summing to 1 (Feurer, Letham and Bakshy, AutoML workshop at
    ICML 2018): the share of joint draws in which each has the smallest number of wrongly ordered pairs of results,
    ties divided. n >= 2.

    This campaign's own process draws each result from all others, so that it is not judged by what it was told. A
    source whose median loss is above the 95th percentile of the target's is left out: many useless sources would
    win by chance what a good one should have (weight dilution).
    """
    rng = np.random.default_rng([seed, len(target.z), 11])
    rows = np.arange(len(target.z))
    if len(rows) > MOST:
        rows = np.sort(rng.choice(rows, MOST, replace=False))
    U, z = target.U[rows], target.z[rows]
    mean, sd = (part[rows] for part in target.leave_one_out())
    function = np.sqrt(np.maximum(sd**2 - target.noise_at(U), 1e-12))
    own = mean + function * rng.standard_normal((DRAWS, len(z)))
    losses = [wrong_pairs(own, z, z)]
    for process in processes:
        draws = _draws(process, U, rng)
        losses.append(wrong_pairs(draws, draws, z))
    loss = np.array(losses, float)
    dropped = np.r_[False, np.median(loss[1:], axis=1) > np.quantile(loss[0], DILUTION)]
    loss[dropped] = np.inf
    best = loss == loss.min(axis=0)
    weights: Array = (best / best.sum(axis=0)).mean(axis=1)
    return weights


def wrong_pairs(draws: Array, others: Array, z: Array) -> Array:
    """For each draw (k,): of the ordered pairs (i, j) of results z (n,), how many have draws (k, n)_i and others
    (k, n) or (n,)_j the wrong way round."""
    others = np.broadcast_to(others, draws.shape)
    told = z[:, None] < z
    return np.array([((a[:, None] < b) != told).sum() for a, b in zip(draws, others, strict=True)])


def order_kept(predicted: Array, z: Array) -> float:
    """Share of the pairs of results z (n,), n >= 2, that `predicted` (n,) has the right way round."""
    i, j = np.triu_indices(len(z), 1)
    return float(((predicted[i] - predicted[j]) * (z[i] - z[j]) > 0).mean())


def _draws(process: GP, U: Array, rng: np.random.Generator) -> Array:
    """Joint draws (DRAWS, n) of the noise-free function at U."""
    values, vectors = np.linalg.eigh(process.covariance(U, U))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return process.posterior(U)[0] + rng.standard_normal((DRAWS, len(U))) @ root.T
