"""The tables of an export: one list of columns each, from which the files, their metadata and README.txt are made."""

from __future__ import annotations

from typing import Any

from orchestrator.export.column import Column, TableOf, as_json, moment, parameters
from orchestrator.export.proposals import proposals
from orchestrator.records import ActionRecord, ExperimentRecord, Records
from orchestrator.report.findings import beyond, measured
from orchestrator.report.spending import spending


def tables(records: Records) -> tuple[TableOf, ...]:
    """experiments, proposals, measurements and actions, in this order; then consumables, where the laboratory counts
    some."""
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
            proposals(records),
            records.experiments,
        ),
        TableOf("measurements", "a measured value", _measurements(records), readings),
        TableOf(
            "actions",
            "a request to a device, in the order of the log",
            _actions(records, numbers),
            records.actions,
        ),
        *_consumables(records),
    )


def _consumables(records: Records) -> tuple[TableOf, ...]:
    if not records.consumables:
        return ()
    unit = "see column unit"
    numbers = {
        "began": "what there was when the campaign began",
        "filled": "what was added since; negative where less was there than the log knew",
        "unaccounted": "used beyond what there was by the log",
        "used": "what actions used",
        "reserved": "what actions in hand or in doubt have reserved",
        "on_hand": "what is left for others",
        "low": "the mark below which it is low; missing where there is none",
    }
    columns = (
        Column("consumable", "text", "", "name in the lab file", lambda c: c.name),
        _reality(records),
        Column("unit", "text", "", "unit of the amounts; empty for pieces", lambda c: c.unit),
        *(
            Column(name, "number", unit, meaning, lambda c, name=name: getattr(c, name))  # type: ignore[misc]
            for name, meaning in numbers.items()
        ),
        Column(
            "state", "text", "", "enough, low or out, as was said since it was filled last", lambda c: c.state
        ),
    )
    return (TableOf("consumables", "a consumable of the laboratory", columns, records.consumables),)


def _used(records: Records) -> tuple[Column, ...]:
    """A column of laboratories that count consumables."""
    if not records.consumables:
        return ()
    meaning = "what it took of consumables as JSON, in their units"
    return (Column("used", "text", "", meaning, lambda a: as_json(a.used)),)


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
        Column(
            "lab_began_s",
            "number",
            "s",
            "lab time since the campaign's first action at which it began",
            lambda e: e.lab_began_s,
        ),
        Column(
            "lab_ended_s", "number", "s", "lab time since then at which it ended", lambda e: e.lab_ended_s
        ),
        Column(
            "failure_attribution",
            "text",
            "",
            "what a failure is put down to: instrument, logistics, infeasible, bad reading or busy",
            lambda e: e.failure[0] if e.failure else None,
        ),
        Column("failure_reason", "text", "", "why it failed", lambda e: e.failure[1] if e.failure else None),
        *parameters(records),
        *_objectives(records),
        *_judged(records),
    )


def _judged(records: Records) -> list[Column]:
    """Columns of campaigns with outcome constraints or costs; others have none of them."""
    campaign, found = records.campaign, []
    if campaign.outcome_constraints:
        found.append(
            Column(
                "constraints_kept",
                "flag",
                "",
                "no outcome constraint is broken; missing unless the state is 'measured'",
                lambda e: not beyond(e, campaign) if e.state.lower() == "measured" else None,
            )
        )
    spent = spending(records)
    if spent is not None:
        costs = spent.experiments
        found.append(
            Column(
                "cost",
                "number",
                spent.unit,
                "what it cost, changes from the one before counted; missing where it was not begun",
                lambda e: costs.get(e.number),
            )
        )
    return found


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
            "maximise, minimise or match where it is an objective; missing otherwise",
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
        Column(
            "began_s",
            "number",
            "s",
            "lab time since the campaign's first action at which it began",
            lambda a: a.began_s,
        ),
        Column("ended_s", "number", "s", "lab time since then at which it ended", lambda a: a.ended_s),
        Column(
            "reason",
            "text",
            "",
            "why it failed, was refused or is in doubt; may be empty",
            lambda a: a.reason,
        ),
        *_used(records),
    )


def _reality(records: Records) -> Column:
    return Column(
        "reality", "text", "", "simulated or real: where the laboratory stood", lambda _: records.reality
    )


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
    return as_json(action.args)
