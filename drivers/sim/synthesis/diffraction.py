"""X-ray powder patterns of crystals (Cu K-alpha), and of mixtures of them as an instrument records them.

Intensities are kinematic: |F|^2 of each reflection with the atomic form factors that pymatgen carries, the Lorentz and
polarisation factor of an unmonochromated Bragg-Brentano instrument, and a Debye-Waller factor of one B for all. The
intensity of a phase of weight fraction w goes as w |F|^2 / (V M), with volume V and mass M of the cell (Hill and
Howard, J. Appl. Cryst. 20, 467, 1987), so that patterns add up in weight fractions. Absorption contrast and
anomalous dispersion are left out.

Texture is March's and Dollase's (J. Appl. Cryst. 19, 267, 1986): a reflection at the angle a to the preferred axis is
multiplied by (r^2 cos^2 a + sin^2 a / r)^(-3/2); the axis is that of the widest lattice spacing, r = 1 is none.
Widths are Scherrer's (K = 0.9) beside those of the instrument, the profile a pseudo-Voigt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from drivers.sim.synthesis.phases import Phase, atomic_masses

WAVELENGTH = 1.54184  # angstrom, Cu K-alpha, mean of both
FIRST_DEG, LAST_DEG, STEP_DEG = 10.0, 100.0, 0.04  # two theta
ANGLES = np.arange(FIRST_DEG, LAST_DEG + STEP_DEG / 2, STEP_DEG)
DEBYE_WALLER = 0.6  # angstrom^2, typical of oxides at room temperature
WEAK = 1e-4  # of the strongest line: not kept
INSTRUMENT_DEG = 0.10  # full width at half maximum
LORENTZIAN = 0.5
WINDOW = 40  # steps on either side that a line reaches
SCHERRER = 0.9


@dataclass(frozen=True, eq=False)
class Lines:
    """The reflections of a phase: `spacing` in angstrom; `intensity` of a gram without texture, in arbitrary units that
    are the same for all phases; `axial`: cos^2 of the angle to the preferred axis."""

    spacing: np.ndarray
    intensity: np.ndarray
    axial: np.ndarray

    def angles(self, strain: float = 0.0) -> np.ndarray:
        """Two theta in degrees, of a lattice longer by `strain` in all directions."""
        sine = WAVELENGTH / (2 * self.spacing * (1 + strain))
        return np.degrees(2 * np.arcsin(np.clip(sine, 0.0, 1.0)))


def reflections(phase: Phase, debye_waller: float = DEBYE_WALLER) -> Lines:
    """The lines of a phase within the range of the instrument and a little beyond."""
    reciprocal = np.linalg.inv(phase.lattice).T  # rows: reciprocal vectors without 2 pi, 1/angstrom
    furthest = 2 * math.sin(math.radians((LAST_DEG + 2) / 2)) / WAVELENGTH
    reach = np.ceil(furthest * np.linalg.norm(phase.lattice, axis=1)).astype(int)
    axes = [np.arange(-n, n + 1) for n in reach]
    hkl = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    g = np.linalg.norm(hkl @ reciprocal, axis=1)
    hkl, g = hkl[(g > 1e-6) & (g <= furthest)], g[(g > 1e-6) & (g <= furthest)]
    # One of each pair hkl, -hkl: they are as strong as each other.
    sign = np.where(hkl[:, 0] != 0, hkl[:, 0], np.where(hkl[:, 1] != 0, hkl[:, 1], hkl[:, 2]))
    hkl, g = hkl[sign > 0], g[sign > 0]
    factors = np.zeros(len(g), complex)
    for element in sorted(set(phase.species)):
        sites = phase.frac[[s == element for s in phase.species]]
        factors += _form_factor(element, g / 2) * np.exp(2j * math.pi * (hkl @ sites.T)).sum(axis=1)
    theta = np.arcsin(np.clip(WAVELENGTH * g / 2, 0.0, 1.0))
    lorentz = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    masses = atomic_masses()
    cell = sum(masses[s] for s in phase.species) * phase.volume * len(phase.species)
    intensity = np.abs(factors) ** 2 * lorentz * np.exp(-debye_waller * g**2 / 2) / cell
    axis = (hkl @ reciprocal)[int(np.argmin(g))] / g.min()
    axial = ((hkl @ reciprocal) @ axis / g) ** 2
    kept = intensity > WEAK * intensity.max()
    return Lines(1 / g[kept], intensity[kept], axial[kept])


def _form_factor(element: str, s: np.ndarray) -> np.ndarray:
    """At s = sin(theta) / wavelength, 1/angstrom: Z - 41.78214 s^2 sum_i a_i exp(-b_i s^2)."""
    numbers, coefficients = _form_factors()
    a, b = np.array(coefficients[element]).T
    shape: np.ndarray = (a * np.exp(-np.outer(s**2, b))).sum(axis=1)
    return numbers[element] - 41.78214 * s**2 * shape


@lru_cache(maxsize=1)
def _form_factors() -> tuple[dict[str, int], dict[str, list[list[float]]]]:
    from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS
    from pymatgen.core import Element

    return {element.symbol: element.Z for element in Element}, ATOMIC_SCATTERING_PARAMS


def texture(lines: Lines, r: float) -> np.ndarray:
    """The factor of each line."""
    if r == 1.0:
        return np.ones(len(lines.axial))
    factor: np.ndarray = (r**2 * lines.axial + (1 - lines.axial) / r) ** -1.5
    return factor


def profile(
    lines: Lines, *, strain: float = 0.0, size: float = 60.0, r: float = 1.0, shift: float = 0.0
) -> np.ndarray:
    """Counts at ANGLES of a gram of the phase, in arbitrary units: `size` of the crystallites in nm, `r` of texture,
    `shift` in degrees at 2 theta = 0 for a sample that is set too high (it goes as cos theta)."""
    angle = lines.angles(strain)
    theta = np.radians(angle / 2)
    angle = angle + shift * np.cos(theta)
    scherrer = np.degrees(SCHERRER * WAVELENGTH / 10 / (size * np.cos(theta)))
    width = np.hypot(INSTRUMENT_DEG, scherrer)
    middle = np.rint((angle - FIRST_DEG) / STEP_DEG).astype(int)
    at = middle[:, None] + np.arange(-WINDOW, WINDOW + 1)
    off = (FIRST_DEG + at * STEP_DEG - angle[:, None]) / (width[:, None] / 2)
    gauss = math.sqrt(math.log(2) / math.pi) * np.exp(-math.log(2) * off**2)
    lorentz = 1 / math.pi / (1 + off**2)
    shape = (LORENTZIAN * lorentz + (1 - LORENTZIAN) * gauss) / (width[:, None] / 2)
    height = shape * (lines.intensity * texture(lines, r))[:, None]
    inside = (at >= 0) & (at < len(ANGLES))
    return np.bincount(at[inside], weights=height[inside], minlength=len(ANGLES))
