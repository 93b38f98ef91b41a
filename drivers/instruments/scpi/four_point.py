"""From voltages at alternating currents to a film's resistance, sheet resistance and conductivity.

Sheet resistance of a thin film under a collinear probe of equal spacing s, in its middle (F. M. Smits, Bell System
Technical Journal 37, 711, 1958): R_s = F V / I, with F = pi / ln 2 for an infinite film and the factors below for films
of finite size. They hold for thin films: at a thickness of 0.2 s they are 0.7 % off, and thicker ones are refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

INFINITE = math.pi / math.log(2)
LEAST = 5  # readings: three are fitted
CONVERGED = 1e-12


@dataclass(frozen=True)
class Resistance:
    """`ohm` with its standard uncertainty; `offset_V` and `drift_V`, per reading, are what the polarities cancel."""

    ohm: float
    sigma_ohm: float
    offset_V: float
    drift_V: float
    residual_V: float


def delta(currents_A: Sequence[float], voltages_V: Sequence[float]) -> Resistance:
    """The resistance by least squares of V_k = R I_k + offset + drift k, with k = 0 in the middle of the series.

    For alternating +I, -I this is the delta method: thermal voltages that are constant or drift evenly do not count (of
    three readings it is (V1 - 2 V2 + V3) / 4 I). The uncertainty is from the residuals with n - 3 degrees of freedom:
    of repeatability, not of the instrument's calibration. Raises ValueError where there is too little to fit.
    """
    import numpy as np

    n = len(currents_A)
    if n < LEAST or len(voltages_V) != n:
        raise ValueError(
            f"wanted {LEAST} readings or more of both, got {n} currents, {len(voltages_V)} voltages"
        )
    scale = max(abs(one) for one in currents_A)
    if min(currents_A) >= 0 or max(currents_A) <= 0:
        raise ValueError("wanted currents of both polarities")
    steps = np.arange(n) - (n - 1) / 2
    design = np.column_stack([np.asarray(currents_A) / scale, np.ones(n), steps])
    fitted, _, _, _ = np.linalg.lstsq(design, np.asarray(voltages_V), rcond=None)
    residual = np.asarray(voltages_V) - design @ fitted
    variance = float(residual @ residual) / (n - 3)
    covariance = variance * np.linalg.inv(design.T @ design)
    return Resistance(
        ohm=float(fitted[0]) / scale,
        sigma_ohm=math.sqrt(covariance[0, 0]) / scale,
        offset_V=float(fitted[1]),
        drift_V=float(fitted[2]),
        residual_V=math.sqrt(variance),
    )


def circle(diameter: float, spacing: float) -> float:
    """F for a circular film of `diameter`, same unit as `spacing` (Smits 1958: 2.2662 at d/s = 3)."""
    if diameter < 3 * spacing:
        raise ValueError(f"the probe is {3 * spacing:g} long and the film only {diameter:g} wide")
    square = (diameter / spacing) ** 2
    return math.pi / (math.log(2) + math.log((square + 3) / (square - 3)))


def rectangle(length: float, width: float, spacing: float) -> float:
    """F for a rectangular film of `length` along the probe and `width` across, same unit as `spacing`.

    The series of Smits 1958; the tests hold it to a sum of image currents.
    """
    if length < 3 * spacing:
        raise ValueError(f"the probe is {3 * spacing:g} long and the film only {length:g}")
    a, d = length / spacing, width / spacing
    bracket = math.pi / d + math.log1p(-math.exp(-4 * math.pi / d)) - math.log1p(-math.exp(-2 * math.pi / d))
    m = 1
    while True:
        term = math.exp(-2 * math.pi * (a - 2) * m / d) / m
        term *= -math.expm1(-6 * math.pi * m / d) * -math.expm1(-2 * math.pi * m / d)
        term /= 1 + math.exp(-2 * math.pi * a * m / d)
        bracket += term
        if term < CONVERGED * bracket:
            return math.pi / bracket
        m += 1
