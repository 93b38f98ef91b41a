"""What the campaign seeks, looked at over its records: who leads, the scores, the front and its hypervolume.

The rules are those of `orchestrator.standing`, so that report, status and plan mean the same by "better". Readings are
in the campaign's units here, and an experiment stands here once every objective of it is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaigns.campaign import Campaign, Objective
from orchestrator import standing
from orchestrator.records import ExperimentRecord, MeasuredValue, Records
from orchestrator.report.findings import measured, readings


@dataclass(frozen=True)
class Standing:
    """A measured experiment with its readings in the campaign's units."""

    record: ExperimentRecord
    values: Mapping[str, MeasuredValue]

    @property
    def number(self) -> int:
        return self.record.number

    def place(self, objective: Objective) -> float:
        """Where it stands on an axis of the objective: its value, or the distance from what it should match."""
        return on_axis(objective, self.values[objective.name].value)


@dataclass(frozen=True)
class Volumes:
    """Hypervolume in the product of the objectives' units, above `reference` (one place on the axis of each objective).

    `alone`: what each experiment dominates by itself. `path`: (number, what the front of all experiments up to and
    with it dominates), from the first on that keeps the outcome constraints.
    """

    reference: tuple[float, ...]
    alone: tuple[tuple[Standing, float], ...]
    path: tuple[tuple[int, float], ...]


def on_axis(objective: Objective, value: float) -> float:
    """The value itself; of a match its distance from the target."""
    return value if objective.target is None else abs(value - objective.target)


def lower_is_better(objective: Objective) -> bool:
    """On the objective's axis: to minimise a value, or a distance."""
    return objective.direction != "maximise"


def stand(records: Records) -> list[Standing]:
    """Every measured experiment, in the order of proposal."""
    campaign = records.campaign
    found = []
    for experiment in records.experiments:
        values = {
            name: got
            for name, reading in readings(campaign).items()
            if (got := measured(experiment, reading)) is not None
        }
        if all(objective.name in values for objective in campaign.objectives):
            found.append(Standing(experiment, values))
    return found


def leaders(records: Records) -> list[Standing]:
    """The best experiment, or the front of a Pareto goal in the order of its first objective; empty at first."""
    found = stand(records)
    if records.campaign.goal == "pareto":
        first = records.campaign.objectives[0]
        return sorted(standing.front_of(found, records.campaign), key=lambda each: each.place(first))
    best = standing.best_of(found, records.campaign)
    return [] if best is None else [best]


def scored(records: Records) -> list[tuple[Standing, float]]:
    """Desirability (0 to 1) or place in the hierarchy of each measured experiment, larger is better.

    In a hierarchy they are relative to all that was measured. Raises ValueError for a Pareto front.
    """
    found = stand(records)
    return list(zip(found, standing.scores(found, records.campaign), strict=True))


def best_score_so_far(
    ranked: Sequence[tuple[Standing, float]], campaign: Campaign
) -> list[tuple[int, float]]:
    """(number, best score up to and with it) over those that keep the outcome constraints."""
    path: list[tuple[int, float]] = []
    for each, score in ranked:
        if standing.keeps_constraints(each, campaign):
            path.append((each.number, max(score, path[-1][1]) if path else score))
        elif path:
            path.append((each.number, path[-1][1]))
    return path


def volumes(records: Records) -> Volumes | None:
    """Hypervolumes of a Pareto goal, all from the reference point of the whole; None before anything keeps the
    constraints."""
    campaign, found = records.campaign, stand(records)
    kept = [each for each in found if standing.keeps_constraints(each, campaign)]
    if not kept:
        return None
    # numpy only where a front is sought: a status is otherwise told without it.
    import numpy as np

    from surrogates.goals.pareto import hypervolume, reference_point

    directions = ["minimise" if lower_is_better(o) else "maximise" for o in campaign.objectives]
    given = [None if o.reference is None else on_axis(o, o.reference) for o in campaign.objectives]
    Y = np.array([[each.place(o) for o in campaign.objectives] for each in kept], float)
    reference = reference_point(Y, directions, given)
    alone = [hypervolume(row[None], reference, directions) for row in Y]
    path: list[tuple[int, float]] = []
    front = np.empty((0, len(directions)))
    own = dict(zip((each.number for each in kept), Y, strict=True))
    for each in found:
        if each.number in own:
            front = np.vstack([front, own[each.number]])
        if len(front):
            path.append((each.number, hypervolume(front, reference, directions)))
    return Volumes(
        tuple(float(place) for place in reference), tuple(zip(kept, alone, strict=True)), tuple(path)
    )


def centre(records: Records) -> Standing | None:
    """What slices of the belief go through: the best experiment, or of a front the one that alone dominates most."""
    if records.campaign.goal != "pareto":
        return next(iter(leaders(records)), None)
    found = volumes(records)
    return None if found is None else max(found.alone, key=lambda pair: pair[1])[0]
