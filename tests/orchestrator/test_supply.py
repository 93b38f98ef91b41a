"""Who may begin when a consumable runs short, who waits, what is said of it, and what a refill does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from campaigns.campaign import Budget, Phase
from drivers.protocol import Action, Outcome, Reading
from orchestrator import supply
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.commands import Command, obey
from orchestrator.consumption import NOTHING_USED
from orchestrator.decide import decide
from orchestrator.decision import Around, Decision, Send
from orchestrator.events import Event
from orchestrator.hands import Fate
from orchestrator.history import records
from orchestrator.lab import LabState, fold
from orchestrator.lifecycle import Campaign, Experiment, Stock
from orchestrator.outcomes import learn
from orchestrator.waits import waits
from tests.orchestrator.builders import (
    BENCH,
    GOOD,
    Log,
    campaign,
    laboratory,
    opened,
    propose,
    until,
)
from tests.orchestrator.rig import Rig, good
from tests.orchestrator.walks import Walk, plan_of

# GOOD mixes in water with 5 strokes and heats for 2 min.
GAS = {"gas": {"amount": "10 L", "low": "3 L", "uses": {"oven.heat": {"takes": "1 L/min", "per": "$hold"}}}}
TOLUENE = {
    "toluene": {"amount": "5 mL", "uses": {"mixer.mix": {"takes": "2 mL", "when": {"solvent": "toluene"}}}}
}
PLAN = (Phase(mode="explore", method="sobol", batch=8),)


def the_bound(consumables: Mapping[str, Any], **changes: Any) -> BoundCampaign:
    made = campaign(**{"plan": PLAN, "budget": Budget(experiments=8), **changes})
    return bind_campaign(made, laboratory(consumables=consumables))


def rest(log: Log, bound: BoundCampaign) -> list[str]:
    """What is sent until nothing more is decided."""
    sent = []
    for _ in range(1000):
        decision = decide(log.state, bound, Around(asking=True))
        if not decision.events:
            return sent
        log.apply(*decision.events)
        sent += [effect.action for effect in decision.effects if isinstance(effect, Send)]
    raise AssertionError("decide never comes to rest")


def end(log: Log, bound: BoundCampaign, action: str, **outcome: Any) -> list[str]:
    """An act ends; what follows."""
    readings = {"signal": Reading(value=0.001, unit="S")} if ".look." in action else {}
    told = Outcome(**{"status": "succeeded", "readings": readings, **outcome})
    log.apply(*learn(Fate(action, "ended", outcome=told), log.state, bound))
    return rest(log, bound)


def kinds(log: Log, prefix: str) -> list[tuple[str, str]]:
    return [(e.kind, e.body["consumable"]) for e in log.events if e.kind.startswith(prefix)]


def refill(log: Log, bound: BoundCampaign, name: str, amount: str) -> list[str]:
    said = {"consumable": name, "amount": amount, "note": ""}
    log.apply(*obey(log.state, Command(f"k{log.state.seq}", "refill", "ada", said)))
    return rest(log, bound)


def test_no_sample_is_begun_that_cannot_be_finished() -> None:
    bound = the_bound(GAS)
    log = opened(bound)
    for _ in range(8):
        propose(log)
    open_ = rest(log, bound)
    while open_:  # every act ends as it should, in the order in which they were sent
        open_ = open_[1:] + end(log, bound, open_[0])
        began = [e for e in log.state.experiments.values() if e.started_at is not None]
        assert len(began) <= 5, "10 L are five times 2 L"
    states = [e.state for e in log.state.experiments.values()]
    assert states == [Experiment.MEASURED] * 5 + [Experiment.QUEUED] * 3
    assert log.state.stock["gas"].used == pytest.approx(10.0)
    assert kinds(log, "consumable.") == [("consumable.low", "gas"), ("consumable.out", "gas")]
    (said,) = waits(log.state, bound.campaign)
    assert said.startswith(
        "gas: 0 L on hand; x0006 takes 2 L and is not begun, 2 more wait; `alquimia refill gas"
    )
    assert supply.stalled(log.state)
    log.restart()
    assert rest(log, bound) == [], "and a restart begins nothing"
    assert refill(log, bound, "gas", "5 L") == ["x0006.mix.1"], "and what was filled lets it go on"
    assert not supply.stalled(log.state)


def test_what_begins_together_is_counted_together() -> None:
    """Two mixers are free and there is enough for one: one begins. Control: an inert book lets both begin."""
    mixers = {
        "mixer_1": BENCH["mixer"],
        "mixer_2": BENCH["mixer"],
        **{k: BENCH[k] for k in ("oven", "coater", "probe")},
    }
    recipe = tuple(
        s if s.device != "mixer" else s.model_copy(update={"device": "mixer"}) for s in campaign().recipe
    )
    lab = laboratory(bench=mixers, groups={"mixer": ("mixer_1", "mixer_2")}, consumables=GAS | {"gas": {
        **GAS["gas"], "amount": "3 L", "low": None}})  # fmt: skip
    bound = bind_campaign(campaign(recipe=recipe, plan=PLAN), lab)
    log = opened(bound)
    propose(log), propose(log)
    assert rest(log, bound) == ["x0001.mix.1"]
    lab.consumption = NOTHING_USED
    log = opened(bound)
    propose(log), propose(log)
    assert rest(log, bound) == ["x0001.mix.1", "x0002.mix.1"]


def test_a_device_that_takes_nothing_does_the_work_of_one_that_takes_what_is_out() -> None:
    ovens = {
        "oven_1": BENCH["oven"],
        "oven_2": BENCH["oven"],
        **{k: BENCH[k] for k in ("mixer", "coater", "probe")},
    }
    uses = {"oven_1.heat": {"takes": "1 L/min", "per": "$hold"}}
    lab = laboratory(
        bench=ovens,
        groups={"oven": ("oven_1", "oven_2")},
        consumables={"gas": {"amount": "2.5 L", "uses": uses}},
    )
    bound = bind_campaign(campaign(limits=(), plan=PLAN), lab)
    log = opened(bound)
    propose(log)
    (action,) = rest(log, bound)
    (action,) = end(log, bound, action)
    said = {"consumable": "gas", "amount": "0 L", "note": ""}
    log.apply(*obey(log.state, Command("k", "refill", "ada", said)))
    (action,) = end(log, bound, action)
    assert log.state.actions[action].device == "oven_2" and not log.state.actions[action].reserves
    assert kinds(log, "consumable.out") == [], "nothing waited"


def test_low_and_out_are_said_once_until_it_is_filled() -> None:
    bound = the_bound(GAS)
    log = opened(bound)
    for _ in range(8):
        propose(log)
    open_ = rest(log, bound)
    while open_:
        open_ = open_[1:] + end(log, bound, open_[0])
        log.restart()
    assert kinds(log, "consumable.") == [("consumable.low", "gas"), ("consumable.out", "gas")]
    assert log.state.stock["gas"].state is Stock.OUT
    assert supply.low(log.state) == {"gas": "gas: 0 L on hand, low from 3 L on"}
    open_ = refill(log, bound, "gas", "+100 L")
    assert supply.low(log.state) == {} and log.state.stock["gas"].state is Stock.ENOUGH
    n = len(kinds(log, "consumable."))
    while open_:
        open_ = open_[1:] + end(log, bound, open_[0])
    assert len(kinds(log, "consumable.")) == n, "there is enough: nothing is said"


def test_low_is_said_exactly_once_while_it_falls() -> None:
    """Nothing waits here: 40 L for eight times 2 L, low from 37 L on."""
    bound = the_bound({"gas": {**GAS["gas"], "amount": "40 L", "low": "37 L"}})
    log = opened(bound)
    for _ in range(8):
        propose(log)
    open_ = rest(log, bound)
    while open_:
        open_ = open_[1:] + end(log, bound, open_[0])
        log.restart()
    assert kinds(log, "consumable.") == [("consumable.low", "gas")]
    (event,) = [e for e in log.events if e.kind == "consumable.low"]
    assert event.body["on_hand"] == pytest.approx(36.0), "when the second 2 L were put aside"
    refill(log, bound, "gas", "30 L")
    assert [kind for kind, _ in kinds(log, "consumable.")] == [
        "consumable.low", "consumable.filled", "consumable.low",
    ], "it is still below its mark, and said again"  # fmt: skip


def test_an_act_that_used_more_than_expected_makes_what_began_wait() -> None:
    bound = the_bound(GAS)
    log = opened(bound)
    propose(log), propose(log)
    sent = end(log, bound, rest(log, bound)[0])  # x0001 coats, x0002 mixes
    action, second = sorted(sent)
    (heat,) = [a for a in end(log, bound, action) if a.startswith("x0001")]
    assert log.state.stock["gas"].reserved == {heat: pytest.approx(2.0)}
    end(log, bound, heat, used={"gas": Reading(value=9.0, unit="L")})
    coat = next(a for a in end(log, bound, second) if a.startswith("x0002"))
    assert not any(a.startswith("x0002") for a in end(log, bound, coat)), "1 L is left and 2 L are wanted"
    (said,) = waits(log.state, bound.campaign)
    assert said.startswith("gas: 1 L on hand; x0002 wants 2 L; `alquimia refill gas AMOUNT`")
    (event,) = [e for e in log.events if e.kind == "consumable.out"]
    assert event.body["experiment"] == "x0002" and event.body["reason"] == said
    assert refill(log, bound, "gas", "+1 L") == ["x0002.bake.1"]


def test_how_many_experiments_are_left_is_the_mean_of_the_recipes() -> None:
    bound = the_bound(GAS | TOLUENE)
    log = opened(bound)
    for solvent in ("toluene", "water"):
        propose(log, GOOD | {"solvent": solvent})
    rest(log, bound)
    # One began, with 2 mL in hand and 2 L to come: 3 mL at 1 mL on average, 8 L at 2 L.
    assert supply.experiments_left(log.state) == {"gas": 4, "toluene": 3}
    (gas, toluene) = records(log.state, tuple(log.events)).consumables
    assert (gas.on_hand, gas.reserved, toluene.on_hand, toluene.reserved) == (10.0, 0.0, 3.0, 2.0)
    assert (gas.enough_for, toluene.enough_for) == (4, 3)


def test_where_nothing_is_counted_nothing_is_said() -> None:
    bound = the_bound({})
    log = opened(bound)
    propose(log)
    (action,) = rest(log, bound)
    assert "reserves" not in log.events[-1].body and "needs" not in next(
        e.body for e in log.events if e.kind == "experiment.queued"
    )
    used = {"toluene": Reading(value=1.0, unit="mL")}
    end(log, bound, action, used=used)
    body = next(e.body for e in log.events if e.kind == "action.succeeded")
    assert not {"used", "used_unclear", "used_beyond"} & set(body)
    counted = the_bound(GAS)  # a backtest decides by the same functions and has no stock
    state = LabState()
    assert supply.Book(state, counted.laboratory.consumption).has(
        log.state.experiments["x0001"], counted.steps[2], "oven"
    )


# -- whole campaigns, with dice for the world -----------------------------------------------------------------
class Stocked(Walk):
    """A walk in a laboratory that counts; the person fills what is waited for, a little at a time."""

    def _person(self) -> None:
        waiting = supply.waiting(self.state)
        if waiting and self.state.lab == "open" and self.state.campaign is not Campaign.PAUSED:
            name = waiting[0].partition(":")[0]
            amount = self.dice.choice(("+2", "+7", "12"))
            self._command(
                "refill", consumable=name, amount=f"{amount} {self.state.stock[name].unit}", note=""
            )
        else:
            super()._person()

    def _take(self, events: Any) -> None:
        for event in events:
            self.seen(event)
            super()._take([event])

    def seen(self, event: Event) -> None:
        """Looked at before it is applied, by a reckoning of its own."""
        state = self.state
        if event.kind == "action.intended":
            for name, amount in event.body.get("reserves", {}).items():
                assert amount <= state.stock[name].on_hand + 1e-6, "reserved what is not there"
        if event.kind == "consumable.out" and self.trouble == 0:
            begun = state.experiments[event.body["experiment"]].started_at is not None
            assert not begun, "a sample was begun that could not be finished"
        for one in state.stock.values():
            total = one.began + one.filled + one.unaccounted
            assert abs(total - one.on_hand - one.held - one.used) < 1e-6 and one.on_hand >= 0


@pytest.mark.parametrize("seed", range(12))
def test_campaigns_in_a_laboratory_that_counts_come_to_their_end(seed: int) -> None:
    """With trouble in every second walk; without it no experiment that began ever waits."""
    import random

    dice = random.Random(seed)
    consumables = GAS | TOLUENE | {"tips": {"amount": 30, "low": 9, "uses": {
        "mixer.mix": {"takes": "$strokes"}, "probe.measure": [{"takes": 1}]}}}  # fmt: skip
    bound = the_bound(consumables, plan=plan_of(dice), budget=Budget(experiments=12, failures=8))
    walk = Stocked(bound, seed, trouble=0.3 if seed % 2 else 0.0)
    state = walk.run(steps=200)
    assert all(not one.reserved for one in state.stock.values())
    if not seed % 2:
        tips = sum(
            sum(n.get("tips", 0) for n in e.needs)
            for e in state.experiments.values()
            if e.state == "measured"
        )
        assert state.stock["tips"].used == tips and state.stock["tips"].unaccounted == 0
        assert "consumable.out" in {e.kind for e in walk.log.events}


# -- the engine -----------------------------------------------------------------------------------------------
def of_solvent(state: LabState, solvent: str) -> list[str]:
    """How experiments in a solvent stand."""
    return [str(e.state) for e in state.experiments.values() if e.candidate["solvent"] == solvent]


async def test_what_runs_out_stops_its_own_branch_and_a_refill_resumes_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "log.db", the_bound(TOLUENE))
    async with rig.running():
        await until(lambda: supply.stalled(rig.state))
        assert of_solvent(rig.state, "toluene") == ["measured"] * 2 + ["queued"] * 2, "5 mL are two films"
        assert of_solvent(rig.state, "water") == ["measured"] * 4, "those in water go on to their end"
        assert rig.kinds().count("consumable.out") == 1
        await asyncio.sleep(0.05)
        assert rig.state.campaign is Campaign.OPEN, "it waits for a person"
        said = {"consumable": "toluene", "amount": "250 mL", "note": "a new bottle"}
        await rig.engine.post(Command("k", "refill", "ada", said))
    assert len(rig.state.measured()) == 8 and rig.state.campaign is Campaign.FINISHED
    assert rig.state.stock["toluene"].used == 8.0


async def test_without_people_to_wait_for_it_ends_saying_why_and_can_be_resumed(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "log.db", the_bound(TOLUENE), wait_for_people=False)
    state = await rig.run()
    assert state.campaign is Campaign.OPEN and len(state.measured()) == 6
    reason = rig.body("engine.stopped")["reason"]
    assert reason.startswith("consumables wait for a person: toluene: 1 mL on hand; x0006 takes 2 mL"), reason
    rig.store.close()
    again = Rig(tmp_path / "log.db", rig.engine.bound, wait_for_people=False)
    assert fold(again.store.events()).stock == state.stock
    await again.run()
    assert again.kinds().count("consumable.out") == 1, "a second engine says it not again"
    again.store.close()


async def test_an_engine_that_dies_leaves_what_it_had_reserved(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "log.db", the_bound(GAS))
    rig.hands.gate["heat"] = asyncio.Event()
    task = asyncio.create_task(rig.engine.run())
    await until(lambda: "x0001.bake.1" in rig.hands.sent)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    rig.store.close()
    again = Rig(tmp_path / "log.db", rig.engine.bound)
    assert again.state.stock["gas"].reserved == {"x0001.bake.1": pytest.approx(2.0)}

    def act(action: Action) -> Fate:
        if action.verb != "heat":
            return good(action)
        told = {"gas": Reading(value=1000.0, unit="mL")}
        return Fate(action.id, "ended", outcome=Outcome(status="succeeded", used=told))

    again.hands.act = act
    state = await again.run()
    assert "x0001.bake.1" in again.hands.inquired, "the lost act is asked about, and what it says counts"
    assert len(state.measured()) == 8 and state.stock["gas"].used == pytest.approx(8.0)
    assert state.stock["gas"].on_hand == pytest.approx(2.0) and not state.stock["gas"].reserved
    again.store.close()


def test_a_decision_says_the_same_after_a_restart() -> None:
    bound = the_bound(GAS | TOLUENE)
    log = opened(bound)
    for n in range(6):
        propose(log, GOOD | {"solvent": ("toluene", "water")[n % 2]})
    before: list[Decision] = []
    while (decision := decide(log.state, bound, Around(asking=True))).events:
        assert decide(fold(log.events), bound, Around(asking=True)) == decision
        before.append(decision)
        log.apply(*decision.events)
    assert before
