"""What a person or a timer may ask for, and what follows from it. Pure: the same with and without a running engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from campaigns.errors import did_you_mean, shown
from orchestrator import stock
from orchestrator.decide import CAMPAIGN
from orchestrator.errors import Refused
from orchestrator.events import Event
from orchestrator.lab import LabState
from orchestrator.lifecycle import Action, Campaign, Experiment, Lab
from orchestrator.proposing import judged, proposed
from orchestrator.samples import GONE
from orchestrator.scheduling.layout import place_of, positions
from orchestrator.states import ActionState

LAB = "lab"
Kind = Literal[
    "pause",
    "continue",
    "abort",
    "settle",
    "timer",
    "stop",
    "release",
    "device",
    "sample",
    "propose",
    "approve",
    "reject",
    "refill",
]
# What each kind needs to be told, as text.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "settle": ("action", "verdict", "note"),
    "stop": ("note",),
    "release": ("note",),
    "device": ("device", "to", "note"),
    "sample": ("sample", "to", "note"),
    "propose": ("note",),
    "approve": ("experiments", "note"),
    "reject": ("experiments", "note"),
    "refill": ("consumable", "amount", "note"),
}


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
        needs = NEEDS.get(self.kind, ())
        for name in needs:
            if not isinstance(self.arguments.get(name), str):
                raise Refused("E505", f"{self.kind} needs {name!r} as text", cure=f"say {', '.join(needs)}")
        for name in ("experiment", "now"):
            if not isinstance(self.arguments.get(name, ""), str):
                raise Refused("E505", f"{name!r} is said as text, got {shown(self.arguments[name])}")

    @property
    def now(self) -> bool:
        """Whether what is in hand is to be halted as well."""
        return bool(self.arguments.get("now"))

    def halts(self, devices: Iterable[str]) -> frozenset[str]:
        """Of `devices` those that the command wants still at once, before anything is written."""
        if self.kind == "stop" or (self.kind == "pause" and self.now and "experiment" not in self.arguments):
            return frozenset(devices)
        if self.kind == "device" and self.now and self.arguments["to"] == "out":
            return frozenset(devices) & {self.arguments["device"]}
        return frozenset()


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
    if "experiment" in command.arguments:
        return _ask(state, command, "pause")
    if state.campaign is Campaign.PAUSED:
        if command.now and not state.now:
            return [_event("campaign.paused", command, f"paused now by {command.by}", now=True)]
        return []
    if state.campaign not in (Campaign.OPEN, Campaign.WAITING):
        raise Refused("E505", f"a campaign that is {state.campaign} cannot be paused")
    if command.now:
        return [_event("campaign.paused", command, f"paused now by {command.by}", now=True)]
    return [_event("campaign.paused", command, f"paused by {command.by}")]


def _ask(state: LabState, command: Command, what: str) -> list[Event]:
    """What a person asks for one experiment. It comes when the act in hand has ended: nothing is rewound."""
    name = command.arguments["experiment"]
    experiment = state.experiments.get(name)
    if experiment is None or experiment.over:
        live = ", ".join(state.live) or "none"
        how = "there is no" if experiment is None else f"it is {experiment.state}:"
        raise Refused("E505", f"{how} experiment {name!r}", cure=f"those not over are: {live}")
    paused = experiment.state is Experiment.PAUSED
    if experiment.asked == what or (what == "pause" and paused):
        return []
    said = {"pause": "paused", "abort": "given up", "continue": "continued"}[what]
    body = {"what": what, "reason": f"{said} by {command.by}"}
    if what == "continue" and paused:
        kind = "experiment.continued" if experiment.started_at is not None else "experiment.queued"
        return [Event(name, kind, {"reason": body["reason"]}, actor=command.by, cause=command.key)]
    if what == "continue" and not experiment.asked:
        return []
    return [Event(name, "experiment.asked", body, actor=command.by, cause=command.key)]


def _continue(state: LabState, command: Command) -> list[Event]:
    if "experiment" in command.arguments:
        return _ask(state, command, "continue")
    if state.campaign is Campaign.OPEN:
        return []
    if state.campaign is not Campaign.PAUSED:
        raise Refused("E505", f"a campaign that is {state.campaign} cannot be continued")
    return [_event("campaign.continued", command, f"continued by {command.by}")]


def _abort(state: LabState, command: Command) -> list[Event]:
    if "experiment" in command.arguments:
        return _ask(state, command, "abort")
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


def _stop(state: LabState, command: Command) -> list[Event]:
    """Always obeyed: a stop is never wrong."""
    said = {name: command.arguments[name] for name in ("halted", "silent") if name in command.arguments}
    body = {"reason": f"{command.by}: {command.arguments['note']}", **said}
    return [Event(LAB, "lab.stopped", body, actor=command.by, cause=command.key)]


def _release(state: LabState, command: Command) -> list[Event]:
    if state.lab is not Lab.STOPPED:
        raise Refused("E505", "the laboratory is not stopped")
    if not command.arguments["note"].strip():
        raise Refused(
            "E505", "a release says why it is safe", cure="--note 'the spill is dry, doors are shut'"
        )
    body = {"reason": f"{command.by}: {command.arguments['note']}"}
    return [Event(LAB, "lab.released", body, actor=command.by, cause=command.key)]


def _device(state: LabState, command: Command) -> list[Event]:
    """Take a device out of use, or put it in again; what it has in hand goes on, or with `now` is halted."""
    name, to = command.arguments["device"], command.arguments["to"]
    known = state.opened.get("lab", {}).get("devices", {})
    if name not in known:
        raise Refused("E505", f"there is no device {name!r}", cure=did_you_mean(name, known))
    body = {"reason": f"{command.by}: {command.arguments['note']}"}
    match to:
        case "out":
            if name in state.out and not (command.now and not state.out[name].get("now")):
                return []
            return [
                Event(
                    name,
                    "device.taken_out",
                    {**body, "now": command.now},
                    actor=command.by,
                    cause=command.key,
                )
            ]
        case "in":
            if name not in state.out:
                return []
            return [Event(name, "device.put_in", body, actor=command.by, cause=command.key)]
    raise Refused("E505", f"a device is put 'in' or taken 'out', not {to!r}")


def _sample(state: LabState, command: Command) -> list[Event]:
    """A person's word on where a sample is, or that it was taken out of the laboratory (`to` is "gone")."""
    name, to = command.arguments["sample"], command.arguments["to"]
    here = state.samples.here
    if name not in here:
        raise Refused("E505", f"there is no sample {name!r} in the laboratory", cure=did_you_mean(name, here))
    for action in state.open_actions.values():
        if name in action.experiments:
            how = "is in doubt: settle that first" if action.state is Action.IN_DOUBT else "has it in hand"
            raise Refused("E505", f"{action.id} {how}", cure="`alquimia doubts` says what is in doubt")
    body = {"reason": f"{command.by}: {command.arguments['note']}"}
    stream = f"sample/{name}"
    if to == GONE:
        return [Event(stream, "sample.removed", body, actor=command.by, cause=command.key)]
    places = state.opened.get("lab", {}).get("places", {})
    slots = places.get(place_of(to), {}).get("slots", 1)
    known = positions(place_of(to), slots) if place_of(to) in places else ()
    if to not in known:
        cure = did_you_mean(to, [p for place, one in places.items() for p in positions(place, one["slots"])])
        raise Refused("E505", f"there is no place {to!r}", cure=cure)
    many = slots == "many"
    other = state.samples.claimed().get(to, name)
    if not many and other != name:
        at = here[other].at
        where = f"{other} is there" if at == to else f"{other} may be there, or has it kept"
        raise Refused("E505", f"{to} is taken: {where}", cure=f"say where {other} is first")
    if here[name].at == to and not here[name].failures:
        return []
    end = (state.opened.get("lab", {}).get("samples") or {}).get("end")
    more = {"place": to, "many": many, "last": place_of(to) == end and state.experiments[name].over}
    return [Event(stream, "sample.placed", body | more, actor=command.by, cause=command.key)]


def _refill(state: LabState, command: Command) -> list[Event]:
    """How much of a consumable is there now, or with a + how much more; the word of a named person."""
    said = {name: command.arguments[name] for name in NEEDS["refill"]}
    body = stock.filled(state.stock, said["consumable"], said["amount"])
    reason = f"{command.by}: {said['note']}" if said["note"] else command.by
    stream = f"consumable/{said['consumable']}"
    return [
        Event(stream, "consumable.filled", {**body, "reason": reason}, actor=command.by, cause=command.key)
    ]


def _propose(state: LabState, command: Command) -> list[Event]:
    """A candidate of a person's own; every argument but the note is the value of a parameter."""
    said = {name: str(text) for name, text in command.arguments.items() if name != "note"}
    return proposed(state, said, command.by, command.arguments["note"], command.key)


def _judge(state: LabState, command: Command) -> list[Event]:
    names, note = command.arguments["experiments"], command.arguments["note"]
    approved = command.kind == "approve"
    return judged(state, names, approved=approved, by=command.by, note=note, cause=command.key)


def _timer(state: LabState, command: Command) -> list[Event]:
    """Its arrival is all there is to know: the rules look for the key."""
    return []


def _event(kind: str, command: Command, reason: str, **more: Any) -> Event:
    return Event(CAMPAIGN, kind, {"reason": reason, **more}, actor=command.by, cause=command.key)


_CONSEQUENCES = {
    "pause": _pause,
    "continue": _continue,
    "abort": _abort,
    "settle": _settle,
    "timer": _timer,
    "stop": _stop,
    "release": _release,
    "device": _device,
    "sample": _sample,
    "propose": _propose,
    "approve": _judge,
    "reject": _judge,
    "refill": _refill,
}
