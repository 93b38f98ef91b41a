"""What a person or a timer may ask for, and what follows from it. Pure: the same with and without a running engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from campaigns.errors import did_you_mean, shown
from orchestrator.decide import CAMPAIGN
from orchestrator.errors import Refused
from orchestrator.events import Event
from orchestrator.lab import ActionState, LabState
from orchestrator.lifecycle import Action, Campaign

Kind = Literal["pause", "continue", "abort", "settle", "timer"]


@dataclass(frozen=True)
class Command:
    """A request. `key` is the caller's idempotency key: the same key twice is one command."""

    key: str
    kind: Kind
    by: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What comes over the wire is looked at here, before an engine touches it. Raises `Refused` (E505)."""
        texts = {"key": self.key, "kind": self.kind, "by": self.by}
        wrong = [name for name, text in texts.items() if not isinstance(text, str) or not text]
        if wrong or not isinstance(self.arguments, Mapping):
            raise Refused("E505", f"a command needs key, kind and by as text, got {shown(texts)}")
        if self.kind not in get_args(Kind):
            raise Refused(
                "E505", f"{self.kind!r} is no command", cure=did_you_mean(self.kind, get_args(Kind))
            )
        if self.kind != "settle":
            return
        for name in ("action", "verdict", "note"):
            if not isinstance(self.arguments.get(name), str):
                raise Refused("E505", f"settle needs {name!r} as text", cure="say action, verdict and note")


def obey(state: LabState, command: Command) -> list[Event]:
    """The events that a command leads to; none where this very command was obeyed before. Raises `Refused` (E505)."""
    if command.key in state.commands:
        return []
    received = Event(
        "inbox",
        "command.received",
        {"key": command.key, "kind": command.kind, "by": command.by, "arguments": dict(command.arguments)},
        actor=command.by,
    )
    return [received, *_CONSEQUENCES[command.kind](state, command)]


def _pause(state: LabState, command: Command) -> list[Event]:
    if state.campaign is Campaign.PAUSED:
        return []
    if state.campaign not in (Campaign.OPEN, Campaign.WAITING):
        raise Refused("E505", f"a campaign that is {state.campaign} cannot be paused")
    return [_event("campaign.paused", command, f"paused by {command.by}")]


def _continue(state: LabState, command: Command) -> list[Event]:
    if state.campaign is Campaign.OPEN:
        return []
    if state.campaign is not Campaign.PAUSED:
        raise Refused("E505", f"a campaign that is {state.campaign} cannot be continued")
    return [_event("campaign.continued", command, f"continued by {command.by}")]


def _abort(state: LabState, command: Command) -> list[Event]:
    if state.campaign is Campaign.FINISHED:
        raise Refused("E505", "the campaign has finished already")
    if state.aborted:
        return []
    return [_event("campaign.ending", command, f"aborted by {command.by}", abort=True)]


def _settle(state: LabState, command: Command) -> list[Event]:
    """A person's word on a doubt. `done` claims success without readings, `not-done` has it done anew."""
    name, verdict = command.arguments["action"], command.arguments["verdict"]
    action = state.actions.get(name)
    if action is None or action.state is not Action.IN_DOUBT:
        known = ", ".join(a.id for a in state.doubts) or "none"
        raise Refused("E505", f"{name} is not in doubt", cure=f"the open doubts are: {known}")
    note = f"{command.by}: {command.arguments['note']}"
    return [settled(action, verdict, note, actor=command.by, cause=command.key)]


def settled(action: ActionState, verdict: str, reason: str, *, actor: str, cause: str | None) -> Event:
    """The event by which a doubt ends."""
    kind = {"done": "action.succeeded", "not-done": "action.not_done", "discard": "action.discarded"}.get(
        verdict
    )
    if kind is None:
        raise Refused("E505", f"{verdict!r} is no verdict", cure="say done, not-done or discard")
    return Event(action.id, kind, {"reason": reason}, actor=actor, cause=cause)


def _timer(state: LabState, command: Command) -> list[Event]:
    """Its arrival is all there is to know: the rules look for the key."""
    return []


def _event(kind: str, command: Command, reason: str, **more: Any) -> Event:
    return Event(CAMPAIGN, kind, {"reason": reason, **more}, actor=command.by, cause=command.key)


_CONSEQUENCES = {"pause": _pause, "continue": _continue, "abort": _abort, "settle": _settle, "timer": _timer}
