"""The engine's side of the brain: start it, ask it one thing at a time, end it when it is late."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPLY_LIMIT = 64 * 1024 * 1024


class BrainFailed(Exception):
    """The brain broke, was killed, or did not answer in time. It will be started anew at the next question."""


class Brain:
    """A child process with the models. Holds no state that the log does not hold."""

    def __init__(self, log_file: Path) -> None:
        self._log_file = log_file
        self._process: asyncio.subprocess.Process | None = None
        self._ended: list[asyncio.subprocess.Process] = []
        self._one_at_a_time = asyncio.Lock()
        self._starting = asyncio.Lock()  # one child, though it is warmed and asked at the same time

    @property
    def pid(self) -> int | None:
        """The child, where it lives."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def start(self) -> None:
        """Start the child if it does not live; it loads its libraries while the engine goes on."""
        async with self._starting:
            await self._start()

    async def _start(self) -> None:
        if self.pid is not None:
            return
        self._give_up()
        await self._bury()
        with self._log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "orchestrator.brain.child",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, limit=REPLY_LIMIT,
                start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip

    async def ask(self, request: Mapping[str, Any], *, within_s: float) -> dict[str, Any]:
        """The brain's reply. Raises `BrainFailed`; then the child is gone."""
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(within_s):
                    await self.start()
                    process = self._process
                    assert process is not None and process.stdin is not None and process.stdout is not None
                    process.stdin.write(json.dumps(request, allow_nan=False).encode() + b"\n")
                    await process.stdin.drain()
                    line = await process.stdout.readline()
                    if not line:
                        raise BrainFailed(f"the brain ended with code {await process.wait()}")
                reply = json.loads(line, parse_constant=_no_number)
                if not isinstance(reply, dict):
                    raise ValueError(f"it answered with a {type(reply).__name__}")
            except TimeoutError as error:
                self.kill()
                raise BrainFailed(f"no answer within {within_s:g} s") from error
            except (OSError, ValueError) as error:
                self.kill()
                raise BrainFailed(f"the brain broke: {error!r}") from error
            except asyncio.CancelledError:
                self.kill()  # its next line would answer a question that nobody asks any more
                raise
        if "error" in reply:
            raise BrainFailed((str(reply["error"]).strip() or "it did not say why").splitlines()[-1])
        return reply

    def kill(self) -> None:
        """End the child at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._give_up()

    async def close(self) -> None:
        """End the child and wait until it is gone."""
        self.kill()
        await self._bury()

    def _give_up(self) -> None:
        if self._process is not None:
            self._ended.append(self._process)
            self._process = None

    async def _bury(self) -> None:
        """Wait until ended children are gone and their pipes are closed."""
        while self._ended:
            process = self._ended.pop()
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            with contextlib.suppress(OSError):
                await process.stdout.read()
                await process.stdin.wait_closed()
            await process.wait()


def _no_number(text: str) -> float:
    """NaN and infinity are no JSON, and nothing that the log could keep."""
    raise ValueError(f"it answered with {text}")
