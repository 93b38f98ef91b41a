"""Learning about several readings at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.acquisition.base import Acquisition
from surrogates.encode import Array
from surrogates.goals.outputs import Outputs


@dataclass(frozen=True)
class Averaged:
    """The mean over readings of an acquisition of each, `parts` in the order of the outputs. All are in standardised
    units, so that a reading counts by what is not known of it, not by its size."""

    parts: tuple[Acquisition, ...]

    def value(self, belief: Outputs, X: Array) -> Array:
        each = [a.value(b, X) for a, b in zip(self.parts, belief.parts, strict=True)]
        mean: Array = np.mean(each, axis=0)
        return mean

    def gradient(self, belief: Outputs, X: Array, along: Array) -> tuple[Array, Array]:
        each = [a.gradient(b, X, along) for a, b in zip(self.parts, belief.parts, strict=True)]
        return np.mean([value for value, _ in each], axis=0), np.mean([slope for _, slope in each], axis=0)

    def coarse(self) -> Averaged | None:
        rough = [part.coarse() for part in self.parts]
        if all(part is None for part in rough):
            return None
        return Averaged(tuple(r or p for r, p in zip(rough, self.parts, strict=True)))
