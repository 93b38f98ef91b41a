"""The devices of the thin-film laboratory: what they do to samples, what they say, how they fail."""

from __future__ import annotations

import asyncio
import itertools
import math
from pathlib import Path
from typing import Any

import pytest

from drivers.driver import Attribution, LabContext
from drivers.errors import SettingsError
from drivers.sim import film
from drivers.sim.film import mobility, truth
from drivers.sim.probe import Probe
from drivers.sim.world import World
from tests.drivers.laboratory import RECIPE, FilmLab, request

TRUE = mobility(truth(0.14, "chlorobenzene", 467.0, 35.0))


async def test_without_noise_the_laboratory_measures_the_truth(tmp_path: Path) -> None:
    outcome = await FilmLab(tmp_path, noise=0.0, drift=0.0).make()
    assert outcome.readings["mobility"].value == pytest.approx(TRUE, rel=1e-9)
    assert outcome.readings["mobility"].sigma is None


async def test_with_noise_it_measures_the_truth_on_average(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path, drift=0.0)
    values = [(await lab.make(f"s{i}")).readings["mobility"].value for i in range(200)]
    mean = sum(values) / len(values)
    sd = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    assert mean == pytest.approx(TRUE, rel=0.02)
    assert 0.02 < sd / TRUE < 0.08


async def test_an_experiment_takes_minutes_of_the_laboratory(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    await lab.make()
    assert lab.clock.now() == pytest.approx(20 + 40 + (467 - 298.15) / 5 + 5 + 35 + 30)


async def test_every_act_is_one_line_of_the_tally(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    await lab.make(prefix="e1-")
    facts = lab.world.facts
    assert [fact.action for fact in facts] == ["e1-mix", "e1-spin", "e1-heat", "e1-measure"]
    assert [fact.device for fact in facts] == ["dispenser", "coater", "furnace", "probe"]
    assert facts[0].args == {"dopant_fraction": 0.14, "solvent": "chlorobenzene"}
    assert facts[0].sample == "s1" and facts[-1].at_s == lab.clock.now()


async def test_a_step_done_twice_shows_in_the_tally_and_in_the_film(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path, noise=0.0, drift=0.0)
    once = (await lab.make("once")).readings["mobility"].value
    for verb, device in (("mix", "dispenser"), ("spin", "coater"), ("heat", "furnace")):
        names = {
            "mix": ("dopant_fraction", "solvent"),
            "spin": ("speed", "duration"),
            "heat": ("temperature", "hold"),
        }
        sample = f"twice {verb}"
        for step, at in (("mix", "dispenser"), ("spin", "coater"), ("heat", "furnace")):
            args = {name: RECIPE[name] for name in names[step]}
            for _ in range(2 if step == verb else 1):
                assert (await lab.do(at, step, sample, **args)).status == "succeeded"
        twice = (await lab.do("probe", "measure", sample)).readings["mobility"].value
        assert abs(twice / once - 1) > 0.05, verb
        assert sum(f.sample == sample and f.device == device for f in lab.world.facts) == 2


async def test_results_do_not_depend_on_the_order_of_other_samples(tmp_path: Path) -> None:
    alone = await FilmLab(tmp_path / "a", drift=0.0).make("s1", "e1-")
    lab = FilmLab(tmp_path / "b", drift=0.0)
    for i in range(5):
        await lab.make(f"other{i}", solvent="toluene")
    assert (await lab.make("s1", "e1-")).readings == alone.readings


async def test_another_seed_is_other_luck(tmp_path: Path) -> None:
    one = await FilmLab(tmp_path / "a", seed=1).make("s1", "e1-")
    two = await FilmLab(tmp_path / "b", seed=2).make("s1", "e1-")
    assert one.readings["mobility"].value != two.readings["mobility"].value


async def test_a_repeated_measurement_is_the_same_act_and_a_second_one_is_not(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path, drift=0.5)
    first = await lab.make("s1", "e1-")
    again = await lab.do("probe", "measure", "s1", "e1-measure")
    other = await lab.do("probe", "measure", "s1", "another")
    assert again.readings == first.readings != other.readings
    lab.world.close()
    reopened = FilmLab(tmp_path, drift=0.5)
    assert (await reopened.do("probe", "measure", "s1", "e1-measure")).readings == first.readings


async def test_the_probe_drifts_slowly_with_lab_time(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path, noise=0.0, drift=0.1)
    values = [(await lab.make()).readings["mobility"].value]
    for _ in range(300):
        await lab.clock.sleep(600)
        values.append((await lab.do("probe", "measure")).readings["mobility"].value)
    assert max(abs(value / TRUE - 1) for value in values) <= 0.1
    assert max(values) / min(values) > 1.02
    assert max(abs(b / a - 1) for a, b in itertools.pairwise(values)) < 0.02


async def test_a_film_that_is_gone_is_an_infeasible_recipe(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    outcome = await lab.make(temperature=540.0, hold=600.0)
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.INFEASIBLE)
    assert "de-wetted" in outcome.reason


async def test_steps_out_of_order_are_logistics(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    for device, verb, args in (
        ("coater", "spin", {"speed": 200.0, "duration": 30.0}),
        ("probe", "measure", {}),
    ):
        outcome = await lab.do(device, verb, **args)
        assert (outcome.status, outcome.attribution) == ("failed", Attribution.LOGISTICS)
    assert lab.world.facts == ()


# -- testimony --------------------------------------------------------------------------------------------
async def test_the_balance_tells_whether_the_dose_is_in_the_vial(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    args = {"dopant_fraction": 0.2, "solvent": "toluene"}
    asked = request("dispenser", "mix", **args)
    dispenser = lab.devices["dispenser"]
    assert (await dispenser.testify(asked)).verdict == "not done"
    await lab.do("dispenser", "mix", id="somebody else's", **args)
    assert (await dispenser.testify(asked)).verdict == "done"  # the vial's weight, not the action's id
    other = request("dispenser", "mix", dopant_fraction=0.2, solvent="chlorobenzene")
    assert (await dispenser.testify(other)).verdict == "unknown"
    await lab.do("dispenser", "mix", **args)
    assert (await dispenser.testify(asked)).verdict == "unknown"


async def test_the_furnace_reads_its_own_log(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    furnace = lab.devices["furnace"]
    asked = request("furnace", "heat", temperature=460.0, hold=60.0)
    assert (await furnace.testify(asked)).verdict == "not done"
    await lab.do("furnace", "heat", temperature=400.0, hold=60.0)
    assert (await furnace.testify(asked)).verdict == "not done"
    await lab.do("furnace", "heat", temperature=460.0, hold=20.0)
    assert (await furnace.testify(asked)).verdict == "unknown"
    await lab.do("furnace", "heat", temperature=460.0, hold=60.0)
    assert (await furnace.testify(asked)).verdict == "done"


async def test_the_coater_cannot_tell(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    assert (await lab.devices["coater"].testify(request("coater", "spin"))).verdict == "unknown"


async def test_testimony_survives_a_restart(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    await lab.make("s1")
    lab.world.close()
    lab = FilmLab(tmp_path)
    heat = request("furnace", "heat", temperature=467.0, hold=35.0)
    assert (await lab.devices["furnace"].testify(heat)).verdict == "done"


# -- stops ------------------------------------------------------------------------------------------------
async def act_in_hand(lab: FilmLab, device: str) -> tuple[asyncio.Task[Any], Any]:
    """An act of 100 s, and a clock that stands at its 40th."""
    await lab.do("dispenser", "mix", dopant_fraction=0.1, solvent="toluene")
    args = {"furnace": {"temperature": 298.15, "hold": 95.0}, "coater": {"speed": 200.0, "duration": 90.0}}
    verb = {"furnace": "heat", "coater": "spin"}[device]
    driver = lab.devices[device]
    watch = asyncio.create_task(lab.clock.sleep(40))
    task = asyncio.create_task(driver.act(request(device, verb, **args[device])))
    await watch
    return task, driver


@pytest.mark.parametrize(
    ("device", "field", "spent"), [("furnace", "hold", 35.0), ("coater", "duration", 30.0)]
)
async def test_halted_in_the_middle_what_has_happened_has_happened(
    tmp_path: Path, device: str, field: str, spent: float
) -> None:
    lab = FilmLab(tmp_path)
    task, driver = await act_in_hand(lab, device)
    await driver.halt()
    await driver.halt()
    outcome = await task
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.INSTRUMENT)
    assert "halted after 40 of 100 s" in outcome.reason
    assert lab.world.facts[-1].effect[field] == pytest.approx(spent)
    await driver.halt()
    assert (await lab.do("furnace", "heat", temperature=400.0, hold=1.0)).status == "succeeded"


async def test_an_act_cancelled_by_its_host_stays_cancelled(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    task, driver = await act_in_hand(lab, "furnace")
    await driver.halt()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lab.world.facts[-1].effect["hold"] == pytest.approx(35.0)


async def test_a_device_has_one_act_in_hand(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    task, driver = await act_in_hand(lab, "furnace")
    second = await driver.act(request("furnace", "heat", temperature=400.0, hold=1.0))
    assert (second.status, second.attribution) == ("failed", Attribution.BUSY)
    assert (await task).status == "succeeded"
    assert len(lab.world.facts) == 2


async def test_made_safe_the_furnace_is_cold(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    await lab.do("furnace", "heat", temperature=500.0, hold=1.0)
    assert lab.world.state.furnace_K("furnace") == pytest.approx(500, abs=5)
    assert not await lab.devices["furnace"].is_safe()
    for _ in range(2):
        await lab.devices["furnace"].make_safe()
        assert lab.world.state.furnace_K("furnace") == film.ROOM_K
        assert await lab.devices["furnace"].is_safe()


# -- faults -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "attribution"),
    [
        ("instrument", Attribution.INSTRUMENT),
        ("infeasible", Attribution.INFEASIBLE),
        ("busy", Attribution.BUSY),
    ],
)
async def test_faults_come_at_their_rate_and_do_nothing(
    tmp_path: Path, kind: str, attribution: Attribution
) -> None:
    lab = FilmLab(tmp_path)
    lab.with_settings("dispenser", faults={kind: 0.3})
    outcomes = [
        await lab.do("dispenser", "mix", f"s{i}", f"a{i}", dopant_fraction=0.1, solvent="toluene")
        for i in range(300)
    ]
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert 60 < len(failed) < 120
    assert {outcome.attribution for outcome in failed} == {attribution}
    assert len(lab.world.facts) == 300 - len(failed)
    again = await lab.do("dispenser", "mix", "s0", "a0", dopant_fraction=0.1, solvent="toluene")
    assert again.status == outcomes[0].status  # fate is the action's, not the moment's


@pytest.mark.parametrize("kind", ["not_a_number", "out_of_range"])
async def test_misreadings_are_seen_by_the_engine(tmp_path: Path, kind: str) -> None:
    lab = FilmLab(tmp_path)
    lab.with_settings("probe", faults={kind: 1.0})
    outcome = await lab.make()
    assert outcome.status == "succeeded"
    value = outcome.readings["mobility"].value
    assert math.isnan(value) if kind == "not_a_number" else value > 1


async def test_dawdling_leaves_time_before_and_after_the_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = FilmLab(tmp_path)
    lab.with_settings("dispenser", dawdle_s=0.003)
    seen: list[tuple[float, int]] = []
    sleep = asyncio.sleep

    async def watched(seconds: float) -> None:
        seen.append((seconds, len(lab.world.facts)))
        await sleep(0)

    monkeypatch.setattr("drivers.sim.device.asyncio.sleep", watched)
    await lab.do("dispenser", "mix", dopant_fraction=0.1, solvent="toluene")
    assert seen == [(0.003, 0), (0.003, 1)]


def test_film_devices_need_their_world(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path / "film")
    nowhere = LabContext(lab.clock, None, 1, tmp_path)
    with pytest.raises(SettingsError, match="has none"):
        Probe("probe", Probe.Settings(), nowhere)
    bench = LabContext(lab.clock, World(tmp_path / "bench", model="bench"), 1, tmp_path)
    with pytest.raises(SettingsError, match="not bench"):
        Probe("probe", Probe.Settings(), bench)
