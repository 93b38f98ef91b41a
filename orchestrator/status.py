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
    best               per objective, measured only: [{objective, experiment, number, value, sigma, unit,
                       candidate: {parameter: value}, units: {parameter: unit}}]
    phase              {index, mode, method, entered_after, rule} of the phase entered last, or null
    phases             the same for every phase entered, in order
    coverage           {n, inside, fraction}: measured values inside the 90 % interval predicted at proposal time
    actions            {total, succeeded, failed, in_doubt, open}
    doubts             [{action, experiment, device, verb, reason}]: actions whose end is not known
    running            [{action, experiment, device, verb, began_s}]: actions that have been sent and have not ended
    lab_elapsed_s      lab time since the campaign began
    lab_budget_s       lab time it may use, or null
    proposed_first_at, ended_last_at
    versions           {name: version}
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.records import ActionRecord, Records
from orchestrator.report.findings import best, counts, coverage, measured, predictions, state_of
from orchestrator.report.wording import duration, label, number, uncertain, unit_text, value_text

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
    for name, text in _lines(summary):
        rows.add_row(name, Text(text))
    title = Text(f" {summary['campaign']} ", style="bold")
    if summary["simulated"]:
        title.append("SIMULATED ", style="bold black on yellow")
    colour = "red" if summary["doubts"] else "yellow" if summary["simulated"] else "green"
    return Panel(rows, title=title, title_align="left", border_style=colour, box=box.ROUNDED, padding=(1, 2))


def _lines(summary: dict[str, Any]) -> list[tuple[str, str]]:
    seen, reason = summary["experiments"], summary["reason"]
    lines = [
        ("state", f"{summary['state']}: {reason}" if reason else summary["state"]),
        ("laboratory", summary["lab"]),
        ("experiments", f"{seen['done']} of {seen['planned']} done: {_counted(seen)}"),
    ]
    if summary["failures"]:
        lines.append(("failures", ", ".join(f"{n} {name}" for name, n in summary["failures"].items())))
    if summary["phase"] is not None:
        phase = summary["phase"]
        lines.append(
            ("phase", f"{phase['mode']} by {phase['method']}, since experiment {phase['entered_after'] + 1}")
        )
        if phase["rule"]:
            lines.append(("why", phase["rule"]))
    for found in summary["best"]:
        value = f"{uncertain(found['value'], found['sigma'])} {unit_text(found['unit'])}".rstrip()
        lines.append((f"best {label(found['objective'])}", f"{value} (experiment {found['number']})"))
        lines.append(
            (
                "at",
                ", ".join(
                    f"{label(name)} {value_text(value)} {unit_text(found['units'][name])}".rstrip()
                    for name, value in found["candidate"].items()
                ),
            )
        )
    if summary["coverage"]["n"]:
        held = summary["coverage"]
        lines.append(
            ("coverage", f"{held['inside']} of {held['n']} measured inside the predicted 90 % interval")
        )
    budget = summary["lab_budget_s"]
    spent = duration(summary["lab_elapsed_s"])
    lines.append(("lab time", f"{spent} of {duration(budget)}" if budget is not None else spent))
    lines.extend(("running", f"{a['device']}.{a['verb']}") for a in summary["running"])
    lines.extend(
        ("IN DOUBT", f"{a['device']}.{a['verb']} ({a['action']}) {a['reason']}".rstrip())
        for a in summary["doubts"]
    )
    lines.append(("fingerprint", f"{summary['fingerprint'][:16]}, seed {number(summary['seed'])}"))
    return lines


def _counted(seen: dict[str, Any]) -> str:
    states = ("measured", "failed", "rejected", "cancelled", "open")
    return ", ".join(f"{seen[state]} {state}" for state in states if seen[state]) or "none yet"


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
    }


def _state(action: ActionRecord) -> str:
    return action.state.lower().replace(" ", "_")
