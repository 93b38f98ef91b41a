"""Everything here needs sila2."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sila2", reason="SiLA needs the extra 'instruments'")

from drivers.binding import bind
from drivers.clock import WallClock
from drivers.driver import Driver, LabContext
from tests.drivers.pages import printed
from tests.drivers.sila.furnace import Furnace, free_port, furnace_server

Device = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def furnace(port: int) -> Iterator[Furnace]:
    with furnace_server(port) as one:
        yield one


@pytest.fixture
def device(port: int, tmp_path: Path) -> Device:
    """The device of the documentation's laboratory, at the test's port; keywords replace settings."""

    @contextlib.asynccontextmanager
    async def connected(*, connect: bool = True, **settings: Any) -> AsyncIterator[Driver]:
        lab = printed("instruments/sila.md", {"port: 50052": f"port: {port}"}).with_settings(
            "furnace", **settings
        )
        made = bind(lab)["furnace"].make(LabContext(WallClock(), None, 0, tmp_path))
        if connect:
            await made.connect()
        try:
            yield made
        finally:
            await made.disconnect()
            await asyncio.sleep(0)

    return connected
