"""Where experiments can be carried out at all, learned from those that failed: a Gaussian process classifier.

Probit likelihood and Laplace's approximation (Rasmussen and Williams 2006, algorithms 3.1 and 3.2). That
approximation is a regression on pseudo-results z = f + W^-1 dlogp with noise W^-1, so the regression process does
the rest, gradients included. Failures never touch the model of the objective, its predictions or its calibration.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import log_ndtr

from surrogates.encode import Array
from surrogates.models.gp import GP, JITTER, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths

AMPLITUDE = 3.0  # sd of the latent function: a sharp border is as likely as a blurred one
HOPE = 1.0  # latent mean: before anything is known of a place, 62 % are thought feasible
SCALES = (0.15, 0.3, 0.6, 1.2)  # isotropic length scales tried, in units of sqrt(d)
MOST, MOST_APART = (
    400,
    150,
)  # rows learned from, and up to which each parameter gets a length scale of its own
RECIPE = Recipe(Matern52(), shared_lengths, loose_noise)
STEPS = 30


class Feasibility:
    """`process`: the latent function over AMPLITUDE, larger is more feasible."""

    def __init__(self, U: Array, failed: Array, columns: Columns) -> None:
        """Candidates U (n, d) of which `failed` (n,) bool came to nothing; at least one row of either kind or not."""
        kept = _keep(failed, MOST)
        self.U, self.columns = U[kept], columns
        self.sign = np.where(failed[kept], -1.0, 1.0)
        q = columns.n_lengths
        start = [np.full(q, math.log(c * math.sqrt(max(q, 1)))) for c in SCALES]
        best, log_lengths = max(((self._evidence(t), t) for t in start), key=lambda pair: pair[0])
        if len(kept) <= MOST_APART and q > 1:
            for step in (0.7, 0.35):
                for j in range(q):
                    for way in (step, -step):
                        moved = log_lengths.copy()
                        moved[j] += way
                        if (evidence := self._evidence(moved)) > best:
                            best, log_lengths = evidence, moved
                            break
        f, gradient, curvature = self._mode(self._covariance(log_lengths))[:3]
        self.process = GP(
            self.U,
            (f + gradient / curvature) / AMPLITUDE,
            1.0 / curvature / AMPLITUDE**2,
            columns,
            RECIPE,
            np.r_[log_lengths, -30.0],
            HOPE / AMPLITUDE,
        )

    def _covariance(self, log_lengths: Array) -> Array:
        V = self.U * np.exp(-log_lengths)[self.columns.group]
        difference = (V[:, None] - V) ** 2
        number = self.columns.numeric
        k = RECIPE.kernel.profile(difference[:, :, number].sum(axis=2))
        out: Array = AMPLITUDE**2 * k * np.exp(-0.5 * difference[:, :, ~number].sum(axis=2))
        return out

    def _mode(self, K: Array) -> tuple[Array, Array, Array, float]:
        """Latent values at the mode, gradient and curvature of the log likelihood there, log evidence."""
        n = len(K)
        a, f = np.zeros(n), np.full(n, HOPE)
        for _ in range(STEPS):
            gradient, curvature = _probit(self.sign, f)
            root = np.sqrt(curvature)
            B = cho_factor(np.eye(n) * (1 + JITTER) + root[:, None] * K * root, lower=True)
            b = curvature * (f - HOPE) + gradient
            a = b - root * cho_solve(B, root * (K @ b))
            moved = HOPE + K @ a
            change = float(np.abs(moved - f).max())
            f = moved
            if change < 1e-6:
                break
        gradient, curvature = _probit(self.sign, f)
        evidence = -0.5 * a @ (f - HOPE) + log_ndtr(self.sign * f).sum() - np.log(np.diagonal(B[0])).sum()
        return f, gradient, curvature, float(evidence)

    def _evidence(self, log_lengths: Array) -> float:
        """Log of the approximate evidence times the prior of the length scales."""
        evidence = self._mode(self._covariance(log_lengths))[3]
        value = evidence + float(RECIPE.lengths(len(log_lengths)).log_density(log_lengths).sum())
        return value if math.isfinite(value) else -math.inf

    def log_probability(self, X: Array) -> Array:
        """log P(feasible) (m,) at unit points X (m, d)."""
        mean, sd = self.process.posterior(X)
        out: Array = log_ndtr(AMPLITUDE * mean / np.sqrt(1.0 + (AMPLITUDE * sd) ** 2))
        return out

    def log_probability_gradient(self, X: Array, along: Array) -> tuple[Array, Array]:
        """The same with its gradient (m, len(along)) by the numeric columns `along`."""
        mean, sd, mean_slope, sd_slope = self.process.posterior_gradient(X, along)
        width = np.sqrt(1.0 + (AMPLITUDE * sd) ** 2)
        t = AMPLITUDE * mean / width
        log_p = log_ndtr(t)
        hazard = np.exp(-0.5 * t**2 - 0.5 * math.log(2 * math.pi) - log_p)
        t_slope = (
            AMPLITUDE * mean_slope / width[:, None] - (t * AMPLITUDE**2 * sd / width**2)[:, None] * sd_slope
        )
        return log_p, hazard[:, None] * t_slope


def _probit(sign: Array, f: Array) -> tuple[Array, Array]:
    """First derivative and negative second derivative of log ndtr(sign * f) by f."""
    t = sign * f
    ratio = np.exp(-0.5 * t**2 - 0.5 * math.log(2 * math.pi) - log_ndtr(t))
    return sign * ratio, np.maximum(ratio * (ratio + t), 1e-10)


def _keep(failed: Array, most: int) -> Array:
    """Rows (sorted) to learn from where there are too many: half of them failures, evenly in time."""
    if len(failed) <= most:
        return np.arange(len(failed))
    bad, good = np.flatnonzero(failed), np.flatnonzero(~failed)
    n_bad = min(len(bad), max(most // 2, most - len(good)))
    part = [bad[np.linspace(0, len(bad) - 1, n_bad).astype(int)]]
    part.append(good[np.linspace(0, len(good) - 1, min(len(good), most - n_bad)).astype(int)])
    return np.sort(np.concatenate(part))
