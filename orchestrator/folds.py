"""What each kind of event changes in the state. Pure: nothing but the event and the state so far counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from orchestrator import lifecycle, stock
from orchestrator.lifecycle import OPEN_ACTIONS
from orchestrator.records import EventRecord, MeasuredValue, PerAtomValues
from orchestrator.samples import after
from orchestrator.states import ActionState, ExperimentState, PhaseState, Said, SignalState, told

if TYPE_CHECKING:
    from orchestrator.lab import LabState


def _campaign(state: LabState, event: EventRecord) -> None:
    after = lifecycle.passage(
        lifecycle.CAMPAIGN, state.campaign, event.kind, of=f"campaign {event.stream}", story=state.story
    )
    state.campaign = after
    state.story.append(event.kind)
    state.reason = event.body.get("reason", "")
    state.aborted |= event.body.get("abort", False)
    state.now = event.kind == "campaign.paused" and (state.now or event.body.get("now", False))
    if event.kind == "campaign.opened":
        state.opened = event.body
        state.stock = stock.opened(event.body.get("lab", {}).get("consumables", {}))


def _engine(state: LabState, event: EventRecord) -> None:
    state.absent.clear()


def _phase(state: LabState, event: EventRecord) -> None:
    b = event.body
    state.several |= bool(b.get("loop"))
    state.phases.append(
        PhaseState(
            b["index"], b["mode"], b["method"], b["entered_after"], b["rule"], event.at, b.get("loop", "")
        )
    )


def _model(state: LabState, event: EventRecord) -> None:
    said = state.said.setdefault(event.body.get("loop", ""), Said())
    if event.kind == "model.gated":
        said.gated_at_n, said.gate = event.body["n_told"], event.body["reason"]
        return
    said.diagnostics = event.body["diagnostics"]
    said.diagnosed_at_n = event.body["n_told"]


def _loop(state: LabState, event: EventRecord) -> None:
    state.loops_ended[event.body["loop"]] = event.body["reason"]


def _experiment(state: LabState, event: EventRecord) -> None:
    body, known = event.body, state.experiments.get(event.stream)
    after = lifecycle.passage(
        lifecycle.EXPERIMENT,
        known.state if known else None,
        event.kind,
        of=f"experiment {event.stream}",
        story=known.story if known else (),
    )
    if known is None:
        known = ExperimentState(
            id=event.stream,
            number=body["number"],
            candidate=body["candidate"],
            proposal=body["proposal"],
            state=after,
            proposed_at=event.at,
            loop=body.get("loop", ""),
            structures=body.get("structures", {}),
        )
        state.experiments[known.id] = state.live[known.id] = known
    known.state = after
    known.needs = body.get("needs", known.needs)
    known.story.append(event.kind)
    if event.kind == "experiment.asked":
        known.asked, known.asked_why = {"continue": ""}.get(body["what"], body["what"]), body["reason"]
        return
    if event.kind == "experiment.approved":
        known.approved = True
    if event.kind in ("experiment.paused", "experiment.continued"):
        known.asked = ""
    if event.kind == "experiment.started":
        known.started_at = event.at
    if known.over:
        known.ended_at = event.at
        del state.live[known.id]
        state.ended.append(known)
    if "attribution" in body:
        known.failure = (body["attribution"], body["reason"])
        state.n_failed += 1
    elif event.kind == "experiment.cancelled":
        known.failure = ("cancelled", body["reason"])
    state.n_told += told(known)


def _action(state: LabState, event: EventRecord) -> None:
    body, known = event.body, state.actions.get(event.stream)
    state_after = lifecycle.passage(
        lifecycle.ACTION,
        known.state if known else None,
        event.kind,
        of=f"action {event.stream}",
        story=[] if known is None else [f"{known.device}.{known.verb} intended {known.at}", known.reason],
    )
    if known is None:
        known = ActionState(
            **{
                k: body[k]
                for k in ("experiment", "step", "device", "verb", "args", "sample", "repeat", "attempt")
            },
            id=event.stream,
            deadline_s=body["deadline_s"],
            late_s=body.get("late_s"),
            together=tuple(body.get("together", ())),
            moves=body.get("moves", {}),
            holds=tuple(body.get("holds", ())),
            promises=body.get("promises", {}),
            ends_s=body.get("ends_s"),
            reserves=body.get("reserves", {}),
            state=state_after,
            at=event.at,
        )
        state.actions[known.id] = state.open_actions[known.device] = known
        state.held |= dict.fromkeys(known.holds, known.id)
        for name in known.experiments:
            state.experiments[name].actions.append(known.id)
        if known.moves:
            state.samples.carry(known.id, known.sample, known.moves)
        _forget_readings(state, known.device)
        stock.reserve(state.stock, known.id, known.reserves)
        return
    known.state = state_after
    if event.kind == "action.late":
        known.late = True
        return
    known.halted = body.get("halted", False)
    known.reason = body.get("reason", "")
    known.attribution = body.get("attribution", "")
    if state_after in OPEN_ACTIONS:
        return
    del state.open_actions[known.device]
    for device in known.holds:
        del state.held[device]
    state.last_of[known.device] = known
    known.used = stock.settle(state.stock, known.id, known.reserves, known.state, body)
    known.began_s, known.ended_s = body.get("began_s"), body.get("ended_s")
    if known.began_s is not None and known.ended_s is not None:
        if state.lab_origin_s is None or known.began_s < state.lab_origin_s:
            state.lab_origin_s = known.began_s
        if state.lab_until_s is None or known.ended_s > state.lab_until_s:
            state.lab_until_s = known.ended_s
        for experiment in map(state.experiments.__getitem__, known.experiments):
            if not experiment.over or not known.moves:  # what is cleared away afterwards is no part of it
                experiment.lab_ended_s = known.ended_s
            if experiment.lab_began_s is None:
                experiment.lab_began_s = known.began_s
    for name, (value, unit) in body.get("readings", {}).items():
        state.signals[f"{known.device}.{name}"] = SignalState(value, unit, event.at)
    _whereabouts(state, known, event)
    if event.kind == "action.succeeded" and known.step is not None:
        for experiment in map(state.experiments.__getitem__, known.experiments):
            experiment.step = known.step + 1
            experiment.relaxed = body.get("record", {}).get("relaxed") or experiment.relaxed


def _whereabouts(state: LabState, action: ActionState, event: EventRecord) -> None:
    """Where its samples are now that an action has ended."""
    if event.kind == "action.discarded":
        for name in action.experiments:
            state.samples.remove(name)
    elif action.moves and action.sample in state.samples.here:
        place = after(event.kind, event.body, action.moves)
        if place is not None:
            on = action.moves if place == action.moves["to"] else {}
            in_vain = not on and not action.halted and action.attribution != "busy"
            state.samples.put(
                action.sample, place, action.ended_s,
                bound_for=on.get("for"), last=bool(on.get("last")), many=bool(on.get("many")),
                failures=state.samples.here[action.sample].failures + in_vain if not on else 0,
            )  # fmt: skip


def _sample(state: LabState, event: EventRecord) -> None:
    name = event.stream.partition("/")[2]
    before = lifecycle.Sample.HERE if name in state.samples.here else None
    before = lifecycle.Sample.GONE if name in state.samples.left else before
    lifecycle.passage(lifecycle.SAMPLE, before, event.kind, of=f"sample {name}", story=[])
    match event.kind:
        case "sample.entered":
            state.samples.enter(name, event.body["place"])
        case "sample.placed":
            last, many = event.body.get("last", False), event.body.get("many", False)
            state.samples.put(name, event.body["place"], last=last, many=many)
        case "sample.removed":
            state.samples.remove(name)


def _forget_readings(state: LabState, device: str) -> None:
    """What an action measured holds until the device acts again: then it may be anything."""
    gone = [name for name, s in state.signals.items() if not s.polled and name.startswith(f"{device}.")]
    for name in gone:
        del state.signals[name]


def _measurement(state: LabState, event: EventRecord) -> None:
    body = event.body
    experiment = state.experiments[body["experiment"]]
    if event.kind == "measurement.recorded":
        experiment.values[body["name"]] = MeasuredValue(body["value"], body["unit"], body["sigma"])
    elif event.kind == "measurement.array":
        experiment.arrays[body["name"]] = PerAtomValues(body["values"], body["unit"])
    elif body["sought"]:
        action = state.actions[body["action"]]
        action.again = True
        assert action.step is not None  # nothing is measured by carrying
        experiment.step = action.step  # the step is not done while its reading is worth nothing


def _lab(state: LabState, event: EventRecord) -> None:
    state.lab = lifecycle.passage(
        lifecycle.LAB, state.lab, event.kind, of="the laboratory", story=state.story
    )
    stopped = event.kind == "lab.stopped"
    state.stopped = {"by": event.actor, "at": event.at, **event.body} if stopped else {}


def _signal(state: LabState, event: EventRecord) -> None:
    b = event.body
    state.signals[b["signal"]] = SignalState(b["value"], b["unit"], event.at, b["reason"], polled=True)


def _suspender(state: LabState, event: EventRecord) -> None:
    signal = event.body["signal"]
    before = lifecycle.Suspender.TRIPPED if signal in state.suspended else lifecycle.Suspender.CLEAR
    lifecycle.passage(lifecycle.SUSPENDER, before, event.kind, of=f"suspender {signal}", story=[])
    if event.kind == "suspender.tripped":
        state.suspended[signal] = {"at": event.at, **event.body}
    else:
        del state.suspended[signal]


def _device(state: LabState, event: EventRecord) -> None:
    if event.kind in ("device.taken_out", "device.put_in"):
        device = event.stream
        before = lifecycle.Service.OUT if device in state.out else lifecycle.Service.IN
        lifecycle.passage(lifecycle.SERVICE, before, event.kind, of=f"device {device}", story=[])
        if event.kind == "device.taken_out":
            state.out[device] = {"by": event.actor, "at": event.at, **event.body}
        else:
            del state.out[device]
        return
    if event.kind == "device.ready":
        state.devices[event.stream] = event.body
        state.absent.pop(event.stream, None)
    else:
        state.absent[event.stream] = event.body["reason"]


def _schedule(state: LabState, event: EventRecord) -> None:
    state.forecast = event.body


def _consumable(state: LabState, event: EventRecord) -> None:
    stock.event(state.stock, event)


def _brain(state: LabState, event: EventRecord) -> None:
    state.brain_failures += 1


def _command(state: LabState, event: EventRecord) -> None:
    state.commands.add(event.body["key"])


FOLDS: Mapping[str, Callable[[LabState, EventRecord], None]] = {
    "campaign": _campaign,
    "engine": _engine,
    "phase": _phase,
    "model": _model,
    "experiment": _experiment,
    "action": _action,
    "measurement": _measurement,
    "lab": _lab,
    "signal": _signal,
    "suspender": _suspender,
    "device": _device,
    "loop": _loop,
    "sample": _sample,
    "schedule": _schedule,
    "consumable": _consumable,
    "brain": _brain,
    "command": _command,
}
