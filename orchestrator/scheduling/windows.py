"""Times between the steps of one sample, and the devices that are kept free so that they can be met. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.binding import BoundCampaign
from orchestrator.lab import LabState
from orchestrator.lifecycle import Action
from orchestrator.states import ExperimentState


def ended_before_s(experiment: ExperimentState, state: LabState) -> float | None:
    """Lab time at which the step before the next one ended, None where there is none. An end that nobody saw (a device
    or a person only said that it was done) is taken to have come when it was expected."""
    for name in reversed(experiment.actions):
        action = state.actions[name]
        if action.step == experiment.step - 1 and action.state is Action.SUCCEEDED:
            return action.ends_s if action.ended_s is None else action.ended_s
    return None


def due(
    experiment: ExperimentState, state: LabState, bound: BoundCampaign
) -> tuple[float | None, float | None]:
    """Lab times (not before, not later) at which the next step may begin."""
    step = bound.of(experiment.loop).steps[experiment.step].step
    if step.after_s is None and step.within_s is None:
        return None, None
    ended_s = ended_before_s(experiment, state)
    if ended_s is None:
        return None, None
    return (
        None if step.after_s is None else ended_s + step.after_s,
        None if step.within_s is None else ended_s + step.within_s,
    )


def promised_to_others(experiment: ExperimentState, state: LabState) -> Mapping[str, float]:
    """Device -> the lab time by which it must be free for another experiment's step that has a window."""
    out: dict[str, float] = {}
    for other in state.live.values():
        if other is experiment or not other.actions:
            continue
        for name in reversed(other.actions):
            action = state.actions[name]
            if action.step is None:
                continue  # it is being carried from the one to the other
            coming = action.open or (action.state is Action.SUCCEEDED and action.step == other.step - 1)
            for device, by_s in action.promises.items() if coming else ():
                out[device] = min(by_s, out.get(device, by_s))
            break
    return out


def free_from_s(device: str, state: LabState, now_s: float) -> float:
    """Lab time from which a device is expected to be free; infinite where nobody knows."""
    action = state.open_actions.get(device)
    if action is None:
        return now_s
    if action.state is Action.IN_DOUBT or action.ends_s is None:
        return float("inf")
    return max(action.ends_s, now_s)


def promises(
    experiment: ExperimentState, ends_s: float, state: LabState, bound: BoundCampaign, now_s: float
) -> Mapping[str, float] | None:
    """Devices to keep free for the steps with windows that follow the next one, which is expected to end at `ends_s`;
    None: they cannot be had in time, and the next step must wait."""
    its, out = bound.of(experiment.loop), dict[str, float]()
    layout = bound.laboratory.layout
    promised: Mapping[str, float] | None = None
    for step in its.steps[experiment.step + 1 :]:
        within_s = step.step.within_s
        if within_s is None:
            break
        if promised is None:
            promised = promised_to_others(experiment, state)
        arguments = step.arguments(experiment.candidate, experiment.structures)
        carried_s = 0.0 if layout is None else max((t.spec.takes_s for t in layout.transports), default=0.0)
        by_s = ends_s + max(within_s - 2 * carried_s, 0.0)
        lasts_s = step.spec.lasts_s(arguments)
        device = next(
            (
                one
                for one in step.devices
                if free_from_s(one, state, now_s) <= by_s
                and by_s + lasts_s <= promised.get(one, float("inf"))
                and one not in state.out
                and one not in state.absent
            ),
            None,
        )
        if device is None:
            return None
        out[device] = by_s
        ends_s = ends_s + carried_s + lasts_s
    return out
