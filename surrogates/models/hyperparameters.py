"""What else the hyper-parameters of a process could be, given its results: draws around the fitted ones.

Laplace's approximation: a normal at the fitted theta (log length scales, log noise) whose precision is the Hessian of
the negative log posterior, by differences of its gradient. The draws are Sobol points turned normal, so that a few
stand for the whole.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import eigh
from scipy.special import chdtri, ndtri

from surrogates.encode import Array
from surrogates.low_discrepancy import sobol
from surrogates.models.gp import BAD, GP, MAX_LOG_LENGTH, MAX_LOG_NOISE, Likelihood
from surrogates.models.kernels import MIN_LENGTH, MIN_NOISE

STEP = 1e-3
WIDEST = 1.5  # sd of a draw along any direction: where the posterior is flat, the priors still are not
MOST = 200  # results that the spread of theta is judged from: it is small where there are more
BELIEVABLE = 0.95  # of draws from a normal posterior, the share that is kept
SHRINK = 0.7


def neighbours(gp: GP, k: int = 8, seed: int = 0) -> tuple[GP, ...]:
    """`k` processes on the results of `gp` with hyper-parameters drawn from their posterior, each with its own prior
    mean.

    A draw is kept where its log posterior is no further below that of `gp` than 95 % of draws from a normal would be.
    Costs 2 (q + 1) evaluations of the likelihood for q length scales.
    """
    rows = np.arange(gp.n) if gp.n <= MOST else np.linspace(0, gp.n - 1, MOST).astype(int)
    loss = Likelihood(gp.U[rows], gp.z[rows], gp.variance[rows], gp.columns, gp.recipe)
    thetas = _draws(loss, gp.theta, k, np.random.default_rng([seed, 8]))
    return tuple(GP(gp.U, gp.z, gp.variance, gp.columns, gp.recipe, theta) for theta in thetas)


def _draws(loss: Likelihood, theta: Array, k: int, rng: np.random.Generator) -> Array:
    q = len(theta) - 1
    low = np.r_[np.full(q, math.log(MIN_LENGTH)), math.log(MIN_NOISE)]
    high = np.r_[np.full(q, MAX_LOG_LENGTH), MAX_LOG_NOISE]
    values, vectors = eigh(_hessian(loss, theta, low, high))
    steps = vectors / np.sqrt(np.maximum(values, 1.0 / WIDEST**2))
    most = min(loss(theta)[0], BAD) + 0.5 * float(chdtri(q + 1, 1 - BELIEVABLE))
    cube = sobol(q + 1, rng).random_base2(math.ceil(math.log2(4 * k)))
    normals = ndtri(np.clip(cube, 1e-9, 1 - 1e-9))
    kept: list[Array] = []
    shrink = 1.0
    while len(kept) < k:  # ends: a step of nothing is `theta` itself, and that is kept
        for normal in normals:
            draw = np.clip(theta + shrink * (steps @ normal), low, high)
            if len(kept) < k and loss(draw)[0] <= most:
                kept.append(draw)
        shrink *= SHRINK
    return np.array(kept)


def _hessian(loss: Likelihood, theta: Array, low: Array, high: Array) -> Array:
    """By central differences of the gradient, one-sided where a bound is near."""
    rows = []
    for j in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[j], down[j] = min(theta[j] + STEP, high[j]), max(theta[j] - STEP, low[j])
        rows.append((loss(up)[1] - loss(down)[1]) / (up[j] - down[j]))
    H = np.array(rows)
    return 0.5 * (H + H.T)
