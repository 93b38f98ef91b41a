"""The section of a goal over several objectives: the front and its hypervolume, or the score of each experiment."""

from __future__ import annotations

from itertools import combinations

from orchestrator.contexts import as_made
from orchestrator.records import Records
from orchestrator.report.figures.front import front_figure
from orchestrator.report.figures.progress import hypervolume, score
from orchestrator.report.figures.spec import panel
from orchestrator.report.findings import mode_of
from orchestrator.report.geometry import shown, unit_of
from orchestrator.report.sections import Listing, Section
from orchestrator.report.standings import Standing, leaders, scored, stand, volumes
from orchestrator.report.style import MODES
from orchestrator.report.wording import label, number, uncertain, with_unit

# Pairs of objectives drawn at most: those of four.
_PAIRS = 6


def goal_section(records: Records) -> Section | None:
    """None where one objective is sought, whose progress is the section, and of a hull, which has its own."""
    if records.campaign.goal in ("single", "hull"):
        return None
    if records.campaign.goal == "pareto":
        return _pareto(records)
    return _scored(records)


def _pareto(records: Records) -> Section:
    title = "Trade-off"
    found, volume = stand(records), volumes(records)
    front = leaders(records)
    if not found:
        return Section("goal", title, missing="Nothing has been measured, so there is no front.")
    objectives = records.campaign.objectives
    names = [label(objective.name) for objective in objectives]
    pairs = list(combinations(range(len(objectives)), 2))[:_PAIRS]
    panels = []
    for i, j in pairs:
        figure = front_figure(records, found, front, volume.reference if volume else None, (i, j))
        caption = f"{names[j].capitalize()} against {names[i]} of every measured experiment, the later the brighter."
        if len(objectives) == 2:
            caption += " The line is the border of what the front dominates above the reference point."
        panels.append(panel(f"front-{i}-{j}", figure, caption, f"{names[j]} against {names[i]}"))
    if volume is not None:
        caption = (
            "Hypervolume: what the front so far dominates above the reference point, as a line; the marks are what "
            f"each experiment dominates alone. Measured from {_reference(records, volume.reference)}."
        )
        figure = hypervolume(records, volume, front)
        panels.append(panel("hypervolume", figure, caption, "hypervolume against experiment number"))
    lead = f"Ringed: the {len(front)} of {len(found)} measured experiments that no other is better than in everything."
    return Section("goal", title, lead, tuple(panels), columns=2, listing=_front_listing(records, front))


def _reference(records: Records, reference: tuple[float, ...]) -> str:
    objectives = records.campaign.objectives
    places = [
        f"{with_unit(o.name, o.unit)} {'distance ' if o.target is not None else ''}{number(place)}"
        for o, place in zip(objectives, reference, strict=True)
    ]
    stated = all(objective.reference is not None for objective in objectives)
    return " and ".join(places) + (
        "" if stated else " (inferred from the front where the campaign states none)"
    )


def _front_listing(records: Records, front: list[Standing]) -> Listing | None:
    if not front:
        return None
    objectives, free = records.campaign.objectives, records.campaign.space.free
    heads = ["#", "Mode", *(with_unit(o.name, o.unit) for o in objectives)]
    heads += [with_unit(p.name, unit_of(p)) for p in free]
    rows = []
    for each in front:
        mode, candidate = mode_of(each.record), as_made(each.record, records.campaign)
        values = [each.values[objective.name] for objective in objectives]
        rows.append(
            (
                str(each.number),
                MODES[mode].name if mode in MODES else mode,
                *(uncertain(value.value, value.sigma) for value in values),
                *(shown(p, candidate[p.name]) for p in free),
            )
        )
    return Listing(tuple(heads), tuple(rows), f"The front, in the order of {label(objectives[0].name)}.")


def _scored(records: Records) -> Section:
    desirable = records.campaign.goal == "desirability"
    title = "Desirability" if desirable else "Place in the hierarchy"
    ranked = scored(records)
    if not ranked:
        return Section("goal", title, missing="Nothing has been measured, so there is no score.")
    if desirable:
        caption = (
            "Overall desirability of each experiment: the weighted geometric mean of how far each objective is from "
            "worthless (0) to as good as one can wish (1). The highest so far as a line, the best experiment ringed."
        )
    else:
        names = ", then ".join(label(objective.name) for objective in records.campaign.objectives)
        caption = (
            f"Score in the hierarchy ({names}), relative to all that was measured: the higher the better. A later "
            "objective counts only where those before it are within their tolerance. The highest so far as a line, the "
            "best experiment ringed."
        )
    figure = score(records, ranked, next(iter(leaders(records)), None), title.lower())
    return Section(
        "goal", title, "", (panel("score", figure, caption, f"{title.lower()} of each experiment"),)
    )
