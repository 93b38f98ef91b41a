"""The columns of the table of proposals: why each experiment was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.export.column import Column, as_json, moment, parameters
from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.findings import predicted, readings


def proposals(records: Records) -> tuple[Column, ...]:
    """The columns, in order; a row is an experiment."""
    objective = records.campaign.objectives[0]
    return (
        Column("experiment_id", "text", "", "the experiment proposed", lambda e: e.id),
        Column("number", "integer", "", "its place in the order of proposal, from 1", lambda e: e.number),
        Column("proposed_at", "time", "UTC", "when it was proposed", lambda e: moment(e.proposed_at)),
        Column(
            "phase",
            "integer",
            "",
            "index of the phase in the campaign's plan, from 0",
            lambda e: e.proposal.phase,
        ),
        Column("mode", "text", "", "explore, learn or optimise", lambda e: e.proposal.mode),
        Column("acquisition", "text", "", "acquisition function or design", lambda e: e.proposal.acquisition),
        Column(
            "acquisition_value",
            "number",
            "",
            "value of the acquisition function at the candidate, in its own scale",
            lambda e: e.proposal.value,
        ),
        Column(
            "predicted_mean",
            "number",
            objective.unit,
            f"posterior mean of {objective.name} when it was proposed",
            lambda e: e.proposal.mean,
        ),
        Column(
            "predicted_sd",
            "number",
            objective.unit,
            f"posterior standard deviation of {objective.name}, noise excluded, when it was proposed",
            lambda e: e.proposal.sd,
        ),
        Column("model", "text", "", "surrogate that made the prediction", lambda e: e.proposal.model),
        Column("seed", "integer", "", "seed of the proposal's random numbers", lambda e: e.proposal.seed),
        Column(
            "read_to",
            "integer",
            "",
            "last event of the log that the planner had read",
            lambda e: e.proposal.read_to,
        ),
        Column("rule", "text", "", "why this mode was on", lambda e: e.proposal.rule),
        Column(
            "fallback",
            "text",
            "",
            "why the proposal is a fall-back; missing for one that the planner made",
            lambda e: e.proposal.fallback,
        ),
        *parameters(records),
        Column(
            "predicted_noise_sd",
            "number",
            objective.unit,
            "spread of one measurement that the model had learned when it was proposed, beside predicted_sd",
            lambda e: e.proposal.noise_sd,
        ),
        *_predicted(records),
        *_sensitivities(records),
        Column(
            "nearest_distance",
            "number",
            "",
            "Euclidean distance, in the unit cube of the space, to the nearest candidate told before",
            lambda e: e.proposal.nearest.distance if e.proposal.nearest else None,
        ),
        Column(
            "nearest_value",
            "number",
            objective.unit,
            f"{objective.name} of that candidate; missing where it gave none",
            lambda e: e.proposal.nearest.value if e.proposal.nearest else None,
        ),
        Column(
            "nearest_candidate",
            "text",
            "",
            "that candidate as JSON, in the parameters' units",
            lambda e: as_json(e.proposal.nearest.candidate) if e.proposal.nearest else None,
        ),
        Column(
            "feasible",
            "number",
            "",
            "probability, when it was proposed, of a result that keeps the outcome constraints; missing where nothing "
            "spoke against it",
            lambda e: e.proposal.feasible,
        ),
        Column(
            "expected_cost",
            "number",
            records.campaign.cost.unit if records.campaign.cost else "",
            "what the planner reckoned that it costs; missing where no cost is stated",
            lambda e: e.proposal.cost,
        ),
        Column(
            "reasons",
            "text",
            "",
            "why it was chosen, in words; missing where the method gives no such reasons",
            lambda e: "; ".join(e.proposal.reasons) or None,
        ),
    )


def _predicted(records: Records) -> list[Column]:
    """Two columns for each reading that matters."""
    found = []
    for name, reading in readings(records.campaign).items():
        for place, word in enumerate(("mean", "sd")):
            meaning = "posterior mean" if word == "mean" else "posterior standard deviation, noise excluded,"

            def get(e: ExperimentRecord, name: str = name, place: int = place) -> float | None:
                said = predicted(e.proposal, records.campaign, name)
                return None if said is None else said[place]

            found.append(
                Column(
                    f"predicted.{name}.{word}",
                    "number",
                    reading.unit,
                    f"{meaning} of {name} when it was proposed",
                    get,
                )
            )
    return found


def _sensitivities(records: Records) -> list[Column]:
    first = records.campaign.objectives[0]

    def of(name: str) -> Callable[[Any], float | None]:
        return lambda e: e.proposal.sensitivity.get(name)

    return [
        Column(
            f"sensitivity.{parameter.name}",
            "number",
            first.unit,
            f"standard deviation of the predicted mean of {first.name} as {parameter.name} alone goes from end to end",
            of(parameter.name),
        )
        for parameter in records.campaign.space.free
    ]
