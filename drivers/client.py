"""The engine's side of a host: spawn it or find it alive, ask it, notice that it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.host.server import LINE_LIMIT
from drivers.host.spec import ANOTHER_HOLDS_IT, HostSpec

Reply = dict[str, Any]
MOST_UNASKED = 100  # replies to requests that were given up come late; more of them are a flood


class _Process(subprocess.Popen[bytes]):
    """A host as a child. It may outlive its parent, and that is no resource lost: nothing is said at the end."""

    def __del__(self) -> None:
        pass


_children: list[_Process] = []  # so that those that died are collected


class HostGone(Exception):
    """The host did not answer: what it was doing is not known here. `hung`: it had its time and said nothing."""

    def __init__(self, message: str, *, hung: bool = False) -> None:
        super().__init__(message)
        self.hung = hung


class HostClient:
    """One host, over two connections: one for acts, one for halts, so that a halt never waits behind an act."""

    def __init__(self, spec: HostSpec) -> None:
        self.spec = spec
        self.pid: int | None = None
        self._lines: list[_Line] = []

    @property
    def alive(self) -> bool:
        """Both connections stand."""
        return bool(self._lines) and all(line.open for line in self._lines)

    async def connect(self, *, within_s: float = 20.0) -> None:
        """Join the host that runs, or start one. Raises `HostGone` when neither succeeds in time.

        A host that is ending, or was killed and is not dead yet, is waited for: one journal, one host.
        """
        self.close()
        deadline = asyncio.get_running_loop().time() + within_s
        process: _Process | None = None
        while not (await self.join() and await self._answers(deadline)):
            if process is None and holder(self.spec.directory) is None:
                try:
                    process = self._spawn()
                except OSError as error:
                    raise HostGone(f"host {self.spec.name} cannot be started: {error}") from error
            elif process is not None and (code := process.poll()) is not None:
                if code not in (0, ANOTHER_HOLDS_IT):
                    raise HostGone(
                        f"host {self.spec.name} ended at its start with code {code}: {self._last_words()}"
                    )
                process = None  # another was quicker; join that one
            if asyncio.get_running_loop().time() > deadline:
                raise HostGone(f"host {self.spec.name} did not answer within {within_s:g} s", hung=True)
            await asyncio.sleep(0.02)

    async def _answers(self, deadline: float) -> bool:
        """Whether somebody lives behind the socket: one that was killed takes connections until it is dead."""
        try:
            await self.ask({"op": "ping"}, within_s=deadline - asyncio.get_running_loop().time())
        except HostGone as gone:
            self.close()
            if gone.hung:
                raise
            return False
        return True

    async def join(self) -> bool:
        """Connect to the host if it runs; whether it does."""
        self.close()
        lines: list[_Line] = []
        try:
            for _ in range(2):
                lines.append(await _Line.open_to(self.spec.socket))
        except BaseException as error:
            for line in lines:
                line.close()
            if isinstance(error, OSError):  # no socket, or nobody behind it
                return False
            raise
        self._lines = lines
        return True

    def _spawn(self) -> _Process:
        _collect()
        directory = self.spec.directory
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "spec.json"
        path.write_text(self.spec.model_dump_json())
        with (directory / "host.log").open("ab") as log:
            # -P: a folder called `drivers` where the user stands must not shadow this one.
            # A session of its own: the engine's Ctrl-C is not the host's.
            process = _Process(
                [sys.executable, "-P", "-m", "drivers.host", str(path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        _children.append(process)
        return process

    def _last_words(self) -> str:
        log = self.spec.directory / "host.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return lines[-1] if lines else "it said nothing"

    async def ask(
        self, request: Mapping[str, Any], *, within_s: float | None = None, urgent: bool = False
    ) -> Reply:
        """Send one request and wait for its reply; `HostGone` when the connection breaks or time is up."""
        if not self._lines:
            raise HostGone(f"host {self.spec.name} is not connected")
        line = self._lines[1 if urgent else 0]
        try:
            async with asyncio.timeout(within_s):
                reply = await line.ask(request)
        except TimeoutError as error:
            raise HostGone(
                f"host {self.spec.name} did not answer {request['op']!r} within {within_s:g} s", hung=True
            ) from error
        if "error" in reply:
            raise HostGone(f"host {self.spec.name}: {reply['error']}")
        return reply

    def kill(self) -> None:
        """End a host that no longer answers; its journal tells the next one what it was doing."""
        pid = holder(self.spec.directory)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.close()
        _collect()

    def close(self) -> None:
        """Let go of the connections; the host goes on."""
        for line in self._lines:
            line.close()
        self._lines = []


def _collect() -> None:
    """Take note of hosts that have ended, so that none stays behind as a zombie."""
    _children[:] = [process for process in _children if process.poll() is None]


def holder(directory: Path) -> int | None:
    """The process that holds the journal in `directory`, or None: the lock tells, not the number in the file."""
    path = directory / "journal.lock"
    if not path.exists():
        return None
    with path.open("r") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return int(handle.read().strip() or 0) or None
        return None


class _Line:
    """One connection: requests numbered, replies matched, whatever order they come in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self.open = True
        self._listener = asyncio.create_task(self._listen(reader))

    @classmethod
    async def open_to(cls, socket: Path) -> _Line:
        return cls(*await asyncio.open_unix_connection(socket, limit=LINE_LIMIT))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        unasked = 0
        try:
            while line := await reader.readline():
                reply = json.loads(line)
                waiting = self._waiting.pop(reply.pop("rid"), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply)
                elif (unasked := unasked + 1) > MOST_UNASKED:
                    raise ValueError("a flood of replies that nobody asked for")
        except (ConnectionError, ValueError, KeyError, AttributeError, TypeError):
            pass  # a host that talks nonsense is a host that is gone: said to all who wait, below
        finally:
            self._broken()

    def _broken(self) -> None:
        """Tell everybody who waits; let go of the socket."""
        self.open = False
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(HostGone("the connection to the host broke"))
        self._waiting.clear()
        self._writer.close()

    async def ask(self, request: Mapping[str, Any]) -> Reply:
        if not self.open:
            raise HostGone("the connection to the host is closed")
        rid = next(self._numbers)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[rid] = answer
        try:
            self._writer.write(json.dumps({**request, "rid": rid}, allow_nan=False).encode() + b"\n")
            return await answer
        finally:
            self._waiting.pop(rid, None)

    def close(self) -> None:
        """Idempotent."""
        self._listener.cancel()
        self._broken()  # a listener that never ran cannot say it
