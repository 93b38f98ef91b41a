"""Events: facts that have happened, in the past tense, and how one is written."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.records import EventRecord

KINDS: dict[str, str] = {
    "campaign.opened": "a campaign began: its whole statement, its laboratory, versions and seed",
    "campaign.paused": "no new action is begun until the campaign is continued",
    "campaign.continued": "actions may begin again",
    "campaign.waiting": "the campaign waits for its start or for the end of quiet hours",
    "campaign.ending": "no new experiment is begun; those in hand go on to their end",
    "campaign.finished": "the campaign ended, and why",
    "lab.stopped": "the laboratory was stopped: no action begins until it is released; by whom and why",
    "lab.released": "a named person released the laboratory",
    "engine.started": "an engine took the log over under a new epoch",
    "engine.stopped": "the engine let go of the log in good order",
    "phase.entered": "a phase of the plan began, and the rule that opened it",
    "loop.ended": "a loop beside the main one ended, and why; the campaign goes on",
    "model.diagnosed": "what the surrogate says of its own calibration and error",
    "model.gated": "the gate of a phase was found shut: after how many results, why, and what happened instead",
    "experiment.proposed": "the planner, or its fall-back, asked for a candidate, with why",
    "experiment.approved": "a person approved a candidate that waited for it",
    "experiment.rejected": "a candidate was refused before any action: it crosses a limit, or a person turned it down",
    "experiment.queued": "the candidate's recipe is made out and waits for its devices",
    "experiment.started": "the first action of an experiment was intended",
    "experiment.held": "an action of the experiment is in doubt",
    "experiment.resumed": "the doubt is settled and the experiment goes on",
    "experiment.asked": "a person asked for one experiment to pause, to go on or to end",
    "experiment.paused": "the experiment waits, with no act in hand, until a person continues it",
    "experiment.continued": "a paused experiment goes on",
    "experiment.measured": "every objective of the experiment is measured",
    "experiment.failed": "the experiment ended without its measurement; whose fault is said",
    "experiment.cancelled": "the experiment was given up by a person or with its campaign",
    "action.intended": "an action is about to be sent: written before anything moves",
    "action.late": "an action is in hand for longer than it usually takes: said once, nothing is broken off",
    "action.succeeded": "an action ended as it should",
    "action.failed": "an action ended otherwise, in a way its device knows",
    "action.refused": "a guard let an action not pass; it never reached a device",
    "action.doubted": "an action's end is not known; its device and sample are blocked",
    "action.not_done": "it is known that an action did not happen",
    "action.discarded": "a person gave an action up as lost, its sample with it",
    "measurement.recorded": "a finite value with unit, uncertainty and the action it came from",
    "measurement.array": "numbers for each atom of a structure, with their unit and the action they came from",
    "measurement.rejected": "a reading that is no measurement, and why",
    "device.ready": "a device answered: its driver and version",
    "device.absent": "a device's host does not answer",
    "device.taken_out": "a person took a device out of use: no action goes to it",
    "device.put_in": "a device may be used again",
    "sample.entered": "a new sample stands in the place that is kept for it",
    "sample.placed": "a person said where a sample is",
    "sample.removed": "a person took a sample out of the laboratory",
    "schedule.forecast": "when each step of the experiments in hand is expected, as the same decisions would have it",
    "signal.read": "a signal changed sides for a rule of the laboratory, or is not known any more",
    "suspender.tripped": "a signal left its band, or could not be read: no action begins",
    "suspender.cleared": "a signal was back in its band for its dwell: actions may begin again",
    "consumable.low": "less is left of a consumable than its mark: said once until it is filled again",
    "consumable.out": "an action or experiment waits for the first time for a consumable: said once until it is filled",
    "consumable.filled": "a person filled a consumable, or said how much of it there is",
    "brain.failed": "the planner's process did not answer in time or broke",
    "command.received": "a person or a timer asked for something",
}
SCHEMA = 1


@dataclass(frozen=True)
class Event:
    """A fact, before the log gave it its place."""

    stream: str
    kind: str
    body: Mapping[str, Any]
    actor: str = "engine"
    cause: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown event kind {self.kind!r}")


def utc_now() -> str:
    """The wall clock, ISO 8601 UTC to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_json(body: Mapping[str, Any]) -> str:
    """The one way a body is written: sorted, dense, and never NaN or infinite (ValueError)."""
    return json.dumps(body, allow_nan=False, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Numbering:
    """Gives events their place: sequence, version in their stream, epoch, time. The writer's own copy of the head."""

    def __init__(
        self, seq: int, epoch: int, versions: Mapping[str, int], now: Callable[[], str] = utc_now
    ) -> None:
        self.seq = seq
        self.epoch = epoch
        self._versions = dict(versions)
        self._now = now

    def place(self, event: Event) -> EventRecord:
        """The event as it will stand in the log."""
        self.seq += 1
        version = self._versions.get(event.stream, 0) + 1
        self._versions[event.stream] = version
        return EventRecord(
            seq=self.seq,
            event_id=uuid.uuid4().hex,
            stream=event.stream,
            version=version,
            kind=event.kind,
            schema=SCHEMA,
            epoch=self.epoch,
            at=self._now(),
            actor=event.actor,
            cause=event.cause,
            body=event.body,
        )
