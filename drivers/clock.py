"""Laboratory time. Drivers read and spend time only through a `Clock`, so a simulated hour costs nothing."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

LOOK_S = 0.001  # real seconds from one look to the next at whether time may go on


class Clock(Protocol):
    """Seconds of laboratory time."""

    def now(self) -> float:
        """Lab seconds; never runs backwards."""

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of lab time pass. Negative or non-finite durations raise ValueError."""

    def working(self) -> AbstractContextManager[None]:
        """The current task is doing something: simulated time waits until it sleeps or leaves."""


def _checked(seconds: float) -> float:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"cannot sleep {seconds!r} s: wanted a finite number, zero or more")
    return seconds


class WallClock:
    """Real time: Unix time when made, then monotonic, so that a corrected system clock moves nothing."""

    def __init__(self, start_s: float | None = None) -> None:
        self._offset = (time.time() if start_s is None else start_s) - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(_checked(seconds))

    def working(self) -> AbstractContextManager[None]:
        return nullcontext()


class VirtualClock:
    """Discrete-event time for one asyncio loop.

    Sleepers wait in order of their wake-up time (ties: in order of falling asleep). Time jumps to the
    earliest wake-up once nobody who is `working()` is awake and `turns` further turns of the event loop
    have brought no new sleeper. Each of these turns polls the selector, so sockets and other tasks are
    served between any two jumps. A task that sleeps without being inside `working()` counts only while it
    sleeps.

    A working task that waits for something else than this clock (a lock, a peer, for ever) would stop time
    for everybody; after `patience_s` real seconds without a change it is no longer waited for.

    Who sends acts from another process needs real time between one and the next, in which the first would be over:
    with `paced_by`, no jump is made before that says so.
    """

    def __init__(self, start_s: float = 0.0, *, turns: int = 3, patience_s: float = 0.1) -> None:
        if not math.isfinite(start_s):
            raise ValueError(f"a clock cannot start at {start_s!r}")
        self._now = start_s
        self._turns = turns
        self._patience_s = patience_s
        self._may_jump: Callable[[], bool] | None = None
        self._sleepers: list[tuple[float, int, asyncio.Future[None], asyncio.Task[object] | None]] = []
        self._working: set[asyncio.Task[object]] = set()
        self._awake: set[asyncio.Task[object]] = set()
        self._changes = 0  # counts sleeps, wake-ups, entries and exits: 'has anything happened since?'
        self._turning = False
        self._patience: asyncio.TimerHandle | None = None

    def paced_by(self, may_jump: Callable[[], bool]) -> None:
        """Ask `may_jump` before each jump, again and again until it agrees."""
        self._may_jump = may_jump

    @property
    def sleeping(self) -> int:
        """How many wait for a time to come."""
        return sum(not woken.done() for _, _, woken, _ in self._sleepers)

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if _checked(seconds) == 0:
            self._changes += 1  # whoever is due now is due before any jump
            await asyncio.sleep(0)
            return
        task = asyncio.current_task()
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changes += 1
        heapq.heappush(self._sleepers, (self._now + seconds, self._changes, woken, task))
        if task is not None:
            self._awake.discard(task)
        self._consider()
        try:
            await woken
        finally:
            # Woken by the clock it is awake already; woken by a cancellation it becomes so here.
            if task in self._working and task is not None:
                self._awake.add(task)
            self._changes += 1

    @contextmanager
    def working(self) -> Iterator[None]:
        """Enter around everything one task does in lab time. Not to be shared by two tasks; may be nested."""
        task = asyncio.current_task()
        if task is None or task in self._working:
            yield
            return
        self._working.add(task)
        self._awake.add(task)
        self._changes += 1
        try:
            yield
        finally:
            self._working.discard(task)
            self._awake.discard(task)
            self._changes += 1
            self._consider()

    def _consider(self) -> None:
        """Arrange for a jump, if there is somebody to wake and nobody to wait for."""
        if self._turning or not self._sleepers:
            return
        loop = asyncio.get_running_loop()
        if self._awake:
            if self._patience is None:
                self._patience = loop.call_later(self._patience_s, self._lose_patience, self._changes)
            return
        self._turning = True
        loop.call_soon(self._turn, self._turns, self._changes)

    def _turn(self, left: int, seen: int) -> None:
        if self._awake:
            self._turning = False
            self._consider()
        elif seen != self._changes:
            asyncio.get_running_loop().call_soon(self._turn, self._turns, self._changes)
        elif left > 0:
            asyncio.get_running_loop().call_soon(self._turn, left - 1, seen)
        elif self._may_jump is not None and not self._may_jump():
            asyncio.get_running_loop().call_later(LOOK_S, self._turn, 0, seen)
        else:
            self._turning = False
            self._jump()

    def _lose_patience(self, seen: int) -> None:
        self._patience = None
        if seen == self._changes:
            self._awake.clear()  # stalled, not working; each is counted again at its next sleep on this clock
        self._consider()

    def _jump(self) -> None:
        """Wake everybody whose time is the earliest."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)  # cancelled while asleep
        if not self._sleepers:
            return
        self._now = max(self._now, self._sleepers[0][0])
        self._changes += 1
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, woken, task = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            woken.set_result(None)
            if task is not None and task in self._working:
                self._awake.add(task)
        self._consider()
