"""A process under another name: what most models made of a process have in common."""

from __future__ import annotations

from surrogates.encode import Array
from surrogates.models.base import Model


class Wrapped:
    """Answers as `model` does; a subclass changes what it must. `model` is there for those who need the process."""

    def __init__(self, model: Model, name: str) -> None:
        self.model, self.name = model, name
        self.U, self.z, self.noise, self.lengths, self.smooth = (
            model.U,
            model.z,
            model.noise,
            model.lengths,
            model.smooth,
        )

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free function at X (m, d)."""
        return self.model.posterior(X)

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, sd and their gradients (m, len(along)); raises TypeError where there are none."""
        return self.model.posterior_gradient(X, along)

    def covariance(self, X: Array, Y: Array) -> Array:
        """Posterior covariance (len(X), len(Y)) of the noise-free function."""
        return self.model.covariance(X, Y)

    def importance(self) -> Array:
        """(n_lengths,): see `Model`."""
        return self.model.importance()

    def condition(self, U: Array, z: Array | None = None) -> Model:
        """Told more points: see `Model`."""
        return self.model.condition(U, z)

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each observation, noise included, predicted from the others."""
        return self.model.leave_one_out()

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d)."""
        return self.model.noise_at(X)
