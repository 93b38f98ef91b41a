"""How an ensemble's raw spread becomes an uncertainty that can be believed: two factors and the quantiles of split
conformal prediction, from structures that no member learned from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.special import ndtri

from surrogates.encode import Array

Source = Literal["held-out", "carried over", "assumed"]

FEWEST = 9  # held-out labels from which the 90 % quantile is one of the scores: ceil((n + 1) * 0.9) <= n
ONE_SIGMA = 0.6827  # share of normal errors within one standard deviation
ASSUMED = 2.0  # factor on both raw parts where nothing is known: raw spreads cover 45 to 64 % at 2 sd
FACTORS = np.exp(np.linspace(-3.0, 3.0, 41))
PRIOR = 0.7  # sd of the logarithm of a factor about what it was before, or about 1
CHUNK = 256  # labels whose likelihoods are on the grid at once
FREEDOM = 4.0  # of the t likelihood: a few wild labels must not widen the intervals of all


@dataclass(frozen=True)
class Calibration:
    """Of one target.

    epistemic, aleatoric  factors on the raw standard deviations of the two parts
    scores       (n,) |error| / sd of the labels held out, rising; empty where nothing is known
    source       held-out: measured on structures that these members did not learn from; carried over: those of the
                 ensemble this one was started from, too few being held out of this one; assumed: neither
    n            labels held out of this very ensemble
    """

    epistemic: float
    aleatoric: float
    scores: tuple[float, ...]
    source: Source
    n: int

    def quantile(self, coverage: float) -> float:
        """Half-width in sd of the interval that covers the next label with at least that probability: the
        ceil((n + 1) * coverage)-th smallest score (Papadopoulos et al., ECML 2002; Lei et al., JASA 113, 1094, 2018).

        Where n is too small for that rank the largest score, widened as normal quantiles go on from n / (n + 1) to
        the coverage; where there are no scores the normal quantile. `exact` tells. Raises ValueError outside 0 to 1.
        """
        if not 0.0 < coverage < 1.0:
            raise ValueError(f"wanted a coverage between 0 and 1, got {coverage}")
        normal = float(ndtri(0.5 + coverage / 2))
        n = len(self.scores)
        if n == 0:
            return normal
        rank = math.ceil((n + 1) * coverage - 1e-9)
        if rank <= n:
            return self.scores[rank - 1]
        return self.scores[-1] * normal / float(ndtri(0.5 + 0.5 * n / (n + 1)))

    def exact(self, coverage: float) -> bool:
        """Whether enough labels were held out of this ensemble for that coverage to be guaranteed."""
        return self.source == "held-out" and math.ceil((len(self.scores) + 1) * coverage - 1e-9) <= len(
            self.scores
        )

    def said(self) -> str:
        """One sentence for a report."""
        if self.source == "held-out":
            return f"calibrated on {self.n} labels of compositions that no member learned from"
        kept = (
            "carried over from the earlier ensemble"
            if self.source == "carried over"
            else "assumed, not measured"
        )
        return f"only {self.n} labels were held out (wanted {FEWEST}): the width of intervals is {kept}"

    def to_json(self) -> dict[str, Any]:
        """JSON types; `from_json` gives an equal one back."""
        return {
            "epistemic": self.epistemic, "aleatoric": self.aleatoric, "scores": list(self.scores),
            "source": self.source, "n": self.n,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Calibration:
        """Raises KeyError or TypeError where a field is missing or of another kind."""
        return cls(
            epistemic=float(data["epistemic"]), aleatoric=float(data["aleatoric"]),
            scores=tuple(float(x) for x in data["scores"]), source=data["source"], n=int(data["n"]),
        )  # fmt: skip


def calibrate(
    error: Array, epistemic: Array, aleatoric: Array, earlier: Calibration | None = None
) -> Calibration:
    """From errors (n,) of held-out labels and the raw standard deviations (n,) of both parts.

    The two factors make the errors most likely under a t distribution, with priors about those of `earlier` (about 1
    without one); a label's score is taken with the factors that the others give, so that few labels do not look
    better than they are. Then all is multiplied so that the `ONE_SIGMA` quantile of the scores is 1. With fewer than
    FEWEST labels nothing is measured: `earlier` is carried over, or ASSUMED, and the result says so.
    """
    known = np.isfinite(error)
    error, epistemic, aleatoric = error[known], epistemic[known], aleatoric[known]
    n = len(error)
    if n < FEWEST:
        if earlier is not None:
            source: Source = "assumed" if earlier.source == "assumed" else "carried over"
            return replace(earlier, source=source, n=n)
        return Calibration(ASSUMED, ASSUMED, (), "assumed", n)
    (a, b), without = _factors(np.abs(error), epistemic, aleatoric, earlier)
    scores = np.sort(np.abs(error) / total(without[0] * epistemic, without[1] * aleatoric))
    unit = float(scores[min(n, math.ceil((n + 1) * ONE_SIGMA)) - 1])
    if unit <= 0.0:  # every error is zero: the raw parts are all that is known
        unit = 1.0
    return Calibration(a * unit, b * unit, tuple((scores / unit).tolist()), "held-out", n)


def total(epistemic: Array, aleatoric: Array) -> Array:
    """sd of both parts together; never quite zero, so that a score is a number."""
    out: Array = np.sqrt(epistemic**2 + aleatoric**2 + 1e-24)
    return out


def _factors(
    error: Array, epistemic: Array, aleatoric: Array, earlier: Calibration | None
) -> tuple[tuple[float, float], Array]:
    """The likeliest pair on a grid, and (2, n) the likeliest without each label. A part that is zero throughout (one
    member has no spread) keeps its prior."""
    a, b = (axis.ravel() for axis in np.meshgrid(FACTORS, FACTORS, indexing="ij"))
    centre = (earlier.epistemic, earlier.aleatoric) if earlier is not None else (1.0, 1.0)
    loss = 0.5 * (np.log(a / centre[0]) / PRIOR) ** 2 + 0.5 * (np.log(b / centre[1]) / PRIOR) ** 2

    def own(rows: slice) -> Array:
        variance = np.outer(epistemic[rows] ** 2, a**2) + np.outer(aleatoric[rows] ** 2, b**2) + 1e-24
        out: Array = 0.5 * np.log(variance)
        out += 0.5 * (FREEDOM + 1.0) * np.log1p(error[rows, None] ** 2 / (FREEDOM * variance))
        return out

    parts = [slice(at, at + CHUNK) for at in range(0, len(error), CHUNK)]
    for rows in parts:
        loss += own(rows).sum(axis=0)
    best = int(np.argmin(loss))
    places = np.concatenate([np.argmin(loss - own(rows), axis=1) for rows in parts])
    return (float(a[best]), float(b[best])), np.stack([a[places], b[places]])
