"""Which experiment goes first where several want one device: the one with the most work before it. Pure.

Graham's list scheduling (SIAM J. Appl. Math. 17, 416, 1969) by the longest remaining processing time: a device that is
free is never kept waiting, and what takes longest is not begun last. It needs no plan that reality could depart from:
the order follows from what has happened, and is made anew with every decision.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.binding import BoundCampaign
from orchestrator.states import ExperimentState


def ordered(experiments: Iterable[ExperimentState], bound: BoundCampaign) -> list[ExperimentState]:
    """Experiments by remaining work, most first; of equal work the earlier one."""
    every = list(experiments)
    if len(every) < 2:
        return every
    return sorted(every, key=lambda one: (-remaining_s(one, bound), one.number))


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
