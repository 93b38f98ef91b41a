"""A part of the space: where the search must stay for now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.encode import Array


@dataclass(frozen=True)
class Region:
    """A box in codes: `low` and `high` (p,). Equal ends pin a parameter, as a context or a fidelity is pinned; a trust
    region is a box around the best."""

    low: Array
    high: Array

    def holds(self, codes: Array) -> Array:
        """Mask (n,) of codes (n, p) inside, rounding forgiven."""
        slack = 1e-9 * np.maximum(1.0, np.maximum(np.abs(self.low), np.abs(self.high)))
        inside: Array = ((codes >= self.low - slack) & (codes <= self.high + slack)).all(axis=1)
        return inside

    def meet(self, other: Region) -> Region:
        """What both leave; an empty meeting keeps the ends of `self`."""
        low, high = np.maximum(self.low, other.low), np.minimum(self.high, other.high)
        bad = low > high
        return Region(np.where(bad, self.low, low), np.where(bad, self.high, high))
