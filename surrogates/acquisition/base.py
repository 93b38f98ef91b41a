"""What an acquisition function is, and what it asks of a belief."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from surrogates.encode import Array

CHUNK = 8192  # rows of a pool scored at a time


class Belief(Protocol):
    """What an acquisition needs of a surrogate; X (m, d), all in standardised units.

    `smooth`: whether there are gradients; where not, the search goes by values alone.
    """

    @property
    def smooth(self) -> bool: ...

    def posterior(self, X: Array) -> tuple[Array, Array]: ...

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]: ...

    def covariance(self, X: Array, Y: Array) -> Array: ...


class Acquisition(Protocol):
    def value(self, belief: Belief, X: Array) -> Array:
        """(m,)"""

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        """Value (m,) and gradient (m, len(along))."""

    def coarse(self) -> Acquisition | None:
        """A cheaper one that ranks nearly alike, to screen large pools with; None where there is no need."""


class Differences:
    """A gradient by forward differences, for acquisitions that are cheap, or whose own would be long."""

    def value(self, belief: Belief, X: Array) -> Array:
        raise NotImplementedError

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        """Value (m,) and gradient (m, len(along)), from one call with all shifted points."""
        step, m = 1e-6, len(X)
        moved = np.repeat(X[None], len(along) + 1, axis=0)
        for k, column in enumerate(along, start=1):
            moved[k, :, column] += step
        values = self.value(belief, moved.reshape(-1, X.shape[1])).reshape(-1, m)
        return values[0], ((values[1:] - values[0]) / step).T

    def coarse(self) -> Acquisition | None:
        return None


def score(acquisition: Acquisition, belief: Belief, X: Array) -> Array:
    """Values of any number of rows, in chunks so that memory stays flat."""
    if len(X) <= CHUNK:
        return acquisition.value(belief, X)
    return np.concatenate([acquisition.value(belief, X[i : i + CHUNK]) for i in range(0, len(X), CHUNK)])
