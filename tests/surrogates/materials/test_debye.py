"""Debye's model from moduli: its exact limits, and elements whose values were measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivers.labelers.workers import debye as of_labelers
from surrogates.materials import debye, mechanics

# theta: Kittel, Introduction to Solid State Physics, chapter 5, K; heat capacity at constant pressure, 298.15 K: CRC
# Handbook, J/(mol K); B, G (GPa), alpha (1/K), molar volume (cm^3), mass: pymatgen's Element.
ELEMENTS = {
    "Al": (428, 24.20, 76, 26, 23.1e-6, 10.00, 26.98),
    "Cu": (343, 24.44, 140, 48, 16.5e-6, 7.11, 63.55),
    "Ag": (215, 25.35, 100, 30, 18.9e-6, 10.27, 107.87),
    "Au": (170, 25.42, 220, 27, 14.2e-6, 10.21, 196.97),
    "W": (400, 24.27, 310, 161, 4.5e-6, 9.47, 183.84),
}
PER_ATOM = 1e24 / 6.02214076e23  # angstrom^3 from cm^3/mol


def test_its_limits_are_exact() -> None:
    assert debye.heat_capacity(1e-3, 300.0) == pytest.approx(3 * debye.GAS, rel=1e-9)
    cubic = 12 * math.pi**4 / 5 * debye.GAS * (2.0 / 400.0) ** 3
    assert debye.heat_capacity(400.0, 2.0) == pytest.approx(cubic, rel=1e-9)
    assert debye.heat_capacity(300.0, 300.0) / (3 * debye.GAS) == pytest.approx(0.9517, abs=1e-4)
    assert np.isnan(debye.debye_temperature(100.0, -1.0, 10.0, 50.0))


def test_it_is_the_labelers_model() -> None:
    bulk, shear, volume, mass = np.array([140.0, 76.0, 440.0]), np.array([48.0, 26.0, 535.0]), 11.8, 63.5
    nu = mechanics.poisson_ratio(bulk, shear)
    ours = debye.debye_temperature(bulk, shear, volume, mass)
    for i in range(3):
        theta = of_labelers.debye_temperature(bulk[i] / 160.21766208, volume, mass, float(nu[i]))
        assert ours[i] == pytest.approx(theta, rel=1e-7)
        seen = of_labelers.vibration(theta, 300.0).heat_capacity / of_labelers.BOLTZMANN * debye.GAS
        assert debye.heat_capacity(ours[i], 300.0) == pytest.approx(seen, rel=1e-7)
        share = of_labelers.bound_share(1.0, float(nu[i]))
        assert share == pytest.approx(1 / float(mechanics.most_grueneisen(nu[i])), rel=1e-12)


def test_no_expansion_is_above_the_bound() -> None:
    rng = np.random.default_rng(0)
    bulk, shear = rng.uniform(1, 500, 1000), rng.uniform(1, 500, 1000)
    nu = mechanics.poisson_ratio(bulk, shear)
    found = debye.expansion(bulk, shear, 15.0, 50.0, 300.0)
    most = debye.most_expansion(bulk, shear, 15.0, 50.0, 300.0)
    assert np.allclose(found / most, 0.75)
    e = 1e9 * mechanics.young_modulus(bulk, shear)
    c_rho = debye.heat_capacity(debye.debye_temperature(bulk, shear, 15.0, 50.0), 300.0) / (
        15e-30 * 6.02214076e23
    )
    assert np.allclose(most * e / c_rho, mechanics.expansion_factor(nu))
    assert np.max(most * e / c_rho) <= mechanics.EXPANSION_MOST + 1e-12
    assert pytest.approx(1.0390, abs=5e-5) == mechanics.EXPANSION_MOST
    at_most = mechanics.expansion_factor(mechanics.EXPANSION_POISSON)
    assert float(at_most) == pytest.approx(mechanics.EXPANSION_MOST, abs=1e-14)
    assert pytest.approx(0.139, abs=1e-3) == mechanics.EXPANSION_POISSON


@pytest.mark.parametrize("element", ELEMENTS)
def test_measured_elements(element: str) -> None:
    theta, c_p, bulk, shear, alpha, molar, mass = ELEMENTS[element]
    volume = molar * PER_ATOM
    found = float(debye.debye_temperature(bulk, shear, volume, mass))
    assert found == pytest.approx(theta, rel=0.1)
    # c_p - c_V = 9 alpha^2 B V T; electrons and what is not harmonic make the rest, most in tungsten
    c_v = c_p - 9 * alpha**2 * bulk * 1e9 * molar * 1e-6 * 298.15
    assert float(debye.heat_capacity(theta, 298.15)) == pytest.approx(c_v, rel=0.06)
    assert float(debye.expansion(bulk, shear, volume, mass, 298.15)) == pytest.approx(alpha, rel=0.3)
