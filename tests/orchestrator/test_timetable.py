"""The clock: a start in the future, quiet hours, timers that fire late or twice. No test waits for a real hour."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta

import pytest
from apscheduler.events import JobSubmissionEvent

from campaigns.campaign import Budget, Phase, QuietHours, Schedule
from orchestrator import rules
from orchestrator.commands import Command, obey
from orchestrator.timetable import Timetable, may_begin
from tests.orchestrator.builders import bound, enter, opened, propose, until

PLAN = (
    Phase(mode="explore", method="sobol", timeout_s=50.0, at_most=4),
    Phase(mode="optimise", method="ucb", timeout_s=70.0),
)


@pytest.fixture
async def clock() -> AsyncIterator[tuple[Timetable, list[Command], list[int]]]:
    posted: list[Command] = []
    beats: list[int] = []

    async def beat() -> None:
        beats.append(1)

    timetable = Timetable(posted.append, beat)
    yield timetable, posted, beats
    timetable.stop()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# -- may it begin? --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("now", "may"),
    [("2026-12-01T06:59:59Z", False), ("2026-12-01T07:00:00Z", True), ("2026-12-01T08:00:00+01:00", True),
     ("2026-12-01T07:59:59+01:00", False), ("2027-01-01T00:00:00Z", True)],
)  # fmt: skip
def test_nothing_begins_before_the_start_whatever_the_zone(now: str, may: bool) -> None:
    assert may_begin(Schedule(start=at("2026-12-01T08:00+01:00")), at(now)) == may


@pytest.mark.parametrize(
    ("now", "may"),
    [("2026-06-01T21:59:59+02:00", True), ("2026-06-01T22:00:00+02:00", False), ("2026-06-02T03:00:00+02:00", False),
     ("2026-06-02T06:29:59+02:00", False), ("2026-06-02T06:30:00+02:00", True), ("2026-06-02T04:29:59Z", False),
     ("2026-06-02T04:30:00Z", True), ("2026-12-02T05:29:59Z", False), ("2026-12-02T05:30:00Z", True)],
)  # fmt: skip
def test_quiet_hours_over_midnight_on_their_own_clock(now: str, may: bool) -> None:
    quiet = QuietHours(begins=time(22), ends=time(6, 30), zone="Europe/Zurich")
    assert may_begin(Schedule(quiet_hours=quiet), at(now)) == may


def test_without_a_schedule_all_times_are_good() -> None:
    assert may_begin(Schedule(), datetime.now(UTC))


# -- timers ---------------------------------------------------------------------------------------------------
async def test_a_start_soon_fires_once_and_says_when_it_was_due(
    clock: tuple[Timetable, list[Command], list[int]],
) -> None:
    timetable, posted, _ = clock
    start = datetime.now(UTC) + timedelta(seconds=1)
    the_bound = bound(schedule=Schedule(start=start))
    timetable.start(the_bound.campaign, opened(the_bound).state)
    await until(lambda: bool(posted))
    (command,) = posted
    assert command == Command(f"start@{start.isoformat()}", "timer", "timetable")
    assert may_begin(the_bound.campaign.schedule, datetime.now(UTC)), (
        "it fires when the time has come, not before"
    )


async def test_a_timer_that_is_late_by_days_fires_all_the_same(
    clock: tuple[Timetable, list[Command], list[int]],
) -> None:
    """The engine was off: APScheduler's default would drop a job that is a second late."""
    timetable, posted, _ = clock
    the_bound = bound(plan=PLAN, schedule=Schedule(start=datetime.now(UTC) - timedelta(days=3)))
    log = opened(the_bound)
    enter(log, 0, the_bound)  # entered on the first of January: its timeout was due long ago
    timetable.start(the_bound.campaign, log.state)
    await until(lambda: len(posted) == 2)
    assert {c.key.partition("@")[0] for c in posted} == {"start", "phase-0-timeout"}


async def test_the_timeout_of_a_phase_counts_from_when_it_was_entered(
    clock: tuple[Timetable, list[Command], list[int]],
) -> None:
    timetable, posted, _ = clock
    the_bound = bound(plan=PLAN)
    log = opened(the_bound)
    enter(log, 0, the_bound)
    timetable.start(the_bound.campaign, log.state)
    await until(lambda: bool(posted))
    due = at(log.state.phases[0].at) + timedelta(seconds=50)
    assert posted[0].key == f"phase-0-timeout@{due.isoformat()}"
    log.apply(*obey(log.state, posted[0]))
    assert rules.phase_over(log.state, the_bound.campaign) == "explore was on for its 50 s"
    enter(log, 1, the_bound)
    assert rules.phase_over(log.state, the_bound.campaign) is None
    timetable.phases(the_bound.campaign, log.state)
    await until(lambda: len(posted) == 2)
    assert posted[1].key.startswith("phase-1-timeout@")


async def test_after_a_restart_the_same_timer_has_the_same_key_and_is_obeyed_once() -> None:
    the_bound = bound(plan=PLAN)
    log = opened(the_bound)
    enter(log, 0, the_bound)
    keys = []
    for _ in range(2):  # two engines, one after the other, on one log

        async def beat() -> None:
            return None

        posted: list[Command] = []
        timetable = Timetable(posted.append, beat)
        timetable.start(the_bound.campaign, log.state)
        await until(lambda: bool(posted))  # noqa: B023
        timetable.stop()
        keys.append(posted[0].key)
        log.apply(*obey(log.state, posted[0]))
        log.restart()
    assert keys[0] == keys[1]
    assert [e.body["key"] for e in log.events if e.kind == "command.received"] == keys[:1]


async def test_quiet_hours_wake_the_engine_at_both_ends(
    clock: tuple[Timetable, list[Command], list[int]],
) -> None:
    timetable, _, _ = clock
    quiet = QuietHours(begins=time(22), ends=time(6, 30), zone="Europe/Zurich")
    the_bound = bound(schedule=Schedule(quiet_hours=quiet))
    timetable.start(the_bound.campaign, opened(the_bound).state)
    jobs = {job.id: job.next_run_time for job in timetable._scheduler.get_jobs()}
    for name, moment in (("quiet-begins", time(22)), ("quiet-ends", time(6, 30))):
        assert (
            jobs[name].timetz().replace(tzinfo=None) == moment and str(jobs[name].tzinfo) == "Europe/Zurich"
        )
        just_before, just_after = (
            may_begin(the_bound.campaign.schedule, jobs[name] + timedelta(seconds=s)) for s in (-1, 0)
        )
        assert (just_before, just_after) == ((True, False) if name == "quiet-begins" else (False, True))


def test_a_job_that_fires_for_several_due_times_posts_one_command_for_each() -> None:
    async def beat() -> None:
        return None

    posted: list[Command] = []
    timetable = Timetable(posted.append, beat)
    dues = [at("2026-01-01T06:30:00+01:00"), at("2026-01-02T06:30:00+01:00")]
    timetable._submitted(JobSubmissionEvent(1, "quiet-ends", "default", dues))
    timetable._submitted(JobSubmissionEvent(1, "heartbeat", "default", dues))
    assert [c.key for c in posted] == [
        "quiet-ends@2026-01-01T05:30:00+00:00",
        "quiet-ends@2026-01-02T05:30:00+00:00",
    ]


async def test_the_heart_beats(clock: tuple[Timetable, list[Command], list[int]]) -> None:
    timetable, posted, beats = clock
    the_bound = bound()
    timetable.start(the_bound.campaign, opened(the_bound).state)
    timetable._scheduler.modify_job("heartbeat", next_run_time=datetime.now(UTC))
    await until(lambda: bool(beats))
    assert not posted, "a heartbeat is no command"


def test_a_phase_that_timed_out_waits_for_what_is_in_hand() -> None:
    from orchestrator.decide import decide
    from orchestrator.decision import Around

    the_bound = bound(plan=PLAN, budget=Budget(experiments=20))
    log = opened(the_bound)
    enter(log, 0, the_bound)
    propose(log)
    while events := decide(log.state, the_bound, Around()).events:
        log.apply(*events)
    log.apply(*obey(log.state, Command("phase-0-timeout@x", "timer", "timetable")))
    assert not decide(log.state, the_bound, Around()).events
    log.say("x0001.mix.1", "action.failed", attribution="instrument", reason="broken")
    while events := decide(log.state, the_bound, Around()).events:
        log.apply(*events)
    assert [p.index for p in log.state.phases] == [0, 1]
    assert log.state.phases[1].rule == "explore was on for its 50 s"
