"""Times between the steps of one sample, and the devices that are kept free so that they can be met. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from orchestrator.binding import BoundCampaign, BoundStep
from orchestrator.lab import LabState
from orchestrator.lifecycle import Action
from orchestrator.states import ExperimentState

SLACK_S = 1e-6  # of a comparison of lab times


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


def is_due(experiment: ExperimentState, state: LabState, bound: BoundCampaign, now_s: float) -> bool:
    """Whether the next step may begin now, as far as the times between steps go."""
    earliest, latest = due(experiment, state, bound)
    return (earliest is None or now_s >= earliest) and (latest is None or now_s <= latest + SLACK_S)


def way_s(step: BoundStep, following: BoundStep, bound: BoundCampaign) -> float:
    """The longest that a sample is usually carried from a device of one step to one of the next, lab seconds."""
    layout = bound.laboratory.layout
    if layout is None:
        return 0.0
    places = {device: place for place, device in layout.device_of.items()}
    ends = [[places[one] for one in each.devices if one in places] for each in (step, following)]
    return max((layout.way_s(a, b) for a in ends[0] for b in ends[1]), default=0.0)


def waited_s(bound: BoundCampaign) -> float:
    """The longest that a carriage usually waits until another one is done, lab seconds."""
    layout = bound.laboratory.layout
    return 0.0 if layout is None else max((t.spec.takes_s for t in layout.transports), default=0.0)


def turns(step: BoundStep, following: BoundStep, lasts_s: float, bound: BoundCampaign) -> int:
    """How many samples that end a step together one device can serve at the next, which lasts `lasts_s`, one after
    another, before its window is over for the last."""
    if following.step.within_s is None:
        return 1
    way = way_s(step, following, bound)
    each_s = lasts_s + 2 * way  # the one before is taken away meanwhile
    left_s = following.step.within_s - way - waited_s(bound)
    return 1 + int(max(left_s, 0.0) // each_s) if each_s > 0 else 1


def promised_to_others(experiment: ExperimentState, state: LabState) -> Mapping[str, float]:
    """Device -> the lab time by which it must be free for another experiment's step that has a window. Of several that
    a promise was made to together none waits for another."""
    out: dict[str, float] = {}
    for other in state.live.values():
        if other is experiment or not other.actions:
            continue
        for name in reversed(other.actions):
            action = state.actions[name]
            if action.step is None:
                continue  # it is being carried from the one to the other
            if experiment.id in action.experiments:
                break
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
    mates: Sequence[ExperimentState], ends_s: float, state: LabState, bound: BoundCampaign, now_s: float
) -> Mapping[str, float] | None:
    """Devices to keep free for the steps with windows that follow the next one, which some samples take together and
    which is expected to end at `ends_s`; None: they cannot be had in time, and the next step must wait."""
    out: dict[str, float] = {}
    served: Counter[tuple[int, str]] = Counter()  # (step, device) -> samples that it is promised to
    for mate in mates:
        mine = _promised(mate, ends_s, served, state, bound, now_s)
        if mine is None:
            return None
        for device, by_s in mine.items():
            out[device] = min(by_s, out.get(device, by_s))
    return out


def _promised(
    experiment: ExperimentState,
    ends_s: float,
    served: Counter[tuple[int, str]],
    state: LabState,
    bound: BoundCampaign,
    now_s: float,
) -> Mapping[str, float] | None:
    its, out = bound.of(experiment.loop), dict[str, float]()
    promised: Mapping[str, float] | None = None
    for at, step in enumerate(its.steps[experiment.step + 1 :], start=experiment.step + 1):
        within_s = step.step.within_s
        if within_s is None:
            break
        if promised is None:
            promised = promised_to_others(experiment, state)
        lasts_s = step.spec.lasts_s(step.arguments(experiment.candidate, experiment.structures))
        way = way_s(its.steps[at - 1], step, bound)
        by_s = ends_s + max(within_s - way - waited_s(bound), 0.0)
        # A second window right after leaves no time to wait for a turn.
        strict = at + 1 < len(its.steps) and its.steps[at + 1].step.within_s is not None
        most = 1 if strict else turns(its.steps[at - 1], step, lasts_s, bound)
        device = next(
            (
                one
                for one in sorted(step.devices, key=lambda one: served[at, one])
                if served[at, one] < most
                and free_from_s(one, state, now_s) <= by_s
                and by_s + lasts_s <= promised.get(one, float("inf"))
                and in_use(one, state)
            ),
            None,
        )
        if device is None:
            return None
        served[at, device] += 1
        out[device] = by_s
        ends_s = ends_s + way + lasts_s
    return out


def in_use(device: str, state: LabState) -> bool:
    """Whether a device is there, and no person took it out."""
    return device not in state.out and device not in state.absent
