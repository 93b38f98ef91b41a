"""The plan's rules, on what the log says: which phase is on, whether it is over, and why. Pure."""

from __future__ import annotations

from itertools import takewhile

from campaigns.campaign import Campaign, Objective, Phase
from orchestrator.lab import ExperimentState, LabState
from orchestrator.lifecycle import Experiment

# Of fewer results, 90 % intervals are not expected to miss even one: their coverage says nothing yet.
FEWEST_FOR_COVERAGE = 10
# A rejected candidate costs no budget; a planner that proposes nothing else must not go on for ever.
REFUSED_IN_A_ROW = 100


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
    timer = f"phase-{current.index}-timeout@"
    if phase.timeout_s is not None and any(key.startswith(timer) for key in state.commands):
        return f"{current.mode} was on for its {phase.timeout_s:g} s"
    return _until(state, campaign, phase, asked)


def _until(state: LabState, campaign: Campaign, phase: Phase, asked: list[ExperimentState]) -> str | None:
    until = phase.until
    if until is None:
        return None
    objective = campaign.objectives[0]
    best = best_of(state.measured(), objective)
    if until.reached is not None and best is not None:
        value = best.values[objective.name].value
        if not objective.better(until.reached, value):
            return f"{objective.name} reached {value:g} (reached: {until.reached:g}) with {best.id}"
    if until.stalled_for is not None:
        since = stalled(state, objective, asked)
        if since >= until.stalled_for:
            return f"{since} experiments without a better one (stalled_for: {until.stalled_for})"
    fresh = state.diagnosed_at_n == state.n_told
    coverage, max_sd = state.diagnostics.get("coverage_90"), state.diagnostics.get("max_sd")
    enough = state.diagnostics.get("n", 0) >= FEWEST_FOR_COVERAGE
    if (
        until.calibrated is not None
        and fresh
        and enough
        and coverage is not None
        and coverage >= until.calibrated
    ):
        return f"90 % intervals cover {100 * coverage:.0f} % leave-one-out (calibrated: {until.calibrated:g})"
    if until.variance_below is not None and fresh and max_sd is not None and max_sd**2 < until.variance_below:
        return f"the largest variance is {max_sd**2:g} (variance_below: {until.variance_below:g})"
    return None


def needs_diagnosis(state: LabState, campaign: Campaign) -> bool:
    """Whether the phase has a rule on the model that must be asked of a model of all results before going on."""
    until = campaign.plan[state.phases[-1].index].until
    about_model = until is not None and (until.calibrated is not None or until.variance_below is not None)
    return about_model and state.diagnosed_at_n != state.n_told


def best_of(experiments: list[ExperimentState], objective: Objective) -> ExperimentState | None:
    """The experiment with the best measured value; the first of equals."""
    best: ExperimentState | None = None
    for experiment in experiments:
        if best is None or objective.better(
            experiment.values[objective.name].value, best.values[objective.name].value
        ):
            best = experiment
    return best


def stalled(state: LabState, objective: Objective, asked: list[ExperimentState]) -> int:
    """How many of a phase's measured experiments came after the best one of the whole campaign."""
    best = best_of(state.measured(), objective)
    after = 0 if best is None else best.number
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


def wanted(state: LabState, campaign: Campaign) -> int:
    """How many candidates the phase asks for now: its batch, bounded by the phase and by the budget."""
    current = state.phases[-1]
    phase = campaign.plan[current.index]
    asked = sum(e.state is not Experiment.REJECTED for e in state.experiments.values())
    n = min(phase.batch, campaign.budget.experiments - asked)
    if phase.bound is not None:
        n = min(n, phase.bound - len(in_phase(state, current.index)))
    return max(n, 0)
