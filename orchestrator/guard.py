"""The one door: no action is intended that this does not let pass. Pure; the host asks again with other code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drivers.protocol import Argument
from orchestrator.binding import BoundStep
from orchestrator.bounds import crossing
from orchestrator.lab import LabState
from orchestrator.lifecycle import Campaign, Lab

KINDS: Mapping[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "choice": (str,),
    "text": (str,),
    "flag": (bool,),
    "structure": (Mapping,),
}


def beyond(step: BoundStep, arguments: Mapping[str, Argument]) -> str | None:
    """Why these arguments may not be sent, naming device, limit and value, or None."""
    for name, value in arguments.items():
        declared = step.spec.parameters[name]
        if not isinstance(value, KINDS[declared.kind]) or (
            isinstance(value, bool) and declared.kind != "flag"
        ):
            return f"{step.step.device}.{name}: a {declared.kind} is wanted, got {value!r}"
        if isinstance(value, bool | str | Mapping):
            if declared.kind == "choice" and value not in declared.choices:
                return f"{step.step.device}.{name}: {value!r} is none of {', '.join(declared.choices)}"
            continue
        for bound in step.bounds(name):
            if crossed := crossing(value, bound):
                return f"{step.step.device}.{name}: {value:g} {declared.unit} asked, limit is {crossed}"
    return None


def halted(state: LabState, devices: Iterable[str]) -> frozenset[str]:
    """Of `devices` those that must not move now, whatever was under way: their hosts keep them halted."""
    if state.lab is Lab.STOPPED or state.now:
        return frozenset(devices)
    return frozenset(device for device in devices if state.out.get(device, {}).get("now", False))


def standstill(state: LabState) -> str | None:
    """Why no action at all may begin, or None."""
    if state.lab is Lab.STOPPED:
        return f"the laboratory is stopped: {state.stopped['reason']}"
    return None


def closed(state: LabState, device: str, sample: str) -> str | None:
    """Why no action may go to `device` with `sample` now, or None. Waiting, not refusing, is the answer to it."""
    if state.campaign in (None, Campaign.PAUSED, Campaign.FINISHED):
        return f"the campaign is {state.campaign}"
    if (still := standstill(state)) is not None:
        return still
    for tripped in state.suspended.values():
        if not tripped["devices"] or device in tripped["devices"]:
            return str(tripped["reason"])
    if device in state.out:
        return f"{device} is out of use: {state.out[device]['reason']}"
    if device in state.absent:
        return f"{device} is absent: {state.absent[device]}"
    if device in state.open_actions:
        return f"{device} is busy with {state.open_actions[device].id}"
    if device in state.held:
        return f"{device} is kept still by {state.held[device]}"
    if any(sample in action.experiments for action in state.open_actions.values()):
        return f"sample {sample} is in another device"
    return None
