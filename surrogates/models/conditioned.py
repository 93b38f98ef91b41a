"""Any belief with a covariance, told more points without being fitted again."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from surrogates.encode import Array
from surrogates.models.base import Model

JITTER = 1e-8


class Draw(Protocol):
    """One function drawn from a belief: values (m,) at X (m, d), the same for the same X."""

    def __call__(self, X: Array) -> Array: ...


class Conditioned:
    """`base` told that points B gave z: mean and covariance move as those of jointly normal values do,

    mean(X) + C(X, B) (C(B, B) + noise)^-1 (z - mean(B)) and C(X, Y) - C(X, B) (C(B, B) + noise)^-1 C(B, Y),

    the best linear update whatever the distribution (Goldstein and Wooff 2007). Hyper-parameters, noise and what is
    said of importance remain those of `base`.
    """

    smooth = False

    def __init__(self, base: Model, U: Array, z: Array) -> None:
        """`base`: the model as fitted; U (b, d) and z (b,): all points it is told, b >= 1."""
        self.base, self.told = base, U
        self.U, self.z = np.vstack([base.U, U]), np.concatenate([base.z, z])
        self.noise, self.lengths, self.name = base.noise, base.lengths, base.name
        within = base.covariance(U, U)
        within[np.diag_indices(len(U))] += base.noise_at(U) + JITTER
        self._factor = cho_factor(within, lower=True)
        self._surprise = z - base.posterior(U)[0]
        self._weights = cho_solve(self._factor, self._surprise)

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free function at X (m, d)."""
        mean, sd = self.base.posterior(X)
        shared = self.base.covariance(X, self.told)
        known = (shared * cho_solve(self._factor, shared.T).T).sum(axis=1)
        return mean + shared @ self._weights, np.sqrt(np.maximum(sd**2 - known, 1e-12))

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Raises TypeError: use the process's own `condition` where there are gradients."""
        raise TypeError(f"{self.name} has no gradient: search by values where `smooth` is False")

    def covariance(self, X: Array, Y: Array) -> Array:
        """Posterior covariance (len(X), len(Y)) of the noise-free function."""
        left, right = self.base.covariance(X, self.told), self.base.covariance(Y, self.told)
        out: Array = self.base.covariance(X, Y) - left @ cho_solve(self._factor, right.T)
        return out

    def condition(self, U: Array, z: Array | None = None) -> Conditioned:
        """Told more points still; without z they are believed to give their mean."""
        if not len(U):
            return self
        z = self.posterior(U)[0] if z is None else z
        n = len(self.base.U)
        return Conditioned(self.base, np.vstack([self.told, U]), np.concatenate([self.z[n:], z]))

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n + b,) of each observation, noise included. Those that `base` was fitted to: as it predicts
        them, without the points told since; those told since: from `base` and the others told (Rasmussen and
        Williams 2006, eq. 5.12)."""
        mean, sd = self.base.leave_one_out()
        precision = np.diagonal(cho_solve(self._factor, np.eye(len(self.told))))
        own = self.z[len(mean) :] - self._weights / precision
        return np.concatenate([mean, own]), np.concatenate([sd, np.sqrt(1.0 / precision)])

    def importance(self) -> Array:
        """(n_lengths,): see `Model`."""
        return self.base.importance()

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d)."""
        return self.base.noise_at(X)

    def sample(self, seed: int) -> Draw:
        """One function drawn: a draw of `base` moved as the mean is (Matheron's rule; Wilson et al., ICML 2020).

        Raises AttributeError where `base` cannot be drawn from.
        """
        drawn: Draw = self.base.sample(seed)  # type: ignore[attr-defined]
        rng = np.random.default_rng([seed, 1])
        noise = np.sqrt(self.base.noise_at(self.told)) * rng.standard_normal(len(self.told))
        weights = cho_solve(self._factor, self.z[len(self.base.U) :] - drawn(self.told) - noise)

        def function(X: Array) -> Array:
            out: Array = drawn(X) + self.base.covariance(X, self.told) @ weights
            return out

        return function
