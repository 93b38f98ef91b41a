"""What the log knows of single things: an action, an experiment, a phase, a signal, what a model said of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.lifecycle import OPEN_ACTIONS, OVER
from orchestrator.records import MeasuredValue, PerAtomValues


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
    arrays: dict[str, PerAtomValues] = field(default_factory=dict)
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
    # What it teaches, made once when it is over: a question to the planner says it of every experiment again.
    lesson: Any = field(default=None, compare=False, repr=False)

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


def told(experiment: ExperimentState) -> bool:
    """Whether it taught the planner something: a value, or that it cannot be made."""
    infeasible = experiment.failure is not None and experiment.failure[0] == "infeasible"
    return experiment.over and (bool(experiment.values) or infeasible)
