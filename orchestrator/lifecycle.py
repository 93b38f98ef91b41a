"""The states of an experiment, an action and a campaign, and every passage between them, as data.

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


Table = Mapping[tuple[StrEnum | None, str], StrEnum]

E, A, C = Experiment, Action, Campaign

EXPERIMENT: Table = {
    (None, "experiment.proposed"): E.PROPOSED,
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
}

ACTION: Table = {
    (None, "action.intended"): A.INTENDED,
    (A.INTENDED, "action.succeeded"): A.SUCCEEDED,
    (A.INTENDED, "action.failed"): A.FAILED,
    (A.INTENDED, "action.refused"): A.REFUSED,
    (A.INTENDED, "action.not_done"): A.NOT_DONE,
    (A.INTENDED, "action.doubted"): A.IN_DOUBT,
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
    (C.PAUSED, "campaign.continued"): C.OPEN,
    (C.PAUSED, "campaign.ending"): C.ENDING,
    (C.ENDING, "campaign.ending"): C.ENDING,  # aborted while the experiments in hand go on to their end
    (C.ENDING, "campaign.finished"): C.FINISHED,
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
