"""Debye's crystal from elastic moduli: what warmth does to a crystal that nobody has calculated the vibrations of.

Vectorised: arguments are numbers or arrays that broadcast; moduli in GPa, volumes (angstrom^3) and masses (u) per atom,
temperatures in K. From an equation of state in place of moduli: the labelers' verb `thermal`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import Avogadro, atomic_mass, hbar, k

from surrogates.materials import mechanics

Array = NDArray[np.float64]
GAS = Avogadro * k  # J/(mol K)
MOST = 60.0  # theta / T beyond which the integral of Debye's function is that to infinity
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def debye_temperature(bulk: ArrayLike, shear: ArrayLike, volume: ArrayLike, mass: ArrayLike) -> Array:
    """hbar/k (6 pi^2 / V)^(1/3) v with the mean speed of one longitudinal and two transverse waves (Anderson, J. Phys.
    Chem. Solids 24, 909, 1963). NaN for moduli that are not positive."""
    b, g = np.asarray(bulk, float), np.asarray(shear, float)
    b, g = np.where(b > 0, b, np.nan) * 1e9, np.where(g > 0, g, np.nan) * 1e9
    v = np.asarray(volume, float) * 1e-30
    density = np.asarray(mass, float) * atomic_mass / v
    transverse, longitudinal = np.sqrt(g / density), np.sqrt((b + 4 / 3 * g) / density)
    speed = ((2 / transverse**3 + 1 / longitudinal**3) / 3) ** (-1 / 3)
    out: Array = hbar / k * np.cbrt(6 * np.pi**2 / v) * speed
    return out


def heat_capacity(theta: ArrayLike, temperature: ArrayLike) -> Array:
    """At constant volume, J/(mol K) of a mole of atoms."""
    x = np.asarray(theta, float) / np.asarray(temperature, float)
    most = np.minimum(x, MOST)
    t = most[..., None] / 2 * (_NODES + 1)
    integral = most / 2 * np.sum(_WEIGHTS * t**3 / np.expm1(t), axis=-1)
    rest = np.where(x < MOST, 3 * x / np.expm1(np.minimum(x, MOST)), 0.0)
    out: Array = 3 * GAS * (12 / x**3 * integral - rest)
    return out


def acoustic_grueneisen(nu: ArrayLike) -> Array:
    """3 (1 + nu) / (2 (2 - 3 nu)), an estimate from Poisson's ratio alone (Belomestnykh, Tech. Phys. Lett. 30, 91,
    2004): three quarters of the most that the bound on thermal expansion lets pass."""
    return 0.75 * mechanics.most_grueneisen(nu)


def expansion(
    bulk: ArrayLike, shear: ArrayLike, volume: ArrayLike, mass: ArrayLike, temperature: ArrayLike
) -> Array:
    """Linear thermal expansion gamma c_V / (3 B V), 1/K, with `acoustic_grueneisen`. A screening figure: it cannot tell
    crystals whose gamma is far from it (silicon's is a third of it)."""
    gamma = acoustic_grueneisen(mechanics.poisson_ratio(bulk, shear))
    molar = np.asarray(volume, float) * 1e-30 * Avogadro  # m^3/mol
    c = heat_capacity(debye_temperature(bulk, shear, volume, mass), temperature)
    out: Array = gamma * c / (3e9 * np.asarray(bulk, float) * molar)
    return out


def most_expansion(
    bulk: ArrayLike, shear: ArrayLike, volume: ArrayLike, mass: ArrayLike, temperature: ArrayLike
) -> Array:
    """The bound f(nu) c_V rho / E of `mechanics.most_expansion`, 1/K: no crystal's may be above it."""
    m = np.asarray(mass, float)
    density = m * atomic_mass / (np.asarray(volume, float) * 1e-30)
    c = heat_capacity(debye_temperature(bulk, shear, volume, mass), temperature) / (m * 1e-3)
    return mechanics.most_expansion(bulk, shear, c, density)
