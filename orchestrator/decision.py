"""What is decided: events to commit, and effects to carry out once they are on disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.events import Event


@dataclass(frozen=True)
class Ask:
    """Ask the planner for `n` candidates with the method of a phase. `diagnose` wants its model's state first."""

    phase: int
    n: int
    rule: str
    read_to: int
    n_told: int  # results that the log held then
    diagnose: bool
    n_experiments: int | None = None  # at most so many, replicates of a candidate counted; None: one for each
    loop: str = ""  # the loop that asks; empty: the main one


@dataclass(frozen=True)
class Send:
    """Send an intended action to its host."""

    action: str


@dataclass(frozen=True)
class Wake:
    """Decide again at this lab time, whether anything has happened by then or not."""

    at_s: float


Effect = Ask | Send | Wake


@dataclass(frozen=True)
class Around:
    """What the engine knows beside the log: nothing here changes what is decided, only when."""

    asking: bool = False  # a question to the planner is under way
    stopping: bool = False  # the engine is to end after the acts in hand
    resting: frozenset[str] = frozenset()  # experiments whose busy device is given a pause
    may_begin: bool = True  # neither before the start nor in quiet hours
    now_s: float | None = None  # lab time; None: that of the last event


@dataclass
class Decision:
    """Events to commit together, then effects to carry out, in this order."""

    events: list[Event] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
