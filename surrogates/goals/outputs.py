"""Several beliefs side by side, one for each objective or reading, independent of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surrogates.encode import Array
from surrogates.models.base import Model


@dataclass(frozen=True)
class Outputs:
    """A `Belief` of k quantities: every array has one more, last axis of length k (before the slopes' axis).

    Each part is fitted to its own rows, so that a result that lacks one quantity still tells of the others.
    """

    names: tuple[str, ...]
    parts: tuple[Model, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.parts) or not self.parts:
            raise ValueError(
                f"wanted one name for each of at least one part, got {self.names}, {len(self.parts)}"
            )

    @property
    def smooth(self) -> bool:
        return all(part.smooth for part in self.parts)

    @property
    def U(self) -> Array:
        """(n, d): the different rows that any part was fitted to."""
        return np.unique(np.vstack([part.U for part in self.parts]), axis=0)

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Means and sds (m, k) at X (m, d)."""
        mean, sd = zip(*(part.posterior(X) for part in self.parts), strict=True)
        return np.stack(mean, axis=1), np.stack(sd, axis=1)

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Means and sds (m, k) and their gradients (m, k, len(along))."""
        each = zip(*(part.posterior_gradient(X, along) for part in self.parts), strict=True)
        mean, sd, mean_slope, sd_slope = (np.stack(arrays, axis=1) for arrays in each)
        return mean, sd, mean_slope, sd_slope

    def covariance(self, X: Array, Y: Array) -> Array:
        """(len(X), len(Y), k): of each quantity with itself."""
        return np.stack([part.covariance(X, Y) for part in self.parts], axis=2)

    def noise_at(self, X: Array) -> Array:
        """Variances (m, k) of one measurement."""
        return np.stack([part.noise_at(X) for part in self.parts], axis=1)

    def condition(self, U: Array, z: Array | None = None) -> Outputs:
        """Every part told more points U (m, d). Values z (m, k) that are not finite, or all without z, are believed
        to be what the part expects."""
        if z is None:
            return Outputs(self.names, tuple(part.condition(U) for part in self.parts))
        if z.shape != (len(U), len(self.parts)):
            raise ValueError(f"wanted values ({len(U)}, {len(self.parts)}), got {z.shape}")
        told = np.where(np.isfinite(z), z, self.posterior(U)[0])
        return Outputs(self.names, tuple(p.condition(U, told[:, j]) for j, p in enumerate(self.parts)))


def complete_rows(told: Sequence[Array]) -> tuple[Array, ...]:
    """For each of k parts, given the observation numbers `told[j]` of its rows, the rows of the observations that
    all parts were told: k arrays (n,), in the order of observation."""
    common = told[0]
    for numbers in told[1:]:
        common = np.intersect1d(common, numbers)
    common = np.sort(common)
    out = []
    for numbers in told:
        order = np.argsort(numbers, kind="stable")
        out.append(order[np.searchsorted(numbers[order], common)])
    return tuple(out)
