"""Which variant was best, and whether that is more than luck with the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.backtest.measures import Course
from orchestrator.backtest.pool import Array

LEVEL = 0.05
FEWEST = 6  # pairs; of fewer the signed-rank test cannot reach the level


@dataclass(frozen=True)
class Difference:
    """The best variant against another one: how much more of the best rows, on average, and how likely by luck.

    `p` is two-sided and adjusted for the number of variants compared; None with too few seeds to tell.
    """

    label: str
    more: float
    p: float | None

    @property
    def beyond_luck(self) -> bool:
        """Whether the difference is significant at the 5 % level."""
        return self.p is not None and self.p < LEVEL


@dataclass(frozen=True)
class Verdict:
    """The best variant by mean area, and all others, the nearest first."""

    best: str
    area: float
    differences: tuple[Difference, ...]


def judge(courses: Sequence[Course]) -> Verdict:
    """Compare by the share of the best rows found, averaged over the experiments; pairs are runs of equal seed.

    Wilcoxon's signed-rank test, the p values adjusted after Holm (Scand. J. Stat. 6, 65, 1979).
    """
    order = sorted(courses, key=lambda course: -float(course.area.mean()))
    best, others = order[0], order[1:]
    ps = _holm([_signed_rank(best.area - other.area) for other in others])
    more = [float((best.area - other.area).mean()) for other in others]
    differences = [Difference(o.label, m, p) for o, m, p in zip(others, more, ps, strict=True)]
    return Verdict(best.label, float(best.area.mean()), tuple(differences))


def _signed_rank(differences: Array) -> float | None:
    from scipy.stats import wilcoxon  # half a second, and only here

    if len(differences) < FEWEST:
        return None
    # Seeds that gave the same say nothing; so little may be left that no test is worth its name.
    differences = differences[np.abs(differences) > 1e-12]
    return float(wilcoxon(differences).pvalue) if len(differences) >= FEWEST else 1.0


def _holm(ps: Sequence[float | None]) -> list[float | None]:
    known = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    out: list[float | None] = [None] * len(ps)
    least = 0.0
    for place, (p, i) in enumerate(known):
        least = max(least, min(1.0, p * (len(known) - place)))
        out[i] = least
    return out
