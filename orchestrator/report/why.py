"""Why an experiment was proposed: all that the log says of it, as the reader unfolds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.findings import predicted, readings
from orchestrator.report.geometry import shown
from orchestrator.report.spending import Spending
from orchestrator.report.wording import (
    clock,
    label,
    number,
    per_atom,
    percent,
    quantity,
    uncertain,
    unit_text,
)
from orchestrator.standing import over_hull


def why(records: Records, experiment: ExperimentRecord, spent: Spending | None) -> list[tuple[str, str]]:
    """Everything the log says about the proposal and its end, as (name, text)."""
    proposal, campaign = experiment.proposal, records.campaign
    found = [
        ("Mode", f"{proposal.mode}, phase {proposal.phase + 1} of the plan"),
        ("Rule", proposal.rule),
        (
            "Acquisition",
            proposal.acquisition + (f" = {number(proposal.value, 6)}" if proposal.value is not None else ""),
        ),
        ("Model", proposal.model),
        ("Seed", str(proposal.seed)),
        ("Log read up to", f"event {proposal.read_to}"),
    ]
    if proposal.fallback is not None:
        found.insert(1, ("Fall-back", proposal.fallback))
    if proposal.reasons:
        found.insert(1, ("Reasons", "; ".join(proposal.reasons)))
    looked_at = readings(campaign)
    for name, reading in looked_at.items():
        if (said := predicted(proposal, campaign, name)) is not None:
            title = "Predicted" if len(looked_at) == 1 else f"Predicted {label(name)}"
            unit = unit_text(reading.unit)
            found.append((title, f"{uncertain(*said)} {unit} (mean ± standard deviation)"))
    found += _crystal(records, experiment)
    found += _around(records, experiment)
    if proposal.cost is not None:
        found.append(("Cost expected", quantity(proposal.cost, campaign.cost.unit if campaign.cost else "")))
    if spent is not None and experiment.number in spent.experiments:
        found.append(("Cost", quantity(spent.experiments[experiment.number], spent.unit)))
    for name, value in experiment.values.items():
        if name not in looked_at:
            found.append(
                (label(name).capitalize(), f"{uncertain(value.value, value.sigma)} {unit_text(value.unit)}")
            )
    if experiment.failure is not None:
        found.append(("Failure", f"{experiment.failure[0]}: {experiment.failure[1]}"))
    found += [
        ("Proposed", clock(experiment.proposed_at)),
        ("Started", clock(experiment.started_at)),
        ("Ended", clock(experiment.ended_at)),
        ("Experiment", experiment.id),
    ]
    return [(name, text) for name, text in found if text]


def _crystal(records: Records, experiment: ExperimentRecord) -> list[tuple[str, str]]:
    """Where the crystal comes from, and how stable it was believed to be; energies per atom."""
    said, found = experiment.proposal.material, []
    unit = per_atom(records.campaign.objectives[0].unit if records.campaign.goal == "hull" else "eV")
    if source := said.get("source"):
        made_of = f" of {', '.join(map(str, said['parents']))}" if said.get("parents") else ""
        how = f": {said['how']}" if said.get("how") else ""
        found.append(("Crystal from", f"{source}{made_of}{how}"))
    if (energy := said.get("decomposition_energy")) is not None:
        found.append(("Energy over the hull expected", f"{uncertain(energy, said.get('sd'))} {unit}".strip()))
    parts = [
        f"{number(value, 2)} {name}"
        for name, value in (
            ("among the networks", said.get("epistemic")),
            ("in the data", said.get("aleatoric")),
        )
        if value is not None
    ]
    if parts:
        found.append(("Its doubt", f"{', '.join(parts)} ({unit})"))
    found += _properties(records, said)
    if (chance := said.get("probability_stable")) is not None:
        found.append(("Chance of stability", percent(chance)))
    if records.campaign.goal == "hull" and (over := over_hull(experiment, records.campaign)) is not None:
        found.append(("Energy over the hull measured", f"{number(over, 3)} {unit}".strip()))
    return found


def _properties(records: Records, said: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was believed of the crystal itself, and how much of the doubt about the objective is due to it."""
    units = {name: unit for loop in records.campaign.loops for name, unit in loop.learns}
    found = []
    for name, known in said.get("properties", {}).items():
        sd = None if known["labelled"] else math.hypot(known["epistemic"], known["aleatoric"])
        text = f"{uncertain(known['mean'], sd)} {unit_text(units.get(name, ''))}".strip()
        found.append((f"Its {label(name)}", f"{text}, {'labelled' if known['labelled'] else 'predicted'}"))
    if (parts := said.get("sd")) and isinstance(parts, Mapping):
        unit = unit_text(records.campaign.objectives[0].unit)
        text = f"{number(parts['material'], 2)} from the material, {number(parts['process'], 2)} from the process"
        found.append(("Doubt", f"{text} ({unit})" if unit else text))
    if (chance := said.get("chance")) is not None:
        found.append(("Chance that the material will do", percent(chance)))
    return found


def _around(records: Records, experiment: ExperimentRecord) -> list[tuple[str, str]]:
    """The nearest candidate measured before, and the chance that the experiment is of use."""
    found, proposal = [], experiment.proposal
    if (near := proposal.nearest) is not None:
        objective = records.campaign.objectives[0]
        value = "no value" if near.value is None else quantity(near.value, objective.unit)
        if near.value is not None and len(records.campaign.objectives) > 1:
            value = f"{label(objective.name)} {value}"
        changed = [
            f"{label(p.name)} {shown(p, near.candidate[p.name])}"
            for p in records.campaign.space.free
            if p.name in near.candidate and near.candidate[p.name] != experiment.candidate.get(p.name)
        ]
        there = f", with {', '.join(changed)}" if changed else ", at the same place"
        found.append(("Nearest measured", f"{value} at distance {number(near.distance, 3)}{there}"))
    if proposal.feasible is not None:
        what = "a result within bounds" if records.campaign.outcome_constraints else "a result"
        found.append(("Chance of feasibility", f"{percent(proposal.feasible)} for {what}"))
    return found


def matters(records: Records, experiment: ExperimentRecord) -> tuple[tuple[str, str, int], ...]:
    """By how much the predicted mean changes with each parameter alone, the most first."""
    unit = records.campaign.objectives[0].unit
    ranked = sorted(experiment.proposal.sensitivity.items(), key=lambda item: -item[1])
    most = ranked[0][1] if ranked and ranked[0][1] > 0 else 1.0
    return tuple((label(n), quantity(float(f"{s:.2g}"), unit), round(100 * s / most)) for n, s in ranked)
