"""The executor of one machine: a few worker processes, each with one thread, each killable at any time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from drivers.labelers.job import Ended, Job
from drivers.protocol import Attribution

LINE = 64 * 1024 * 1024
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


class LocalPool:
    """Jobs in processes of this machine, as many at a time as `grow` was told, the rest in order of asking.

    A worker serves one job after the other and keeps what it has loaded. One that is cancelled, out of time or dead
    is replaced when the next job needs it. `directory` is this pool's alone: the codes write their files below it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        shutil.rmtree(directory, ignore_errors=True)  # of a process that was killed
        self._slots = asyncio.Semaphore(0)
        self._idle: list[_Worker] = []
        self._stops: dict[str, asyncio.Future[str]] = {}
        self._tasks: set[asyncio.Task[Ended]] = set()
        self._burials: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    def grow(self, workers: int) -> None:
        """Allow so many more workers at a time."""
        for _ in range(workers):
            self._slots.release()

    def submit(self, job: Job) -> asyncio.Future[Ended]:
        stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._stops[job.id] = stop
        task = asyncio.create_task(self._carry_out(job, stop))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self, job_id: str, reason: str) -> None:
        stop = self._stops.get(job_id)
        if stop is not None and not stop.done():
            stop.set_result(reason)

    async def close(self) -> None:
        for job_id in list(self._stops):
            self.cancel(job_id, "the laboratory is closing")
        await asyncio.gather(*self._tasks, return_exceptions=True)
        workers, self._idle = self._idle, []
        for worker in workers:
            worker.kill()
        await asyncio.gather(*self._burials, *(worker.gone() for worker in workers))
        shutil.rmtree(self.directory, ignore_errors=True)

    async def _carry_out(self, job: Job, stop: asyncio.Future[str]) -> Ended:
        waiting = asyncio.ensure_future(self._slots.acquire())
        try:
            either: set[asyncio.Future[Any]] = {waiting, stop}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                return Ended(attribution=Attribution.INSTRUMENT, reason=stop.result())
            return await self._in_turn(job, stop)
        finally:
            self._stops.pop(job.id, None)
            if waiting.done() and not waiting.cancelled():
                self._slots.release()
            waiting.cancel()

    async def _in_turn(self, job: Job, stop: asyncio.Future[str]) -> Ended:
        """Have the job done by a worker that is idle, one that has loaded the code already if there is one."""
        self._idle.sort(key=lambda one: one.serves == job.worker)
        worker = self._idle.pop() if self._idle else None
        if worker is None:
            try:
                worker = await _Worker.start(self.directory / f"worker{next(self._numbers)}")
            except OSError as error:
                reason = f"no worker process could be started: {error}"
                return Ended(attribution=Attribution.INSTRUMENT, reason=reason)
        try:
            return await worker.do(job, stop)
        except BaseException:
            worker.kill()
            raise
        finally:
            if worker.alive:
                self._idle.append(worker)
            else:
                # Not awaited here: whoever halts a calculation does not wait for its memory to be given back.
                burial = asyncio.create_task(worker.gone())
                self._burials.add(burial)
                burial.add_done_callback(self._burials.discard)


class _Worker:
    """One process of `drivers.labelers.workers`, in a session of its own so that its children die with it."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path) -> None:
        self._process = process
        self._directory = directory
        self.alive = True
        self.serves = ""

    @classmethod
    async def start(cls, directory: Path) -> _Worker:
        """Raises OSError."""
        with _stderr(directory) as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "drivers.labelers.workers",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=stderr,
                cwd=directory, start_new_session=True, limit=LINE, env=os.environ | ONE_THREAD,
            )  # fmt: skip
        return cls(process, directory)

    async def do(self, job: Job, stop: asyncio.Future[str]) -> Ended:
        """The end of `job`, whatever it is; a worker that had to be killed for it, or died over it, is not alive."""
        self.serves = job.worker
        partial: dict[str, Any] = {}
        doing = asyncio.create_task(self._converse(job, partial))
        try:
            either: set[asyncio.Future[Any]] = {doing, stop}
            await asyncio.wait(either, timeout=job.limit_s, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            self.kill()
            reason = stop.result() if stop.done() else f"time limit: not done within {job.limit_s:g} s"
            return Ended(record=_with_partial(partial), attribution=Attribution.INSTRUMENT, reason=reason)
        finally:
            doing.cancel()

    async def _converse(self, job: Job, partial: dict[str, Any]) -> Ended:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
            await self._process.stdin.drain()
            while line := await self._process.stdout.readline():
                said = json.loads(line)
                if "partial" in said:
                    partial.update(said["partial"])
                else:
                    return Ended.from_json(said["ended"])
        code = await self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        said_last = self._last_words()
        self.kill()
        return Ended(
            record=_with_partial(partial),
            attribution=Attribution.INSTRUMENT,
            reason=f"the calculator crashed ({how}){': ' if said_last else ''}{said_last}",
        )

    def _last_words(self) -> str:
        path = self._directory / "stderr.txt"
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        return lines[-1].strip()[:300] if lines else ""

    def kill(self) -> None:
        """End the process and every child of it. Idempotent."""
        self.alive = False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until it is dead and its files are removed."""
        await self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


def _stderr(directory: Path) -> BinaryIO:
    """A new folder for a worker, and in it the file of what it and its codes print."""
    directory.mkdir(parents=True)
    return (directory / "stderr.txt").open("wb")


def _with_partial(partial: dict[str, Any]) -> dict[str, Any]:
    return {"partial": partial} if partial else {}
