"""What the log says: the fold of its events into the state that decisions are made from. Pure; one owner.

The same events give the same state, in a running engine, after a restart and in a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from orchestrator import lifecycle, stock
from orchestrator.lifecycle import OPEN_ACTIONS, OVER
from orchestrator.records import EventRecord, MeasuredValue
from orchestrator.samples import Samples, after


@dataclass
class ActionState:
    """One request to one device, as far as the log knows. `step` is None where it carries a sample to another place."""

    id: str
    experiment: str
    step: int | None
    device: str
    verb: str
    args: Mapping[str, Any]
    sample: str
    repeat: str
    attempt: int
    deadline_s: float
    state: StrEnum
    reason: str = ""
    attribution: str = ""
    began_s: float | None = None
    ended_s: float | None = None
    at: str = ""
    late_s: float | None = None  # seconds in hand from which it counts as late
    late: bool = False  # it was said to be
    halted: bool = False  # not done because its device was halted, which is nobody's failure
    again: bool = False  # a reading of it was rejected and the action may simply be done once more
    reserves: Mapping[str, float] = field(default_factory=dict)  # consumable -> amount put aside for it
    used: Mapping[str, float] = field(default_factory=dict)  # and what it took, once it has ended
    together: tuple[str, ...] = ()  # the other experiments whose samples it takes with that of `experiment`
    moves: Mapping[str, Any] = field(default_factory=dict)  # from, to, via, for: where it carries its sample
    holds: tuple[str, ...] = ()  # devices that it keeps still beside its own
    promises: Mapping[str, float] = field(default_factory=dict)  # device -> lab s by which it must be free
    ends_s: float | None = None  # lab time at which it is expected to end

    @property
    def experiments(self) -> tuple[str, ...]:
        """All experiments that it is part of."""
        return (self.experiment, *self.together)

    @property
    def open(self) -> bool:
        """It holds its device and its sample."""
        return self.state in OPEN_ACTIONS


@dataclass
class ExperimentState:
    """One candidate's life."""

    id: str
    number: int
    candidate: Mapping[str, Any]
    proposal: Mapping[str, Any]
    state: StrEnum
    proposed_at: str
    step: int = 0  # the next step of the recipe
    actions: list[str] = field(default_factory=list)
    values: dict[str, MeasuredValue] = field(default_factory=dict)
    failure: tuple[str, str] | None = None
    started_at: str | None = None
    ended_at: str | None = None
    lab_began_s: float | None = None
    lab_ended_s: float | None = None
    story: list[str] = field(default_factory=list)
    loop: str = ""  # the loop that asked for it; empty: the main one
    structures: Mapping[str, Any] = field(default_factory=dict)  # id -> record of the crystals it is about
    relaxed: Mapping[str, Any] = field(
        default_factory=dict
    )  # the crystal as a labeler left it, where one did

    needs: list[Mapping[str, float]] = field(
        default_factory=list
    )  # step -> consumable -> amount; empty: nothing
    approved: bool = False  # by a person, where that is wanted
    asked: str = ""  # what a person asked for it that is still to come: pause, abort
    asked_why: str = ""

    @property
    def over(self) -> bool:
        """Nothing more will happen to it."""
        return self.state in OVER


@dataclass(frozen=True)
class PhaseState:
    """A phase of the plan that was entered."""

    index: int
    mode: str
    method: str
    entered_after: int
    rule: str
    at: str
    loop: str = ""


@dataclass(frozen=True)
class SignalState:
    """What is known of a signal: `value` in `unit`, None where it is not known, and why not. `polled`: it is read on a
    timetable, so that what is known holds until more is said."""

    value: float | None
    unit: str
    at: str
    reason: str = ""
    polled: bool = False


@dataclass
class Said:
    """What the model of one loop said of itself last, and with how many results."""

    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    diagnosed_at_n: int = -1
    gated_at_n: int = -1  # results there were when the gate of a phase was last found shut
    gate: str = ""  # why it was


@dataclass
class LabState:
    """The whole: the campaign, its experiments, their actions, devices, and what was asked of the engine."""

    seq: int = 0
    epoch: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    opened: Mapping[str, Any] = field(default_factory=dict)
    campaign: StrEnum | None = None
    reason: str = ""
    aborted: bool = False  # a person ended it: experiments in hand are given up after the act in hand
    experiments: dict[str, ExperimentState] = field(default_factory=dict)
    actions: dict[str, ActionState] = field(default_factory=dict)
    open_actions: dict[str, ActionState] = field(default_factory=dict)  # device -> its open action
    held: dict[str, str] = field(default_factory=dict)  # device -> the action of another that keeps it still
    last_of: dict[str, ActionState] = field(default_factory=dict)  # device -> its latest action that ended
    samples: Samples = field(default_factory=Samples)
    forecast: Mapping[str, Any] = field(default_factory=dict)  # the latest: now_s, why, rows
    live: dict[str, ExperimentState] = field(default_factory=dict)  # experiments that are not over, in order
    ended: list[ExperimentState] = field(default_factory=list)  # those that are, in the order of their ends
    devices: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)  # device -> why its host does not answer
    lab: StrEnum = lifecycle.Lab.OPEN
    stopped: Mapping[str, Any] = field(
        default_factory=dict
    )  # by whom, when and why, while the lab is stopped
    now: bool = False  # the pause that is on halted the devices
    out: dict[str, Mapping[str, Any]] = field(
        default_factory=dict
    )  # device -> by whom and why it is out of use
    signals: dict[str, SignalState] = field(default_factory=dict)
    suspended: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # signal -> why no action begins
    stock: dict[str, stock.StockState] = field(default_factory=dict)  # consumable -> how much there is
    phases: list[PhaseState] = field(default_factory=list)
    said: dict[str, Said] = field(default_factory=dict)  # loop -> what its model said
    loops_ended: dict[str, str] = field(default_factory=dict)  # loop beside the main one -> why it ended
    loop: str = ""  # whose view this is
    several: bool = False  # loops beside the main one have begun
    commands: set[str] = field(default_factory=set)
    n_told: int = 0  # experiments that taught the planner something (a value, or that they cannot be made)
    n_failed: int = 0  # failures that the budget counts
    brain_failures: int = 0
    lab_origin_s: float | None = None  # lab time at which the earliest action began
    lab_until_s: float | None = None  # and at which the latest ended
    story: list[str] = field(default_factory=list)

    def of(self, loop: str) -> LabState:
        """The state as one loop sees it: its own experiments, phases and results, all else as it is.

        A campaign of one loop is seen whole at no cost; otherwise what is counted is counted anew.
        """
        if not loop and not self.several:
            return self
        mine = {key: e for key, e in self.experiments.items() if e.loop == loop}
        return replace(
            self,
            loop=loop,
            experiments=mine,
            live={key: e for key, e in self.live.items() if e.loop == loop},
            ended=[e for e in self.ended if e.loop == loop],
            phases=[phase for phase in self.phases if phase.loop == loop],
            n_told=sum(map(_told, mine.values())),
            n_failed=sum(e.state is lifecycle.Experiment.FAILED for e in mine.values()),
        )

    @property
    def model(self) -> Said:
        """What the model of this loop said last."""
        return self.said.get(self.loop, _NOTHING_SAID)

    @property
    def lab_elapsed_s(self) -> float:
        """Lab time from the beginning of the earliest action to the end of the latest; 0 before that."""
        if self.lab_origin_s is None or self.lab_until_s is None:
            return 0.0
        return self.lab_until_s - self.lab_origin_s

    def lab_time(self, at: float | None) -> float | None:
        """Lab time since the earliest action began, s, of a time on the lab's own clock, which may count from 1970."""
        return None if at is None or self.lab_origin_s is None else at - self.lab_origin_s

    @property
    def lost(self) -> list[str]:
        """Samples whose place nobody knows, although no action carries them."""
        return [one.name for one in self.samples.lost(a.id for a in self.open_actions.values() if a.moves)]

    @property
    def doubts(self) -> list[ActionState]:
        """Actions whose end is not known."""
        return [a for a in self.open_actions.values() if a.state is lifecycle.Action.IN_DOUBT]

    def apply(self, event: EventRecord) -> None:
        """Take one event in. Raises `IllegalPassage` for what no table allows, ValueError for a gap."""
        if event.seq != self.seq + 1:
            raise ValueError(f"event {event.seq} follows event {self.seq}: the log has a gap")
        self.seq = event.seq
        self.epoch = event.epoch
        self.versions[event.stream] = event.version
        _FOLDS[event.kind.partition(".")[0]](self, event)

    def measured(self) -> list[ExperimentState]:
        """Experiments with all their objectives, in the order of proposing."""
        return [e for e in self.experiments.values() if e.state is lifecycle.Experiment.MEASURED]


_NOTHING_SAID = Said()


def fold(events: Iterable[EventRecord]) -> LabState:
    """The state that a log stands for."""
    state = LabState()
    for event in events:
        state.apply(event)
    return state


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


def _told(experiment: ExperimentState) -> bool:
    """Whether it taught the planner something: a value, or that it cannot be made."""
    infeasible = experiment.failure is not None and experiment.failure[0] == "infeasible"
    return experiment.over and (bool(experiment.values) or infeasible)


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
    state.n_told += _told(known)


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


_FOLDS = {
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
