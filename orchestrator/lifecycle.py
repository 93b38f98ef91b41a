"""The states of experiments, actions, campaigns, devices and the laboratory, and every passage between them, as data.

What is not in a table cannot happen: `passage` raises with the story of the thing that tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum


class Experiment(StrEnum):
    PROPOSED = "proposed"
    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"
    PAUSED = "paused"
    MEASURED = "measured"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Action(StrEnum):
    INTENDED = "intended"
    IN_DOUBT = "in doubt"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    NOT_DONE = "not done"
    DISCARDED = "discarded"


class Campaign(StrEnum):
    OPEN = "open"
    WAITING = "waiting"
    PAUSED = "paused"
    ENDING = "ending"
    FINISHED = "finished"


class Lab(StrEnum):
    OPEN = "open"
    STOPPED = "stopped"


class Service(StrEnum):
    """Whether a device may be used: a person decides, whether it answers or not."""

    IN = "in"
    OUT = "out"


class Sample(StrEnum):
    HERE = "here"
    GONE = "gone"


class Suspender(StrEnum):
    CLEAR = "clear"
    TRIPPED = "tripped"


class Stock(StrEnum):
    """Of a consumable, what was said of it since it was filled last."""

    ENOUGH = "enough"
    LOW = "low"
    OUT = "out"


Table = Mapping[tuple[StrEnum | None, str], StrEnum]

E, A, C = Experiment, Action, Campaign

EXPERIMENT: Table = {
    (None, "experiment.proposed"): E.PROPOSED,
    (E.PROPOSED, "experiment.approved"): E.PROPOSED,
    (E.PROPOSED, "experiment.queued"): E.QUEUED,
    (E.PROPOSED, "experiment.rejected"): E.REJECTED,
    (E.PROPOSED, "experiment.cancelled"): E.CANCELLED,
    (E.QUEUED, "experiment.started"): E.RUNNING,
    (E.QUEUED, "experiment.cancelled"): E.CANCELLED,
    (E.RUNNING, "experiment.measured"): E.MEASURED,
    (E.RUNNING, "experiment.failed"): E.FAILED,
    (E.RUNNING, "experiment.cancelled"): E.CANCELLED,
    (E.RUNNING, "experiment.held"): E.HELD,
    (E.HELD, "experiment.resumed"): E.RUNNING,
    (E.HELD, "experiment.cancelled"): E.CANCELLED,
    (E.QUEUED, "experiment.rejected"): E.REJECTED,  # a rule of the laboratory refuses its first action
    # What a person asks for one experiment is kept until its act in hand has ended.
    **{(state, "experiment.asked"): state for state in (E.PROPOSED, E.QUEUED, E.RUNNING, E.HELD, E.PAUSED)},
    (E.QUEUED, "experiment.paused"): E.PAUSED,
    (E.RUNNING, "experiment.paused"): E.PAUSED,
    (E.PAUSED, "experiment.queued"): E.QUEUED,
    (E.PAUSED, "experiment.continued"): E.RUNNING,
    (E.PAUSED, "experiment.cancelled"): E.CANCELLED,
}

ACTION: Table = {
    (None, "action.intended"): A.INTENDED,
    (A.INTENDED, "action.succeeded"): A.SUCCEEDED,
    (A.INTENDED, "action.failed"): A.FAILED,
    (A.INTENDED, "action.refused"): A.REFUSED,
    (A.INTENDED, "action.not_done"): A.NOT_DONE,
    (A.INTENDED, "action.doubted"): A.IN_DOUBT,
    (A.INTENDED, "action.late"): A.INTENDED,
    (A.IN_DOUBT, "action.succeeded"): A.SUCCEEDED,
    (A.IN_DOUBT, "action.failed"): A.FAILED,
    (A.IN_DOUBT, "action.not_done"): A.NOT_DONE,
    (A.IN_DOUBT, "action.discarded"): A.DISCARDED,
}

CAMPAIGN: Table = {
    (None, "campaign.opened"): C.OPEN,
    (C.OPEN, "campaign.waiting"): C.WAITING,
    (C.OPEN, "campaign.paused"): C.PAUSED,
    (C.OPEN, "campaign.ending"): C.ENDING,
    (C.WAITING, "campaign.continued"): C.OPEN,
    (C.WAITING, "campaign.paused"): C.PAUSED,
    (C.WAITING, "campaign.ending"): C.ENDING,
    (C.PAUSED, "campaign.paused"): C.PAUSED,  # soon, and then now
    (C.PAUSED, "campaign.continued"): C.OPEN,
    (C.PAUSED, "campaign.ending"): C.ENDING,
    (C.ENDING, "campaign.ending"): C.ENDING,  # aborted while the experiments in hand go on to their end
    (C.ENDING, "campaign.finished"): C.FINISHED,
}

LAB: Table = {
    (Lab.OPEN, "lab.stopped"): Lab.STOPPED,
    (Lab.STOPPED, "lab.stopped"): Lab.STOPPED,  # said again, by another person
    (Lab.STOPPED, "lab.released"): Lab.OPEN,
}

SERVICE: Table = {
    (Service.IN, "device.taken_out"): Service.OUT,
    (Service.OUT, "device.taken_out"): Service.OUT,
    (Service.OUT, "device.put_in"): Service.IN,
}

SAMPLE: Table = {
    (None, "sample.entered"): Sample.HERE,
    (Sample.HERE, "sample.placed"): Sample.HERE,
    (Sample.HERE, "sample.removed"): Sample.GONE,
}

SUSPENDER: Table = {
    (Suspender.CLEAR, "suspender.tripped"): Suspender.TRIPPED,
    (Suspender.TRIPPED, "suspender.cleared"): Suspender.CLEAR,
}

STOCK: Table = {
    (Stock.ENOUGH, "consumable.low"): Stock.LOW,
    (Stock.ENOUGH, "consumable.out"): Stock.OUT,
    (Stock.LOW, "consumable.out"): Stock.OUT,
    **{(state, "consumable.filled"): Stock.ENOUGH for state in Stock},
}

OPEN_ACTIONS = frozenset({A.INTENDED, A.IN_DOUBT})
OVER = frozenset({E.MEASURED, E.FAILED, E.REJECTED, E.CANCELLED})


class IllegalPassage(Exception):
    """A bug: something was about to happen that no table allows."""


def passage(table: Table, state: StrEnum | None, kind: str, *, of: str, story: Sequence[str]) -> StrEnum:
    """The state after `kind`; raises `IllegalPassage` with the object's story where the table has no such pair."""
    try:
        return table[state, kind]
    except KeyError:
        told = " -> ".join(story) or "it did not exist"
        raise IllegalPassage(f"{of}: {kind} is not possible in state {state}. Its story: {told}") from None
