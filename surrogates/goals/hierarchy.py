"""Objectives in order of rank, each with a tolerance: Chimera (Häse, Roch and Aspuru-Guzik, Chem. Sci. 9, 7642, 2018).

A less important objective counts only where all before it are within their tolerance of the best seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from surrogates.encode import Array
from surrogates.errors import UnsupportedObjectives
from surrogates.goals.sought import Sought, larger_is_better, needed, span

SOFTNESS = 1e-3  # width of the steps, as published, in shares of an objective's observed range
TILT = 1e-3  # slope, relative to the paper's, beyond what was observed


class Chimera:
    """Larger is better: minus the paper's function, which is minimised.

    Losses f_i are scaled to [0, 1] over the observed rows. Over the rows of interest (at first all) the threshold of
    f_i is t_i = min f_i + tolerance_i (max f_i - min f_i); the rows below it are those of interest for f_{i+1}, which
    is shifted so that its largest value there equals the lowest threshold before it: whatever meets the objectives
    before beats whatever does not. With H(t) the logistic step and g_i the shifted losses, g_k being f_0 once more,
    the paper's function is sum_i g_i H(g_i - t_i) prod_{j<i} H(t_j - g_j) + g_k prod_j H(t_j - g_j).

    For values that no row has shown, a shifted loss above the threshold before it rises only by TILT, so that the
    order of rank holds for them too; on the observed rows, clear of the steps, nothing changes by this.
    """

    def __init__(self, objectives: Sequence[Sought], observed: Array, softness: float = SOFTNESS) -> None:
        """`observed` (n, k), n >= 1, in own units. A `tolerance` is a share in [0, 1] of the observed range, of a match
        a distance from the target in its unit; none given means 0: as good as can be.

        Raises UnsupportedObjectives for a tolerance outside its range, ValueError for no row.
        """
        self.objectives, self.softness = tuple(objectives), softness
        losses = -larger_is_better(observed, objectives)
        self._low, self._width = span(losses)
        f = (losses - self._low) / self._width
        k, interest = len(self.objectives), np.arange(len(f))
        self.shifts, self.thresholds = np.zeros(k + 1), np.zeros(k)
        lowest = np.inf
        for i, objective in enumerate(self.objectives):
            seen = f[interest, i]
            at = self._threshold(i, objective, seen)
            self.thresholds[i] = at - self.shifts[i]
            lowest = min(lowest, self.thresholds[i])
            within = interest[seen < at]
            interest = within if len(within) else interest
            self.shifts[i + 1] = f[interest, (i + 1) % k].max() - lowest
        self._ceilings = np.minimum.accumulate(self.thresholds)

    def _threshold(self, i: int, objective: Sought, seen: Array) -> float:
        if objective.direction == "match" and objective.tolerance is not None:
            return (needed(objective, "tolerance") - float(self._low[i])) / float(self._width[i])
        share = 0.0 if objective.tolerance is None else float(objective.tolerance)
        if not 0.0 <= share <= 1.0:
            raise UnsupportedObjectives(
                f"{objective.direction} {objective.name}: wanted `tolerance` as a share of the observed range, "
                f"between 0 and 1; got {share:g}"
            )
        return float(seen.min() + share * (seen.max() - seen.min()))

    def __call__(self, Y: Array) -> Array:
        """(...,) for values Y (..., k) in own units."""
        f = (-larger_is_better(Y, self.objectives) - self._low) / self._width
        k = len(self.objectives)
        out = self._capped(f[..., 0] - self.shifts[k], self._ceilings[k - 1])
        for i in reversed(range(k)):
            loss = f[..., i] - self.shifts[i]
            missed = expit((loss - self.thresholds[i]) / self.softness)
            worth = loss if i == 0 else self._capped(loss, self._ceilings[i - 1])
            out = missed * worth + (1.0 - missed) * out
        return -out

    def _capped(self, loss: Array, ceiling: float) -> Array:
        out: Array = np.minimum(loss, ceiling) + TILT * np.tanh(np.maximum(loss - ceiling, 0.0))
        return out
