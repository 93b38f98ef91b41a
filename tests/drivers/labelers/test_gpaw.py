"""GPAW for real, where an interpreter has it: energies held to values measured with it, the ladder, its failures.

Settings are as low as tests need them: differences to converged values are part of the numbers held to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.errors import SettingsError
from drivers.labelers.gpaw import DEFAULT, VARIABLE, GPAWLabeler
from drivers.protocol import Attribution
from tests.drivers.labelers.laboratory import connected, diamond, do, fcc

ROOT = Path(__file__).parents[3]
LOW = {"cutoff_eV": 250.0, "k_density": 1.6}


@pytest.fixture
def gpaw(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where GPAW is looked for: as a user has it, or in the checkout."""
    if VARIABLE not in os.environ:
        monkeypatch.setenv(VARIABLE, str(ROOT / DEFAULT))
    try:
        GPAWLabeler.describe(GPAWLabeler.Settings())
    except SettingsError as error:
        pytest.skip(f"no GPAW: {error}")
    yield


async def test_energies_are_those_of_gpaw(gpaw: None, tmp_path: Path) -> None:
    async with connected(GPAWLabeler, tmp_path, **LOW) as labeler:
        outcome = await do(labeler, "energy", diamond("Si", 5.47))
        assert outcome.status == "succeeded", outcome.reason
        assert outcome.readings["energy"].value == pytest.approx(-5.3050, abs=2e-3)
        assert outcome.readings["pressure"].value == pytest.approx(0.81, abs=0.3)
        record = outcome.record
        assert record["fidelity"] == "GGA" and record["code"] == "GPAW" and "PBE" in record["method"]
        calculation = record["calculation"]
        assert calculation["kpts"] == [4, 4, 4] and calculation["spin"] is False
        assert (
            calculation["setups"]["Si"].startswith("paw.PBE ") and record["settings"]["smearing_eV"] == 0.05
        )
        absent = await do(labeler, "energy", fcc("Ac", 5.7))
        assert (absent.status, absent.attribution) == ("failed", Attribution.INFEASIBLE), absent.reason


async def test_electrons_that_do_not_settle_are_tried_again_and_then_reported(
    gpaw: None, tmp_path: Path
) -> None:
    ladder = [{"name": "damped", "mixing": 0.05, "iterations": 60}]
    async with connected(GPAWLabeler, tmp_path, iterations=4, ladder=ladder, **LOW) as labeler:
        outcome = await do(labeler, "energy", fcc("Al", 4.04))
        assert outcome.status == "succeeded" and outcome.record["rung"] == "damped", outcome.reason
        assert outcome.readings["energy"].value == pytest.approx(-3.6750, abs=2e-3)
        assert [one["converged"] for one in outcome.record["attempts"]] == [False, True]
        assert "4 iterations" in outcome.record["attempts"][0]["reason"]
    async with connected(GPAWLabeler, tmp_path, iterations=4, ladder=[], **LOW) as labeler:
        outcome = await do(labeler, "energy", fcc("Al", 4.04))
        assert (outcome.status, outcome.attribution) == ("failed", Attribution.INSTRUMENT)
        assert "not converged on any rung" in outcome.reason


def fake(path: Path, *lines: str) -> str:
    """An interpreter that knows the version of its GPAW and then does as it is told."""
    body = "\n".join(lines)
    path.write_text(f'#!/bin/sh\nif [ "$2" = -c ]; then echo 9.9 9.9; exit; fi\n{body}\n')
    path.chmod(0o755)
    return str(path)


async def test_an_interpreter_that_dies_or_talks_nonsense_is_a_failed_label(tmp_path: Path) -> None:
    for name, complaint, *lines in (
        ("dies", "crashed (signal 9)", "kill -9 $$"),
        (
            "dies_later",
            "crashed (exit code 7): half the memory",
            "echo '{}'; read x; echo half the memory >&2; exit 7",
        ),
        ("nonsense", "said 'Segmentation", "echo Segmentation fault; read x"),
    ):
        interpreter = fake(tmp_path / name, *lines)
        async with connected(GPAWLabeler, tmp_path / f"{name}.d", interpreter=interpreter) as labeler:
            outcome = await do(labeler, "energy", diamond("Si", 5.47))
            assert (outcome.status, outcome.attribution) == ("failed", Attribution.INSTRUMENT)
            assert complaint in outcome.reason
            assert outcome.record["version"] == "9.9 (set-ups 9.9)"


def test_without_gpaw_the_settings_say_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=r"no program .*nowhere.*GPAW_CONFIG=.*bin/pip install gpaw"):
        GPAWLabeler.describe(GPAWLabeler.Settings())
    with pytest.raises(SettingsError, match=r"(?s)does not have what is needed: .*gpaw.*pip install gpaw"):
        GPAWLabeler.describe(GPAWLabeler.Settings(interpreter=sys.executable))


@pytest.mark.parametrize(
    "settings",
    [
        {"xc": "B3LYP"},
        {"cutoff_eV": 1.0},
        {"ladder": [{"mixing": 0.1}]},
        {"ladder": [{"name": "x", "mixing": 2.0}]},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GPAWLabeler.Settings.model_validate(settings)


@pytest.mark.slow
async def test_the_equation_of_state_of_silicon_is_the_one_in_the_books(gpaw: None, tmp_path: Path) -> None:
    async with connected(GPAWLabeler, tmp_path, **LOW) as labeler:
        curve = await do(labeler, "equation_of_state", diamond("Si", 5.47), points=5)
    # PBE in the literature: 5.47 angstrom, 89 GPa.
    assert (8 * curve.readings["volume"].value) ** (1 / 3) == pytest.approx(5.47, abs=0.02)
    assert curve.readings["bulk_modulus"].value == pytest.approx(89, abs=5)
