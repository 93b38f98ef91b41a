"""What a source says about this campaign: its process, moved and stretched to fit this campaign's results."""

from __future__ import annotations

from copy import copy

import numpy as np
from scipy.spatial.distance import cdist

from surrogates.encode import Array
from surrogates.models.gp import GP

DOUBT = 0.5  # sd of this campaign's results about the stretched source, before any is seen
LOOSE = 1.0  # prior sd of shift (around 0) and stretch (around 1)
LEAST = 0.1  # smallest stretch: a source that points the other way is for the ranking to set aside
KNOWN = 0.01  # smallest variance of the difference, in units of the results' own


class Aligned:
    """shift + stretch * source, and a difference of variance `misfit` that varies as the source does. Not a full
    `Model`: a member of `RankingEnsemble`.

    Both campaigns are standardised over what each of them measured, so that even equal functions differ by a shift
    and a stretch: ridge regression of results z (n,) at U (n, d) on what the source predicts there.
    """

    def __init__(self, name: str, process: GP, U: Array, z: Array, noise: float) -> None:
        """`noise`: variance of one measurement of this campaign. n >= 0."""
        self.name, self.process, self.noise = name, process, noise
        mean, sd = process.posterior(U) if len(U) else (z, z)
        ridge = np.full(2, (DOUBT / LOOSE) ** 2)
        design = np.column_stack([np.ones(len(z)), mean])
        inverse = np.linalg.inv(design.T @ design + np.diag(ridge))
        shift, stretch = inverse @ (design.T @ z + ridge * [0.0, 1.0])
        if stretch < LEAST:
            design, inverse = design[:, :1], np.array([[1.0 / (len(z) + ridge[0])]])
            shift, stretch = inverse[0, 0] * (z - LEAST * mean).sum(), LEAST
        self.shift, self.stretch = float(shift), float(stretch)
        leverage = ((design @ inverse) * design).sum(axis=1)
        left_out = (z - self.shift - self.stretch * mean) / (1.0 - leverage)
        expected = (self.stretch * sd) ** 2 + noise
        excess = (left_out**2 - expected).sum() + DOUBT**2
        self.misfit = max(float(excess) / (len(z) + 1), KNOWN)
        self._left_out = z - left_out, np.sqrt(expected + self.misfit)

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of this campaign's noise-free function at X (m, d)."""
        mean, sd = self.process.posterior(X)
        return self.shift + self.stretch * mean, np.sqrt((self.stretch * sd) ** 2 + self.misfit)

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, sd and their gradients (m, len(along)) by the numeric columns `along`."""
        mean, sd, mean_slope, sd_slope = self.process.posterior_gradient(X, along)
        whole = np.sqrt((self.stretch * sd) ** 2 + self.misfit)
        ratio = self.stretch**2 * sd / whole
        return self.shift + self.stretch * mean, whole, self.stretch * mean_slope, ratio[:, None] * sd_slope

    def covariance(self, X: Array, Y: Array) -> Array:
        """Posterior covariance (len(X), len(Y)) of the noise-free function."""
        return self.stretch**2 * self.process.covariance(X, Y) + self.misfit * _kernel(self.process, X, Y)

    def condition(self, U: Array, z: Array) -> Aligned:
        """Told more points of this campaign, as if the source had found them."""
        out = copy(self)
        mean, sd = self.posterior(U)
        out.process = self.process.condition(U, (z - self.shift) / self.stretch)
        before = self._left_out
        out._left_out = np.r_[before[0], mean], np.r_[before[1], np.sqrt(sd**2 + self.noise)]
        return out

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each result (noise included) from a shift and stretch found without it; points told
        later as they were predicted before."""
        return self._left_out


def _kernel(process: GP, X: Array, Y: Array) -> Array:
    """Prior covariance (len(X), len(Y))."""
    scale, number = 1.0 / process.lengths[process.columns.group], process.columns.numeric
    A, B = X * scale, Y * scale
    out: Array = process.recipe.kernel.profile(cdist(A[:, number], B[:, number], "sqeuclidean"))
    if not number.all():
        out = out * np.exp(-0.5 * cdist(A[:, ~number], B[:, ~number], "sqeuclidean"))
    return out
