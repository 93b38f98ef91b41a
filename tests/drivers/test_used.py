"""What a driver says of consumables that it used: it reaches the outcome as it was said, and breaks no act."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import WallClock
from drivers.driver import (
    Action,
    ActionFailed,
    Attribution,
    Driver,
    Given,
    Gives,
    LabContext,
    Reading,
    Repeat,
    action,
)
from drivers.protocol import Outcome


class Sprayer(Driver):
    """Says of each act what the test has it say."""

    version = "1"
    says: Any = {}

    @action(Repeat.OPAQUE, gives={"area": Gives("cm^2")})
    async def spray(self) -> Given:
        """Spray."""
        return Given({"area": 1.0}, {}, self.says)

    @action(Repeat.OPAQUE)
    async def clog(self) -> None:
        """Fail in the middle."""
        raise ActionFailed(Attribution.INSTRUMENT, "the nozzle is clogged", used=self.says)


async def said(tmp_path: Path, verb: str, says: Any) -> Outcome:
    device = Sprayer("sprayer", Sprayer.Settings(), LabContext(WallClock(), None, 1, tmp_path))
    device.says = says
    outcome = await device.act(Action(id="a", device="sprayer", verb=verb, epoch=1))
    assert outcome.status == ("succeeded" if verb == "spray" else "failed")
    again = Outcome.model_validate_json(outcome.model_dump_json())  # as host, journal and engine pass it on
    for name, reading in outcome.used.items():
        assert again.used[name].unit == reading.unit
        same = again.used[name].value == reading.value
        assert same or (math.isnan(again.used[name].value) and math.isnan(reading.value))
    return outcome


@pytest.mark.parametrize("verb", ["spray", "clog"])
async def test_what_was_used_is_said_of_acts_that_ended_and_that_failed(tmp_path: Path, verb: str) -> None:
    used = {"ink": Reading(value=1.5, unit="mL"), "tips": 2, "wipes": 1.0}
    outcome = await said(tmp_path, verb, used)
    assert outcome.used == {
        "ink": Reading(value=1.5, unit="mL"), "tips": Reading(value=2.0), "wipes": Reading(value=1.0),
    }  # fmt: skip
    assert (await said(tmp_path, verb, {})).used == {}


@pytest.mark.parametrize(
    "nonsense", [7, "much", None, ["ink"], {"ink": "much"}, {"ink": True}, {"ink": None}, {3: []}]
)
async def test_nonsense_is_passed_on_as_no_number_and_the_act_counts(tmp_path: Path, nonsense: Any) -> None:
    """The act is over whatever is said of it: the engine rejects the word, not the act."""
    for verb in ("spray", "clog"):
        used = (await said(tmp_path, verb, nonsense)).used
        expected_none = verb == "clog" and nonsense is None
        assert (not used) if expected_none else all(math.isnan(one.value) for one in used.values())
        assert expected_none or used
