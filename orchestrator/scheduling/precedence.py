"""Which experiment goes first where several want one device: the one whose window closes soonest, then the one with the
most work before it. Pure.

Graham's list scheduling (SIAM J. Appl. Math. 17, 416, 1969) by the longest remaining processing time: a device that is
free is never kept waiting, and what takes longest is not begun last. It needs no plan that reality could depart from:
the order follows from what has happened, and is made anew with every decision.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from orchestrator.binding import BoundCampaign
from orchestrator.lab import LabState
from orchestrator.scheduling import windows
from orchestrator.states import ExperimentState


def ordered(
    experiments: Iterable[ExperimentState], state: LabState, bound: BoundCampaign
) -> list[ExperimentState]:
    """Experiments whose next step has to begin within a time, by that time; then the others by remaining work, most
    first; of equal work the earlier one."""
    every = list(experiments)
    if len(every) < 2:
        return every
    return sorted(every, key=lambda one: (_closes_s(one, state, bound), -remaining_s(one, bound), one.number))


def _closes_s(experiment: ExperimentState, state: LabState, bound: BoundCampaign) -> float:
    """Lab time at which the window of its next step closes, infinite where it has none."""
    latest = windows.due(experiment, state, bound)[1] if bound.windowed else None
    return math.inf if latest is None else latest


def remaining_s(experiment: ExperimentState, bound: BoundCampaign) -> float:
    """Lab seconds that the steps from the next one on usually take."""
    total = 0.0
    for step in bound.of(experiment.loop).steps[experiment.step :]:
        try:
            arguments = step.arguments(experiment.candidate, experiment.structures)
        except KeyError:  # a crystal that nobody described: it is rejected before it is begun
            continue
        total += step.spec.lasts_s(arguments)
    return total
