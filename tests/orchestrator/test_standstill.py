"""What stands still and why, in the engine: stops, pauses, devices out of use, suspenders, late actions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from campaigns.campaign import Budget
from drivers.client import HostGone
from drivers.protocol import Action
from orchestrator import decide
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.commands import Command
from orchestrator.errors import Refused
from orchestrator.hands import Fate
from orchestrator.labfile import Laboratory
from orchestrator.lifecycle import Campaign, Experiment, Lab
from orchestrator.monitoring import Monitoring, Source, Suspender
from orchestrator.scheduling import dispatch
from orchestrator.stopping import leave_word, word_left
from orchestrator.waits import late, waits
from tests.orchestrator.builders import campaign, laboratory, until
from tests.orchestrator.rig import EXPLORE, Rig, good

Make = Callable[..., Rig]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Make]:
    made: list[Rig] = []

    def make(monitoring: Monitoring | None = None, **engine: Any) -> Rig:
        for one in made:  # as after a crash: the log is let go of
            one.store.close()
        made.append(Rig(tmp_path / "log.db", bound(monitoring or Monitoring()), **engine))
        return made[-1]

    yield make
    made[-1].store.close()


def bound(monitoring: Monitoring) -> BoundCampaign:
    lab = laboratory()
    return bind_campaign(
        campaign(plan=EXPLORE, budget=Budget(experiments=4)),
        Laboratory(lab.file, lab.devices, lab.limits, monitoring),
    )


def say(rig: Rig, kind: Any, key: str = "", **arguments: str) -> Awaitable[None]:
    say.n += 1  # type: ignore[attr-defined]
    return rig.engine.post(Command(key or f"k{say.n}", kind, "ada", arguments))  # type: ignore[attr-defined]


say.n = 0  # type: ignore[attr-defined]


async def in_coater(rig: Rig) -> asyncio.Event:
    """Until the first experiment is in the coater, where it stays until the event is set."""
    gate = rig.hands.gate["spin"] = asyncio.Event()
    await until(lambda: "x0001.coat.1" in rig.hands.sent)
    return gate


def held(rig: Rig, fate: Callable[[Action], Fate] | None = None) -> None:
    """Acts end as a halt leaves them from now on: not done, and nobody's fault."""
    rig.hands.act = fate or (lambda a: Fate(a.id, "not done", "the coater is halted", halted=True))


def why(rig: Rig) -> list[str]:
    return waits(rig.state, rig.engine.bound.campaign)


# -- stop -----------------------------------------------------------------------------------------------------
async def test_a_stop_halts_before_it_is_written_and_a_release_fences_anew(rig: Make) -> None:
    the_rig = rig()
    on_disk_at_halt: list[str] = []
    halt = the_rig.hands.halt

    async def noted(devices: Any = None) -> list[str]:
        on_disk_at_halt.extend(the_rig.kinds())
        return await halt(devices)

    the_rig.hands.halt = noted  # type: ignore[method-assign]
    async with the_rig.running():
        gate = await in_coater(the_rig)
        held(the_rig)
        await say(the_rig, "stop", note="smoke")
        assert on_disk_at_halt and "lab.stopped" not in on_disk_at_halt
        gate.set()
        await until(lambda: not the_rig.state.open_actions)
        sent, fenced = len(the_rig.hands.sent), len(the_rig.hands.fenced)
        await say(the_rig, "timer", key="nothing@1")
        assert len(the_rig.hands.sent) == sent and the_rig.hands.still == {"mixer", "oven", "coater", "probe"}
        assert "smoke" in why(the_rig)[0]
        for refused in ({"note": ""}, {"note": "  "}):
            with pytest.raises(Refused, match="E505"):
                await say(the_rig, "release", **refused)
        held(the_rig, good)
        await say(the_rig, "release", note="aired")
        assert the_rig.hands.fenced[fenced] > the_rig.hands.fenced[0] and the_rig.hands.still == frozenset()
    assert len(the_rig.state.measured()) == 4 and not the_rig.state.n_failed


async def test_a_stop_is_the_last_word_where_both_come_together(rig: Make) -> None:
    the_rig = rig()
    async with the_rig.running() as task:
        gate = await in_coater(the_rig)
        await say(the_rig, "stop", note="smoke")
        await asyncio.gather(say(the_rig, "release", note="aired"), say(the_rig, "stop", note="smoke again"))
        gate.set()
        await until(lambda: not the_rig.state.open_actions)
        assert the_rig.state.lab is Lab.STOPPED and len(the_rig.hands.still) == 4
        assert the_rig.hands.halts >= 2 and not task.done()
        await say(the_rig, "release", note="aired")


async def test_hosts_that_others_halted_stop_the_laboratory(rig: Make) -> None:
    """As `alquimia stop` does where the engine hung and comes back: its next act is turned away."""
    the_rig = rig()
    the_rig.hands.act = lambda a: Fate(
        a.id, "not done", "the host is halted", halted=True, epoch=the_rig.hands.fenced[-1]
    )
    async with the_rig.running():
        await until(lambda: "lab.stopped" in the_rig.kinds())
        await until(lambda: not the_rig.state.open_actions)
        assert the_rig.body("lab.stopped")["reason"] == "mixer was halted by another process than the engine"
        sent = len(the_rig.hands.sent)
        held(the_rig, good)
        await say(the_rig, "timer", key="nothing@1")
        assert len(the_rig.hands.sent) == sent
        await say(the_rig, "release", note="looked")
    assert len(the_rig.state.measured()) == 4


async def test_a_stop_that_waits_beside_the_log_is_obeyed_first(rig: Make, tmp_path: Path) -> None:
    the_rig = rig()
    leave_word(the_rig.store.path, Command("left", "stop", "ada", {"note": "smoke"}))
    async with the_rig.running():
        await until(lambda: bool(the_rig.hands.fenced))
        await say(the_rig, "timer", key="nothing@1")
        assert the_rig.state.lab is Lab.STOPPED and not the_rig.hands.sent
        assert word_left(the_rig.store.path) is None
        leave_word(the_rig.store.path, Command("left", "stop", "ada", {"note": "smoke"}))
        await say(the_rig, "release", note="aired")
        await the_rig.engine._beat()  # the same word a second time is no second stop
        await until(lambda: word_left(the_rig.store.path) is None)
    assert the_rig.kinds().count("lab.stopped") == 1 and len(the_rig.state.measured()) == 4


async def test_without_people_an_engine_ends_in_a_stopped_laboratory(rig: Make) -> None:
    the_rig = rig(wait_for_people=False)
    leave_word(the_rig.store.path, Command("left", "stop", "ada", {"note": "smoke"}))
    state = await the_rig.run()
    assert not the_rig.hands.sent and state.lab is Lab.STOPPED and not the_rig.planner.requests
    assert the_rig.body("engine.stopped") == {"reason": "the laboratory is stopped"}


# -- pauses ---------------------------------------------------------------------------------------------------
async def test_a_pause_now_halts_what_is_in_hand_and_a_pause_soon_does_not(rig: Make) -> None:
    the_rig = rig()
    async with the_rig.running():
        gate = await in_coater(the_rig)
        await say(the_rig, "pause")
        assert not the_rig.hands.halts and the_rig.hands.still == frozenset()
        held(the_rig)
        await say(the_rig, "pause", now="yes")
        assert the_rig.hands.halts == 1 and len(the_rig.hands.still) == 4
        gate.set()
        await until(lambda: not the_rig.state.open_actions)
        held(the_rig, good)
        await say(the_rig, "continue")
        assert the_rig.hands.still == frozenset() and len(the_rig.hands.fenced) == 2
    assert the_rig.kinds().count("campaign.paused") == 2
    assert len(the_rig.state.measured()) == 4 and "x0001.coat.2" in the_rig.hands.sent


async def test_halts_are_no_attempts(rig: Make) -> None:
    """An act that was halted more often than an act may fail is done all the same."""
    the_rig = rig()
    async with the_rig.running():
        for n in range(1, decide.ATTEMPTS + 3):
            gate = the_rig.hands.gate["spin"] = asyncio.Event()
            await until(lambda n=n: f"x0001.coat.{n}" in the_rig.hands.sent)
            held(the_rig)
            await say(the_rig, "pause", now="yes")
            gate.set()
            await until(lambda: not the_rig.state.open_actions)
            the_rig.hands.gate["spin"] = asyncio.Event()
            held(the_rig, good)
            await say(the_rig, "continue")
        the_rig.hands.gate["spin"].set()
    assert len(the_rig.state.measured()) == 4 and not the_rig.state.n_failed


async def test_a_command_that_is_refused_halts_nothing(rig: Make) -> None:
    the_rig = rig()
    async with the_rig.running():
        gate = await in_coater(the_rig)
        await say(the_rig, "abort")
        for kind, arguments in (
            ("pause", {"now": "yes"}),
            ("device", {"device": "oevn", "to": "out", "now": "yes", "note": ""}),
        ):
            with pytest.raises(Refused, match="E505"):
                await say(the_rig, kind, **arguments)
        assert not the_rig.hands.halts and the_rig.hands.still == frozenset()
        gate.set()


async def test_one_experiment_pauses_after_its_act_and_the_others_go_on(rig: Make) -> None:
    the_rig = rig()
    async with the_rig.running():
        gate = await in_coater(the_rig)
        await say(the_rig, "pause", experiment="x0001")
        one = the_rig.state.experiments["x0001"]
        assert one.state is Experiment.RUNNING and one.asked == "pause", "never in the middle of an act"
        gate.set()
        await until(lambda: one.state is Experiment.PAUSED)
        assert the_rig.state.actions["x0001.coat.1"].state == "succeeded"
        await until(lambda: len(the_rig.state.measured()) == 3)
        assert "paused: x0001" in why(the_rig)[0]
        await say(the_rig, "continue", experiment="x0001")
    assert len(the_rig.state.measured()) == 4 and one.story.count("experiment.paused") == 1
    assert "x0001.bake.1" in the_rig.hands.sent


async def test_one_experiment_is_given_up_and_the_others_go_on(rig: Make) -> None:
    the_rig = rig()
    async with the_rig.running():
        gate = await in_coater(the_rig)
        await say(the_rig, "abort", experiment="x0001")
        gate.set()
        await until(lambda: len(the_rig.state.measured()) == 3)
    states = {e.id: str(e.state) for e in the_rig.state.experiments.values()}
    assert states.pop("x0001") == "cancelled" and set(states.values()) == {"measured"}
    assert not [a for a in the_rig.hands.sent if a.startswith("x0001.bake")]
    assert the_rig.state.experiments["x0001"].failure == ("cancelled", "given up by ada")


async def test_what_is_asked_of_no_experiment_is_refused(rig: Make) -> None:
    the_rig = rig()
    async with the_rig.running():
        gate = await in_coater(the_rig)
        for kind in ("pause", "continue", "abort"):
            with pytest.raises(Refused, match=r"no experiment 'x0099'.*x0001"):
                await say(the_rig, kind, experiment="x0099")
        gate.set()


# -- devices --------------------------------------------------------------------------------------------------
async def test_no_action_goes_to_a_device_that_is_out_of_use(rig: Make) -> None:
    the_rig = rig()
    async with the_rig.running():
        gate = await in_coater(the_rig)
        await say(the_rig, "device", device="oven", to="out", note="its door squeaks")
        gate.set()
        await until(lambda: the_rig.state.experiments["x0001"].step == 2)
        await say(the_rig, "timer", key="nothing@1")
        assert not [a for a in the_rig.hands.sent if ".bake." in a] and not the_rig.hands.halts
        assert "its door squeaks" in why(the_rig)[0]
        await say(the_rig, "device", device="oven", to="in", note="oiled")
    assert len(the_rig.state.measured()) == 4


async def test_a_device_taken_out_now_is_halted_alone_and_stays_so_over_a_restart(rig: Make) -> None:
    the_rig = rig()
    halted: list[Any] = []

    async def halt(devices: Any = None) -> list[str]:
        halted.append(devices)
        return []

    the_rig.hands.halt = halt  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        async with the_rig.running() as task:
            await in_coater(the_rig)
            await say(the_rig, "device", device="coater", to="out", note="smells", now="yes")
            assert halted == [{"coater"}] and the_rig.hands.still == {"coater"}
            task.cancel()
    again = rig()
    held(again)
    async with again.running():
        await until(lambda: "x0001.coat.1" in again.hands.inquired)
        assert again.hands.still == {"coater"}, "its host is told with the fence"
        held(again, good)
        await say(again, "device", device="coater", to="in", note="cleaned")
    assert len(again.state.measured()) == 4


# -- suspenders -----------------------------------------------------------------------------------------------
SOURCE = Source("o2", "probe", "measure", {}, "signal", "ppm", 0.1, 0.3)
BAND = Monitoring(sources=(SOURCE,), suspenders=(Suspender("o2", 0.0, 10.0, "ppm", 0.25, ()),))


def gives(value: float | str, unit: str = "ppm") -> Mapping[str, Any]:
    return {"readings": {"signal": {"value": value, "unit": unit}}}


async def test_out_of_its_band_a_signal_suspends_and_back_in_it_resumes_by_itself(rig: Make) -> None:
    the_rig = rig(BAND)
    the_rig.hands.signals["probe"] = gives(25.0)
    async with the_rig.running():
        await until(lambda: bool(the_rig.hands.fenced))
        await asyncio.sleep(0.3)
        assert not the_rig.hands.sent, "it was read before anything began"
        assert why(the_rig) == ["suspended: o2 is 25 ppm, above 10"]
        the_rig.hands.signals["probe"] = gives(2.0)
        gate = await in_coater(the_rig)
        for bad in ({"failed": "no cable"}, HostGone("unplugged"), gives("nan"), {"readings": {}}):
            the_rig.hands.signals["probe"] = bad
            await until(lambda: bool(the_rig.state.suspended))
            the_rig.hands.signals["probe"] = gives(2.0)
            await until(lambda: not the_rig.state.suspended)
        the_rig.hands.signals["probe"] = gives(11.0)
        await until(lambda: bool(the_rig.state.suspended))
        sent = len(the_rig.hands.sent)
        gate.set()  # acts in hand go on
        await until(lambda: "x0001.coat.1" not in {a.id for a in the_rig.state.open_actions.values()})
        await asyncio.sleep(0.15)
        assert len(the_rig.hands.sent) == sent
        the_rig.hands.signals["probe"] = gives(2.0)
    assert len(the_rig.state.measured()) == 4
    told = [e for e in the_rig.store.events() if e.kind.startswith("suspender.")]
    assert [e.kind.partition(".")[2] for e in told] == ["tripped", "cleared"] * 6
    assert told[0].body["value"] == 25.0 and told[1].body["value"] == 2.0


async def test_a_sensor_that_is_busy_is_stale_after_a_while(rig: Make) -> None:
    the_rig = rig(BAND)
    the_rig.hands.signals["probe"] = gives(2.0)
    async with the_rig.running():
        gate = await in_coater(the_rig)
        the_rig.hands.signals["probe"] = {"busy": "x0009.look.1"}
        await asyncio.sleep(0.15)
        assert not the_rig.state.suspended, "what was read a moment ago still counts"
        await until(lambda: bool(the_rig.state.suspended))
        assert "busy" in why(the_rig)[0]
        the_rig.hands.signals["probe"] = gives(2.0)
        gate.set()
    assert len(the_rig.state.measured()) == 4


async def test_nobody_looks_at_a_device_that_is_halted(rig: Make) -> None:
    the_rig = rig(BAND)
    the_rig.hands.signals["probe"] = gives(2.0)
    async with the_rig.running():
        gate = await in_coater(the_rig)
        await say(the_rig, "pause", now="yes")
        the_rig.hands.signals["probe"] = {"failed": "it is halted"}
        await asyncio.sleep(0.5)
        assert not the_rig.state.suspended
        the_rig.hands.signals["probe"] = gives(2.0)
        gate.set()
        await say(the_rig, "continue")
    assert "suspender.tripped" not in the_rig.kinds()


# -- late -----------------------------------------------------------------------------------------------------
async def test_an_action_that_takes_long_is_said_to_be_late_once(
    rig: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "LATE_VIRTUAL_S", 0.3)
    the_rig = rig()
    with pytest.raises(asyncio.CancelledError):
        async with the_rig.running() as task:
            await in_coater(the_rig)
            await until(lambda: bool(late(the_rig.state)))
            assert late(the_rig.state) == ["x0001.coat.1: coater.spin is in hand for more than 0.3 s"]
            await asyncio.sleep(0.4)
            task.cancel()
    again = rig()
    gate = asyncio.Event()
    inquire = again.hands.inquire

    async def slowly(*asked: Any) -> Fate:
        await gate.wait()
        return await inquire(*asked)

    again.hands.inquire = slowly  # type: ignore[method-assign]
    async with again.running():
        await asyncio.sleep(0.4)
        gate.set()
    kinds = again.kinds()
    assert kinds.count("action.late") == 1, "the others ended in time, and this one is said to be late once"
    assert (
        not late(again.state)
        and len(again.state.measured()) == 4
        and again.state.campaign is Campaign.FINISHED
    )


@pytest.mark.parametrize(
    ("clock", "lasts_s", "late_s"), [("wall", 60.0, 90.0), ("wall", 0.0, 5.0), ("virtual", 60.0, 30.0)]
)
def test_late_is_half_again_as_long_as_usual(clock: str, lasts_s: float, late_s: float) -> None:
    from orchestrator.decision import Around
    from tests.orchestrator.builders import BENCH, opened, propose

    bench = {**BENCH, "mixer": {"mix": BENCH["mixer"]["mix"].model_copy(update={"takes_s": lasts_s})}}
    the_bound = bind_campaign(campaign(plan=EXPLORE), laboratory(bench=bench, clock=clock))
    log = opened(the_bound)
    propose(log)
    while not log.state.actions:
        log.apply(*decide.decide(log.state, the_bound, Around(asking=True)).events)
    assert log.state.actions["x0001.mix.1"].late_s == late_s
