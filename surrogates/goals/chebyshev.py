"""Several objectives as one by weights drawn at random, other ones for each proposal: ParEGO (Knowles, IEEE Trans.
Evol. Comput. 10, 50, 2006)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surrogates.encode import Array
from surrogates.goals.sought import Sought, larger_is_better, span

AUGMENTED = 0.05  # the paper's rho: how much the weighted sum counts beside the worst objective


def simplex_weights(k: int, seed: int, index: int) -> Array:
    """Weights (k,), uniform on the simplex, for proposal number `index`."""
    out: Array = np.random.default_rng([seed, index, k]).dirichlet(np.ones(k))
    return out


class Chebyshev:
    """Minus the augmented Chebyshev distance from the best seen of each objective, losses scaled by the observed
    ranges: -(max_j w_j l_j + rho sum_j w_j l_j) (the paper's eq. 2). Its maxima, over all weights, are the front."""

    def __init__(self, objectives: Sequence[Sought], observed: Array, weights: Array) -> None:
        """`observed` (n, k), n >= 1, in own units; `weights` (k,)."""
        self.objectives, self.weights = tuple(objectives), weights
        if weights.shape != (len(self.objectives),):
            raise ValueError(f"wanted {len(self.objectives)} weights, got {weights.shape}")
        low, self._width = span(larger_is_better(observed, objectives))
        self._best = low + self._width

    def __call__(self, Y: Array) -> Array:
        """(...,) for values Y (..., k) in own units; 0 at the best seen of everything."""
        loss = self.weights * (self._best - larger_is_better(Y, self.objectives)) / self._width
        out: Array = -(loss.max(axis=-1) + AUGMENTED * loss.sum(axis=-1))
        return out
