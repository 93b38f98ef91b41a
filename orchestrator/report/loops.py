"""A section for each loop beside the main one: what it learns, how far it has come, how far its predictions held."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from campaigns.campaign import Campaign, Loop
from orchestrator.records import LoopRecord, Records
from orchestrator.report.findings import counts, measured
from orchestrator.report.sections import Listing, Section, calibration_panels
from orchestrator.report.wording import label, with_unit

_REASONS = 3  # kinds of failures told at most


def loop_sections(records: Records) -> list[Section]:
    written = {loop.name: loop for loop in records.campaign.loops}
    return [_section(records, loop, written[loop.name]) for loop in records.loops]


def as_campaign(records: Records, loop: LoopRecord, written: Loop) -> Records:
    """The records of one loop as those of a campaign by itself."""
    campaign: Campaign = written.of(records.campaign)
    return replace(
        records,
        campaign=campaign,
        phases=loop.phases,
        experiments=loop.experiments,
        gates=(),
        diagnoses=(),
        loops=(),
    )


def _section(records: Records, loop: LoopRecord, written: Loop) -> Section:
    own = as_campaign(records, loop, written)
    key, title = f"loop-{loop.name}", f"Loop: {label(loop.name)}"
    panels = [
        panel
        for index, objective in enumerate(own.campaign.objectives)
        for panel in calibration_panels(own, objective, f"-{key}-{index}")
    ]
    notes = _failures(own)
    if not panels and any(measured(e, o) for e in own.experiments for o in own.campaign.objectives):
        notes.append("None of what it measured had been predicted when it was proposed.")
    phases = _phases(loop)
    return Section(
        key, title, _lead(own, loop, written), tuple(panels), columns=2, notes=tuple(notes), listing=phases
    )


def _lead(own: Records, loop: LoopRecord, written: Loop) -> str:
    tally = counts(own)
    learns = " and ".join(with_unit(name, unit) for name, unit in written.learns)
    chooses = " and ".join(map(label, written.chooses))
    text = (
        f"Learns {learns} by choosing {chooses}, over the same log and with a budget of its own: {tally['measured']} "
        f"measured and {tally['failed']} failed of {written.budget.experiments} planned experiments"
    )
    if tally["open"]:
        text += f", {tally['open']} under way"
    return f"{text}. It has ended: {loop.ended}." if loop.ended else f"{text}."


def _failures(own: Records) -> list[str]:
    reasons = Counter(e.failure[1] for e in own.experiments if e.failure is not None)
    if not reasons:
        return []
    shown = [f"{n} × {reason}" for reason, n in reasons.most_common(_REASONS)]
    rest = len(reasons) - len(shown)
    return ["Failed: " + "; ".join(shown) + (f"; and {rest} other reasons" if rest else "") + "."]


def _phases(loop: LoopRecord) -> Listing | None:
    if not loop.phases:
        return None
    rows = []
    for phase in loop.phases:
        own = [e for e in loop.experiments if e.proposal.phase == phase.index]
        numbers = f"{own[0].number} to {own[-1].number}" if own else "–"
        rows.append((f"{phase.mode} · {phase.method}", str(len(own)), numbers, phase.rule or "–"))
    caption = "Its phases. Experiments are numbered over all loops."
    return Listing(("Phase", "Experiments", "Numbers", "Why it began"), tuple(rows), caption)
