"""The instruments keep the contract that every driver keeps, against real servers of their protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import PROMISES, Case
from drivers.driver import Driver
from drivers.instruments.simulated.furnace_plant import PlantConstants
from drivers.instruments.simulated.http_oven import Oven, OvenServer
from drivers.instruments.simulated.modbus_furnace import FurnaceController
from drivers.instruments.simulated.scpi_smu import Film, SourceMeter, SourceMeterServer
from tests.drivers.instruments.bench import NAMES, know
from tests.drivers.instruments.test_rest import DRY, LOOK

# The contract asks for the middle of what is allowed, several times: little is allowed.
FURNACE = {
    "host": "127.0.0.1", "simulated": True, "hottest_K": 700.0, "longest_hold_s": 2000.0,
    "poll_s": 0.01, "timeout_s": 2.0,
}  # fmt: skip


@pytest.fixture
async def servers() -> AsyncIterator[Mapping[str, Mapping[str, Any]]]:
    """Driver -> the settings that reach its server. Noise is off: what is measured twice is the same."""
    furnace = FurnaceController(PlantConstants(noise_K=0.0), speed=20_000)
    meter = SourceMeterServer(SourceMeter(Film(ohm=0.5, noise_V=0.0, drift_V_per_reading=0.0), speed=500.0))
    oven = OvenServer(Oven(speed=5000.0))
    yield {
        "modbus.furnace": {**FURNACE, "port": await furnace.start()},
        "scpi.smu": {"resource": f"TCPIP0::127.0.0.1::{await meter.start()}::SOCKET", "simulated": True},
        "rest": {
            "url": f"http://127.0.0.1:{oven.port}",
            "actions": {"dry": DRY, "look": LOOK},
            "simulated": True,
        },
    }
    await furnace.stop()
    await meter.stop()
    oven.stop()


@pytest.mark.parametrize("keeps", PROMISES, ids=lambda keeps: keeps.__name__)
@pytest.mark.parametrize("name", NAMES)
async def test_it_keeps_the_contract(
    name: str, keeps: Callable[[Driver], Awaitable[None]], tmp_path: Path,
    servers: Mapping[str, Mapping[str, Any]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    know(monkeypatch)
    device = await Case(name, settings=servers[name]).ready(tmp_path)
    await device.connect()
    await keeps(device)
    await device.disconnect()
