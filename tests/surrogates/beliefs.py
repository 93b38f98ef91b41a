"""A belief and an acquisition for tests of the search, which must not care what they are."""

from __future__ import annotations

import numpy as np

from surrogates.acquisition.base import Acquisition, Belief
from surrogates.encode import Array


class Blank:
    """A belief that knows nothing; acquisitions here look at where they are only."""

    def __init__(self, smooth: bool = True) -> None:
        self.smooth = smooth

    def posterior(self, X: Array) -> tuple[Array, Array]:
        return np.zeros(len(X)), np.ones(len(X))

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        assert self.smooth, "no gradient is asked for of a belief that has none"
        flat = np.zeros((len(X), len(along)))
        return np.zeros(len(X)), np.ones(len(X)), flat, flat

    def covariance(self, X: Array, Y: Array) -> Array:
        return np.zeros((len(X), len(Y)))


class Ridge:
    """sin(3 w·x) + w·x / 2."""

    def __init__(self, w: Array) -> None:
        self.w = w

    def value(self, belief: Belief, X: Array) -> Array:
        at = X @ self.w
        return np.sin(3 * at) + 0.5 * at

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        belief.posterior_gradient(X, along)
        at = X @ self.w
        return self.value(belief, X), (3 * np.cos(3 * at) + 0.5)[:, None] * self.w[along]

    def coarse(self) -> Acquisition | None:
        return None
