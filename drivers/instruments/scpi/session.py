"""A VISA session in a thread of its own: PyVISA blocks, and its sessions are not to be used by two threads."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from drivers.errors import SettingsError
from drivers.instruments.instrument import LinkLost
from drivers.protocol import ActionFailed, Attribution

T = TypeVar("T")
MOST_ERRORS = 32  # a queue that gives more than this is no queue


class ScpiSession:
    """One resource, opened at the first request and anew after it broke. Requests are done in turn."""

    def __init__(self, resource: str, backend: str, *, timeout_s: float, termination: str) -> None:
        self.resource, self.backend = resource, backend
        self._timeout_s, self._termination = timeout_s, termination
        self._session: Any = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Raises LinkLost, SettingsError where the resource's name or the backend is wrong."""
        await self._do(lambda session: None)

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown(wait=False)

    async def write(self, *commands: str) -> None:
        """Send commands, each as a message of its own. Raises LinkLost."""

        def send(session: Any) -> None:
            for command in commands:
                session.write(command)

        await self._do(send)

    async def query(self, command: str, takes_s: float = 0.0) -> str:
        """Send a query and give the answer, without its end of line; it may take `takes_s` longer. Raises LinkLost."""

        def ask(session: Any) -> str:
            session.timeout = self._ms(takes_s)
            return str(session.query(command))

        return (await self._do(ask)).strip()

    async def numbers(self, command: str, count: int, takes_s: float = 0.0) -> list[float]:
        """The numbers that a query gives. Raises LinkLost, ActionFailed where they are others or more or less."""
        answer = await self.query(command, takes_s)
        try:
            numbers = [float(part) for part in answer.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != count or not all(map(math.isfinite, numbers)):
            reason = f"{self.resource} answers {command} with {answer[:200]!r}, wanted {count} finite numbers"
            raise ActionFailed(Attribution.BAD_READING, reason)
        return numbers

    async def errors(self) -> list[str]:
        """What the instrument's error queue holds; it is empty afterwards. Raises LinkLost, ActionFailed."""
        found: list[str] = []
        while len(found) < MOST_ERRORS:
            answer = await self.query(":SYST:ERR?")
            match = re.match(r'\s*([+-]?\d+)\s*,\s*"?(.*?)"?\s*$', answer)
            if match is None:
                reason = (
                    f"{self.resource} answers :SYST:ERR? with {answer[:200]!r}, wanted a number and a text"
                )
                raise ActionFailed(Attribution.BAD_READING, reason)
            if int(match[1]) == 0:
                return found
            found.append(f"{int(match[1])} {match[2]}")
        raise ActionFailed(Attribution.INSTRUMENT, f"{self.resource}: no end of errors: {found[0]}, ...")

    async def _do(self, task: Callable[[Any], T]) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="visa")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_thread, task)

    def _in_thread(self, task: Callable[[Any], T]) -> T:
        from pyvisa.errors import VisaIOError

        try:
            return task(self._opened())
        except (VisaIOError, OSError) as error:
            self._close()  # an answer that comes late must not be taken for the next one
            raise LinkLost(f"{self.resource} ({self.backend}): {error}") from error
        except UnicodeDecodeError as error:
            self._close()
            raise ActionFailed(Attribution.BAD_READING, f"{self.resource} gave no text: {error}") from error

    def _opened(self) -> Any:
        if self._session is None:
            import pyvisa

            try:
                # PyVISA has one manager for all; closing it would close the sessions of other devices.
                session: Any = pyvisa.ResourceManager(self.backend).open_resource(
                    self.resource, open_timeout=self._ms(), read_termination=self._termination,
                    write_termination=self._termination,
                )  # fmt: skip
            except (ValueError, pyvisa.errors.InvalidSession) as error:
                raise SettingsError(
                    f"resource {self.resource!r}, backend {self.backend!r}: {error}"
                ) from error
            session.timeout = self._ms()
            self._session = session
        return self._session

    def _ms(self, takes_s: float = 0.0) -> int:
        return max(1, round((self._timeout_s + takes_s) * 1000))

    def _close(self) -> None:
        from pyvisa.errors import Error

        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(Error, OSError):  # it is given up in any case
                session.close()
