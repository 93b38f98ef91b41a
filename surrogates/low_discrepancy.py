"""Scrambled Sobol points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.stats.qmc import Sobol


def sobol(d: int, rng: np.random.Generator) -> Sobol:
    """The sequence in d dimensions, scrambled by `rng` (Owen 1998)."""
    # scipy.stats takes longer to load than all the rest of the planner: only for those who draw.
    from scipy.stats import qmc

    return qmc.Sobol(d, rng=rng)
