"""Several processes that may each be right, as one belief."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surrogates.encode import Array
from surrogates.models.gp import GP
from surrogates.models.wrapped import Wrapped


class MixtureOfGPs:
    """Processes fitted to the same results, each right with its weight: moments by the laws of total expectation,
    variance and covariance.

    gps, weights  the processes and their probabilities (k,), largest first
    lengths       (n_lengths,) length scales whose inverse squares are the weighted means of the processes' own
    """

    smooth = True

    def __init__(self, gps: Sequence[GP], weights: Array, label: str = "mixture") -> None:
        """`weights` (k,) not negative, summing to 1; `label` begins the name."""
        order = np.argsort(-weights, kind="stable")
        self.gps, self.weights, self.label = tuple(gps[i] for i in order), weights[order], label
        self.U, self.z, self.variance = self.gps[0].U, self.gps[0].z, self.gps[0].variance
        self.columns = self.gps[0].columns
        self.noise = float(self.weights @ [gp.noise for gp in self.gps])
        self.lengths = (self.weights @ np.array([gp.lengths**-2.0 for gp in self.gps])) ** -0.5

    @property
    def name(self) -> str:
        return f"{self.label}({len(self.gps)} of {self.gps[0].recipe.kernel.name})"

    def _moments(self, means: Array, sds: Array) -> tuple[Array, Array]:
        """Mean and sd (m,) of the mixture of normals with means and sds (k, m)."""
        mean = self.weights @ means
        variance = self.weights @ (sds**2 + (means - mean) ** 2)
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free function at X (m, d)."""
        parts = [gp.posterior(X) for gp in self.gps]
        return self._moments(np.array([p[0] for p in parts]), np.array([p[1] for p in parts]))

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, sd and their gradients (m, len(along)) by the numeric columns `along`."""
        parts = [gp.posterior_gradient(X, along) for gp in self.gps]
        means, sds = np.array([p[0] for p in parts]), np.array([p[1] for p in parts])
        mean_slopes, sd_slopes = np.array([p[2] for p in parts]), np.array([p[3] for p in parts])
        mean, sd = self._moments(means, sds)
        mean_slope = np.tensordot(self.weights, mean_slopes, 1)
        away = (means - mean)[..., None]
        half = sds[..., None] * sd_slopes + away * (mean_slopes - mean_slope)
        return mean, sd, mean_slope, np.tensordot(self.weights, half, 1) / sd[:, None]

    def covariance(self, X: Array, Y: Array) -> Array:
        """Posterior covariance (len(X), len(Y)) of the noise-free function."""
        left = np.array([gp.posterior(X)[0] for gp in self.gps])
        right = np.array([gp.posterior(Y)[0] for gp in self.gps])
        a, b = left - self.weights @ left, right - self.weights @ right
        between: Array = (a * self.weights[:, None]).T @ b
        for weight, gp in zip(self.weights, self.gps, strict=True):
            between += weight * gp.covariance(X, Y)
        return between

    def condition(self, U: Array, z: Array | None = None) -> MixtureOfGPs:
        """Every process told the same more points, weights kept; without z that the mixture's mean was found."""
        if not len(U):
            return self
        z = self.posterior(U)[0] if z is None else z
        return MixtureOfGPs([gp.condition(U, z) for gp in self.gps], self.weights, self.label)

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each observation (noise included) predicted from all others, weights and
        hyper-parameters kept."""
        parts = [gp.leave_one_out() for gp in self.gps]
        return self._moments(np.array([p[0] for p in parts]), np.array([p[1] for p in parts]))

    def importance(self) -> Array:
        """(n_lengths,): the weighted mean of what matters to each process."""
        share: Array = self.weights @ np.array([gp.importance() for gp in self.gps])
        return share

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d): the same everywhere."""
        return np.full(len(X), self.noise)


def processes_of(model: object) -> tuple[GP, ...]:
    """The processes that a model is made of; none where it is made of something else."""
    if isinstance(model, GP):
        return (model,)
    if isinstance(model, MixtureOfGPs):
        return model.gps
    return processes_of(model.model) if isinstance(model, Wrapped) else ()
