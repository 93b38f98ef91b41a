"""The phases of a plan as they were entered: how many experiments they had, what they cost, what their gates did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from campaigns.cost import Cost
from orchestrator.records import Records
from orchestrator.report.findings import after, mode_of
from orchestrator.report.gates import stretches
from orchestrator.report.spending import spending
from orchestrator.report.wording import duration, number, unit_text


@dataclass(frozen=True)
class PhaseRow:
    """A phase entered. `own`: how many experiments each mode asked for, where not all were of the phase's own;
    `notes`: what its gate did."""

    mode: str
    method: str
    after: int
    n: int
    at: str
    rule: str
    own: str
    cost: str
    notes: tuple[str, ...]


def phase_rows(records: Records) -> list[PhaseRow]:
    """Each phase entered: its mode and method, when, after how many experiments, and the rule that opened it."""
    rows = []
    entries = list(records.phases)
    spent = spending(records)
    for place, phase in enumerate(entries):
        own = [e for e in records.experiments if e.proposal.phase == phase.index]
        began = min((e.lab_began_s for e in own if e.lab_began_s is not None), default=None)
        leaves = entries[place + 1].entered_after if place + 1 < len(entries) else len(records.experiments)
        modes = Counter(mode_of(e) for e in own)
        mixed = phase.mode == "alternate" or any(gate.phase == phase.index for gate in records.gates)
        rows.append(
            PhaseRow(
                mode=phase.mode,
                method=phase.method,
                after=after(records, phase.entered_after),
                n=max(leaves - phase.entered_after, 0),
                at=duration(began) if began is not None else "–",
                rule=phase.rule,
                own=", ".join(f"{n} {mode}" for mode, n in modes.items()) if mixed else "",
                cost=number(spent.phases.get(phase.index, 0.0)) if spent is not None else "",
                notes=tuple(_gate_notes(records, phase.index)),
            )
        )
    return rows


def cost_head(cost: Cost | None) -> str:
    """The head of the column of costs; empty where the campaign states none."""
    if cost is None:
        return ""
    return f"Cost ({unit_text(cost.unit)})" if cost.unit else "Cost"


# Stretches of a shut gate told of one phase at most; the figures have all.
_NOTES = 5


def _gate_notes(records: Records, phase: int) -> list[str]:
    found = []
    for shut in stretches(records):
        if shut.first.phase != phase:
            continue
        numbers = [e.number for e in shut.experiments]
        text = f"gate shut before experiment {shut.first.after + 1}: {shut.last.reason}"
        if len(numbers) == 1:
            text = f"gate shut for experiment {numbers[0]}, which went to learning: {shut.last.reason}"
        elif numbers:
            which = f"experiments {numbers[0]} to {numbers[-1]}"
            text = f"gate shut for {which}, which went to learning: {shut.last.reason}"
        elif shut.last.otherwise == "approval":
            text += "; a person was asked"
        found.append(text + ("; it still is" if shut.now else ""))
    if (more := len(found) - _NOTES) > 0:
        found = [f"gate shut {more} more times before", *found[-_NOTES:]]
    return found
