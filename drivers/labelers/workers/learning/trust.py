"""How far a potential's own doubt can be believed: held against each calculation before it is learned from."""

from __future__ import annotations

import math
from collections import deque

FEWEST = 9  # below it no rank is above 90 %
LATEST = 60  # a potential that has learned more is another one
COVERAGE = 0.9
ASSUMED = 5.0  # half-width in standard deviations while nothing is known


class Trust:
    """Scores |error| / sd of the latest calculations, and the half-width in sd that covers 90 % of the next ones: the
    ceil((n + 1) * 0.9)-th smallest (Papadopoulos et al., ECML 2002). Calculations are asked for where doubt is large,
    so that these are not a fair sample of all answers: audits are."""

    def __init__(self) -> None:
        self._scores: deque[float] = deque(maxlen=LATEST)

    def add(self, score: float) -> None:
        """Of one calculation, from the potential as it was before."""
        self._scores.append(score)

    @property
    def half_width(self) -> float:
        """In sd; ASSUMED or more with fewer than FEWEST scores."""
        n = len(self._scores)
        if n < FEWEST:
            return max([ASSUMED, *self._scores])
        return sorted(self._scores)[math.ceil((n + 1) * COVERAGE) - 1]
