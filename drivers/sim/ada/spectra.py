"""Absorption spectra of doped films, and what they say: thickness and holes per area.

A host molecule absorbs in the near ultraviolet; one that has lost an electron in the green and the red instead. Bands
are Gaussians at the places of spiro-OMeTAD's (385, 520 and 700 nm), molar absorptivities this model's own: 140 nm
absorb 0.45. Light that goes through holes dilutes the absorbance; defects scatter as wavelength^-4; a drifting lamp
shifts the whole.

The analysis knows the bands of one host and one cation (a calibration), and fits both, scattering and shift to each
spectrum by non-negative least squares; uncertainties are those of the linear fit at its residuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivers.sim.ada.slide import Coat
from drivers.sim.film import N_HOST_PER_CM3

WAVELENGTHS_NM = np.arange(350.0, 751.0, 10.0)
PER_MOLAR = 1000 / 6.02214e23  # from L/mol/cm to cm^2 per molecule, decadic


def _band(at_nm: float, sd_nm: float) -> np.ndarray:
    shape: np.ndarray = np.exp(-0.5 * ((WAVELENGTHS_NM - at_nm) / sd_nm) ** 2)
    return shape


HOST_CM2 = 1.5e4 * PER_MOLAR * _band(385, 20)
CATION_CM2 = 4.0e4 * PER_MOLAR * (_band(520, 35) + 0.5 * _band(700, 60))
SCATTERED = (WAVELENGTHS_NM / 500) ** -4
SCATTERING = 0.02  # of absorbance at 500 nm, of a film that is all defect
NOISE = 1e-3  # of absorbance
UNIT = 1e15  # molecules per cm^2: brings the columns of the fit to one scale


@dataclass(frozen=True)
class Layer:
    """What a spectrum says: nm and 1/cm^2, each with its standard uncertainty."""

    thickness_nm: float
    thickness_sigma: float
    carriers_cm2: float
    carriers_sigma: float


def absorbance(here: Coat) -> np.ndarray:
    """Of a film that is everywhere as `here`, decadic, at WAVELENGTHS_NM."""
    carriers = here.carriers_cm2
    neutral = N_HOST_PER_CM3 * here.thickness_nm * 1e-7 - carriers
    through = 10 ** -(neutral * HOST_CM2 + carriers * CATION_CM2)
    covered = here.coverage
    seen: np.ndarray = (
        -np.log10(covered * through + 1 - covered) + SCATTERING * here.defect_fraction * SCATTERED
    )
    return seen


def layer(spectrum: np.ndarray) -> Layer:
    """What absorbed: `spectrum` is decadic, at WAVELENGTHS_NM."""
    from scipy.optimize import nnls

    shift = np.ones_like(WAVELENGTHS_NM)
    columns = np.stack([UNIT * HOST_CM2, UNIT * CATION_CM2, SCATTERED, shift, -shift], axis=1)
    amounts, _ = nnls(columns, spectrum)
    linear = columns[:, :4]
    off = spectrum - columns @ amounts
    variance = float(off @ off) / (len(spectrum) - 4)
    covariance = variance * np.linalg.inv(linear.T @ linear)
    per_nm = N_HOST_PER_CM3 * 1e-7 / UNIT
    both = covariance[:2, :2].sum()
    return Layer(
        float(amounts[:2].sum() / per_nm),
        float(np.sqrt(both) / per_nm),
        float(amounts[1] * UNIT),
        float(np.sqrt(covariance[1, 1]) * UNIT),
    )
