"""A process that a few gross errors do not bend: Student-t measurements.

A spilt sample or a slipped contact gives a result that has nothing to do with its recipe. A t distribution has tails
that allow for this; as a normal whose variance is divided by an unknown gamma-distributed weight, it is fitted by
turns: expected weights given the process, the process given the weights (Lange, Little and Taylor 1989; for processes
Tipping and Lawrence, Neurocomputing 69, 2005).
"""

from __future__ import annotations

import numpy as np

from surrogates.encode import Array
from surrogates.models.exact import DEFAULT as RECIPE
from surrogates.models.gp import GP, Columns
from surrogates.models.wrapped import Wrapped

DEGREES = 4.0
TURNS, SETTLED = 12, 0.02  # most refits, and the change of the weights that ends them
# Normal results without an outlier, reweighted, look less noisy: v = E[x^2 min(1, (nu + 1) / (nu + x^2 / v))] < 1.
SHRINKAGE = 0.67
GROSS = 4.0  # standard deviations of the t distribution's scale beyond which a result is called an outlier
WEIGHTS = np.exp(np.linspace(-12.0, 2.0, 85))
FEWEST = 5  # results below which nothing can be told from an outlier


class Robust(Wrapped):
    """A process in which every result has its own extra noise variance.

    outliers  (k,) rows of U that gross errors explain best
    extra     (n,) noise variance that each result was given beside the common one
    noise     variance of one measurement that is not an outlier

    Inside, results are scaled anew by their middle half, lest outliers make the rest look flat.
    """

    def __init__(self, gp: GP, shift: float, scale: float, outliers: Array, extra: Array) -> None:
        """`gp` models (z - shift) / scale; `extra` in its units."""
        super().__init__(gp, f"robust({gp.name}, {len(outliers)} outliers)")
        self.gp, self.shift, self.scale = gp, shift, scale
        self.outliers, self._extra = outliers, extra
        self.extra = extra * scale**2
        self.z = shift + scale * gp.z
        self.noise = gp.noise / SHRINKAGE * scale**2

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free function at X (m, d)."""
        mean, sd = self.gp.posterior(X)
        return self.shift + self.scale * mean, self.scale * sd

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, sd and their gradients (m, len(along)) by the numeric columns `along`."""
        mean, sd, mean_slope, sd_slope = self.gp.posterior_gradient(X, along)
        s = self.scale
        return self.shift + s * mean, s * sd, s * mean_slope, s * sd_slope

    def covariance(self, X: Array, Y: Array) -> Array:
        """Posterior covariance (len(X), len(Y)) of the noise-free function."""
        return self.scale**2 * self.gp.covariance(X, Y)

    def condition(self, U: Array, z: Array | None = None) -> Robust:
        """Told more points, all taken for good ones."""
        if not len(U):
            return self
        told = self.gp.condition(U, None if z is None else (z - self.shift) / self.scale)
        return Robust(told, self.shift, self.scale, self.outliers, np.r_[self._extra, np.zeros(len(U))])

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each observation predicted from the others, were it no outlier: outliers lie outside
        their intervals."""
        mean, sd = self.gp.leave_one_out()
        variance = sd**2 - self._extra + self.gp.noise * (1.0 / SHRINKAGE - 1.0)
        return self.shift + self.scale * mean, self.scale * np.sqrt(variance)

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d) that is not an outlier: the same everywhere."""
        return np.full(len(X), self.noise)


def fit(U: Array, z: Array, variance: Array, columns: Columns, seed: int) -> Robust:
    """U (n, d), z (n,), known noise variances (n,), 0 where unknown; n >= 1."""
    n = len(z)
    if n < FEWEST:
        gp = GP.fit(U, z, variance, columns, RECIPE)
        return Robust(gp, 0.0, 1.0, np.zeros(0, int), np.zeros(n))
    shift, scale = float(np.median(z)), _spread(z)
    t, known = (z - shift) / scale, variance / scale**2
    weight, extra = np.ones(n), np.zeros(n)
    for _ in range(TURNS):
        gp = GP.fit(U, t, known + extra, columns, RECIPE)
        mean, sd = gp.leave_one_out()
        error, ordinary = (t - mean) ** 2, gp.noise + known
        latent = np.maximum(sd**2 - extra - ordinary, 0.0)
        fresh = _weights(error, latent, ordinary)
        if np.abs(fresh - weight).max() < SETTLED:
            break
        weight, extra = fresh, ordinary * (1.0 / fresh - 1.0)
    return Robust(
        gp, shift, scale, np.flatnonzero(error > GROSS**2 * (latent + ordinary)), gp.variance - known
    )


def _weights(error: Array, latent: Array, noise: Array) -> Array:
    """Expected weight (n,) of each result given its squared `error`, of which `latent` is the variance of what the
    others say and `noise` / weight that of the measurement; never more than a good one's.

    Without `latent` it is (nu + 1) / (nu + error / noise); with it, the mean over the gamma distribution by a sum.
    """
    total = latent[:, None] + noise[:, None] / WEIGHTS
    density = -0.5 * (np.log(total) + error[:, None] / total)
    density += 0.5 * DEGREES * (np.log(WEIGHTS) - WEIGHTS)
    share = np.exp(density - density.max(axis=1, keepdims=True))
    weight: Array = np.minimum((share @ WEIGHTS) / share.sum(axis=1), 1.0)
    return weight


def _spread(z: Array) -> float:
    """Standard deviation of z (n,) as far as the middle half shows it; that of all where half are equal."""
    low, high = np.quantile(z, [0.25, 0.75])
    return float(high - low) / 1.349 or float(z.std()) or 1.0
