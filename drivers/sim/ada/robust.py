"""Middle and spread of values of which some are far off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

MAD_TO_SD = 1.4826  # of a normal distribution
MEDIAN_ERROR = math.sqrt(math.pi / 2)  # of a median, over that of a mean


def spread(values: Sequence[float]) -> float:
    """Standard deviation by the median absolute deviation."""
    centre = median(values)
    return MAD_TO_SD * median(abs(value - centre) for value in values)


def middle(values: Sequence[float], relative: float = 0.0) -> tuple[float, float | None]:
    """Median and its standard uncertainty; `relative`: what the whole scale is unsure of. None where it is nothing."""
    centre = median(values)
    error = math.hypot(MEDIAN_ERROR * spread(values) / math.sqrt(len(values)), relative * centre)
    return centre, error or None
