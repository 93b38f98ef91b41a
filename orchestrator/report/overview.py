"""The head of the page: what this campaign is, where it stands, and how it got there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.records import Records
from orchestrator.report.findings import best, counts, coverage, measured, predictions
from orchestrator.report.geometry import shown, unit_of
from orchestrator.report.wording import clock, duration, label, percent, uncertain, unit_text


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
    sought = "; ".join(
        f"{o.direction} {label(o.name)}" + (f" ({unit_text(o.unit)})" if o.unit else "")
        for o in campaign.objectives
    )
    begun = min((e.proposed_at for e in records.experiments), default=None)
    ended = max((e.ended_at for e in records.experiments if e.ended_at), default=None)
    limit = campaign.budget.duration_s
    state = f"{records.state.lower()}: {records.reason}" if records.reason else records.state.lower()
    return [
        ("Objective" if len(campaign.objectives) == 1 else "Objectives", sought),
        ("State", state),
        ("Laboratory", f"{records.lab} ({'real' if records.reality == 'real' else 'simulated'})"),
        (
            "Lab time",
            duration(records.lab_elapsed_s) + (f" of {duration(limit)}" if limit is not None else ""),
        ),
        ("First proposal", clock(begun)),
        ("Last result", clock(ended)),
        ("Seed", str(campaign.seed)),
        ("Fingerprint", records.fingerprint),
        ("Versions", ", ".join(f"{name} {version}" for name, version in records.versions.items()) or "–"),
    ]


def cards(records: Records) -> list[Card]:
    """Best candidate, how many experiments became what, how far predictions could be trusted."""
    return [*_best_cards(records), _experiments_card(records), _trust_card(records)]


def _best_cards(records: Records) -> list[Card]:
    found = []
    for objective in records.campaign.objectives:
        word = "Lowest" if objective.direction == "minimise" else "Highest"
        title = f"{word} {label(objective.name)}"
        leader = best(records, objective)
        value = measured(leader, objective) if leader is not None else None
        if leader is None or value is None:
            found.append(Card(title, "–", about="Nothing has been measured.", wide=True))
            continue
        about = f"Experiment {leader.number}"
        if value.sigma is None:
            about += "; the instrument stated no uncertainty"
        more = tuple(
            (label(p.name), f"{shown(p, leader.candidate[p.name])} {unit_text(unit_of(p))}".rstrip())
            for p in records.campaign.space.free
            if p.name in leader.candidate
        )
        found.append(
            Card(
                title, uncertain(value.value, value.sigma), unit_text(objective.unit), about, more, wide=True
            )
        )
    return found


def _experiments_card(records: Records) -> Card:
    tally = counts(records)
    names = ("measured", "failed", "rejected", "cancelled", "open")
    more = tuple((name, str(tally[name])) for name in names if tally[name] or name in names[:3])
    planned = records.campaign.budget.experiments
    return Card("Experiments done", str(tally["done"]), f"of {planned} planned", more=more)


def _trust_card(records: Records) -> Card:
    held = coverage(predictions(records))
    title = "Predictions that held"
    if held.fraction is None or held.bounds is None:
        return Card(title, "–", about="No measured experiment had been predicted.")
    low, high = held.bounds
    return Card(
        title,
        percent(held.fraction),
        about=f"{held.inside} of {held.n} measured values lay inside the 90\u00a0% interval predicted before the "
        f"experiment (90\u00a0% confidence: {percent(low)} to {percent(high)}).",
    )


def phase_rows(records: Records) -> list[dict[str, Any]]:
    """Each phase entered: its mode and method, when, after how many experiments, and the rule that opened it."""
    rows = []
    entries = list(records.phases)
    for place, phase in enumerate(entries):
        own = [e for e in records.experiments if e.proposal.phase == phase.index]
        began = min((e.lab_began_s for e in own if e.lab_began_s is not None), default=None)
        leaves = entries[place + 1].entered_after if place + 1 < len(entries) else len(records.experiments)
        rows.append(
            {
                "mode": phase.mode,
                "method": phase.method,
                "after": phase.entered_after,
                "n": max(leaves - phase.entered_after, 0),
                "at": duration(began) if began is not None else "–",
                "rule": phase.rule,
            }
        )
    return rows
