"""Warmth by Debye's model: thermodynamics that must hold exactly, pymatgen's model, and metals."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from ase.eos import birchmurnaghan
from pymatgen.analysis.quasiharmonic import QuasiHarmonicDebyeApprox
from pymatgen.core import Structure

from drivers.labelers.workers.debye import (
    BOLTZMANN,
    Debye,
    Static,
    debye_function,
    debye_temperature,
    sound,
    vibration,
)
from tests.drivers.labelers.laboratory import fcc
from tests.drivers.labelers.test_verbs import label

COPPER = Static(-3.5, 11.8, 0.87, 5.3)
ASKED: dict[str, Any] = {
    "temperature": 300.0, "poisson_ratio": 0.34, "elastic": False, "grueneisen": "dugdale_macdonald",
    "strain": 0.1, "points": 11,
}  # fmt: skip


def test_the_slopes_are_those_of_ases_equation() -> None:
    h = 1e-3
    for volume in (11.0, 11.8, 12.7):
        e = [birchmurnaghan(v, -3.5, 0.87, 5.3, 11.8) for v in (volume - h, volume, volume + h)]
        first, second = COPPER.slopes(volume)
        assert first == pytest.approx((e[2] - e[0]) / (2 * h), abs=1e-6)
        assert second == pytest.approx((e[2] - 2 * e[1] + e[0]) / h**2, rel=1e-5)


def test_vibrations_are_debyes() -> None:
    assert debye_function(1.0) == pytest.approx(0.6744156, abs=1e-7)
    assert debye_function(1e3) == pytest.approx(math.pi**4 / 5 / 1e9, rel=1e-9)
    cold, warm = vibration(400.0, 0.0), vibration(400.0, 5000.0)
    assert cold.energy == cold.free == pytest.approx(9 / 8 * BOLTZMANN * 400) and cold.heat_capacity == 0
    assert warm.heat_capacity == pytest.approx(3 * BOLTZMANN, rel=1e-3)
    h, t = 0.05, 150.0
    below, here, above = (vibration(400.0, t + d) for d in (-h, 0.0, h))
    assert here.heat_capacity == pytest.approx((above.energy - below.energy) / (2 * h), rel=1e-6)
    entropy = -(above.free - below.free) / (2 * h)
    assert here.energy == pytest.approx(here.free + t * entropy, rel=1e-8)


def test_volume_stiffness_and_expansion_are_derivatives_of_one_free_energy() -> None:
    crystal = Debye(COPPER, 343.0, 2.0)

    def free(volume: float, temperature: float) -> float:
        theta = 343.0 * (11.8 / volume) ** 2.0
        static = float(birchmurnaghan(volume, -3.5, 0.87, 5.3, 11.8))
        return static + vibration(theta, temperature).free

    now = crystal.at(300.0, 11.0, 13.0)
    around = np.linspace(now.volume - 0.05, now.volume + 0.05, 11)
    fit = np.polynomial.Polynomial.fit(around - now.volume, [free(v, 300.0) for v in around], 4).convert()
    assert fit.coef[1] == pytest.approx(0.0, abs=1e-7)
    assert now.bulk == pytest.approx(now.volume * 2 * fit.coef[2], rel=1e-5)
    warmer, colder = crystal.at(300.5, 11.0, 13.0), crystal.at(299.5, 11.0, 13.0)
    assert now.expansion == pytest.approx((warmer.volume - colder.volume) / (3 * now.volume), rel=1e-5)
    with pytest.raises(ValueError, match=r"no volume between 11 and 11\.5"):
        crystal.at(300.0, 11.0, 11.5)


def test_pymatgens_debye_temperature_is_another_and_its_grueneisen_parameter_the_same() -> None:
    volumes = np.linspace(10.6, 13.0, 11)
    cell = Structure(np.eye(3) * 11.8 ** (1 / 3), ["Cu"], [[0, 0, 0]])
    energies = birchmurnaghan(volumes, -3.5, 0.87, 5.3, 11.8)
    theirs = QuasiHarmonicDebyeApprox(energies, volumes, cell, eos="birch_murnaghan", poisson=0.34)
    ours = debye_temperature(0.87, 11.8, 63.546, 0.34)
    assert ours == pytest.approx(343.0, rel=0.05)
    # V^(-1/6) for V^(1/6), in angstrom and GPa: right at 10^(3/2) angstrom^3 per atom and nowhere else
    assert theirs.debye_temperature(11.8) / ours == pytest.approx((10**1.5 / 11.8) ** (1 / 3), rel=1e-3)
    assert theirs.gruneisen_parameter(0, 11.8) == pytest.approx(5.3 / 2 - 1 / 6, abs=0.02)
    assert theirs.debye_integral(2.0) == pytest.approx(debye_function(2.0), rel=1e-9)
    assert sound(0.25) == pytest.approx(0.859949, abs=1e-6)  # as AGL has it for a solid of Cauchy's


@pytest.mark.parametrize("element, a, theta", [("Cu", 3.6, 343), ("Ag", 4.1, 215), ("Au", 4.1, 170)])
def test_noble_metals(element: str, a: float, theta: float) -> None:
    """Debye temperatures as measured (Kittel, Introduction to Solid State Physics, chapter 5)."""
    ended = label("thermal", fcc(element, a), **ASKED | {"elastic": True})
    assert ended.readings["debye_temperature"] == pytest.approx(theta, rel=0.1)
    assert 22.5 < ended.readings["heat_capacity"] < 24.95
    assert ended.readings["expansion"] == pytest.approx(15e-6, rel=0.35)
    assert ended.record["plausible"] and 0 < ended.readings["bound_share"] < 1
    assert ended.readings["volume"] > ended.record["static"]["volume"]
    assert ended.readings["bulk_modulus"] < ended.record["static"]["bulk_modulus"]
    curve = ended.record["curves"]
    assert len(curve["temperature"]) > 8
    assert all(later > earlier for earlier, later in pairwise(curve["expansion"][:8]))


def test_what_is_not_plausible_says_so_and_what_leaves_the_volumes_fails() -> None:
    # A solid of Poisson's ratio -0.5 may expand a seventh of the most that others may.
    ended = label("thermal", fcc("Au", 4.1), **ASKED | {"poisson_ratio": -0.5})
    assert not ended.failed and ended.readings["bound_share"] > 1 and not ended.record["plausible"]
    hot = label("thermal", fcc("Ag", 4.1), **ASKED | {"temperature": 5000.0, "strain": 0.03})
    assert hot.failed and "at 5000 K no volume between" in hot.reason and "larger strain" in hot.reason
