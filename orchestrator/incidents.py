"""What the log is told of acts that are late or halted, and of hosts that are gone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from orchestrator.commands import LAB
from orchestrator.events import Event
from orchestrator.hands import Fate
from orchestrator.lab import LabState
from orchestrator.lifecycle import Lab
from orchestrator.states import ActionState


def halted_by_others(fate: Fate, state: LabState) -> list[Event]:
    """A host says that it is halted, and not by this engine: somebody stopped the laboratory beside it."""
    if not fate.halted or state.lab is Lab.STOPPED:
        return []
    reason = f"{state.actions[fate.action].device} was halted by another process than the engine"
    return [Event(LAB, "lab.stopped", {"reason": reason}, actor="host", cause=fate.action)]


def late(action: ActionState) -> list[Event]:
    """An act is in hand for longer than it usually takes; said once."""
    if action.late or action.state != "intended":
        return []
    reason = f"{action.device}.{action.verb} is in hand for more than {action.late_s:g} s"
    return [Event(action.id, "action.late", {"reason": reason, "deadline_s": action.deadline_s})]


def absent(state: LabState, host: str, devices: Collection[str], reason: str) -> list[Event]:
    """A host cannot be reached: its devices are absent, and nobody knows what became of their acts."""
    events = [
        Event(device, "device.absent", {"host": host, "reason": reason})
        for device in devices
        if device not in state.absent
    ]
    return events + [
        Event(a.id, "action.doubted", {"reason": f"host {host} cannot be reached: {reason}"})
        for a in state.open_actions.values()
        if a.state == "intended" and a.device in devices
    ]


def halted(state: LabState, silent: Sequence[str]) -> list[Event]:
    """Every act in hand is in doubt. Devices are halted first and this is written then: a hand that moves matters more
    than a line."""
    said = {"reason": "halted during the act", "hosts_silent": list(silent)}
    return [
        Event(a.id, "action.doubted", said, actor="operator")
        for a in state.open_actions.values()
        if a.state == "intended"
    ]
