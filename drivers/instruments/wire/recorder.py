"""A proxy between a driver and its device that writes down what passes, and changes nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from drivers.instruments.listener import Listener
from drivers.instruments.wire.capture import BY_DEVICE, CaptureWriter, Entry, What
from drivers.instruments.wire.dialects import DIALECTS, LARGEST

CHUNK = 65536
CONNECT_S = 5.0


class Recorder(Listener):
    """Listens for the driver, connects to the device anew for every connection, writes to `path`, which is new."""

    def __init__(self, path: Path, host: str, port: int, dialect: str = "bytes") -> None:
        super().__init__()
        if dialect not in DIALECTS:
            raise ValueError(f"no dialect is called {dialect!r}; there are {', '.join(DIALECTS)}")
        self._device = (host, port)
        self._dialect = DIALECTS[dialect]
        self._writer = CaptureWriter(path, dialect, f"{host}:{port}")
        self._began = time.monotonic()
        self._n_connections = 0

    async def stop(self, leave_s: float = 0.0) -> bool:
        """Break every connection off and close the file."""
        stopped = await super().stop(leave_s)
        if stopped:
            self._writer.close()
        return stopped

    def _add(self, connection: int, what: What, data: bytes = b"", note: str = "") -> None:
        self._writer.add(Entry(connection, time.monotonic() - self._began, what, data, note))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._n_connections += 1
        number, note = self._n_connections, "by the driver"
        self._add(number, "opened")
        try:
            async with asyncio.timeout(CONNECT_S):
                from_device, to_device = await asyncio.open_connection(*self._device)
        except (OSError, TimeoutError) as error:
            self._add(number, "closed", note=f"{BY_DEVICE}: no connection: {error}")
            return
        ways = [
            asyncio.create_task(self._pass_on(number, "to device", reader, to_device)),
            asyncio.create_task(self._pass_on(number, "to driver", from_device, writer)),
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if ways[1] in done:
                note = BY_DEVICE
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_device.close()
            self._add(number, "closed", note=note)

    async def _pass_on(
        self, number: int, what: What, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        rest = b""
        to_device = what == "to device"
        try:
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(CHUNK):
                    # Written down before it is passed on: a reply never stands before its request.
                    messages, rest = self._dialect.split(rest + chunk, to_device=to_device)
                    if len(rest) > LARGEST:
                        messages, rest = [*messages, rest], b""
                    for message in messages:
                        self._add(number, what, self._dialect.recorded(message) if to_device else message)
                    writer.write(chunk)
                    await writer.drain()
        finally:
            if rest:
                kept = self._dialect.recorded(rest) if to_device else rest
                self._add(number, what, kept, "a message without its end")
