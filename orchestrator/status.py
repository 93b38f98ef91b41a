"""Where a campaign stands, for machines (`alquimia status --json`) and for a terminal.

The summary is a stable interface. JSON types only; durations in lab seconds, times ISO 8601 UTC, values in the
objective's unit; null where not known. Keys are added only, with `format` staying 1 as long as none is changed:

    format             1
    campaign           name of the campaign
    fingerprint        sha256 of what defines the search
    lab, simulated     name of the laboratory; true unless the laboratory is real
    state, reason      state of the campaign; why it is in it (empty where nothing is said)
    seed               the campaign's seed
    objectives         [{name, direction, unit}]
    experiments        {planned, proposed, done, measured, failed, rejected, cancelled, open};
                       done = measured + failed, open = all that have not ended
    failures           {attribution: number of failed experiments}
    best               per objective alone, measured only: [{objective, experiment, number, value, sigma, unit,
                       candidate: {parameter: value}, units: {parameter: unit}, kept}]; kept: no outcome constraint
                       is broken, and one that breaks one comes after all that do not
    phase              {index, mode, method, entered_after, rule} of the phase entered last, or null
    phases             the same for every phase entered, in order
    coverage           {n, inside, fraction}: measured values of the first objective inside the 90 % interval predicted
                       at proposal time
    actions            {total, succeeded, failed, in_doubt, open}
    doubts             [{action, experiment, device, verb, reason}]: actions whose end is not known
    running            [{action, experiment, device, verb, began_s}]: actions that have been sent and have not ended
    lab_elapsed_s      lab time since the campaign began
    lab_budget_s       lab time it may use, or null
    proposed_first_at, ended_last_at
    versions           {name: version}
    goal               single, pareto, desirability, hierarchy or hull
    score              of desirability and hierarchy the best {experiment, number, score, kept,
                       values: {objective: value}, candidate}; null otherwise. Desirability is 0 to 1; the score of a
                       hierarchy only ranks
    front              of pareto {size, hypervolume, experiments: [{experiment, number, values, candidate}]}, in the
                       order of the first objective; null otherwise. hypervolume is in the product of their units
    constraints        [{reading, unit, at_least, at_most, measured, broken}]: outcome constraints, and by how many of
                       the measured experiments each is broken
    gate               {shut, since, after, reason, otherwise, times} where the plan has a gate, or null; since (when)
                       and after (how many experiments had been proposed) tell of the present closure, reason of its
                       last finding; times: how often a gate was found shut
    context            {parameter: {value, experiment, number} or null}: contexts as last measured
    cost               {unit, spent, phases: [{index, spent}]} where the campaign states costs, or null
    hull               of hull {judged, hits, rate}: crystals measured of which the hull at their composition was known,
                       and those that came out on or below it; null otherwise
    loops              [{name, learns, planned, proposed, measured, failed, open, phase, ended}]: loops beside the main
                       one; all else is about the main loop but actions, doubts and running
    stopped            true while the laboratory is stopped
    waits              why actions do not begin, a sentence each: stop, suspenders, devices out of use, pauses, rules,
                       consumables
    late               actions that are in hand for longer than they usually take, a sentence each
    low                consumables of which little is left, a sentence each
    consumables        [{name, unit, began, filled, unaccounted, on_hand, reserved, used, low, state, enough_for}], in
                       their units: began + filled + unaccounted = on_hand + reserved + used; on_hand is what no action
                       has reserved; low is the mark, or null; state: enough, low or out; enough_for: so many more
                       experiments, by the mean of their recipes, or null
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator import standing
from orchestrator.contexts import as_made
from orchestrator.records import ActionRecord, LoopRecord, Records
from orchestrator.report.findings import (
    best,
    beyond,
    counts,
    coverage,
    measured,
    predictions,
    state_of,
)
from orchestrator.report.gates import stretches
from orchestrator.report.spending import spending
from orchestrator.report.standings import Standing, leaders, scored, volumes
from orchestrator.status_lines import lines

if TYPE_CHECKING:
    from rich.console import RenderableType

FORMAT = 1


def summarise(records: Records) -> dict[str, Any]:
    """The summary described above."""
    campaign = records.campaign
    tally = counts(records)
    phases = [asdict(phase) for phase in records.phases]
    held = coverage(predictions(records))
    states = Counter(_state(action) for action in records.actions)
    done = {name: states[name] for name in ("succeeded", "failed", "in_doubt")}
    return {
        "format": FORMAT,
        "campaign": campaign.name,
        "fingerprint": records.fingerprint,
        "lab": records.lab,
        "simulated": records.reality != "real",
        "state": records.state,
        "reason": records.reason,
        "seed": campaign.seed,
        "objectives": [
            {"name": o.name, "direction": o.direction, "unit": o.unit} for o in campaign.objectives
        ],
        "experiments": {
            "planned": campaign.budget.experiments,
            "proposed": len(records.experiments),
            **{key: tally[key] for key in ("done", "measured", "failed", "rejected", "cancelled", "open")},
        },
        "failures": dict(
            Counter(e.failure[0] for e in records.experiments if e.failure and state_of(e) == "failed")
        ),
        "best": [
            found for objective in campaign.objectives if (found := _best(records, objective)) is not None
        ],
        "phase": phases[-1] if phases else None,
        "phases": phases,
        "coverage": {"n": held.n, "inside": held.inside, "fraction": held.fraction},
        "actions": {"total": len(records.actions), **done, "open": sum(map(is_open, records.actions))},
        "doubts": [
            {
                "action": a.id,
                "experiment": a.experiment,
                "device": a.device,
                "verb": a.verb,
                "reason": a.reason,
            }
            for a in records.actions
            if _state(a) == "in_doubt"
        ],
        "running": [
            {
                "action": a.id,
                "experiment": a.experiment,
                "device": a.device,
                "verb": a.verb,
                "began_s": a.began_s,
            }
            for a in records.actions
            if is_open(a)
        ],
        "lab_elapsed_s": records.lab_elapsed_s,
        "lab_budget_s": campaign.budget.duration_s,
        "proposed_first_at": min((e.proposed_at for e in records.experiments), default=None),
        "ended_last_at": max((e.ended_at for e in records.experiments if e.ended_at), default=None),
        "versions": dict(records.versions),
        "goal": campaign.goal,
        "score": _score(records),
        "front": _front(records),
        "constraints": _constraints(records),
        "gate": _gate(records),
        "context": _context(records),
        "cost": _cost(records),
        "hull": _hull(records),
        "loops": [_loop(loop, records) for loop in records.loops],
        "stopped": records.stopped,
        "waits": list(records.waits),
        "late": list(records.late),
        "low": list(records.low),
        "consumables": [asdict(each) for each in records.consumables],
    }


def is_open(action: ActionRecord) -> bool:
    """Sent and not ended: neither settled nor in doubt."""
    return _state(action) == "intended"


def render(summary: dict[str, Any]) -> RenderableType:
    """The summary as a panel for a terminal; campaign text is shown as it is, never as markup."""
    from rich import box
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    for name, text in lines(summary):
        rows.add_row(name, Text(text))
    title = Text(f" {summary['campaign']} ", style="bold")
    if summary["simulated"]:
        title.append("SIMULATED ", style="bold black on yellow")
    colour = "red" if summary["doubts"] else "yellow" if summary["simulated"] else "green"
    return Panel(rows, title=title, title_align="left", border_style=colour, box=box.ROUNDED, padding=(1, 2))


def _best(records: Records, objective: Any) -> dict[str, Any] | None:
    found = best(records, objective)
    value = measured(found, objective) if found is not None else None
    if found is None or value is None:
        return None
    parameters = [p for p in records.campaign.space.parameters if p.name in found.candidate]
    return {
        "objective": objective.name,
        "experiment": found.id,
        "number": found.number,
        "value": value.value,
        "sigma": value.sigma,
        "unit": value.unit,
        "candidate": {p.name: found.candidate[p.name] for p in parameters},
        "units": {p.name: getattr(p, "unit", "") for p in parameters},
        "kept": not beyond(found, records.campaign),
    }


def _score(records: Records) -> dict[str, Any] | None:
    if records.campaign.goal not in ("desirability", "hierarchy"):
        return None
    for leader in leaders(records):
        reached = next(score for each, score in scored(records) if each.number == leader.number)
        kept = not beyond(leader.record, records.campaign)
        return {**_identity(leader), "score": reached, "kept": kept, **_values(records, leader)}
    return None


def _front(records: Records) -> dict[str, Any] | None:
    if records.campaign.goal != "pareto":
        return None
    volume, found = volumes(records), leaders(records)
    return {
        "size": len(found),
        "hypervolume": volume.path[-1][1] if volume is not None else None,
        "experiments": [{**_identity(each), **_values(records, each)} for each in found],
    }


def _identity(each: Standing) -> dict[str, Any]:
    return {"experiment": each.record.id, "number": each.number}


def _values(records: Records, each: Standing) -> dict[str, Any]:
    return {
        "values": {o.name: each.values[o.name].value for o in records.campaign.objectives},
        "candidate": dict(as_made(each.record, records.campaign)),
    }


def _constraints(records: Records) -> list[dict[str, Any]]:
    return [
        {
            "reading": constraint.name,
            "unit": constraint.unit,
            "at_least": constraint.at_least,
            "at_most": constraint.at_most,
            "measured": sum(measured(e, constraint) is not None for e in records.experiments),
            "broken": sum(constraint.name in beyond(e, records.campaign) for e in records.experiments),
        }
        for constraint in records.campaign.outcome_constraints
    ]


def _gate(records: Records) -> dict[str, Any] | None:
    if not any(phase.gate is not None for phase in records.campaign.plan):
        return None
    found = stretches(records)
    now = found[-1] if found and found[-1].now else None
    return {
        "shut": now is not None,
        "since": now.first.at if now else None,
        "after": now.first.after if now else None,
        "reason": now.last.reason if now else None,
        "otherwise": now.last.otherwise if now else None,
        "times": len(records.gates),
    }


def _context(records: Records) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parameter in records.campaign.space.context:
        last = next((e for e in reversed(records.experiments) if parameter.name in e.values), None)
        found[parameter.name] = (
            {
                "value": as_made(last, records.campaign)[parameter.name],
                "experiment": last.id,
                "number": last.number,
            }
            if last is not None
            else None
        )
    return found


def _hull(records: Records) -> dict[str, Any] | None:
    if records.campaign.goal != "hull":
        return None
    over = [standing.over_hull(e, records.campaign) for e in records.experiments]
    judged = [value for value in over if value is not None]
    hits = sum(value <= standing.ON_THE_HULL for value in judged)
    return {"judged": len(judged), "hits": hits, "rate": hits / len(judged) if judged else None}


def _loop(loop: LoopRecord, records: Records) -> dict[str, Any]:
    written = next(each for each in records.campaign.loops if each.name == loop.name)
    states = Counter(map(state_of, loop.experiments))
    over = sum(states[state] for state in ("measured", "failed", "rejected", "cancelled"))
    return {
        "name": loop.name,
        "learns": [reading for reading, _ in written.learns],
        "planned": written.budget.experiments,
        "proposed": len(loop.experiments),
        "measured": states["measured"],
        "failed": states["failed"],
        "open": len(loop.experiments) - over,
        "phase": asdict(loop.phases[-1]) if loop.phases else None,
        "ended": loop.ended,
    }


def _cost(records: Records) -> dict[str, Any] | None:
    spent = spending(records)
    if spent is None:
        return None
    return {
        "unit": spent.unit,
        "spent": spent.total,
        "phases": [{"index": p.index, "spent": spent.phases.get(p.index, 0.0)} for p in records.phases],
    }


def _state(action: ActionRecord) -> str:
    return action.state.lower().replace(" ", "_")
