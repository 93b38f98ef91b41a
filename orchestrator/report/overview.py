"""The head of the page: what this campaign is, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.contexts import as_made
from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.discovery import Discovery
from orchestrator.report.findings import (
    best,
    beyond,
    counts,
    coverage,
    measured,
    predictions,
)
from orchestrator.report.gates import stretches
from orchestrator.report.geometry import shown, unit_of
from orchestrator.report.spending import spending
from orchestrator.report.standings import leaders, scored, volumes
from orchestrator.report.wording import (
    bound,
    clock,
    duration,
    goal_text,
    label,
    number,
    per_atom,
    percent,
    quantity,
    sought,
    superlative,
    uncertain,
    unit_text,
)


@dataclass(frozen=True)
class Card:
    """One figure of the summary. `more` are (name, value) pairs below it; `about` is a sentence."""

    title: str
    value: str
    unit: str = ""
    about: str = ""
    more: tuple[tuple[str, str], ...] = ()
    wide: bool = False


def facts(records: Records) -> list[tuple[str, str]]:
    """(name, text) pairs under the title."""
    campaign = records.campaign
    begun = min((e.proposed_at for e in records.experiments), default=None)
    ended = max((e.ended_at for e in records.experiments if e.ended_at), default=None)
    limit = campaign.budget.duration_s
    state = f"{records.state.lower()}: {records.reason}" if records.reason else records.state.lower()
    several = len(campaign.objectives) > 1
    found = [("Objectives" if several else "Objective", "; ".join(map(sought, campaign.objectives)))]
    if goal := goal_text(campaign):
        found.append(("Goal", goal))
    found += _materials(records)
    found += _bounds(records)
    found.append(("State", state))
    if (gate := _gate(records)) is not None:
        found.append(("Gate", gate))
    found += [
        ("Laboratory", f"{records.lab} ({'real' if records.reality == 'real' else 'simulated'})"),
        (
            "Lab time",
            duration(records.lab_elapsed_s) + (f" of {duration(limit)}" if limit is not None else ""),
        ),
    ]
    if (spent := spending(records)) is not None:
        began = f"{len(spent.experiments)} experiments begun"
        found.append(("Cost", f"{quantity(spent.total, spent.unit)} for {began}"))
    return [
        *found,
        ("First proposal", clock(begun)),
        ("Last result", clock(ended)),
        ("Seed", str(campaign.seed)),
        ("Fingerprint", records.fingerprint),
        ("Versions", ", ".join(f"{name} {version}" for name, version in records.versions.items()) or "–"),
    ]


def _materials(records: Records) -> list[tuple[str, str]]:
    """Pools by name, size and digest, and what makes more crystals of them."""
    found = []
    for material in records.campaign.space.materials:
        text = f"{label(material.name)}: pool {material.pool} of {material.n} crystals, SHA-256 {material.digest[:16]}"
        if material.generate:
            text += "; more by " + ", ".join(label(each.generator) for each in material.generate)
        found.append(("Materials", text))
    for lesson in records.campaign.lessons:
        text = f"{', '.join(map(label, lesson.values))} of the pool {lesson.pool}, {lesson.n} crystals"
        found.append(("Networks learned first", f"{text}, SHA-256 {lesson.digest[:16]}"))
    return found


def _bounds(records: Records) -> list[tuple[str, str]]:
    found = []
    for constraint in records.campaign.outcome_constraints:
        n = sum(measured(e, constraint) is not None for e in records.experiments)
        broken = sum(constraint.name in beyond(e, records.campaign) for e in records.experiments)
        text = f"{label(constraint.name)} {bound(constraint)}: {broken} of {n} measured beyond"
        found.append(("Outcome constraint", text))
    return found


def _gate(records: Records) -> str | None:
    """Whether a gate is shut now; None where the campaign has none."""
    gates = [phase.gate for phase in records.campaign.plan if phase.gate is not None]
    if not gates:
        return None
    found = stretches(records)
    if found and found[-1].now:
        return f"shut since experiment {found[-1].first.after + 1}: {found[-1].last.reason}"
    times = len(records.gates)
    return f"found shut {times} {'time' if times == 1 else 'times'}" if times else "never found shut"


def cards(records: Records, hull: Discovery | None = None) -> list[Card]:
    """Best candidate (of a search for the hull, of which `hull` tells, the phases found), how many experiments became
    what, how far predictions could be trusted."""
    best = _best_card(records) if hull is None else _hull_card(records, hull)
    return [best, _experiments_card(records), _trust_card(records)]


def _best_card(records: Records) -> Card:
    campaign = records.campaign
    front = leaders(records)
    objective = campaign.objectives[0]
    titles = {
        "single": f"{superlative(objective)} {label(objective.name)}"
        if objective.target is None
        else f"{label(objective.name).capitalize()} nearest to {quantity(objective.target, objective.unit)}",
        "pareto": "Experiments on the Pareto front",
        "desirability": "Highest desirability",
        "hierarchy": "Best by the hierarchy",
        "hull": "Stable phases found",
    }
    title = titles[campaign.goal]
    if not front:
        return Card(title, "–", about="Nothing has been measured.", wide=True)
    if campaign.goal == "pareto":
        return _front_card(records, title, len(front))
    (leader,) = front
    about = f"Experiment {leader.number}"
    if beyond(leader.record, campaign):
        about += "; like all others, it is beyond an outcome constraint"
    more: tuple[tuple[str, str], ...] = ()
    if campaign.goal == "single":
        value = leader.values[objective.name]
        if value.sigma is None:
            about += "; the instrument stated no uncertainty"
        text, unit = uncertain(value.value, value.sigma), unit_text(objective.unit)
    else:
        if campaign.goal == "desirability":
            text, unit = number(max(s for each, s in scored(records) if each.record is leader.record), 3), ""
        else:
            text, unit = str(leader.number), "is the experiment"
        more = tuple(
            (
                label(o.name),
                f"{uncertain(leader.values[o.name].value, leader.values[o.name].sigma)} "
                f"{unit_text(o.unit)}".rstrip(),
            )
            for o in campaign.objectives
        )
    return Card(title, text, unit, about, more + _parameters(records, leader.record), wide=True)


# Phases named on the card at most; the section has all.
_NAMED = 8


def _hull_card(records: Records, found: Discovery) -> Card:
    title = "Stable phases found"
    if not found.labelled:
        return Card(title, "–", about="Nothing has been measured.", wide=True)
    unit = per_atom(records.campaign.objectives[0].unit)
    about = f"{len(found.hull.stable)} phases are on the hull"
    about += f", {len(found.before.stable)} were before" if found.seeds else ""
    if found.judged:
        share = percent(found.hits / found.judged)
        about += f"; {found.hits} of {found.judged} labelled ({share}) were on or below the hull known then"
    deepest = sorted(found.found, key=lambda each: 0.0 if each.decomposition is None else each.decomposition)
    more = [
        (found.known.named(each.id), f"{number(each.decomposition, 3)} {unit}".rstrip())
        for each in deepest[:_NAMED]
    ]
    if len(deepest) > _NAMED:
        more.append(("and more", str(len(deepest) - _NAMED)))
    return Card(title, str(len(found.found)), "on the hull", f"{about}.", tuple(more), wide=True)


def _front_card(records: Records, title: str, n: int) -> Card:
    volume = volumes(records)
    about = (
        f"Hypervolume {number(volume.path[-1][1])} above the reference point" if volume is not None else ""
    )
    more = []
    for objective in records.campaign.objectives:
        leader = best(records, objective)
        value = measured(leader, objective) if leader is not None else None
        if leader is not None and value is not None:
            text = f"{uncertain(value.value, value.sigma)} {unit_text(objective.unit)}".rstrip()
            more.append(
                (f"{superlative(objective)} {label(objective.name)}", f"{text} (experiment {leader.number})")
            )
    return Card(title, str(n), "", about, tuple(more), wide=True)


def _parameters(records: Records, experiment: ExperimentRecord) -> tuple[tuple[str, str], ...]:
    candidate = as_made(experiment, records.campaign)
    return tuple(
        (label(p.name), f"{shown(p, candidate[p.name])} {unit_text(unit_of(p))}".rstrip())
        for p in records.campaign.space.free
        if p.name in candidate
    )


def _experiments_card(records: Records) -> Card:
    tally = counts(records)
    names = ("measured", "failed", "rejected", "cancelled", "open")
    more = tuple((name, str(tally[name])) for name in names if tally[name] or name in names[:3])
    planned = records.campaign.budget.experiments
    return Card("Experiments done", str(tally["done"]), f"of {planned} planned", more=more)


def _trust_card(records: Records) -> Card:
    objectives = records.campaign.objectives
    held = coverage(predictions(records))
    title = "Predictions that held"
    if held.fraction is None or held.bounds is None:
        return Card(title, "–", about="No measured experiment had been predicted.")
    low, high = held.bounds
    return Card(
        title,
        percent(held.fraction),
        about=f"{held.inside} of {held.n} measured values lay inside the 90\u00a0% interval predicted before the "
        f"experiment (90\u00a0% confidence: {percent(low)} to {percent(high)})."
        + (f" This is {label(objectives[0].name)}." if len(objectives) > 1 else ""),
        more=tuple(
            (label(o.name), f"{other.inside} of {other.n}")
            for o in objectives[1:]
            if (other := coverage(predictions(records, o))).n
        ),
    )
