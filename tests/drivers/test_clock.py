"""Virtual time: in order, at once, and without starving anybody."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.clock import VirtualClock, WallClock

naps = st.lists(st.lists(st.floats(0, 1e5), max_size=5), min_size=1, max_size=8)


@given(plan=naps, working=st.booleans())
@example(plan=[[1.0], [0.0] * 20], working=False)
def test_sleeps_end_in_time_order_and_on_time(plan: list[list[float]], working: bool) -> None:
    async def run() -> None:
        clock = VirtualClock(7.0)
        woken: list[float] = []

        async def sleeper(durations: list[float]) -> None:
            due = clock.now()
            for duration in durations:
                due += duration
                await clock.sleep(duration)
                assert clock.now() == due
                woken.append(clock.now())

        async def worker(durations: list[float]) -> None:
            with clock.working():
                await sleeper(durations)

        await asyncio.gather(*((worker if working else sleeper)(durations) for durations in plan))
        assert woken == sorted(woken)
        assert clock.now() == max([7.0, *woken])

    asyncio.run(run())


async def test_ties_wake_in_the_order_of_falling_asleep() -> None:
    clock = VirtualClock()
    order: list[int] = []

    async def sleeper(number: int) -> None:
        await clock.sleep(60)
        order.append(number)

    await asyncio.gather(*(sleeper(number) for number in range(20)))
    assert order == list(range(20))


async def test_time_waits_for_a_working_task_that_is_not_asleep_yet() -> None:
    clock = VirtualClock(patience_s=60)
    ended: list[tuple[str, float]] = []

    async def busy_first() -> None:
        with clock.working():
            for _ in range(50):  # far more turns than the clock would wait by itself
                await asyncio.sleep(0)
            await clock.sleep(5)
            ended.append(("short", clock.now()))

    async def long_sleep() -> None:
        with clock.working():
            await clock.sleep(3600)
            ended.append(("long", clock.now()))

    await asyncio.gather(long_sleep(), busy_first())
    assert ended == [("short", 5.0), ("long", 3600.0)]


async def test_a_working_task_that_waits_for_ever_does_not_stop_time_for_the_others() -> None:
    clock = VirtualClock(patience_s=0.0)

    async def hung() -> None:
        with clock.working():
            await asyncio.Event().wait()

    task = asyncio.create_task(hung())
    await asyncio.sleep(0)
    with clock.working():
        await clock.sleep(3600)
        await clock.sleep(3600)
    assert clock.now() == 7200.0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_other_tasks_and_sockets_get_turns_between_jumps() -> None:
    clock = VirtualClock()
    served: list[float] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    done = asyncio.Event()

    async def sleeper() -> None:
        while not done.is_set():
            await clock.sleep(1)

    async def chatter() -> None:
        for _ in range(20):
            writer.write(b"ping\n")
            assert await reader.readline() == b"ping\n"
            served.append(clock.now())
        done.set()

    await asyncio.gather(sleeper(), chatter())
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    assert len(served) == 20
    assert served[-1] > served[0]  # time went on meanwhile


async def test_an_hour_takes_a_few_turns_of_the_loop() -> None:
    clock = VirtualClock()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    await clock.sleep(3600)
    counter.cancel()
    assert clock.now() == 3600.0
    assert turns < 10


async def test_a_cancelled_sleep_is_forgotten() -> None:
    clock = VirtualClock()

    async def sleeper(seconds: float) -> None:
        with clock.working():
            await clock.sleep(seconds)

    short = asyncio.create_task(sleeper(5))
    long = asyncio.create_task(sleeper(50))
    await asyncio.sleep(0)
    short.cancel()
    with pytest.raises(asyncio.CancelledError):
        await short
    for _ in range(20):
        await asyncio.sleep(0)
        assert clock.now() in (0.0, 50.0)  # nobody is left to wake at 5
    await long
    assert clock.now() == 50.0


async def test_a_task_cancelled_in_its_sleep_counts_as_awake_until_it_leaves() -> None:
    clock = VirtualClock(patience_s=60)
    left_at: list[float] = []

    async def cleans_up() -> None:
        with clock.working():
            try:
                await clock.sleep(5)
            finally:
                for _ in range(50):
                    await asyncio.sleep(0)
                left_at.append(clock.now())

    task = asyncio.create_task(cleans_up())
    other = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    task.cancel()
    await other
    assert left_at == [0.0]
    assert clock.now() == 3600.0
    assert task.cancelled()


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("clock", [VirtualClock(), WallClock()])
async def test_nonsense_durations_are_refused(clock: VirtualClock | WallClock, seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot sleep"):
        await clock.sleep(seconds)


async def test_a_wall_clock_starts_where_it_is_told_and_never_goes_back() -> None:
    clock = WallClock(1000.0)
    first = clock.now()
    await clock.sleep(0)
    assert 1000.0 <= first <= clock.now()


def test_a_virtual_clock_needs_a_finite_start() -> None:
    with pytest.raises(ValueError, match="cannot start"):
        VirtualClock(math.inf)


async def test_acts_that_come_one_after_another_begin_together_where_their_sender_paces() -> None:
    async def act(clock: VirtualClock) -> float:
        with clock.working():
            began_s = clock.now()
            await clock.sleep(30)
        return began_s

    for paced in (True, False):
        clock = VirtualClock()
        if paced:
            clock.paced_by(lambda clock=clock: clock.sleeping == 3)
        acts = []
        for _ in range(3):
            acts.append(asyncio.create_task(act(clock)))
            await asyncio.sleep(0.01)
        assert ([await each for each in acts] == [0.0, 0.0, 0.0]) is paced
        assert clock.now() == (30.0 if paced else 90.0)
