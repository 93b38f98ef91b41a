"""A recorded device: answers a driver as it was answered before, and fails at the first byte that differs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from drivers.instruments.listener import Listener
from drivers.instruments.wire.capture import BY_DEVICE, Capture, Entry
from drivers.instruments.wire.dialects import DIALECTS

CHUNK = 65536
LEAVE_S = 0.2
AROUND = 16  # bytes shown on each side of a difference


@dataclass(frozen=True)
class Difference:
    """Where a driver did something else than was recorded. `message`: of the connection, to the device, from 1;
    `line`: of the capture, 0 where it has none; `offset`: of the first byte that differs, in the message, from 0.
    """

    connection: int
    message: int
    line: int
    offset: int
    recorded: bytes
    got: bytes
    what: str = ""

    def __str__(self) -> str:
        place = f"connection {self.connection}, message {self.message}" + (
            f" (line {self.line} of the capture)" if self.line else ""
        )
        if self.what:
            return f"{place}: {self.what}"
        return (
            f"{place}, byte {self.offset}: recorded {_shown(self.recorded, self.offset)}, "
            f"got {_shown(self.got, self.offset)}"
        )


class Replayer(Listener):
    """Serves a capture. `differences` says what was not as recorded; `finished` is set at the first of them, or when
    all that was recorded has been used.
    """

    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self._dialect = DIALECTS[capture.dialect]
        self._scripts = capture.connections()
        self._n_opened = 0
        self._n_ended = 0
        self.differences: list[Difference] = []
        self.finished = asyncio.Event()

    async def stop(self, leave_s: float = LEAVE_S) -> bool:
        """Break every connection off; what the drivers sent last is still compared, and connections that nobody opened
        are differences, too."""
        if not await super().stop(leave_s):
            return False
        for number in range(self._n_opened, len(self._scripts)):
            line = self._scripts[number][0].line
            self._differs(Difference(number + 1, 0, line, 0, b"", b"", "it was never opened"))
        return True

    def _differs(self, difference: Difference) -> None:
        self.differences.append(difference)
        self.finished.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._n_opened += 1
        number = self._n_opened
        try:
            if number > len(self._scripts):
                self._differs(Difference(number, 0, 0, 0, b"", b"", "one connection more than were recorded"))
                return
            difference = await self._played(number, self._scripts[number - 1], reader, writer)
            if difference is not None:
                self._differs(difference)
        finally:
            self._n_ended += 1
            if self._n_ended >= len(self._scripts):
                self.finished.set()

    async def _played(
        self, number: int, script: list[Entry], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Difference | None:
        buffer, n_messages, request = b"", 0, b""
        for entry in script:
            if entry.what == "to driver":
                writer.write(self._dialect.reply(entry.data, request))
                await writer.drain()
            elif entry.what == "to device":
                n_messages += 1
                wanted = self._dialect.compared(entry.data)
                request, buffer = await self._next(reader, buffer, len(entry.data), wanted)
                got = self._dialect.compared(request)
                if got != wanted:
                    offset = _first_difference(wanted, got)
                    return Difference(number, n_messages, entry.line, offset, wanted, got)
            elif entry.what == "closed" and entry.note.startswith(BY_DEVICE):
                return None
        # All was used: whatever else comes was not recorded.
        extra = buffer or await reader.read(CHUNK)
        if extra:
            got = self._dialect.compared(extra)
            return Difference(number, n_messages + 1, 0, 0, b"", got)
        return None

    async def _next(
        self, reader: asyncio.StreamReader, buffer: bytes, length: int, wanted: bytes
    ) -> tuple[bytes, bytes]:
        """The next message to the device and what is left over; what came of it where no more comes."""
        while True:
            if self._dialect.framed:
                messages, _ = self._dialect.split(buffer, to_device=True)
                if messages:
                    return messages[0], buffer[len(messages[0]) :]
            elif len(buffer) >= length or not wanted.startswith(buffer):
                return buffer[:length], buffer[length:]
            chunk = await reader.read(CHUNK)
            if not chunk:
                return buffer, b""
            buffer += chunk


def _first_difference(one: bytes, other: bytes) -> int:
    for i, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return i
    return min(len(one), len(other))


def _shown(data: bytes, offset: int) -> str:
    if offset >= len(data):
        return "nothing more" if data else "nothing"
    part = data[max(0, offset - AROUND) : offset + AROUND]
    return f"0x{data[offset]:02x} (in {part!r})"
