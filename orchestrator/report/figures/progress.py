"""How a campaign got on: readings, scores and hypervolume against the experiment number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from orchestrator.records import Records
from orchestrator.report.discovery import Discovery
from orchestrator.report.figures.by_number import Level, Point, against_number
from orchestrator.report.findings import best, best_so_far, measured
from orchestrator.report.standings import Standing, Volumes, best_score_so_far, on_axis
from orchestrator.report.wording import label, per_atom, plain, quantity, unit_text, with_unit

if TYPE_CHECKING:
    from campaigns.campaign import Objective, OutcomeConstraint


def progress(records: Records, objective: Objective, *, height: int = 460) -> go.Figure:
    """Measured values of one objective, with the best so far, its target and its bounds."""
    points = _points(records, objective)
    leader = best(records, objective)
    levels = []
    if objective.target is not None:
        levels.append(Level(objective.target, f"target {plain(quantity(objective.target, objective.unit))}"))
    for constraint in records.campaign.outcome_constraints:
        if constraint.name == objective.name:
            levels += _bounds(constraint)
    return against_number(
        records,
        points,
        with_unit(plain(objective.name), plain(objective.unit)),
        path=best_so_far(records, objective),
        ringed=[point for point in points if point.experiment is leader],
        levels=levels,
        height=height,
    )


def distance(records: Records, objective: Objective, *, height: int = 460) -> go.Figure:
    """How far each value lies from what it should match, and the shortest distance so far."""
    leader = best(records, objective)
    points = [
        Point(point.experiment, on_axis(objective, point.value), point.sigma)
        for point in _points(records, objective)
    ]
    return against_number(
        records,
        points,
        distance_title(objective),
        path=[(n, on_axis(objective, value)) for n, value in best_so_far(records, objective)],
        ringed=[point for point in points if point.experiment is leader],
        height=height,
    )


def bounded(records: Records, constraint: OutcomeConstraint, *, height: int = 460) -> go.Figure:
    """A reading that has bounds, and the bounds."""
    title = with_unit(plain(constraint.name), plain(constraint.unit))
    points = _points(records, constraint)
    return against_number(records, points, title, levels=_bounds(constraint), height=height)


def score(
    records: Records, ranked: list[tuple[Standing, float]], leader: Standing | None, title: str
) -> go.Figure:
    """One number for each experiment and the best so far."""
    points = [Point(each.record, value) for each, value in ranked]
    return against_number(
        records,
        points,
        title,
        path=best_score_so_far(ranked, records.campaign),
        ringed=[p for p in points if leader is not None and p.experiment is leader.record],
    )


def over_hull(records: Records, found: Discovery) -> go.Figure:
    """How far each labelled crystal lay over the hull known when it was asked for; hits ringed."""
    by_number = {experiment.number: experiment for experiment in records.experiments}
    name = records.campaign.objectives[0].name
    points = [
        Point(by_number[each.number], each.over, each.experiment.values[name].sigma)
        for each in found.labelled
        if each.over is not None
    ]
    hits = {each.number for each in found.labelled if each.is_hit}
    unit = per_atom(records.campaign.objectives[0].unit)
    return against_number(
        records,
        points,
        plain(f"energy over the hull ({unit})" if unit else "energy over the hull"),
        ringed=[point for point in points if point.experiment.number in hits],
        ring_name="hit",
        levels=[Level(0.0, "the hull known then")],
    )


def hypervolume(records: Records, found: Volumes, front: list[Standing]) -> go.Figure:
    """What each experiment dominates alone, and what the front so far dominates; the front ringed."""
    points = [Point(each.record, value) for each, value in found.alone]
    on_front = {each.number for each in front}
    units = [unit_text(objective.unit) for objective in records.campaign.objectives]
    unit = " · ".join(unit for unit in units if unit)
    return against_number(
        records,
        points,
        plain(f"hypervolume ({unit})" if unit else "hypervolume"),
        path=found.path,
        path_name="front so far",
        ringed=[point for point in points if point.experiment.number in on_front],
        ring_name="on the front",
        height=430,
    )


def distance_title(objective: Objective) -> str:
    """The axis of a match: how far from its target."""
    assert objective.target is not None
    far = f"{label(objective.name)}, distance from {quantity(objective.target, objective.unit)}"
    return plain(f"{far} ({unit_text(objective.unit)})" if objective.unit else far)


def _points(records: Records, reading: Objective | OutcomeConstraint) -> list[Point]:
    return [
        Point(experiment, value.value, value.sigma)
        for experiment in records.experiments
        if (value := measured(experiment, reading)) is not None
    ]


def _bounds(constraint: OutcomeConstraint) -> list[Level]:
    sides = (("at least", constraint.at_least), ("at most", constraint.at_most))
    return [
        Level(at, f"{word} {plain(quantity(at, constraint.unit))}") for word, at in sides if at is not None
    ]
