"""The plan's rules, on what the log says: which phase is on, whether it is over, and why. Pure."""

from __future__ import annotations

from itertools import takewhile

from campaigns.campaign import Campaign, Phase, Until
from campaigns.plan import Turn
from orchestrator import standing
from orchestrator.lab import LabState
from orchestrator.lifecycle import Experiment
from orchestrator.states import ExperimentState, PhaseState

# Of fewer results, 90 % intervals are not expected to miss even one: their coverage says nothing yet.
FEWEST_FOR_COVERAGE = 10
# A rejected candidate costs no budget; a planner that proposes nothing else must not go on for ever.
REFUSED_IN_A_ROW = 100


def phase_timer(phase: PhaseState) -> str:
    """The name of the timer that ends a phase."""
    return f"phase-{phase.loop}{'-' if phase.loop else ''}{phase.index}-timeout"


def in_phase(state: LabState, index: int) -> list[ExperimentState]:
    """Experiments that a phase asked for and that were not refused by the guard."""
    return [
        e
        for e in state.experiments.values()
        if e.proposal["phase"] == index and e.state is not Experiment.REJECTED
    ]


def phase_over(state: LabState, campaign: Campaign) -> str | None:
    """The rule that ends the phase that is on, as a sentence, or None while it goes on."""
    current = state.phases[-1]
    phase = campaign.plan[current.index]
    asked = in_phase(state, current.index)
    if phase.bound is not None and len(asked) >= phase.bound:
        word = "experiments" if phase.experiments is not None else "at most"
        return f"{current.mode} had its {len(asked)} experiments ({word}: {phase.bound})"
    timer = f"{phase_timer(current)}@"
    if phase.timeout_s is not None and any(key.startswith(timer) for key in state.commands):
        return f"{current.mode} was on for its {phase.timeout_s:g} s"
    return _until(state, campaign, phase, asked)


def _until(state: LabState, campaign: Campaign, phase: Phase, asked: list[ExperimentState]) -> str | None:
    until = phase.until
    if until is None:
        return None
    if until.share is not None:
        used = sum(e.state is not Experiment.REJECTED for e in state.experiments.values())
        if used >= until.share * campaign.budget.experiments:
            return f"{used} of {campaign.budget.experiments} experiments are used (share: {until.share:g})"
    if until.reached is not None and (said := _reached(until.reached, state, campaign)) is not None:
        return said
    if until.stalled_for is not None:
        since = stalled(state, campaign, asked)
        if since >= until.stalled_for:
            better = {"pareto": "more hypervolume", "hull": "a new stable phase"}.get(
                campaign.goal, "a better one"
            )
            return f"{since} experiments without {better} (stalled_for: {until.stalled_for})"
    return _about_the_model(until, state) if state.model.diagnosed_at_n == state.n_told else None


def _reached(wanted: float, state: LabState, campaign: Campaign) -> str | None:
    """Of desirability, its 0 to 1; otherwise a value of the first objective."""
    measured = state.measured()
    best = standing.best_of(measured, campaign)
    if best is None or not standing.keeps_constraints(best, campaign):
        return None
    if campaign.goal == "desirability":
        score = max(standing.scores(measured, campaign))
        return (
            f"desirability reached {score:.3g} (reached: {wanted:g}) with {best.id}"
            if score >= wanted
            else None
        )
    objective = campaign.objectives[0]
    value = best.values[objective.name].value
    if objective.better(wanted, value):
        return None
    return f"{objective.name} reached {value:g} (reached: {wanted:g}) with {best.id}"


def _about_the_model(until: Until, state: LabState) -> str | None:
    """Rules on what the model says of itself, all its results told."""
    said = state.model.diagnostics
    coverage, enough = said.get("coverage_90"), said.get("n", 0) >= FEWEST_FOR_COVERAGE
    if until.calibrated is not None and enough and coverage is not None and coverage >= until.calibrated:
        return f"90 % intervals cover {100 * coverage:.0f} % leave-one-out (calibrated: {until.calibrated:g})"
    below = {
        "variance_below": (_squared(said.get("max_sd")), until.variance_below, "the largest variance"),
        "mean_variance_below": (said.get("mean_variance"), until.mean_variance_below, "the mean variance"),
        "error_below": (said.get("loo_nrmse"), until.error_below, "the leave-one-out error over the spread"),
        "improvement_below": (
            said.get("improvement_probability"),
            until.improvement_below,
            "the probability that the next experiment improves",
        ),
    }
    for rule, (value, bound, what) in below.items():
        if bound is not None and value is not None and value < bound:
            return f"{what} is {value:.3g} ({rule}: {bound:g})"
    gain, cost = said.get("expected_improvement"), said.get("next_cost")
    if until.value_below_cost is not None and gain is not None and cost is not None:
        worth = gain * until.value_below_cost
        if worth < cost:
            return (
                f"the next experiment is expected to be worth {worth:.3g} and to cost {cost:.3g} "
                f"(value_below_cost: {until.value_below_cost:g})"
            )
    return None


def needs_outlook(phase: Phase) -> bool:
    """Whether the phase has a rule on what the next experiment may bring, which costs a search."""
    until = phase.until
    return until is not None and (until.improvement_below is not None or until.value_below_cost is not None)


def _squared(value: float | None) -> float | None:
    return None if value is None else value**2


def needs_diagnosis(state: LabState, campaign: Campaign) -> bool:
    """Whether the phase has a rule on the model that must be asked of a model of all results before going on."""
    until = campaign.plan[state.phases[-1].index].until
    about_model = until is not None and any(
        rule is not None
        for rule in (
            until.calibrated,
            until.variance_below,
            until.mean_variance_below,
            until.error_below,
            until.improvement_below,
            until.value_below_cost,
        )
    )
    return about_model and state.model.diagnosed_at_n != state.n_told


def stalled(state: LabState, campaign: Campaign, asked: list[ExperimentState]) -> int:
    """How many of a phase's measured experiments came after the last that made the campaign's results better."""
    after = standing.last_better(state.measured(), campaign)
    return sum(e.state is Experiment.MEASURED and e.number > after for e in asked)


def budget_overrun(state: LabState, campaign: Campaign) -> str | None:
    """The part of the budget beyond which nothing new is begun at once, as a sentence, or None."""
    budget = campaign.budget
    if (refused := refused_in_a_row(state)) >= REFUSED_IN_A_ROW:
        return f"{refused} candidates in a row were refused: the planner finds none that may be tried"
    if budget.failures is not None and state.n_failed > budget.failures:
        return f"{state.n_failed} experiments failed (budget.failures: {budget.failures})"
    if budget.duration_s is not None and state.lab_elapsed_s >= budget.duration_s:
        return f"{state.lab_elapsed_s:.0f} s of laboratory time are used (budget.duration: {budget.duration_s:g} s)"
    return None


def refused_in_a_row(state: LabState) -> int:
    """How many of the last candidates the guard rejected, one after the other."""
    ends = (e.state for e in reversed(state.experiments.values()))
    return sum(1 for _ in takewhile(lambda end: end is Experiment.REJECTED, ends))


def budget_used(state: LabState, campaign: Campaign) -> str | None:
    """That all experiments of the budget were asked for, as a sentence, or None."""
    asked = sum(e.state is not Experiment.REJECTED for e in state.experiments.values())
    if asked >= campaign.budget.experiments:
        return f"{asked} experiments (budget.experiments: {campaign.budget.experiments})"
    return None


def turn(state: LabState, campaign: Campaign, index: int) -> Turn:
    """Whose turn it is in a phase: its own method's, or one of those that alternate."""
    return campaign.plan[index].turn(len(in_phase(state, index)))


def may_ask(state: LabState, campaign: Campaign, n_in_hand: int) -> bool:
    """Whether more may be asked for beside experiments in hand: where the phase keeps some in flight, there is room for
    a whole batch of them, and neither the phase nor the budget is at its end (that is for when none is in hand)."""
    if not n_in_hand:
        return True
    if not state.phases:
        return False
    phase = campaign.plan[state.phases[-1].index]
    if phase.in_flight is None or n_in_hand + phase.batch * phase.replicates > phase.in_flight:
        return False
    return budget_used(state, campaign) is None and phase_over(state, campaign) is None


def room(state: LabState, campaign: Campaign) -> int:
    """How many experiments the phase may have now: a batch with its replicates, bounded by the phase, by the turn and
    by the budget."""
    current = state.phases[-1]
    phase = campaign.plan[current.index]
    asked = sum(e.state is not Experiment.REJECTED for e in state.experiments.values())
    n, had = phase.batch * phase.replicates, len(in_phase(state, current.index))
    n = min(n, campaign.budget.experiments - asked)
    if phase.bound is not None:
        n = min(n, phase.bound - had)
    left = phase.left_in_turn(had)
    return max(n if left is None else min(n, left), 0)
