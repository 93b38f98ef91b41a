"""What a campaign has cost so far, where it states costs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from orchestrator.records import Records


@dataclass(frozen=True)
class Spending:
    """In the campaign's unit of cost: in all, by the index of the phase, and by the number of the experiment."""

    unit: str
    total: float
    phases: dict[int, float]
    experiments: dict[int, float]


def spending(records: Records) -> Spending | None:
    """The cost of every experiment that was begun, in the order in which they began, so that a change is counted from
    the one before; None where the campaign states no cost."""
    campaign = records.campaign
    if campaign.cost is None:
        return None
    begun = sorted(
        (e for e in records.experiments if e.started_at is not None), key=lambda e: (e.started_at, e.number)
    )
    phases: dict[int, float] = defaultdict(float)
    experiments = {}
    before = None
    for experiment in begun:
        candidate = campaign.space.canonical(dict(experiment.candidate))
        cost = campaign.cost.of_candidate(candidate, before)
        phases[experiment.proposal.phase] += cost
        experiments[experiment.number] = cost
        before = candidate
    return Spending(campaign.cost.unit, sum(experiments.values()), dict(phases), experiments)
