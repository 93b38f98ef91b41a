"""From an objective's own values to what the process models: larger is better, mean 0, sd 1, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.encode import Array

LARGEST = 1.7e308


@dataclass(frozen=True)
class Standard:
    """z = sign * (y / unit - shift) / scale. `unit` keeps values near the limits of float64 from overflowing."""

    sign: float
    unit: float
    shift: float
    scale: float

    @classmethod
    def fit(cls, y: Array, *, maximise: bool) -> Standard:
        """y (n,) finite, n >= 0. Equal values, one value or none are given the scale of the value itself."""
        unit = float(np.abs(y).max(initial=0.0)) or 1.0
        small = y / unit
        shift = float(small.mean()) if len(y) else 0.0
        spread = float(small.std(ddof=1)) if len(y) > 1 else 0.0
        return cls(1.0 if maximise else -1.0, unit, shift, spread if spread > 1e-13 else 1.0)

    def forward(self, y: Array) -> Array:
        return self.sign * (y / self.unit - self.shift) / self.scale

    def variance(self, sigma: Array) -> Array:
        """Known standard deviations of y as variances of z."""
        return np.minimum((sigma / self.unit / self.scale) ** 2, 1e12)

    def mean(self, z: Array) -> Array:
        return np.clip((self.sign * z * self.scale + self.shift) * self.unit, -LARGEST, LARGEST)

    def sd(self, s: Array) -> Array:
        return np.minimum(s * self.scale * self.unit, LARGEST)
