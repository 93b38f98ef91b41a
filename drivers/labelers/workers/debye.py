"""Debye's crystal whose Debye temperature depends on volume: heat capacity and thermal expansion from E(V) alone.

After Moruzzi, Janak and Schwarz (Phys. Rev. B 37, 790, 1988) and Blanco, Francisco and Luaña (Comput. Phys. Commun.
158, 57, 2004). Energies in eV, volumes in angstrom^3, both per atom; bulk moduli in eV/angstrom^3; temperatures in K.

pymatgen's QuasiHarmonicDebyeApprox is not used: its Debye temperature goes with V^(-1/6) and without units, where speed
of sound times cut-off goes with V^(1/6), and by default its free energy has no Grueneisen parameter of the crystal. For
copper it gives 40 % more than this; the two agree only about 32 angstrom^3 per atom. A test shows it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.constants import atomic_mass, electron_volt, hbar, k
from scipy.optimize import brentq

Grueneisen = Literal["slater", "dugdale_macdonald", "vashchenko_zubarev"]
# gamma = B'/2 less this: modes that all follow the bulk modulus; one dimension; free volume
LESS: dict[Grueneisen, float] = {"slater": 1 / 6, "dugdale_macdonald": 1 / 2, "vashchenko_zubarev": 5 / 6}
BOLTZMANN = k / electron_volt  # eV/K
FROZEN = 700.0  # theta / T beyond which exp(-x) is nothing
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


class Static(NamedTuple):
    """The third-order equation of Birch and Murnaghan, E(V) of atoms at rest, per atom."""

    energy: float
    volume: float
    bulk: float
    derivative: float

    def slopes(self, volume: float) -> tuple[float, float]:
        """dE/dV and d2E/dV2."""
        u = (self.volume / volume) ** (2 / 3)
        first, second = -2 / 3 * u / volume, 10 / 9 * u / volume**2
        # E = E0 + 9/16 V0 B0 ((u - 1)^3 B' + (u - 1)^2 (6 - 4 u))
        height, d = 9 / 16 * self.volume * self.bulk, u - 1
        along = height * (3 * d**2 * self.derivative + 2 * d * (6 - 4 * u) - 4 * d**2)
        bend = height * (6 * d * self.derivative + 2 * (6 - 4 * u) - 16 * d)
        return along * first, bend * first**2 + along * second


class Debye(NamedTuple):
    """A crystal at rest, its Debye temperature at the volume at rest, and gamma = -d ln theta / d ln V, constant."""

    static: Static
    theta: float
    gamma: float

    def at(self, temperature: float, low: float, high: float) -> State:
        """In equilibrium, without pressure. Raises ValueError where no volume between `low` and `high` is."""

        def slope(volume: float) -> float:
            theta = self.theta * (self.static.volume / volume) ** self.gamma
            return self.static.slopes(volume)[0] - self.gamma / volume * vibration(theta, temperature).energy

        if not slope(low) < 0 < slope(high):
            raise ValueError(
                f"no volume between {low:.4g} and {high:.4g} angstrom^3 per atom is in equilibrium"
            )
        volume = float(brentq(slope, low, high, xtol=1e-12))
        theta = self.theta * (self.static.volume / volume) ** self.gamma
        seen = vibration(theta, temperature)
        g = self.gamma
        # V d2F/dV2, with dU/dV = -(gamma/V) (U - T C) as theta goes with V^-gamma
        bulk = (
            volume * self.static.slopes(volume)[1]
            + (g * (1 + g) * seen.energy - g**2 * temperature * seen.heat_capacity) / volume
        )
        expansion = g * seen.heat_capacity / (3 * bulk * volume)
        return State(temperature, volume, theta, bulk, seen.heat_capacity, expansion)


class State(NamedTuple):
    """Temperature; volume per atom; Debye temperature; isothermal bulk modulus; heat capacity at constant volume,
    eV/K per atom; linear thermal expansion, 1/K."""

    temperature: float
    volume: float
    theta: float
    bulk: float
    heat_capacity: float
    expansion: float


class Vibration(NamedTuple):
    """Of Debye's crystal, per atom: energy with that of the zero point, eV; heat capacity, eV/K; free energy, eV."""

    energy: float
    heat_capacity: float
    free: float


def vibration(theta: float, temperature: float) -> Vibration:
    """At a Debye temperature above 0 and a temperature from 0 on, both in K."""
    zero = 9 / 8 * BOLTZMANN * theta
    x = theta / temperature if temperature > 0 else np.inf
    if x > FROZEN:
        return Vibration(zero, 0.0, zero)
    d = debye_function(x)
    energy = zero + 3 * BOLTZMANN * temperature * d
    heat = 3 * BOLTZMANN * (4 * d - 3 * x / np.expm1(x))
    free = zero + BOLTZMANN * temperature * (3 * np.log(-np.expm1(-x)) - d)
    return Vibration(float(energy), float(heat), float(free))


def debye_function(x: float) -> float:
    """3/x^3 times the integral of t^3 / (e^t - 1) from 0 to x."""
    most = min(x, 60.0)  # what is beyond is below 1e-20
    t: NDArray[np.float64] = most / 2 * (_NODES + 1)
    return float(3 / x**3 * most / 2 * np.sum(_WEIGHTS * t**3 / np.expm1(t)))


def debye_temperature(bulk: float, volume: float, mass: float, poisson_ratio: float) -> float:
    """K, of an isotropic solid: bulk modulus in eV/angstrom^3, volume (angstrom^3) and mass (u) per atom.

    hbar/k (6 pi^2 / V)^(1/3) v, with the mean speed of sound v = s(nu) (B/rho)^(1/2).
    """
    density = mass * atomic_mass / (volume * 1e-30)  # kg/m^3
    speed = sound(poisson_ratio) * np.sqrt(bulk * electron_volt * 1e30 / density)  # m/s
    return float(hbar / k * np.cbrt(6 * np.pi**2 / (volume * 1e-30)) * speed)


def sound(poisson_ratio: float) -> float:
    """Mean speed of sound, of one longitudinal and two transverse waves, over (B/rho)^(1/2)."""
    nu = poisson_ratio
    transverse = (2 / 3 * (1 + nu) / (1 - 2 * nu)) ** 1.5
    longitudinal = (1 / 3 * (1 + nu) / (1 - nu)) ** 1.5
    return float((3 / (2 * transverse + longitudinal)) ** (1 / 3))


def bound_share(gamma: float, poisson_ratio: float) -> float:
    """gamma over the most that it may be, 2 (1 + nu) / (2 - 3 nu): the same share as that of alpha E in f(nu) c_V rho.
    Above 1 a thermal expansion is not plausible."""
    return gamma * (2 - 3 * poisson_ratio) / (2 * (1 + poisson_ratio))
