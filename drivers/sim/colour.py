"""Colours of dyed water: absorption by Beer and Lambert, seen by the CIE standard observer. Pure functions.

Each dye is a band or two in the visible; a cuvette of 1 cm transmits T = 10^-(sum of absorbances). Tristimulus values
are sums over the spectrum of light, transmittance and the observer's colour matching functions, of which these are the
analytic fits of Wyman, Sloan and Shirley (J. Comput. Graph. Tech. 2(2), 1, 2013), within 1 % of the CIE's of 1931. The
light is a black body of 6504 K, near D65. L*, a*, b* are as the CIE defined them in 1976, and the difference of two
colours is their distance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

# Dyes by name: centre and width (sd) of their bands, nm, and absorbance of the pure stock in 1 cm.
DYES: Mapping[str, tuple[tuple[float, float, float], ...]] = {
    "red": ((510.0, 35.0, 3.0), (400.0, 30.0, 0.8)),
    "yellow": ((427.0, 40.0, 3.0),),
    "blue": ((630.0, 30.0, 3.5), (410.0, 25.0, 0.7)),
}
WAVELENGTHS = tuple(float(nm) for nm in range(380, 781, 5))
LIGHT_K = 6504.0
C2 = 1.438777e7  # second radiation constant, nm K
_X = ((1.056, 599.8, 37.9, 31.0), (0.362, 442.0, 16.0, 26.7), (-0.065, 501.1, 20.4, 26.2))
_Y = ((0.821, 568.8, 46.9, 40.5), (0.286, 530.9, 16.3, 31.1))
_Z = ((1.217, 437.0, 11.8, 36.0), (0.681, 459.0, 26.0, 13.8))

Lab = tuple[float, float, float]


def observer(nm: float) -> tuple[float, float, float]:
    """The colour matching functions at a wavelength (nm)."""

    def lobes(parts: tuple[tuple[float, float, float, float], ...]) -> float:
        return sum(
            height * math.exp(-0.5 * ((nm - at) / (left if nm < at else right)) ** 2)
            for height, at, left, right in parts
        )

    return lobes(_X), lobes(_Y), lobes(_Z)


@cache
def _weights() -> tuple[tuple[float, float, float], ...]:
    """Light times observer at each wavelength, so that all of the light has Y = 100."""
    light = [nm**-5 / math.expm1(C2 / (nm * LIGHT_K)) for nm in WAVELENGTHS]
    seen = [
        tuple(power * part for part in observer(nm)) for nm, power in zip(WAVELENGTHS, light, strict=True)
    ]
    whole = sum(parts[1] for parts in seen)
    return tuple((100 * x / whole, 100 * y / whole, 100 * z / whole) for x, y, z in seen)


def absorbance(shares: Mapping[str, float], nm: float) -> float:
    """In 1 cm, of water in which each dye's stock has this share (0 to 1) of the volume."""
    return sum(
        share * height * math.exp(-0.5 * ((nm - at) / width) ** 2)
        for dye, share in shares.items()
        for at, width, height in DYES[dye]
    )


def tristimulus(shares: Mapping[str, float]) -> tuple[float, float, float]:
    """X, Y, Z of light through the cuvette; Y is 100 for water."""
    passed = [10.0 ** -absorbance(shares, nm) for nm in WAVELENGTHS]
    x, y, z = (sum(t * parts[i] for t, parts in zip(passed, _weights(), strict=True)) for i in range(3))
    return x, y, z


def lab(shares: Mapping[str, float]) -> Lab:
    """L* (0 black, 100 water), a* (green to red), b* (blue to yellow)."""
    white = tristimulus({})

    def curve(t: float) -> float:
        return math.cbrt(t) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29

    x, y, z = (curve(part / whole) for part, whole in zip(tristimulus(shares), white, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: Lab, other: Lab) -> float:
    """Delta E of 1976; about 2.3 is just seen."""
    return math.dist(one, other)
