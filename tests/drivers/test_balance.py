"""The example driver against a real socket: it keeps the contract that every driver keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers import contract
from drivers.clock import WallClock
from drivers.driver import Attribution, LabContext
from tests.drivers.balance import Balance
from tests.drivers.laboratory import request


@pytest.fixture
async def balance(tmp_path: Path) -> AsyncIterator[Balance]:
    conversations: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline() == b"S\r\n":
            writer.write(b"S 12.345 g\r\n")
        writer.close()
        await writer.wait_closed()

    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.create_task(talk(reader, writer)))

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    settings = Balance.Settings(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    device = Balance("device", settings, LabContext(WallClock(), None, 0, tmp_path))
    await device.connect()
    yield device
    await device.disconnect()
    await asyncio.gather(*conversations)
    server.close()
    await server.wait_closed()


async def test_it_weighs(balance: Balance) -> None:
    outcome = await balance.act(request("device", "weigh"))
    assert (outcome.readings["mass"].value, outcome.readings["mass"].unit) == (12.345, "g")


async def test_unplugged_it_fails_and_does_not_simulate(balance: Balance) -> None:
    await balance.disconnect()
    outcome = await balance.act(request("device", "weigh"))
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.INSTRUMENT)


async def test_it_keeps_the_contract(balance: Balance) -> None:
    for name, keeps in vars(contract).items():
        if name.startswith("keeps_"):
            await keeps(balance)


def test_it_is_short() -> None:
    source = Path(__file__).with_name("balance.py").read_text().splitlines()
    written = [line for line in source if line.strip() and not line.startswith(("import", "from", '"""'))]
    assert len(written) <= 30
