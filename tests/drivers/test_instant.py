"""The bench of no duration: a smooth score, its repeat class by setting, its tally where a world is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.clock import VirtualClock
from drivers.driver import LabContext, Repeat
from drivers.sim.instant import Instant, score
from drivers.sim.world import World
from tests.drivers.laboratory import request

unit = st.floats(0, 1)


def bench(world: World | None = None, **settings: Any) -> Instant:
    return Instant("bench", Instant.Settings(**settings), LabContext(VirtualClock(), world, 0, Path()))


@given(x=unit, y=unit)
def test_the_score_is_smooth_and_bounded(x: float, y: float) -> None:
    assert 0 <= score(x, y) <= score(0.3, 0.7) == 1
    assert abs(score(x, y) - score(min(x + 1e-4, 1), y)) < 1e-3


@pytest.mark.parametrize("tallied", [False, True])
async def test_four_steps_give_the_score_of_what_the_sample_holds(tmp_path: Path, tallied: bool) -> None:
    world = World(tmp_path, model="bench") if tallied else None
    device = bench(world)
    for sample, x in (("one", 0.3), ("two", 0.8)):
        await device.act(request("bench", "step_a", sample, x=x, y=0.7))
    for verb in ("step_b", "step_c"):
        assert (await device.act(request("bench", verb, "one"))).readings == {}
    outcome = await device.act(request("bench", "step_d", "one"))
    assert outcome.readings["score"].value == 1.0
    assert outcome.began_s == outcome.ended_s == 0.0
    if world is not None:
        assert [fact.verb for fact in world.facts] == ["step_a", "step_a", "step_b", "step_c", "step_d"]
        world.close()


def test_the_repeat_class_is_a_setting() -> None:
    for repeat in ("repeatable", "testable"):
        spec = Instant.describe(Instant.Settings(repeat=repeat))
        assert {one.repeat for one in spec.actions.values()} == {Repeat(repeat)}
    with pytest.raises(ValidationError):
        Instant.Settings(repeat="opaque")


async def test_it_testifies_from_the_sample_after_a_restart(tmp_path: Path) -> None:
    device = bench(World(tmp_path, model="bench"), repeat="testable")
    step, last = request("bench", "step_a", x=0.3, y=0.7), request("bench", "step_d")
    assert (await device.testify(step)).verdict == "not done"
    await device.act(step)
    measured = await device.act(last)
    device.lab.world.close()  # type: ignore[union-attr]
    again = bench(World(tmp_path, model="bench"), repeat="testable")
    assert (await again.testify(step)).verdict == "done"
    assert (await again.testify(last)).readings == measured.readings
    assert (await again.testify(request("bench", "step_a", x=0.1, y=0.7))).verdict == "unknown"
    assert (await again.testify(request("bench", "step_b"))).verdict == "not done"
    assert (await bench(repeat="testable").testify(step)).verdict == "unknown"
    again.lab.world.close()  # type: ignore[union-attr]
