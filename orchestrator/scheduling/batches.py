"""Samples that one action takes together: which want the same, and how long the first waits for the last. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from orchestrator.binding import BoundCampaign, BoundStep
from orchestrator.lab import LabState
from orchestrator.lifecycle import Experiment
from orchestrator.scheduling import windows
from orchestrator.states import ExperimentState


def key(experiment: ExperimentState, bound: BoundCampaign, step: int | None = None) -> tuple[str, int, str]:
    """What samples must have in common to be acted on together at their next step, or at `step`."""
    at = experiment.step if step is None else step
    arguments = bound.of(experiment.loop).steps[at].arguments(experiment.candidate, experiment.structures)
    return experiment.loop, at, json.dumps(arguments, sort_keys=True, default=str)


def capacity(experiment: ExperimentState, n_positions: int, state: LabState, bound: BoundCampaign) -> int:
    """How many samples the next step of an experiment takes together: no more than can then go on to the step after
    before its window is over."""
    steps = bound.of(experiment.loop).steps
    step = steps[experiment.step]
    most = max(min(step.spec.n_samples, n_positions), 1)
    following = steps[experiment.step + 1] if experiment.step + 1 < len(steps) else None
    if most == 1 or following is None or following.step.within_s is None:
        return most
    after = steps[experiment.step + 2] if experiment.step + 2 < len(steps) else None
    lasts_s = following.spec.lasts_s(following.arguments(experiment.candidate, experiment.structures))
    one_by_one = after is None or after.step.within_s is None
    each = windows.turns(step, following, lasts_s, bound) if one_by_one else 1
    devices = sum(windows.in_use(device, state) for device in following.devices)
    return max(min(most, devices * each), 1)


def waits_to_s(
    mates: Sequence[ExperimentState],
    step: BoundStep,
    device: str,
    most: int,
    lasts_s: float,
    state: LabState,
    bound: BoundCampaign,
) -> float | None:
    """Lab time to which a device waits to be filled with `most` samples; None where it is or nobody else is coming.

    It waits as long as the laboratory says (`fill`), otherwise no longer than the action itself takes: what comes later
    can as well have the next turn.
    """
    if len(mates) >= most:
        return None
    if not any(_on_its_way(one, mates, step, state, bound) for one in state.live.values()):
        return None
    arrived = [state.samples.here[one.id].since_s for one in mates if one.id in state.samples.here]
    since_s = [at for at in arrived if at is not None]
    if not since_s:
        return None
    return min(since_s) + bound.laboratory.fills.get(device, lasts_s)


def _on_its_way(
    experiment: ExperimentState,
    mates: Sequence[ExperimentState],
    step: BoundStep,
    state: LabState,
    bound: BoundCampaign,
) -> bool:
    """Whether an experiment will want the same of this device, as far as can be seen."""
    first = mates[0]
    if (
        experiment in mates
        or experiment.loop != first.loop
        or experiment.step > first.step
        or experiment.asked
    ):
        return False
    if experiment.state not in (Experiment.QUEUED, Experiment.RUNNING):
        return False
    layout = bound.laboratory.layout
    sample = state.samples.here.get(experiment.id)
    if experiment.step == first.step and sample is not None and layout is not None:
        elsewhere = {p for one in step.devices for p in layout.of_device.get(one, ())}
        if sample.at in elsewhere:  # it stands in another of them already
            return False
    return key(experiment, bound, first.step) == key(first, bound)
