"""What is decided: thousands of campaigns in which anything may happen, and the single rules one by one.

The walks are the engine without time, disk or hosts (`walks.Walk`): after every event they look, with their own
eyes, whether something was begun that must not be. The controls break one guarded thing each and must be caught.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from campaigns.campaign import Budget, Phase
from campaigns.space import Space
from orchestrator import commands, decide, guard, lifecycle, rules
from orchestrator.decision import Around, Ask, Effect, Send
from orchestrator.errors import Refused
from orchestrator.events import Event
from orchestrator.folds import FOLDS
from orchestrator.lifecycle import Action, Experiment
from orchestrator.lifecycle import Campaign as CampaignState
from tests.orchestrator.builders import GOOD, Log, bound, enter, opened, propose
from tests.orchestrator.walks import Walk, plan_of


def a_walk(seed: int, trouble: float) -> Walk:
    dice = random.Random(seed)
    budget = Budget(
        experiments=dice.randint(20, 30), duration_s=dice.choice((None, 500.0)),
        failures=dice.choice((None, 0, 3)),
    )  # fmt: skip
    return Walk(bound(plan=plan_of(dice), budget=budget), seed, trouble=trouble)


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(seed=st.integers(0, 10**9), trouble=st.sampled_from((0.0, 0.05, 0.2, 0.4, 0.7)))
@example(seed=7, trouble=0.0)
def test_whatever_happens_a_campaign_ends_and_nothing_forbidden_is_begun(seed: int, trouble: float) -> None:
    state = a_walk(seed, trouble).run()
    assert state.reason
    experiments = state.experiments.values()
    assert sum(e.state is Experiment.MEASURED for e in experiments) == len(state.measured())
    for experiment in state.measured():
        assert experiment.values.keys() == {"conductance"}
    for experiment in experiments:
        if experiment.state is Experiment.FAILED:
            assert (
                experiment.failure is not None and experiment.failure[0] != "busy" and experiment.failure[1]
            )


def test_the_walks_see_everything_that_can_happen() -> None:
    """Otherwise their silence would mean little."""
    seen: set[str] = set()
    attributions: set[str] = set()
    for seed in range(150):
        walk = a_walk(seed, 0.4)
        walk.run()
        seen |= {event.kind for event in walk.log.events}
        attributions |= {e.failure[0] for e in walk.state.experiments.values() if e.failure}
    houses = ("campaign.", "experiment.", "action.", "measurement.", "phase.", "model.", "device.", "brain.",
                  "lab.", "suspender.")  # fmt: skip
    from orchestrator.events import KINDS

    of_crystals = {"measurement.array"}  # there are none on the bench: see test_arrays.py
    assert {kind for kind in KINDS if kind.startswith(houses)} - of_crystals <= seen
    assert attributions >= {"instrument", "logistics", "infeasible", "bad reading", "cancelled"}


# -- controls: each takes one thing away that the walks guard -----------------------------------------------
class NoDiscarding:
    """The states of an action, as somebody would have them who never heard of discarding."""

    REFUSED, NOT_DONE, FAILED, IN_DOUBT = Action.REFUSED, Action.NOT_DONE, Action.FAILED, Action.IN_DOUBT
    DISCARDED = "never"


BROKEN: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "a guard that lets all through to a device": lambda m: m.setattr(guard, "closed", lambda *a: None),
    "a guard that does not see a pause": lambda m: m.setattr(
        guard, "closed", lambda state, device, sample: "busy" if device in state.open_actions
        or any(a.sample == sample for a in state.open_actions.values()) or device in state.absent else None,
    ),
    "a guard that does not see a stop": lambda m: m.setattr(guard, "standstill", lambda state: None),
    "a guard that does not see a suspender": lambda m: m.setattr(guard, "closed", _blind(guard.closed, suspended={})),
    "a guard that does not see what is out of use": lambda m: m.setattr(guard, "closed", _blind(guard.closed, out={})),
    "a pause of one experiment that nobody hears": lambda m: m.setattr(decide, "_run_on", _unasked(decide._run_on)),
    "no limits": lambda m: (
        m.setattr(guard, "beyond", lambda *a: None), m.setattr(Space, "violations", lambda *a: []),
    ),
    "no budget of experiments": lambda m: (
        m.setattr(rules, "budget_used", lambda *a: None), m.setattr(rules, "room", lambda *a: 3),
    ),
    "no budget of failures and time": lambda m: m.setattr(rules, "budget_overrun", lambda *a: None),
    "a doubt that is settled and forgotten": lambda m: m.setattr(decide, "_settled", lambda *a: iter(())),
    "a sample that was given up and is taken up again": lambda m: m.setattr(decide, "Action", NoDiscarding),
    "a phase that never ends": lambda m: m.setattr(rules, "phase_over", lambda *a: None) or m.setattr(
        rules, "budget_used", lambda *a: None),
    "a command obeyed as often as it comes": lambda m: m.setattr(
        "orchestrator.lab.FOLDS", {**FOLDS, "command": lambda *a: None}
    ),
    "an abort that nobody hears": lambda m: m.setitem(
        commands._CONSEQUENCES, "abort", lambda s, c: [commands._event("campaign.ending", c, "aborted", abort=True)]
    ) or m.setattr(decide, "_run_on", _deaf(decide._run_on)),
    "a state without its way out": lambda m: m.setattr(lifecycle, "EXPERIMENT", {
        pair: after for pair, after in lifecycle.EXPERIMENT.items() if pair[1] != "experiment.resumed"}),
}  # fmt: skip


def _deaf(run_on: Any) -> Any:
    return lambda experiment, state, bound_campaign, aborted: run_on(experiment, state, bound_campaign, False)


def _blind(closed: Any, **what: Any) -> Any:
    return lambda state, device, sample: closed(replace(state, **what), device, sample)


def _unasked(run_on: Any) -> Any:
    return lambda experiment, *more: run_on(replace(experiment, asked=""), *more)


@pytest.mark.parametrize("what", BROKEN)
def test_the_walks_catch(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[what](monkeypatch)
    with pytest.raises((AssertionError, lifecycle.IllegalPassage, Refused)):
        for seed in range(400):
            a_walk(seed, 0.4).run(calm=300)


# -- one by one -----------------------------------------------------------------------------------------------
ONE_PHASE = (Phase(mode="explore", method="sobol", batch=4),)


def run_out(log: Log, the_bound: Any, around: Around = Around()) -> list[Effect]:
    """Decide until there is nothing more to say; the effects."""
    effects: list[Effect] = []
    while True:
        decision = decide.decide(log.state, the_bound, around)
        log.apply(*decision.events)
        effects += decision.effects
        if not decision.events:
            return effects


def begun(n: int, **changes: Any) -> tuple[Log, Any]:
    """A log with `n` experiments proposed and the first of them on the first device."""
    the_bound = bound(plan=ONE_PHASE, **changes)
    log = opened(the_bound)
    enter(log, 0, the_bound)
    for _ in range(n):
        propose(log)
    run_out(log, the_bound)
    return log, the_bound


def test_a_question_says_what_it_has_read() -> None:
    the_bound = bound(plan=ONE_PHASE)
    log = opened(the_bound)
    effects = run_out(log, the_bound)
    assert effects == [Ask(0, 4, "plan[0]: the plan begins", log.state.seq, 0, False, 4)]
    assert not run_out(log, the_bound, Around(asking=True))


def test_a_candidate_beyond_a_limit_is_rejected_before_anything_is_done() -> None:
    the_bound = bound(plan=ONE_PHASE)
    log = opened(the_bound)
    enter(log, 0, the_bound)
    propose(log, {**GOOD, "temperature": 200.0001})
    propose(log, {"nonsense": True})
    run_out(log, the_bound)
    assert [e.state for e in log.state.experiments.values()] == [Experiment.REJECTED] * 2
    assert not log.state.actions


def test_a_planner_that_proposes_nothing_admissible_ends_the_campaign() -> None:
    log, the_bound = begun(0)
    for n in range(rules.REFUSED_IN_A_ROW):
        assert log.state.campaign is CampaignState.OPEN, n
        propose(log, {**GOOD, "fraction": 2.0})
        run_out(log, the_bound)
    assert log.state.campaign is CampaignState.FINISHED
    assert "100 candidates in a row were refused" in log.state.reason


def test_one_experiment_that_is_admitted_begins_the_row_anew() -> None:
    log, the_bound = begun(0)
    for _ in range(rules.REFUSED_IN_A_ROW - 1):
        propose(log, {**GOOD, "fraction": 2.0})
    propose(log)
    propose(log, {**GOOD, "fraction": 2.0})
    run_out(log, the_bound)
    assert log.state.campaign is CampaignState.OPEN


def test_of_an_overrun_budget_of_failures_nothing_more_is_begun() -> None:
    """Three wait for the device of the one that fails: none of them may follow it."""
    log, the_bound = begun(4, budget=Budget(experiments=10, failures=0))
    log.say("x0001.mix.1", "action.failed", attribution="instrument", reason="it broke")
    assert run_out(log, the_bound) == []
    states = [e.state for e in log.state.experiments.values()]
    assert states == [Experiment.FAILED, *[Experiment.CANCELLED] * 3]
    assert len(log.state.actions) == 1
    assert log.state.reason == "budget: 1 experiments failed (budget.failures: 0)"


def test_an_experiment_that_began_goes_on_to_its_end_when_the_budget_is_overrun() -> None:
    log, the_bound = begun(3, budget=Budget(experiments=10, failures=0))
    log.say("x0001.mix.1", "action.succeeded", reason="")
    run_out(log, the_bound)  # the first is on the coater, the second on the mixer
    log.say("x0002.mix.1", "action.failed", attribution="infeasible", reason="it clots")
    run_out(log, the_bound)
    assert log.state.campaign is CampaignState.ENDING
    log.say("x0001.coat.1", "action.succeeded", reason="")
    effects = run_out(log, the_bound)
    assert effects == [Send("x0001.bake.1")]


def test_a_paused_campaign_is_not_ended_by_its_budget() -> None:
    log, the_bound = begun(2, budget=Budget(experiments=10, failures=0))
    log.say("campaign", "campaign.paused", reason="paused by me")
    log.say("x0001.mix.1", "action.failed", attribution="instrument", reason="it broke")
    assert run_out(log, the_bound) == [] and log.state.campaign is CampaignState.PAUSED
    log.say("campaign", "campaign.continued", reason="continued by me")
    assert run_out(log, the_bound) == [] and log.state.campaign is CampaignState.FINISHED


def failed(log: Log, action: str, attribution: str) -> None:
    log.say(action, "action.failed", attribution=attribution, reason=f"{attribution} it was")


def test_busy_is_tried_again_and_costs_no_failure_but_not_for_ever() -> None:
    log, the_bound = begun(1)
    for n in range(1, decide.BUSY_ATTEMPTS + 1):
        assert log.state.experiments["x0001"].state is Experiment.RUNNING
        assert log.state.n_failed == 0
        failed(log, f"x0001.mix.{n}", "busy")
        effects = run_out(log, the_bound, Around(resting=frozenset({"x0001"})))
        assert not [e for e in effects if isinstance(e, Send)], "it is given a pause"
        run_out(log, the_bound)
    assert log.state.experiments["x0001"].failure == (
        "logistics", f"mixer was busy {decide.BUSY_ATTEMPTS} times: busy it was",
    )  # fmt: skip


def test_not_done_is_tried_three_times() -> None:
    log, the_bound = begun(1)
    for n in range(1, decide.ATTEMPTS + 1):
        log.say(f"x0001.mix.{n}", "action.not_done", reason="the host died")
        run_out(log, the_bound)
    assert log.state.experiments["x0001"].failure == (
        "instrument", "mixer.mix was not done in 3 attempts: the host died",
    )  # fmt: skip


def test_what_went_wrong_in_another_way_is_counted_for_itself() -> None:
    """Twice busy and once not done are not three attempts that were not done."""
    log, the_bound = begun(1)
    for n, how in enumerate(("busy", "busy", "not done", "busy", "not done"), start=1):
        if how == "busy":
            failed(log, f"x0001.mix.{n}", "busy")
        else:
            log.say(f"x0001.mix.{n}", "action.not_done", reason="the host died")
        run_out(log, the_bound)
        assert log.state.experiments["x0001"].state is Experiment.RUNNING, (n, how)
    assert log.state.open_actions["mixer"].id == "x0001.mix.6"


@pytest.mark.parametrize("attribution", ["instrument", "logistics", "infeasible", "bad reading"])
def test_one_failed_experiment_never_cancels_its_siblings(attribution: str) -> None:
    log, the_bound = begun(3)
    failed(log, "x0001.mix.1", attribution)
    effects = run_out(log, the_bound)
    first, *others = log.state.experiments.values()
    assert first.failure == (attribution, f"{attribution} it was")
    assert effects == [Send("x0002.mix.1")] and all(not e.over for e in others)


def test_a_doubt_holds_its_experiment_and_not_the_others() -> None:
    log, the_bound = begun(2)
    log.say("x0001.mix.1", "action.succeeded", reason="")
    run_out(log, the_bound)
    log.say("x0001.coat.1", "action.doubted", reason="the line was cut")
    run_out(log, the_bound)
    assert log.state.experiments["x0001"].state is Experiment.HELD
    log.say("x0002.mix.1", "action.succeeded", reason="")
    assert run_out(log, the_bound) == [], "the coater is blocked by the doubt"
    log.say("x0001.coat.1", "action.succeeded", reason="somebody saw it")
    effects = run_out(log, the_bound)
    assert set(effects) == {Send("x0001.bake.1"), Send("x0002.coat.1")}


def test_said_done_of_an_act_whose_reading_nobody_has_is_a_bad_reading() -> None:
    log, the_bound = begun(1)
    for step in ("mix", "coat", "bake"):
        log.say(f"x0001.{step}.1", "action.succeeded", reason="")
        run_out(log, the_bound)
    log.say("x0001.look.1", "action.doubted", reason="the line was cut")
    run_out(log, the_bound)
    log.say("x0001.look.1", "action.succeeded", reason="somebody saw it")
    run_out(log, the_bound)
    assert log.state.experiments["x0001"].failure == ("bad reading", "no reading of conductance")


def test_an_abort_cancels_what_is_in_hand_after_its_act() -> None:
    log, the_bound = begun(2)
    log.say("campaign", "campaign.ending", reason="aborted by me", abort=True)
    run_out(log, the_bound)
    assert log.state.experiments["x0002"].state is Experiment.CANCELLED
    assert log.state.experiments["x0001"].state is Experiment.RUNNING, "its act is under way"
    log.say("x0001.mix.1", "action.succeeded", reason="")
    assert run_out(log, the_bound) == []
    assert log.state.experiments["x0001"].state is Experiment.CANCELLED
    assert log.state.campaign is CampaignState.FINISHED and log.state.reason == "aborted by me"


def test_an_engine_that_stops_begins_nothing() -> None:
    log, the_bound = begun(3)
    stopping = Around(stopping=True)
    log.say("x0001.mix.1", "action.succeeded", reason="")
    assert run_out(log, the_bound, stopping) == []
    assert not log.state.open_actions
    assert set(run_out(log, the_bound)) == {Send("x0001.coat.1"), Send("x0002.mix.1")}, (
        "and a resumed one goes on"
    )


def test_quiet_hours_let_nothing_begin_and_everything_go_on() -> None:
    log, the_bound = begun(2)
    quiet = Around(may_begin=False)
    log.say("x0001.mix.1", "action.succeeded", reason="")
    assert run_out(log, the_bound, quiet) == [Send("x0001.coat.1")]
    assert log.state.campaign is CampaignState.WAITING
    assert log.state.experiments["x0002"].state is Experiment.QUEUED
    assert run_out(log, the_bound) == [Send("x0002.mix.1")]
    assert log.state.campaign is CampaignState.OPEN


def test_a_readings_second_chance_is_for_acts_that_may_be_repeated() -> None:
    log, the_bound = begun(1)
    name = "x0001"
    log.say(f"{name}.mix.1", "action.succeeded", reason="")
    body = {
        "experiment": name,
        "action": f"{name}.mix.1",
        "name": "conductance",
        "raw": None,
        "reason": "NaN",
        "sought": True,
    }
    log.apply(Event(f"measurement/{name}.mix.1", "measurement.rejected", body))
    run_out(log, the_bound)
    assert log.state.experiments[name].failure == (
        "bad reading", "mixer.mix gave no usable reading in 1 attempts",
    )  # fmt: skip


def test_the_arguments_intended_are_in_the_devices_units() -> None:
    log, the_bound = begun(1)
    log.say("x0001.mix.1", "action.succeeded", reason="")
    run_out(log, the_bound)
    log.say("x0001.coat.1", "action.succeeded", reason="")
    run_out(log, the_bound)
    args = log.state.actions["x0001.bake.1"].args
    assert args == {"temperature": 373.15, "hold": 120.0, "ramp": 1.0, "covered": True}
    assert log.state.actions["x0001.coat.1"].args["speed"] == pytest.approx(209.4395, rel=1e-6)


@pytest.mark.parametrize("held", [True, False])
def test_a_sample_that_was_given_up_is_not_taken_up_again(held: bool) -> None:
    """Halted, an engine is gone before it could hold the experiment; the person's word is on the log all the same."""
    log, the_bound = begun(2)
    log.say("x0001.mix.1", "action.doubted", reason="halted during the act")
    if held:
        run_out(log, the_bound)
    log.say("x0001.mix.1", "action.discarded", reason="ada: I threw it away")
    assert run_out(log, the_bound) == [Send("x0002.mix.1")]
    assert log.state.experiments["x0001"].failure == (
        "cancelled", "x0001.mix.1 was given up: ada: I threw it away",
    )  # fmt: skip


def test_an_action_in_doubt_is_never_sent_again_by_the_machine() -> None:
    log, the_bound = begun(1)
    log.say("x0001.mix.1", "action.doubted", reason="?")
    for around in (Around(), Around(asking=True), Around(stopping=True), Around(may_begin=False)):
        effects = run_out(log, the_bound, around)
        assert not [e for e in effects if isinstance(e, Send)]
    assert log.state.actions["x0001.mix.1"].state is Action.IN_DOUBT


# -- how many are in hand -----------------------------------------------------------------------------------------
def test_more_is_asked_for_before_all_has_ended_where_the_phase_keeps_some_in_flight() -> None:
    plan = (Phase(mode="explore", method="sobol", batch=2, in_flight=4, experiments=7),)
    the_bound = bound(plan=plan, budget=Budget(experiments=20))
    log = opened(the_bound)
    enter(log, 0, the_bound)

    def asked() -> list[int]:
        return [effect.n for effect in run_out(log, the_bound) if isinstance(effect, Ask)]

    def end(experiment: str) -> None:
        action = log.state.experiments[experiment].actions[-1]
        log.say(action, "action.failed", attribution="infeasible", reason="so")
        run_out(log, the_bound, Around(asking=True))

    assert asked() == [2]
    for _ in range(2):
        propose(log)
    assert asked() == [2], "two are in hand, and there is room for two"
    for _ in range(2):
        propose(log)
    assert asked() == []
    end("x0001")
    assert asked() == [], "a batch is two"
    end("x0002")
    assert asked() == [2]
    for _ in range(2):
        propose(log)
    end("x0003")
    end("x0004")
    assert asked() == [1], "the phase has seven"
    propose(log)
    for name in ("x0005", "x0006"):
        end(name)
    assert asked() == [] and log.state.campaign is CampaignState.OPEN, "it ends when what is in hand has"
    end("x0007")
    run_out(log, the_bound)
    assert log.state.campaign is CampaignState.FINISHED
