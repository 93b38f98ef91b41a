"""Calibrations: dates, what they add to a reading's uncertainty, and what is said when they are past their time."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from drivers import binding
from drivers.binding import bind
from drivers.calibration import Calibration
from drivers.clock import VirtualClock
from drivers.driver import (
    Action,
    Driver,
    Given,
    Gives,
    LabContext,
    Quantity,
    Reading,
    Repeat,
    Testimony,
    action,
)
from drivers.errors import LabError
from drivers.lab import LabFile
from drivers.protocol import DeviceSpec
from orchestrator.labfile import read_lab

DAY = datetime.date(2026, 6, 1)
SETTINGS = {
    "date": "2026-03-01",
    "certificate": "D-K-15070-2026-03",
    "valid_until": "2027-03-01",
    "sigma": {"mass": 0.03},
}


class Scale(Driver):
    """Weighs."""

    version = "1"

    @action(Repeat.TESTABLE, gives={"mass": Gives("g"), "humidity": Gives("percent")})
    async def weigh(self, sigma: Annotated[float, Quantity("g", at_least=0)] = 0.04) -> Given:
        """Weigh what lies on the pan."""
        mass = Reading(value=2.0, unit="g", sigma=sigma or None)
        return Given({"mass": mass, "humidity": Reading(value=40.0, unit="percent")}, {"repeats": 3})

    @weigh.testify
    async def weigh_testimony(self, action: Action) -> Testimony:
        return Testimony(verdict="done", readings={"mass": Reading(value=2.0, unit="g", sigma=0.04)})


def scale(directory: Path, calibration: dict[str, Any] | None) -> Scale:
    settings = Scale.Settings.model_validate({} if calibration is None else {"calibration": calibration})
    return Scale("scale", settings, LabContext(VirtualClock(), None, 0, directory))


def weigh(sigma: float = 0.04) -> Action:
    return Action(id="a", device="scale", verb="weigh", args={"sigma": sigma}, epoch=1)


async def test_the_uncertainty_of_the_calibration_is_combined_with_that_of_the_reading(
    tmp_path: Path,
) -> None:
    one = scale(tmp_path, SETTINGS)
    outcome = await one.act(weigh())
    assert outcome.readings["mass"].sigma == pytest.approx(0.05)  # 3, 4, 5
    assert outcome.readings["humidity"].sigma is None
    assert (await one.act(weigh(0.0))).readings["mass"].sigma == 0.03
    assert (await one.testify(weigh())).readings["mass"].sigma == pytest.approx(0.05)
    assert (await scale(tmp_path, None).act(weigh())).readings["mass"].sigma == 0.04


async def test_every_reading_has_its_certificate_beside_it_and_says_when_it_is_past_its_time(
    tmp_path: Path,
) -> None:
    assert "calibration" not in (await scale(tmp_path, None).act(weigh())).record
    kept = (await scale(tmp_path, {**SETTINGS, "valid_until": "9999-01-01"}).act(weigh())).record
    assert kept["repeats"] == 3
    assert kept["calibration"]["certificate"] == "D-K-15070-2026-03" and "warning" not in kept["calibration"]
    expired = {**SETTINGS, "date": "2020-03-01", "valid_until": "2021-03-01"}
    kept = (await scale(tmp_path, expired).act(weigh())).record
    assert "was valid until 2021-03-01" in kept["calibration"]["warning"]


def test_the_days_on_which_it_holds_include_the_first_and_the_last() -> None:
    one = Calibration.model_validate(SETTINGS)
    assert one.valid_until is not None
    day = datetime.timedelta(days=1)
    for on, warned in ((one.date - day, True), (one.date, False), (one.valid_until, False)):
        assert (one.warning(on) is not None) is warned
    assert one.warning(one.valid_until + day) is not None
    assert Calibration(date=DAY, certificate="c").warning(datetime.date.max) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"date": "yesterday"}, {"date": 20260301.5}, {"certificate": ""}, {"valid_until": "2026-02-28"},
        {"sigma": {"mass": 0.0}}, {"sigma": {"mass": -0.1}}, {"sigma": {"mass": math.nan}}, {"by": "somebody"},
    ],
)  # fmt: skip
def test_what_is_no_calibration_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Scale.Settings.model_validate({"calibration": {**SETTINGS, **changed}})


def test_it_crosses_a_process_border(tmp_path: Path) -> None:
    spec = scale(tmp_path, SETTINGS).spec
    assert spec.calibration is not None
    assert DeviceSpec.model_validate_json(spec.model_dump_json()) == spec
    assert DeviceSpec.model_validate(spec.model_dump(mode="json")) == spec
    old = {key: value for key, value in spec.model_dump(mode="json").items() if key != "calibration"}
    assert DeviceSpec.model_validate(old).calibration is None


LAB = """
alquimia_lab: 1
name: bench
clock: virtual
devices:
  colours:
    driver: sim.colour_mixer
    settings:
      calibration: {date: 2026-03-01, certificate: K-1, valid_until: 2026-05-31, sigma: {SIGMA: 0.1}}
"""


def lab(tmp_path: Path, reading: str) -> LabFile:
    path = tmp_path / "lab.yaml"
    path.write_text(LAB.replace("SIGMA", reading))
    return read_lab("", path)[0]


def test_a_lab_file_gives_it_to_a_device_and_is_warned_of_when_it_is_past_its_time(tmp_path: Path) -> None:
    bound = bind(lab(tmp_path, "delta_e"))
    calibration = bound["colours"].spec.calibration
    assert calibration is not None and calibration.sigma == {"delta_e": 0.1}
    assert binding.warnings(bound, datetime.date(2026, 5, 31)) == ()
    (warning,) = binding.warnings(bound, DAY)
    assert warning.startswith("colours: ") and "K-1" in warning and "2026-05-31" in warning


def test_the_uncertainty_of_a_reading_that_no_action_gives_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no reading 'mass'"):
        bind(lab(tmp_path, "mass"))
