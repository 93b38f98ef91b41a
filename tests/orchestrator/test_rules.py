"""Which phase is on, when it is over, and when the budget is: each rule alone, with its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from campaigns.campaign import Budget, Phase, Until
from campaigns.plan import Turn
from orchestrator import rules
from orchestrator.commands import Command, obey
from orchestrator.decide import decide
from orchestrator.decision import Around, Ask
from tests.orchestrator.builders import Log, bound, enter, opened, propose, run_one

EXPLORE = Phase(mode="explore", method="sobol", experiments=4)


def after(
    values: Sequence[float | None],
    phase: Phase,
    *,
    before: Sequence[float | None] = (),
    **changes: Any,
) -> tuple[Log, Any]:
    """A log whose second phase is on: `before` was measured in the first, `values` in it."""
    the_bound = bound(**{"budget": Budget(experiments=200), **changes, "plan": (EXPLORE, phase)})
    log = opened(the_bound)
    enter(log, 0, the_bound)
    for value in before:
        run_one(log, value, phase=0)
    enter(log, 1, the_bound)
    for value in values:
        run_one(log, value, phase=1)
    return log, the_bound.campaign


def diagnose(log: Log, n_told: int | None = None, **diagnostics: Any) -> None:
    n = log.state.n_told if n_told is None else n_told
    log.say("model", "model.diagnosed", n_told=n, diagnostics=diagnostics)


def learn(**until: Any) -> Phase:
    return Phase(mode="learn", method="variance", until=Until(**until))


# -- the length of a phase ------------------------------------------------------------------------------------
def test_a_phase_ends_with_its_experiments_and_counts_no_refused_ones() -> None:
    the_bound = bound(plan=(EXPLORE, Phase(mode="optimise", method="ucb")))
    log = opened(the_bound)
    enter(log, 0, the_bound)
    for _ in range(3):
        run_one(log, 1.0)
    log.say(propose(log), "experiment.rejected", reason="beyond a limit")
    assert rules.phase_over(log.state, the_bound.campaign) is None
    run_one(log, None)  # a failed one was asked for all the same
    assert rules.phase_over(log.state, the_bound.campaign) == "explore had its 4 experiments (experiments: 4)"


def test_at_most_ends_a_phase_whose_rule_never_holds() -> None:
    phase = Phase(mode="learn", method="variance", until=Until(reached=100.0), at_most=3)
    log, campaign = after([1.0, 2.0], phase)
    assert rules.phase_over(log.state, campaign) is None
    run_one(log, 1.0, phase=1)
    assert rules.phase_over(log.state, campaign) == "learn had its 3 experiments (at most: 3)"


def test_a_timeout_ends_a_phase_that_has_one() -> None:
    for timeout_s, says in ((90.0, "learn was on for its 90 s"), (None, None)):
        log, campaign = after([1.0], Phase(mode="learn", method="variance", timeout_s=timeout_s))
        for key in ("phase-0-timeout@2026", "phase-11-timeout@2026", "start@2026"):
            log.apply(*obey(log.state, Command(key, "timer", "timetable")))
        assert rules.phase_over(log.state, campaign) is None
        log.apply(*obey(log.state, Command("phase-1-timeout@2026", "timer", "timetable")))
        assert rules.phase_over(log.state, campaign) == says


# -- until: calibrated ----------------------------------------------------------------------------------------
def test_calibrated_holds_for_a_diagnosis_of_all_results() -> None:
    log, campaign = after([1.0] * 10, learn(calibrated=0.9))
    assert rules.phase_over(log.state, campaign) is None and rules.needs_diagnosis(log.state, campaign)
    diagnose(log, n=10, coverage_90=0.9)
    assert not rules.needs_diagnosis(log.state, campaign)
    assert (
        rules.phase_over(log.state, campaign) == "90 % intervals cover 90 % leave-one-out (calibrated: 0.9)"
    )


@pytest.mark.parametrize("n", [2, 9])
def test_calibrated_needs_ten_results(n: int) -> None:
    log, campaign = after([1.0] * n, learn(calibrated=0.5))
    diagnose(log, n=n, coverage_90=1.0)
    assert rules.phase_over(log.state, campaign) is None


@pytest.mark.parametrize("coverage", [0.89, 0.0, None])
def test_calibrated_does_not_hold_below_what_is_wanted(coverage: float | None) -> None:
    log, campaign = after([1.0] * 12, learn(calibrated=0.9))
    diagnose(log, n=12, coverage_90=coverage)
    assert rules.phase_over(log.state, campaign) is None


@pytest.mark.parametrize("later", [1.0, None])
def test_a_diagnosis_of_fewer_results_than_the_log_has_is_none(later: float | None) -> None:
    """A result, or an infeasible recipe, that the model has not seen may be the one that it gets wrong."""
    log, campaign = after([1.0] * 12, learn(calibrated=0.9))
    diagnose(log, n=12, coverage_90=1.0)
    assert rules.phase_over(log.state, campaign) is not None
    run_one(log, later, phase=1, attribution="infeasible")
    assert rules.phase_over(log.state, campaign) is None and rules.needs_diagnosis(log.state, campaign)


def test_a_failure_that_teaches_nothing_leaves_the_diagnosis_as_it_is() -> None:
    log, campaign = after([1.0] * 12, learn(calibrated=0.9))
    diagnose(log, n=12, coverage_90=1.0)
    run_one(log, None, phase=1, attribution="instrument")
    assert rules.phase_over(log.state, campaign) is not None


def test_a_phase_without_a_rule_on_the_model_needs_no_diagnosis() -> None:
    for until in ({"reached": 3.0}, {"stalled_for": 3}):
        log, campaign = after([1.0], learn(**until))
        assert not rules.needs_diagnosis(log.state, campaign)


# -- until: variance_below ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("max_sd", "over"), [(0.1, True), (0.3, True), (0.32, False), (None, False)])
def test_variance_below_compares_the_square(max_sd: float | None, over: bool) -> None:
    log, campaign = after([1.0] * 3, learn(variance_below=0.1))
    diagnose(log, n=3, max_sd=max_sd)
    assert (rules.phase_over(log.state, campaign) is not None) == over
    run_one(log, 1.0, phase=1)
    assert rules.phase_over(log.state, campaign) is None, "the diagnosis is stale"


# -- until: reached, stalled_for ------------------------------------------------------------------------------
@pytest.mark.parametrize(("direction", "reached", "short"), [("maximise", 5.0, 4.9), ("minimise", 1.0, 1.1)])
def test_reached_holds_at_the_value_itself(direction: Any, reached: float, short: float) -> None:
    from campaigns.campaign import Objective

    objectives = (Objective(name="conductance", direction=direction, unit="mS"),)
    log, campaign = after([short], learn(reached=reached), before=[short], objectives=objectives)
    assert rules.phase_over(log.state, campaign) is None
    run_one(log, reached, phase=1)
    said = rules.phase_over(log.state, campaign)
    assert said == f"conductance reached {reached:g} (reached: {reached:g}) with x0003"


def test_reached_counts_what_an_earlier_phase_found() -> None:
    log, campaign = after([], learn(reached=5.0), before=[6.0])
    assert rules.phase_over(log.state, campaign) is not None


def test_stalled_for_is_counted_from_the_best_of_the_campaign_within_the_phase() -> None:
    log, campaign = after([1.0, 2.0], learn(stalled_for=3), before=[9.0, 1.0, 1.0, 1.0])
    assert rules.phase_over(log.state, campaign) is None, "those of the phase before do not count"
    run_one(log, 8.9, phase=1)
    assert "3 experiments without a better one" in str(rules.phase_over(log.state, campaign))


def test_a_better_one_begins_the_count_anew() -> None:
    log, campaign = after([1.0, 2.0, 9.1, 3.0, 4.0], learn(stalled_for=3), before=[9.0])
    assert rules.phase_over(log.state, campaign) is None
    run_one(log, 9.1, phase=1)  # as good is no better
    assert rules.phase_over(log.state, campaign) is not None


def test_what_failed_is_no_experiment_without_a_better_one() -> None:
    log, campaign = after([None, None, None, None], learn(stalled_for=3), before=[9.0])
    assert rules.phase_over(log.state, campaign) is None


def test_nothing_measured_is_neither_stalled_nor_reached() -> None:
    log, campaign = after([None, None], learn(stalled_for=1, reached=-1e9))
    assert rules.phase_over(log.state, campaign) is None


# -- the budget -----------------------------------------------------------------------------------------------
def test_the_failures_of_the_budget_are_borne_and_not_one_more() -> None:
    log, campaign = after([None, None], EXPLORE, budget=Budget(experiments=100, failures=2))
    assert rules.budget_overrun(log.state, campaign) is None
    run_one(log, None, attribution="infeasible")
    assert rules.budget_overrun(log.state, campaign) == "3 experiments failed (budget.failures: 2)"


def test_busy_counts_no_failure() -> None:
    log, campaign = after([], EXPLORE, budget=Budget(experiments=100, failures=0))
    name = propose(log)
    from tests.orchestrator.builders import intend

    log.say(name, "experiment.queued")
    log.say(name, "experiment.started")
    for _ in range(5):
        action = intend(log, name, "look", device="probe", verb="measure", step=3)
        log.say(action, "action.failed", attribution="busy", reason="in use")
    assert log.state.n_failed == 0 and rules.budget_overrun(log.state, campaign) is None


def test_a_cancelled_experiment_is_no_failure() -> None:
    log, campaign = after([], EXPLORE, budget=Budget(experiments=100, failures=0))
    log.say(propose(log), "experiment.cancelled", reason="given up")
    assert rules.budget_overrun(log.state, campaign) is None


def test_the_duration_of_the_budget_is_lab_time() -> None:
    from tests.orchestrator.builders import intend

    log, campaign = after([], EXPLORE, budget=Budget(experiments=100, duration_s=100.0))
    for began_s, ended_s, over in ((5000.0, 5050.0, False), (5060.0, 5100.0, True)):
        name = propose(log)
        log.say(name, "experiment.queued")
        log.say(name, "experiment.started")
        action = intend(log, name, "look", device="probe", verb="measure", step=3)
        log.say(action, "action.succeeded", reason="", began_s=began_s, ended_s=ended_s)
        assert (rules.budget_overrun(log.state, campaign) is not None) == over
    said = rules.budget_overrun(log.state, campaign)
    assert said == "100 s of laboratory time are used (budget.duration: 100 s)"


def test_the_experiments_of_the_budget_are_those_not_refused() -> None:
    log, campaign = after([1.0, None], learn(reached=9.0), budget=Budget(experiments=5))
    log.say(propose(log), "experiment.rejected", reason="beyond a limit")
    for _ in range(2):
        run_one(log, 1.0)
    assert rules.budget_used(log.state, campaign) is None
    run_one(log, 1.0)
    assert rules.budget_used(log.state, campaign) == "5 experiments (budget.experiments: 5)"


@pytest.mark.parametrize(
    ("batch", "at_most", "budget", "done", "wanted"),
    [(1, None, 50, 3, 1), (4, None, 50, 3, 4), (4, 6, 50, 3, 3), (4, 6, 50, 6, 0), (4, None, 5, 3, 2),
     (4, None, 4, 4, 0)],
)  # fmt: skip
def test_what_is_wanted_is_the_batch_within_phase_and_budget(
    batch: int, at_most: int | None, budget: int, done: int, wanted: int
) -> None:
    log, campaign = after(
        [1.0] * done, Phase(mode="learn", method="variance", batch=batch, at_most=at_most),
        budget=Budget(experiments=max(budget, 5)),
    )  # fmt: skip
    campaign = campaign.model_copy(update={"budget": Budget(experiments=budget)})
    assert rules.room(log.state, campaign) == wanted


# -- what the model says of itself, and of the next experiment ----------------------------------------------------
@pytest.mark.parametrize(
    ("until", "said", "below", "above"),
    [
        ({"error_below": 0.3}, "loo_nrmse", 0.29, 0.3),
        ({"mean_variance_below": 2.0}, "mean_variance", 1.9, 2.1),
        ({"improvement_below": 0.05}, "improvement_probability", 0.04, 0.06),
    ],
)
def test_a_figure_of_the_model_ends_the_phase_once_it_is_below_its_bound(
    until: dict[str, float], said: str, below: float, above: float
) -> None:
    log, campaign = after([1.0, 2.0], learn(**until))
    assert rules.needs_diagnosis(log.state, campaign)
    diagnose(log, **{said: above})
    assert rules.phase_over(log.state, campaign) is None
    diagnose(log, **{said: below})
    assert next(iter(until)) in str(rules.phase_over(log.state, campaign))
    run_one(log, 1.0, phase=1)
    assert rules.phase_over(log.state, campaign) is None, "the diagnosis is stale"


@pytest.mark.parametrize(("gain", "cost", "over"), [(0.5, 2.0, True), (0.5, 0.9, False), (None, 2.0, False)])
def test_an_experiment_that_is_worth_less_than_it_costs_ends_the_phase(
    gain: float | None, cost: float, over: bool
) -> None:
    log, campaign = after([1.0, 2.0], learn(value_below_cost=2.0))
    diagnose(log, expected_improvement=gain, next_cost=cost)
    assert (rules.phase_over(log.state, campaign) is not None) == over


def test_only_rules_on_the_next_experiment_ask_for_an_outlook() -> None:
    assert rules.needs_outlook(learn(improvement_below=0.1)) and rules.needs_outlook(
        learn(value_below_cost=1.0)
    )
    assert not rules.needs_outlook(learn(error_below=0.1)) and not rules.needs_outlook(EXPLORE)


def test_a_share_of_the_budget_is_counted_over_the_whole_campaign() -> None:
    log, campaign = after([1.0], learn(share=0.25), before=[1.0] * 3, budget=Budget(experiments=20))
    assert rules.phase_over(log.state, campaign) is None
    run_one(log, 1.0, phase=1)
    assert rules.phase_over(log.state, campaign) == "5 of 20 experiments are used (share: 0.25)"


# -- turns and replicates -------------------------------------------------------------------------------------
TURNS = Phase(
    mode="alternate",
    turns=(
        Turn(mode="learn", method="variance", experiments=2),
        Turn(mode="optimise", method="ucb", experiments=3),
    ),
    batch=4,
)


def test_turns_come_round_and_a_batch_ends_with_its_turn() -> None:
    log, campaign = after([], TURNS)
    seen = []
    for _ in range(8):
        seen.append((rules.turn(log.state, campaign, 1).method, rules.room(log.state, campaign)))
        run_one(log, 1.0, phase=1)
    assert seen == [
        ("variance", 2), ("variance", 1), ("ucb", 3), ("ucb", 2), ("ucb", 1),
        ("variance", 2), ("variance", 1), ("ucb", 3),
    ]  # fmt: skip


def test_replicates_are_experiments_of_phase_and_budget() -> None:
    phase = Phase(mode="learn", method="variance", batch=2, replicates=3, at_most=10)
    log, campaign = after([1.0] * 6, phase)
    assert rules.room(log.state, campaign) == 4
    the_bound = bound(plan=(EXPLORE, phase), budget=Budget(experiments=200))
    asked = decide(log.state, the_bound, Around()).effects[0]
    assert isinstance(asked, Ask) and (asked.n, asked.n_experiments) == (2, 4)
