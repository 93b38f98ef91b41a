"""The clock of a campaign: APScheduler wakes the engine. It keeps nothing; schedules are folded from the log at start.

A timer whose arrival matters posts a command whose key is `timer-id@due-time`, so that a second firing of the same
timer, after a crash say, is refused by the primary key of the inbox.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_SUBMITTED, JobSubmissionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from campaigns.campaign import Campaign, Schedule
from orchestrator.commands import Command
from orchestrator.lab import LabState
from orchestrator.rules import phase_timer

HEARTBEAT_S = 2.0


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """A timer that is broken off because the engine ends is no error, whatever the scheduler says."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)


logging.getLogger("apscheduler.executors.default").addFilter(_is_worth_saying)


def may_begin(schedule: Schedule, now: datetime) -> bool:
    """Whether an experiment may be begun at `now` (aware): after the start and outside quiet hours."""
    if schedule.start is not None and now < schedule.start:
        return False
    return schedule.quiet_hours is None or not schedule.quiet_hours.covers(now)


class Timetable:
    """Timers of one engine. `post` is called with a command for those that matter, `beat` for the heartbeat."""

    def __init__(
        self, post: Callable[[Command], None], beat: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        self._post = post
        self._looks = {"heartbeat"}
        # Memory store: truth is in the log. A late timer fires once, however late; the default would drop it.
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._scheduler.add_listener(self._submitted, EVENT_JOB_SUBMITTED)
        self._scheduler.add_job(beat, IntervalTrigger(seconds=HEARTBEAT_S), id="heartbeat")

    def start(self, campaign: Campaign, state: LabState) -> None:
        """Set every timer that the campaign and its log call for, and start the clock."""
        schedule = campaign.schedule
        if schedule.start is not None:
            self._wake("start", DateTrigger(schedule.start))
        quiet = schedule.quiet_hours
        if quiet is not None:
            for name, moment in (("quiet-begins", quiet.begins), ("quiet-ends", quiet.ends)):
                trigger = CronTrigger(
                    hour=moment.hour, minute=moment.minute, second=moment.second, timezone=quiet.zone
                )
                self._wake(name, trigger)
        self.phases(campaign, state)
        self._scheduler.start()

    def phases(self, campaign: Campaign, state: LabState) -> None:
        """Set the timer of the phase that is on, of each loop, counted from when it was entered."""
        plans = {"": campaign.plan, **{loop.name: loop.plan for loop in campaign.loops}}
        for current in {phase.loop: phase for phase in state.phases}.values():
            timeout_s = plans[current.loop][current.index].timeout_s
            if timeout_s is not None:
                due = datetime.fromisoformat(current.at) + timedelta(seconds=timeout_s)
                self._wake(phase_timer(current), DateTrigger(due))

    def every(self, name: str, seconds: float, look: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Call `look` again and again: a signal is read. Nothing of it is a command."""
        self._looks.add(name)
        self._scheduler.add_job(look, IntervalTrigger(seconds=seconds), id=name, replace_existing=True)

    def _wake(self, name: str, trigger: CronTrigger | DateTrigger) -> None:
        self._scheduler.add_job(_nothing, trigger, id=name, replace_existing=True)

    def _submitted(self, event: JobSubmissionEvent) -> None:
        """Only the scheduler's own event knows the time a firing was due."""
        if event.job_id in self._looks:
            return
        for due in event.scheduled_run_times:
            key = f"{event.job_id}@{due.astimezone(UTC).isoformat()}"
            self._post(Command(key, "timer", "timetable"))

    def stop(self) -> None:
        """No timer fires any more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _nothing() -> None:
    """The firing itself is the message."""
