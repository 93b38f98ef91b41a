"""The columns of every exported table: one list from which the files, their metadata and README.txt are made.

Names and types are a stable interface: columns are added at the end of a table only, and none changes its
meaning. A campaign adds one `parameter.<name>` per parameter and `objective.<name>` with
`objective.<name>.sigma` per objective.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.records import ActionRecord, ExperimentRecord, Records
from orchestrator.report.findings import measured

if TYPE_CHECKING:
    from campaigns.space import Parameter

Kind = Literal["integer", "number", "text", "flag", "time"]


@dataclass(frozen=True)
class Column:
    """`get` takes a row's object and gives int, float, str, bool, an aware UTC datetime, or None where missing."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    get: Callable[[Any], Any]


@dataclass(frozen=True)
class TableOf:
    """A table: what one row is, its columns, and the objects its rows are made from."""

    name: str
    row: str
    columns: tuple[Column, ...]
    objects: Sequence[Any]


def tables(records: Records) -> tuple[TableOf, ...]:
    """experiments, proposals, measurements and actions, in this order."""
    readings = [(e, name) for e in records.experiments for name in e.values]
    numbers = {experiment.id: experiment.number for experiment in records.experiments}
    return (
        TableOf(
            "experiments",
            "an experiment, in the order of proposal",
            _experiments(records),
            records.experiments,
        ),
        TableOf(
            "proposals",
            "a proposal: why its experiment was asked for",
            _proposals(records),
            records.experiments,
        ),
        TableOf("measurements", "a measured value", _measurements(records), readings),
        TableOf(
            "actions",
            "a request to a device, in the order of the log",
            _actions(records, numbers),
            records.actions,
        ),
    )


def _experiments(records: Records) -> tuple[Column, ...]:
    return (
        Column("experiment_id", "text", "", "identity of the experiment in the log", lambda e: e.id),
        Column("number", "integer", "", "place in the order of proposal, from 1", lambda e: e.number),
        Column(
            "state",
            "text",
            "",
            "state of the experiment; 'measured' is the one with results",
            lambda e: e.state,
        ),
        _reality(records),
        Column(
            "phase",
            "integer",
            "",
            "index of the phase in the campaign's plan, from 0",
            lambda e: e.proposal.phase,
        ),
        Column(
            "mode",
            "text",
            "",
            "mode that asked for it: explore, learn or optimise",
            lambda e: e.proposal.mode,
        ),
        Column("proposed_at", "time", "UTC", "when it was proposed", lambda e: moment(e.proposed_at)),
        Column("started_at", "time", "UTC", "when its first action was sent", lambda e: moment(e.started_at)),
        Column("ended_at", "time", "UTC", "when it ended", lambda e: moment(e.ended_at)),
        Column("lab_began_s", "number", "s", "lab time at which it began", lambda e: e.lab_began_s),
        Column("lab_ended_s", "number", "s", "lab time at which it ended", lambda e: e.lab_ended_s),
        Column(
            "failure_attribution",
            "text",
            "",
            "what a failure is put down to: instrument, logistics, infeasible, bad reading or busy",
            lambda e: e.failure[0] if e.failure else None,
        ),
        Column("failure_reason", "text", "", "why it failed", lambda e: e.failure[1] if e.failure else None),
        *_parameters(records),
        *_objectives(records),
    )


def _proposals(records: Records) -> tuple[Column, ...]:
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
        *_parameters(records),
        Column(
            "predicted_noise_sd",
            "number",
            objective.unit,
            "spread of one measurement that the model had learned when it was proposed, beside predicted_sd",
            lambda e: e.proposal.noise_sd,
        ),
    )


def _measurements(records: Records) -> tuple[Column, ...]:
    directions = {objective.name: objective.direction for objective in records.campaign.objectives}
    return (
        Column("experiment_id", "text", "", "the experiment that gave the value", lambda r: r[0].id),
        Column("number", "integer", "", "its place in the order of proposal, from 1", lambda r: r[0].number),
        _reality(records),
        Column("name", "text", "", "what was measured", lambda r: r[1]),
        Column("value", "number", "see column unit", "the measured value", lambda r: r[0].values[r[1]].value),
        Column(
            "unit",
            "text",
            "",
            "unit of value and sigma; empty for a pure number",
            lambda r: r[0].values[r[1]].unit,
        ),
        Column(
            "sigma",
            "number",
            "see column unit",
            "standard uncertainty, where the instrument stated one",
            lambda r: r[0].values[r[1]].sigma,
        ),
        Column(
            "direction",
            "text",
            "",
            "maximise or minimise where it is an objective; missing otherwise",
            lambda r: directions.get(r[1]),
        ),
        Column("ended_at", "time", "UTC", "when the experiment ended", lambda r: moment(r[0].ended_at)),
    )


def _actions(records: Records, numbers: dict[str, int]) -> tuple[Column, ...]:
    return (
        Column("action_id", "text", "", "identity and idempotency key of the action", lambda a: a.id),
        Column("experiment_id", "text", "", "the experiment it belongs to", lambda a: a.experiment),
        Column("number", "integer", "", "that experiment's number", lambda a: numbers.get(a.experiment)),
        _reality(records),
        Column("step", "text", "", "step of the recipe", lambda a: a.step),
        Column("device", "text", "", "device asked", lambda a: a.device),
        Column("verb", "text", "", "what it was asked to do", lambda a: a.verb),
        Column("args", "text", "", "arguments as JSON, in the device's own units", _args),
        Column("state", "text", "", "state of the action", lambda a: a.state),
        Column(
            "repeat",
            "text",
            "",
            "repeatable, testable or opaque, as declared by the driver",
            lambda a: a.repeat,
        ),
        Column("began_s", "number", "s", "lab time at which it began", lambda a: a.began_s),
        Column("ended_s", "number", "s", "lab time at which it ended", lambda a: a.ended_s),
        Column(
            "reason",
            "text",
            "",
            "why it failed, was refused or is in doubt; may be empty",
            lambda a: a.reason,
        ),
    )


def _reality(records: Records) -> Column:
    return Column(
        "reality", "text", "", "simulated or real: where the laboratory stood", lambda _: records.reality
    )


def _parameters(records: Records) -> list[Column]:
    kinds: dict[str, Kind] = {
        "continuous": "number",
        "integer": "integer",
        "ordinal": "number",
        "categorical": "text",
    }
    found = []
    for parameter in records.campaign.space.parameters:
        kind = kinds.get(parameter.kind) or _kind_of_fixed(parameter)

        def get(experiment: ExperimentRecord, name: str = parameter.name) -> Any:
            return experiment.candidate.get(name)

        meaning = f"the candidate's value of the {parameter.kind} parameter {parameter.name}"
        found.append(
            Column(f"parameter.{parameter.name}", kind, getattr(parameter, "unit", ""), meaning, get)
        )
    return found


def _kind_of_fixed(parameter: Parameter) -> Kind:
    value = getattr(parameter, "value", None)
    if isinstance(value, bool):
        return "flag"
    return "text" if isinstance(value, str) else "integer" if isinstance(value, int) else "number"


def _objectives(records: Records) -> list[Column]:
    found = []
    for objective in records.campaign.objectives:

        def value(e: ExperimentRecord, objective: Any = objective) -> float | None:
            got = measured(e, objective)
            return got.value if got is not None else None

        def sigma(e: ExperimentRecord, objective: Any = objective) -> float | None:
            got = measured(e, objective)
            return got.sigma if got is not None else None

        name, unit = f"objective.{objective.name}", objective.unit
        word = f"measured {objective.name}, to {objective.direction}"
        found.append(Column(name, "number", unit, f"{word}; missing unless the state is 'measured'", value))
        found.append(
            Column(f"{name}.sigma", "number", unit, f"standard uncertainty of {name}, where stated", sigma)
        )
    return found


def _args(action: ActionRecord) -> str:
    return json.dumps(dict(action.args), sort_keys=True, allow_nan=False, ensure_ascii=False)


def moment(at: str | None) -> datetime | None:
    """An ISO 8601 time as an aware UTC datetime. Raises ValueError for one without an offset."""
    if at is None:
        return None
    found = datetime.fromisoformat(at)
    if found.tzinfo is None:
        raise ValueError(f"the time '{at}' has no offset from UTC")
    return found.astimezone(UTC)
