"""Several objectives as one degree of satisfaction (Derringer and Suich, J. Qual. Technol. 12, 214, 1980)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surrogates.encode import Array
from surrogates.errors import UnsupportedObjectives
from surrogates.goals.sought import Sought, needed

ROUNDING = 0.02  # of the ends of a ramp, in widths of the ramp
FAR = 1e6  # widths of a ramp beyond which a value counts as no farther


class Desirability:
    """Weighted geometric mean of each objective's degree of satisfaction: 0 at `worst`, 1 at `best`, a straight line
    between (their exponents s = t = 1); a match is 1 at `target` and 0 at target +- tolerance.

    One objective of degree 0 makes the whole 0: the objectives do not make up for each other.
    """

    def __init__(self, objectives: Sequence[Sought]) -> None:
        """Raises UnsupportedObjectives where an objective lacks what it needs, or its numbers contradict it."""
        ramps = [_ramp(objective) for objective in objectives]
        self._match = np.array([objective.direction == "match" for objective in objectives], bool)
        self._zero, self._width = np.array(ramps).reshape(-1, 2).T
        weights = np.array([float(objective.weight) for objective in objectives])
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
            raise UnsupportedObjectives(
                f"weights: wanted none below zero, and one above; got {weights.tolist()}"
            )
        self._weights = weights / weights.sum()

    def degrees(self, Y: Array) -> Array:
        """Satisfaction (..., k) in [0, 1] of each objective for values Y (..., k) in own units."""
        return np.clip(self._along(Y), 0.0, 1.0)

    def exact(self, Y: Array) -> Array:
        """(...,) in [0, 1], as published: for reports."""
        degrees = self.degrees(Y)
        counted = self._weights > 0
        with np.errstate(divide="ignore"):
            out: Array = np.exp(np.log(degrees[..., counted]) @ self._weights[counted])
        return out

    def __call__(self, Y: Array) -> Array:
        """(...,) between 0 and 1: `exact` with the ends of the ramps rounded into tails that never quite reach 0 or 1.
        A degree of 0 becomes 0.01 at the foot of the ramp and falls with the square of the distance below it. So where
        nothing is of use yet, or all is, there is still a better and a worse, and a search finds no kinks."""
        along = np.clip(self._along(Y), -FAR, FAR)
        out: Array = np.exp(np.log(_rounded(along) - _rounded(along - 1.0)) @ self._weights)
        return out

    def _along(self, Y: Array) -> Array:
        """Where each value lies on its ramp: 0 at its foot, 1 at its top, going on beyond both."""
        away = np.where(self._match, -np.abs(Y - self._zero), Y - self._zero) / self._width
        out: Array = np.where(self._match, 1.0 + away, away)
        return out


def _rounded(t: Array) -> Array:
    """max(t, 0), rounded: (t + sqrt(t^2 + r^2)) / 2, in the form that does not cancel for t < 0."""
    root = np.sqrt(t**2 + ROUNDING**2)
    out: Array = np.where(t > 0, 0.5 * (t + root), 0.5 * ROUNDING**2 / (root + np.abs(t)))
    return out


def _ramp(objective: Sought) -> tuple[float, float]:
    """Foot and signed width of the ramp; of a match the target and half width."""
    label = f"{objective.direction} {objective.name}"
    if objective.direction == "match":
        half = needed(objective, "tolerance")
        if not half > 0:
            raise UnsupportedObjectives(f"{label}: wanted `tolerance` above zero, got {half:g}")
        return needed(objective, "target"), half
    worst, best = needed(objective, "worst"), needed(objective, "best")
    if not (best > worst if objective.direction == "maximise" else best < worst):
        side = "above" if objective.direction == "maximise" else "below"
        raise UnsupportedObjectives(
            f"{label}: wanted `best` {side} `worst`, got best {best:g}, worst {worst:g}"
        )
    return worst, best - worst
