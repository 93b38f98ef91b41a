"""Hardness, fracture toughness and a bound on thermal expansion, all from elastic moduli.

Vectorised: arguments are numbers or arrays that broadcast. Moduli in GPa, volumes per atom in A^3. Moduli that no
stable isotropic solid has (bulk or shear modulus not positive) give NaN; a formula outside its domain says so in its
flags.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

GAMMA0 = 0.096
ALPHA0_COVALENT, ALPHA0_METAL = 8840.0, 2.0  # GPa
SENSITIVE = (0.12, 0.17)
EXPANSION_POISSON = (4.0 - math.sqrt(10.0)) / 6.0  # 0.1396, where the bound on thermal expansion is largest
EXPANSION_MOST = 2.0 * (11.0 - 2.0 * math.sqrt(10.0)) / 9.0  # 1.0390, its value there


@dataclass(frozen=True)
class Estimate:
    """Values and what they are worth. `inside`: Poisson's ratio is within 0 <= nu < 0.5, for which the formula was
    made; at nu < 0 the value has the factor of nu = 0, elsewhere outside it is NaN. `sensitive`: the formula's rounded
    coefficients matter more than the moduli."""

    value: Array
    inside: Flags
    sensitive: Flags


class Averages(NamedTuple):
    """Of a polycrystal without texture, GPa: Voigt's upper and Reuss's lower bound, and Hill's mean of both."""

    bulk_voigt: float
    bulk_reuss: float
    bulk: float
    shear_voigt: float
    shear_reuss: float
    shear: float


def averages(tensor: ArrayLike) -> Averages:
    """Of a stiffness tensor (6, 6) in Voigt's notation, GPa (Hill, Proc. Phys. Soc. A 65, 349, 1952).

    Raises ValueError: not 6 x 6, not symmetric within 1 %, or not positive definite, so that the crystal falls
    apart.
    """
    c = np.asarray(tensor, float)
    if c.shape != (6, 6) or not np.all(np.isfinite(c)):
        raise ValueError(f"elastic tensor: wanted 6 x 6 finite numbers, got {c.shape}")
    if np.max(np.abs(c - c.T)) > 0.01 * np.max(np.abs(c)):
        raise ValueError("elastic tensor: wanted a symmetric one")
    c = 0.5 * (c + c.T)
    if (least := float(np.linalg.eigvalsh(c)[0])) <= 0.0:
        raise ValueError(f"elastic tensor: wanted a stable crystal, got an eigenvalue of {least:.4g} GPa")
    s = np.linalg.inv(c)
    bulk_voigt, shear_voigt = _voigt(c)
    bulk_reuss = 1.0 / np.sum(s[:3, :3])
    diagonal, off = np.trace(s[:3, :3]), s[0, 1] + s[0, 2] + s[1, 2]
    shear_reuss = 15.0 / (4.0 * diagonal - 4.0 * off + 3.0 * np.trace(s[3:, 3:]))
    return Averages(
        bulk_voigt,
        float(bulk_reuss),
        0.5 * (bulk_voigt + float(bulk_reuss)),
        shear_voigt,
        float(shear_reuss),
        0.5 * (shear_voigt + float(shear_reuss)),
    )


def _voigt(c: Array) -> tuple[float, float]:
    diagonal, off = np.trace(c[:3, :3]), c[0, 1] + c[0, 2] + c[1, 2]
    return float(np.sum(c[:3, :3]) / 9.0), float((diagonal - off + 3.0 * np.trace(c[3:, 3:])) / 15.0)


def poisson_ratio(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """nu = (3 B - 2 G) / (2 (3 B + G)), no unit."""
    b, g = _moduli(bulk, shear)
    return (3.0 * b - 2.0 * g) / (2.0 * (3.0 * b + g))


def young_modulus(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """E = 9 B G / (3 B + G), GPa."""
    b, g = _moduli(bulk, shear)
    return 9.0 * b * g / (3.0 * b + g)


def chi(nu: ArrayLike) -> Array:
    """Of the hardness, for 0 <= nu < 0.5, no unit."""
    n = np.asarray(nu, float)
    return (1.0 - 8.5 * n + 19.5 * n**2) / (1.0 - 7.5 * n + 12.2 * n**2 + 19.6 * n**3)


def zeta(nu: ArrayLike) -> Array:
    """Of the fracture toughness, for 0 <= nu < 0.5, no unit. About nu = 0.145 both polynomials are near 0 and their
    coefficients have one decimal."""
    n = np.asarray(nu, float)
    return (1.0 - 13.7 * n + 48.6 * n**2) / (1.0 - 15.2 * n + 70.2 * n**2 - 81.5 * n**3)


def hardness(bulk: ArrayLike, shear: ArrayLike) -> Estimate:
    """Vickers hardness H = 0.096 chi(nu) E, GPa (Mazhnik and Oganov, J. Appl. Phys. 126, 125109, 2019). That of metals
    is not accurate."""
    nu, inside, clamped = _domain(bulk, shear)
    value = GAMMA0 * chi(clamped) * young_modulus(bulk, shear)
    return Estimate(value, inside, np.zeros(nu.shape, bool))


def fracture_toughness(
    bulk: ArrayLike, shear: ArrayLike, volume: ArrayLike, metal: ArrayLike = False
) -> Estimate:
    """K_IC = alpha0^(-1/2) V^(1/6) (zeta(nu) E)^(3/2), MPa m^(1/2), with the volume per atom in A^3 and alpha0 of
    8,840 GPa for covalent and ionic crystals, 2 GPa for metals (Mazhnik and Oganov, J. Appl. Phys. 126, 125109, 2019).
    Sensitive at 0.12 < nu < 0.17."""
    nu, inside, clamped = _domain(bulk, shear)
    alpha0 = np.where(np.asarray(metal, bool), ALPHA0_METAL, ALPHA0_COVALENT)
    size = np.cbrt(np.sqrt(_positive(volume) * 1e-30))  # m^(1/2)
    value = 1000.0 * alpha0**-0.5 * size * (zeta(clamped) * young_modulus(bulk, shear)) ** 1.5
    sensitive = (nu > SENSITIVE[0]) & (nu < SENSITIVE[1])
    return Estimate(value, np.broadcast_to(inside, value.shape), np.broadcast_to(sensitive, value.shape))


def chen_hardness(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """Vickers hardness H = 2 (k^2 G)^0.585 - 3 with k = G/B, GPa (Chen et al., Intermetallics 19, 1275, 2011). Below 0
    for soft crystals: no hardness that it can tell."""
    b, g = _moduli(bulk, shear)
    return 2.0 * ((g / b) ** 2 * g) ** 0.585 - 3.0


def teter_hardness(shear: ArrayLike) -> Array:
    """Vickers hardness H = 0.151 G, GPa (Teter, MRS Bull. 23, 22, 1998)."""
    return 0.151 * _positive(shear)


def niu_toughness(bulk: ArrayLike, shear: ArrayLike, volume: ArrayLike) -> Array:
    """K_IC = V^(1/6) G (B/G)^(1/2), MPa m^(1/2), covalent and ionic crystals (Niu et al., J. Appl. Phys. 125, 065105,
    2019); the volume per atom in A^3."""
    b, g = _moduli(bulk, shear)
    return 1000.0 * np.cbrt(np.sqrt(_positive(volume) * 1e-30)) * np.sqrt(b * g)


def linear_hardness(bulk: ArrayLike, shear: ArrayLike) -> dict[str, Array]:
    """Vickers hardness, GPa, by the correlations that MechElastic prints beside Chen's, called by their formulas."""
    b, g = _moduli(bulk, shear)
    nu, e = poisson_ratio(bulk, shear), young_modulus(bulk, shear)
    return {
        "G/6.78": g / 6.78,
        "E/16.48": e / 16.48,
        "0.1769 G - 2.899": 0.1769 * g - 2.899,
        "E/15.76": e / 15.76,
        "(1 - 2 nu) B / (6 (1 + nu))": (1.0 - 2.0 * nu) * b / (6.0 * (1.0 + nu)),
    }


def brittleness(hardness: ArrayLike, toughness: ArrayLike) -> Array:
    """H/K, 1/micrometre^(1/2) as GPa / (MPa m^(1/2)): lines of it are straight in a chart with logarithmic axes."""
    return np.asarray(hardness, float) / np.asarray(toughness, float)


def expansion_factor(nu: ArrayLike) -> Array:
    """f(nu) = 2 (1 + nu)(1 - 2 nu) / (2 - 3 nu) of the bound on thermal expansion; at most EXPANSION_MOST."""
    n = np.asarray(nu, float)
    return 2.0 * (1.0 + n) * (1.0 - 2.0 * n) / (2.0 - 3.0 * n)


def most_expansion(bulk: ArrayLike, shear: ArrayLike, heat_capacity: ArrayLike, density: ArrayLike) -> Array:
    """Upper bound of the linear thermal expansion, 1/K: f(nu) c_V rho / E, from alpha E = gamma c_V rho (1 - 2 nu) with
    the Grueneisen parameter gamma at most 2 (1 + nu) / (2 - 3 nu). Heat capacity in J/(kg K), density in kg/m^3."""
    return expansion(bulk, shear, heat_capacity, density, most_grueneisen(poisson_ratio(bulk, shear)))


def most_grueneisen(nu: ArrayLike) -> Array:
    """2 (1 + nu) / (2 - 3 nu), no unit."""
    n = np.asarray(nu, float)
    return 2.0 * (1.0 + n) / (2.0 - 3.0 * n)


def expansion(
    bulk: ArrayLike, shear: ArrayLike, heat_capacity: ArrayLike, density: ArrayLike, grueneisen: ArrayLike
) -> Array:
    """Linear thermal expansion gamma c_V rho (1 - 2 nu) / E, 1/K; heat capacity in J/(kg K), density in kg/m^3."""
    stress = np.asarray(grueneisen, float) * _positive(heat_capacity) * _positive(density)  # Pa/K
    return stress * (1.0 - 2.0 * poisson_ratio(bulk, shear)) / (1e9 * young_modulus(bulk, shear))


def _moduli(bulk: ArrayLike, shear: ArrayLike) -> tuple[Array, Array]:
    b, g = np.broadcast_arrays(_positive(bulk), _positive(shear))
    return b, g


def _positive(x: ArrayLike) -> Array:
    values = np.asarray(x, float)
    return np.where(values > 0.0, values, np.nan)


def _domain(bulk: ArrayLike, shear: ArrayLike) -> tuple[Array, Flags, Array]:
    """Poisson's ratio, whether it is in the domain, and the ratio that the formulas may see."""
    nu = poisson_ratio(bulk, shear)
    inside = (nu >= 0.0) & (nu < 0.5)
    return nu, inside, np.where(nu < 0.0, 0.0, nu)
