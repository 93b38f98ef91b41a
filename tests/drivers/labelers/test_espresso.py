"""Other codes through ASE: Quantum ESPRESSO for real where it is installed, and ASE's own potentials by name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.errors import SettingsError
from drivers.labelers.ase_code import ASELabeler
from drivers.labelers.espresso import EspressoLabeler
from drivers.protocol import Attribution
from tests.drivers.labelers.laboratory import connected, diamond, do, fcc

PSEUDO = Path("/usr/share/espresso/pseudo")  # where Debian's quantum-espresso-data puts them
SILICON = {
    "pseudo_dir": str(PSEUDO), "pseudopotentials": {"Si": "Si.pz-vbc.UPF"}, "functional": "LDA (Perdew-Zunger)",
    "fidelity": "LDA", "cutoff_eV": 272.0, "k_density": 1.6,
}  # fmt: skip
LENNARD_JONES: dict[str, Any] = {
    "calculator": "lj", "parameters": {"sigma": 2.5, "epsilon": 0.1, "rc": 8.0}, "method": "Lennard-Jones",
    "fidelity": "potential", "code_version": "1",
}  # fmt: skip


@pytest.fixture
def espresso() -> None:
    if shutil.which("pw.x") is None or not (PSEUDO / "Si.pz-vbc.UPF").exists():
        pytest.skip("pw.x or its pseudopotentials are not installed: quantum-espresso, quantum-espresso-data")


async def test_espresso_calculates_climbs_its_ladder_and_names_its_files(
    espresso: None, tmp_path: Path
) -> None:
    async with connected(EspressoLabeler, tmp_path, **SILICON) as labeler:
        outcome = await do(labeler, "energy", diamond("Si", 5.43))
        assert outcome.readings["energy"].value == pytest.approx(-107.7135, abs=2e-3)
        assert outcome.record["fidelity"] == "LDA" and outcome.record["version"].startswith("6.")
        assert outcome.record["settings"]["pseudopotentials"]["Si"].startswith("Si.pz-vbc.UPF md5 ")
        stranger = await do(labeler, "energy", diamond("Ge", 5.6))
        assert stranger.attribution is Attribution.INFEASIBLE and "for Ge" in stranger.reason
    ladder = [{"name": "more", "iterations": 60}]
    async with connected(EspressoLabeler, tmp_path, **SILICON, iterations=2, ladder=ladder) as labeler:
        again = await do(labeler, "energy", diamond("Si", 5.43))
        assert again.record["rung"] == "more"
        assert "convergence NOT achieved" in again.record["attempts"][0]["reason"]
        assert again.readings["energy"].value == pytest.approx(outcome.readings["energy"].value, abs=1e-4)


def test_without_espresso_or_a_file_the_settings_say_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="apt-get install quantum-espresso"):
        EspressoLabeler.describe(
            EspressoLabeler.Settings.model_validate({**SILICON, "command": "no_such_pw.x"})
        )
    pw = tmp_path / "pw.x"
    pw.write_text("#!/bin/sh\necho '     Program PWSCF v.7.2 starts'\nexit 1\n")
    pw.chmod(0o755)
    nowhere = {**SILICON, "command": str(pw), "pseudo_dir": str(tmp_path)}
    with pytest.raises(SettingsError, match=r"no pseudopotential .*Si\.pz-vbc\.UPF"):
        EspressoLabeler.describe(EspressoLabeler.Settings.model_validate(nowhere))
    pw.write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(SettingsError, match="which version"):
        EspressoLabeler.describe(EspressoLabeler.Settings.model_validate(nowhere))


async def test_a_pw_that_crashes_is_a_failed_label(tmp_path: Path) -> None:
    pw = tmp_path / "pw.x"
    pw.write_text("#!/bin/sh\necho '     Program PWSCF v.7.2 starts'\nkill -11 $$\n")
    pw.chmod(0o755)
    (tmp_path / "Si.pz-vbc.UPF").write_text("")
    settings = {**SILICON, "command": str(pw), "pseudo_dir": str(tmp_path)}
    async with connected(EspressoLabeler, tmp_path / "lab", **settings) as labeler:
        outcome = await do(labeler, "energy", diamond("Si", 5.43))
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.INSTRUMENT)
    assert "pw.x gave no result" in outcome.reason


async def test_any_calculator_of_ase_by_its_name(tmp_path: Path) -> None:
    async with connected(ASELabeler, tmp_path, {}, {"stress": False}, **LENNARD_JONES) as (whole, stressless):
        relaxed = await do(whole, "relax", fcc("Ar", 3.9), fmax=0.001)
        nearest = (relaxed.readings["volume"].value * 4) ** (1 / 3) / 2**0.5
        assert nearest == pytest.approx(1.09 * 2.5, rel=0.02)  # of an fcc Lennard-Jones crystal, in its sigma
        assert set(stressless.spec.actions) == {"energy", "equation_of_state"}
        single = await do(stressless, "energy", fcc("Ar", 3.9))
        assert set(single.readings) == {"energy", "max_force"} and "stress" not in single.record


def test_only_ases_own_names_are_taken_and_what_they_need_is_asked_for() -> None:
    for name in ("os.system", "gpaw", "plumed"):
        with pytest.raises(ValidationError):
            ASELabeler.Settings.model_validate({**LENNARD_JONES, "calculator": name})
    with pytest.raises(SettingsError, match="pip install kimpy"):
        ASELabeler.describe(ASELabeler.Settings.model_validate({**LENNARD_JONES, "calculator": "kim"}))
    absent = {**LENNARD_JONES, "calculator": "abinit", "profile": {"command": "mpiexec_of_nobody abinit"}}
    with pytest.raises(SettingsError, match="mpiexec_of_nobody"):
        ASELabeler.describe(ASELabeler.Settings.model_validate(absent))
