"""The engine on hands that are no hands: what is written before what, who is answered when, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.campaign import Budget, Phase, Schedule, Until
from drivers.protocol import Action, Attribution, Outcome, Reading
from orchestrator.advice import question
from orchestrator.brain.client import BrainFailed
from orchestrator.commands import Command
from orchestrator.decision import Ask
from orchestrator.engine import Engine
from orchestrator.errors import Refused
from orchestrator.events import Event
from orchestrator.hands import Fate
from orchestrator.lab import fold
from orchestrator.lifecycle import Campaign as CampaignState
from orchestrator.lifecycle import Experiment
from tests.orchestrator.builders import bound, until
from tests.orchestrator.rig import EXPLORE, Rig, good


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(*, engine: Mapping[str, Any] | None = None, **changes: Any) -> Rig:
        for one in made:  # as after a crash: the log is let go of
            one.store.close()
        the_bound = bound(**{"plan": EXPLORE, "budget": Budget(experiments=4), **changes})
        made.append(Rig(tmp_path / "log.db", the_bound, **(engine or {})))
        return made[-1]

    yield make
    made[-1].store.close()


def say(rig: Rig, kind: Any, key: str = "k", **arguments: str) -> Awaitable[None]:
    return rig.engine.post(Command(key, kind, "ada", arguments))


async def test_a_campaign_runs_to_its_end_and_the_log_is_the_state(rig: Callable[..., Rig]) -> None:
    the_rig = rig()
    state = await the_rig.run()
    assert state.campaign is CampaignState.FINISHED and len(state.measured()) == 4
    assert len(the_rig.hands.sent) == 16 and not the_rig.hands.inquired
    kinds = the_rig.kinds()
    assert kinds[:2] == ["campaign.opened", "engine.started"] and kinds[-1] == "engine.stopped"
    folded = fold(the_rig.store.events())
    assert folded.experiments.keys() == state.experiments.keys() and folded.seq == state.seq


async def test_what_is_sent_is_on_disk_first_and_the_test_would_see_it(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: an engine that sends before it writes is caught by the hands."""
    the_rig = rig()
    append, kept = the_rig.store.append, []
    monkeypatch.setattr(the_rig.store, "append", lambda events: kept.extend(events))
    with pytest.raises(AssertionError, match="sent before it was written"):
        await the_rig.run()
    append(kept)


async def test_faults_are_handled_as_they_are_attributed(rig: Callable[..., Rig]) -> None:
    the_rig = rig(budget=Budget(experiments=5, failures=5))

    def act(action: Action) -> Fate:
        def failed(why: Attribution) -> Fate:
            return Fate(
                action.id, "ended", outcome=Outcome(status="failed", attribution=why, reason=str(why))
            )

        match action.id:
            case "x0001.mix.1":
                return failed(Attribution.INSTRUMENT)
            case "x0002.bake.1" | "x0002.bake.2":
                return failed(Attribution.BUSY)
            case "x0003.coat.1":
                return failed(Attribution.INFEASIBLE)
            case str(name) if name.startswith("x0004.look."):
                reading = Reading(value=float("nan"), unit="S")
                return Fate(name, "ended", outcome=Outcome(status="succeeded", readings={"signal": reading}))
        return good(action)

    the_rig.hands.act = act
    state = await the_rig.run()
    ends = {e.id: (str(e.state), e.failure and e.failure[0]) for e in state.experiments.values()}
    assert ends == {
        "x0001": ("failed", "instrument"), "x0002": ("measured", None), "x0003": ("failed", "infeasible"),
        "x0004": ("failed", "bad reading"), "x0005": ("measured", None),
    }  # fmt: skip
    assert state.n_failed == 3 and state.n_told == 3
    assert "x0002.bake.3" in state.actions and "x0004.look.3" in state.actions
    assert the_rig.kinds().count("measurement.rejected") == 3


# -- stopping, halting, going on ------------------------------------------------------------------------------
async def test_a_stop_lets_the_acts_in_hand_end_and_a_resumed_engine_goes_on(rig: Callable[..., Rig]) -> None:
    the_rig = rig()
    the_rig.hands.gate["spin"] = asyncio.Event()
    async with the_rig.running():
        await until(lambda: "x0001.coat.1" in the_rig.hands.sent)
        the_rig.engine.stop()
        await asyncio.sleep(0)
        the_rig.hands.gate["spin"].set()
    state = the_rig.state
    assert not state.open_actions and state.campaign is CampaignState.OPEN
    assert "x0001.bake.1" not in state.actions, "nothing new is begun"
    assert the_rig.body("engine.stopped") == {"reason": "stopped"}
    again = rig()
    assert len((await again.run()).measured()) == 4
    assert not again.hands.inquired and len(set(the_rig.hands.sent + again.hands.sent)) == 16


async def test_a_halt_reaches_every_device_and_leaves_doubts(rig: Callable[..., Rig]) -> None:
    the_rig = rig()
    the_rig.hands.gate["spin"] = asyncio.Event()
    async with the_rig.running():
        await until(lambda: "x0001.coat.1" in the_rig.hands.sent)
        the_rig.engine.halt()
    assert the_rig.hands.halts == 1
    assert "x0001.coat.1" in [a.id for a in the_rig.state.doubts]
    assert all(a.state == "in doubt" for a in the_rig.state.open_actions.values())
    again = rig()
    state = await again.run()
    assert "x0001.coat.1" in again.hands.inquired, "a resumed engine asks what became of it"
    assert state.campaign is CampaignState.FINISHED and len(state.measured()) == 4


async def test_where_only_a_person_can_help_no_wait_ends_and_the_word_is_obeyed(
    rig: Callable[..., Rig],
) -> None:
    no_wait = {"wait_for_people": False}
    doubtful = rig(engine=no_wait)
    doubtful.hands.act = lambda a: Fate(a.id, "doubt", "nobody saw it") if a.id == "x0001.mix.1" else good(a)
    state = await doubtful.run()
    assert [a.id for a in state.doubts] == ["x0001.mix.1"] and state.campaign is CampaignState.OPEN
    assert doubtful.body("engine.stopped") == {"reason": "doubts wait for a person"}
    again = rig()
    again.hands.act = lambda a: Fate(a.id, "doubt", "nobody saw it") if a.id == "x0001.mix.1" else good(a)
    async with again.running():
        await until(lambda: bool(again.hands.inquired))
        await say(again, "settle", action="x0001.mix.1", verdict="not-done", note="the vial is empty")
    assert len(again.hands.fenced) == 2, "before an act is done again, whatever was under way is fenced off"
    assert again.hands.fenced[1] > again.hands.fenced[0]
    assert "x0001.mix.2" in again.hands.sent and len(again.state.measured()) == 4


async def test_an_absent_host_is_waited_for_and_its_acts_are_in_doubt(rig: Callable[..., Rig]) -> None:
    the_rig = rig()
    the_rig.hands.away = True
    async with the_rig.running():
        await until(lambda: bool(the_rig.state.absent))
        assert not the_rig.hands.sent and the_rig.kinds().count("device.absent") == 4
        the_rig.hands.away = False
        await the_rig.engine._beat()
    assert len(the_rig.state.measured()) == 4


# -- commands -------------------------------------------------------------------------------------------------
async def test_a_pause_holds_until_it_is_continued_and_is_answered_from_disk(rig: Callable[..., Rig]) -> None:
    the_rig = rig()
    the_rig.hands.gate["spin"] = asyncio.Event()
    async with the_rig.running():
        await until(lambda: "x0001.coat.1" in the_rig.hands.sent)
        await say(the_rig, "pause", key="p")
        assert "campaign.paused" in the_rig.kinds()
        sent = len(the_rig.hands.sent)
        the_rig.hands.gate["spin"].set()
        await until(lambda: "x0001.coat.1" not in {a.id for a in the_rig.state.open_actions.values()})
        await say(the_rig, "timer", key="nothing@1")  # another turn, in which it might begin something
        assert len([a for a in the_rig.hands.sent[sent:] if not a.startswith("x0002.mix")]) == 0
        await say(the_rig, "pause", key="p")  # said twice, obeyed once
        await say(the_rig, "continue", key="c")
    assert the_rig.kinds().count("campaign.paused") == 1 and len(the_rig.state.measured()) == 4


async def test_an_abort_cancels_and_ends(rig: Callable[..., Rig]) -> None:
    the_rig = rig()
    the_rig.hands.gate["spin"] = asyncio.Event()
    async with the_rig.running():
        await until(lambda: "x0001.coat.1" in the_rig.hands.sent)
        await say(the_rig, "abort")
        the_rig.hands.gate["spin"].set()
    assert the_rig.state.campaign is CampaignState.FINISHED and the_rig.state.reason == "aborted by ada"
    assert {e.state for e in the_rig.state.experiments.values()} == {Experiment.CANCELLED}


async def test_a_refused_command_says_so_and_the_engine_goes_on(rig: Callable[..., Rig]) -> None:
    the_rig = rig()
    the_rig.hands.gate["spin"] = asyncio.Event()
    async with the_rig.running():
        await until(lambda: bool(the_rig.hands.sent))
        for arguments in ({"action": "x0009.mix.1", "verdict": "done", "note": ""},
                          {"action": "x0001.mix.1", "verdict": "not-done", "note": ""}):  # fmt: skip
            with pytest.raises(Refused, match="E505"):
                await say(the_rig, "settle", **arguments)
        the_rig.hands.gate["spin"].set()
    assert len(the_rig.state.measured()) == 4 and "command.received" not in the_rig.kinds()


# -- the planner ----------------------------------------------------------------------------------------------
LEARN = (
    Phase(mode="explore", method="sobol", experiments=4),
    Phase(mode="learn", method="variance", until=Until(calibrated=0.9), at_most=4, batch=2),
)


async def test_the_question_is_what_the_log_held_at_the_place_that_it_names(rig: Callable[..., Rig]) -> None:
    """Same log, same question: every proposal can be asked for again (promise P7)."""
    the_rig = rig(plan=LEARN, budget=Budget(experiments=8))
    await the_rig.run()
    events = list(the_rig.store.events())
    whys = {
        e.body["proposal"]["read_to"]: e.body["proposal"]
        for e in events if e.kind == "experiment.proposed" and e.body["proposal"]["phase"] == 1
    }  # fmt: skip
    assert len(whys) == len(the_rig.planner.requests) == 2
    for (read_to, why), request in zip(sorted(whys.items()), the_rig.planner.requests, strict=True):
        state = fold(events[:read_to])
        ask = Ask(1, request["n"], why["rule"], read_to, state.n_told, True)
        assert question(ask, state, the_rig.engine.bound.campaign) == request


async def test_the_question_is_made_in_the_turn_that_decided_to_ask(rig: Callable[..., Rig]) -> None:
    """What comes in between the decision and the asking is not read: `read_to` would be a lie."""
    the_rig = rig(plan=LEARN, budget=Budget(experiments=8))
    the_rig.planner.gate.clear()
    async with the_rig.running():
        await until(lambda: bool(the_rig.planner.requests))
        state = the_rig.state
        the_rig.engine._carry_out(Ask(1, 2, "again", state.seq, state.n_told, True))
        held, state.experiments = state.experiments, {}
        await until(lambda: len(the_rig.planner.requests) == 2)
        state.experiments = held
        assert len(the_rig.planner.requests[0]["observations"]) == 4
        assert the_rig.planner.requests[1] == the_rig.planner.requests[0]
        await say(the_rig, "abort")


async def test_a_planner_that_fails_is_marked_and_the_campaign_goes_on(rig: Callable[..., Rig]) -> None:
    the_rig = rig(plan=LEARN, budget=Budget(experiments=8))
    the_rig.planner.reply = lambda request: BrainFailed("killed")
    state = await the_rig.run()
    proposals = [e.proposal for e in state.experiments.values()]
    assert [p["fallback"] for p in proposals] == [None] * 4 + ["the planner failed: killed"] * 4
    assert the_rig.kinds().count("brain.failed") == 2 and len(state.measured()) == 8


async def test_an_exhausted_space_ends_it(rig: Callable[..., Rig]) -> None:
    the_rig = rig(plan=LEARN, budget=Budget(experiments=8))
    the_rig.planner.reply = lambda request: {"exhausted": "nothing is left"}
    state = await the_rig.run()
    assert state.campaign is CampaignState.FINISHED and state.reason == "space: nothing is left"


async def test_while_the_planner_thinks_commands_are_obeyed(rig: Callable[..., Rig]) -> None:
    the_rig = rig(plan=LEARN, budget=Budget(experiments=8))
    the_rig.planner.gate.clear()
    async with the_rig.running():
        await until(lambda: bool(the_rig.planner.requests))
        await say(the_rig, "abort")
    assert the_rig.state.campaign is CampaignState.FINISHED and len(the_rig.state.experiments) == 4


# -- the schedule ---------------------------------------------------------------------------------------------
async def test_a_start_in_the_future_is_waited_for(rig: Callable[..., Rig]) -> None:
    bound()  # what is slow the first time is done before the clock is read
    start = datetime.now(UTC) + timedelta(seconds=1.5)
    the_rig = rig(schedule=Schedule(start=start))
    state = await the_rig.run()
    kinds = the_rig.kinds()
    assert kinds.index("campaign.waiting") < kinds.index("campaign.continued") < kinds.index("phase.entered")
    began = min(e.at for e in the_rig.store.events() if e.kind == "action.intended")
    assert datetime.fromisoformat(began) >= start and len(state.measured()) == 4
    keys = [e.body["key"] for e in the_rig.store.events() if e.kind == "command.received"]
    assert keys == [f"start@{start.isoformat()}"]


async def test_a_phase_that_is_over_time_gives_way(rig: Callable[..., Rig]) -> None:
    plan = (
        Phase(mode="explore", method="sobol", timeout_s=0.3),
        Phase(mode="explore", method="random", experiments=1),
    )
    the_rig = rig(plan=plan, budget=Budget(experiments=100_000))
    state = await the_rig.run()
    assert state.phases[1].rule == "explore was on for its 0.3 s"
    assert state.reason.startswith("plan: explore had its 1 experiments")


# -- when it breaks -------------------------------------------------------------------------------------------
async def test_a_task_that_breaks_ends_the_engine_rather_than_silently_stopping(
    rig: Callable[..., Rig],
) -> None:
    the_rig = rig()

    def broken(action: Action) -> Fate:
        raise RuntimeError("a bug")

    the_rig.hands.act = broken
    with pytest.raises(RuntimeError, match="a bug"):
        await the_rig.run()
    again = rig()
    assert len((await again.run()).measured()) == 4, "and the log is whole"
    assert again.hands.inquired


async def test_an_error_of_the_disk_is_final(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    the_rig = rig()
    append = the_rig.store.append

    def full(events: Any) -> None:
        if the_rig.store.head()[0] > 12:
            raise OSError(28, "No space left on device")
        append(events)

    monkeypatch.setattr(the_rig.store, "append", full)
    with pytest.raises(OSError, match="No space left"):
        await the_rig.run()
    intended = {e.stream for e in the_rig.store.events() if e.kind == "action.intended"}
    assert set(the_rig.hands.sent) <= intended, "nothing was sent that is not on disk"


async def test_a_commit_beside_a_new_epoch_is_not_written_under_the_old_one(rig: Callable[..., Rig]) -> None:
    """A heartbeat that notes an absent device while a doubt is settled as not done: both are written."""
    the_rig = rig()
    the_rig.hands.gate["spin"] = asyncio.Event()
    async with the_rig.running():
        await until(lambda: "x0001.coat.1" in the_rig.hands.sent)
        engine = the_rig.engine
        fencing = asyncio.create_task(engine._fence_anew())
        await asyncio.sleep(0)
        for _ in range(5):
            await engine._commit([Event("mixer", "device.ready", {"driver": "mixer"})])
        await fencing
        the_rig.hands.gate["spin"].set()
    assert len(the_rig.state.measured()) == 4


def test_what_the_laboratory_is_being_asked_about_cannot_be_settled_meanwhile() -> None:
    """A verdict beside an inquiry could have an act done twice."""
    engine = object.__new__(Engine)
    engine._inquiring = {"x0001.mix.1"}
    verdict = {"verdict": "not-done", "note": "looked"}
    with pytest.raises(Refused, match="being asked"):
        engine._refuse_what_is_being_asked(
            Command("k", "settle", "ana", {"action": "x0001.mix.1", **verdict})
        )
    engine._refuse_what_is_being_asked(Command("k", "settle", "ana", {"action": "x0002.mix.1", **verdict}))
    engine._refuse_what_is_being_asked(Command("k", "pause", "ana", {}))
