"""A TCP server in this process whose every connection is served by one coroutine: simulators, recorder, replayer."""

from __future__ import annotations

import asyncio
import contextlib


class Listener:
    """A subclass says in `serve` what happens on a connection, which is closed when that returns."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._connection, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, leave_s: float = 0.0) -> bool:
        """Listen no more; break every connection off that does not end within `leave_s`. False: it did not listen."""
        server, self._server = self._server, None
        if server is None:
            return False
        server.close()
        if self._serving and leave_s:
            await asyncio.wait(list(self._serving), timeout=leave_s)
        for writer in list(self._serving.values()):
            writer.close()  # what serves it then ends by itself
        await asyncio.gather(*self._serving, return_exceptions=True)
        return True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from beginning to end."""
        raise NotImplementedError

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        self._serving[me] = writer
        try:
            with contextlib.suppress(ConnectionError):
                await self.serve(reader, writer)
        finally:
            writer.close()
            self._serving.pop(me, None)
