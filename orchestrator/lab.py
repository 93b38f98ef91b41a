"""What the log says: the fold of its events into the state that decisions are made from. Pure; one owner.

The same events give the same state, in a running engine, after a restart and in a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from orchestrator import lifecycle, stock
from orchestrator.folds import FOLDS
from orchestrator.records import EventRecord
from orchestrator.samples import Samples
from orchestrator.states import ActionState, ExperimentState, PhaseState, Said, SignalState, told


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
            n_told=sum(map(told, mine.values())),
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
        FOLDS[event.kind.partition(".")[0]](self, event)

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
