"""The pages of the instruments: the lab.yaml that each prints is read, bound and, but for the address, driven."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.binding import bind
from drivers.clock import WallClock
from drivers.driver import Driver, LabContext
from drivers.errors import LabError
from drivers.instruments.simulated.http_oven import Oven, OvenServer
from drivers.instruments.simulated.modbus_furnace import FurnaceController
from drivers.instruments.simulated.scpi_smu import Film, SourceMeter, SourceMeterServer
from drivers.lab import LabFile
from orchestrator.labfile import Laboratory, bind_lab, read_lab
from tests.drivers.instruments.bench import know, printed_lab, request


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch)


def printed(page: str, directory: Path) -> tuple[LabFile, Laboratory]:
    """The laboratory of a page, as it is printed, read and bound as `alquimia validate` does it."""
    path = directory / "lab.yaml"
    path.write_text(printed_lab(page))
    file, document, source = read_lab("", path)
    return file, bind_lab(file, document, source)


def made(file: LabFile, name: str, directory: Path, **address: Any) -> Driver:
    """The device of the printed laboratory at the test's address, with everything else as printed."""
    changed = file.with_settings(name, **address)
    device = bind(changed)[name].make(LabContext(WallClock(), None, 0, directory))
    before: Mapping[str, Any] = file.devices[name].settings
    assert {k: v for k, v in before.items() if k not in address} == {
        k: v for k, v in changed.devices[name].settings.items() if k not in address
    }
    return device


@pytest.fixture
async def furnace() -> AsyncIterator[tuple[FurnaceController, int]]:
    controller = FurnaceController(speed=10000.0, says_simulated=False)
    yield controller, await controller.start()
    await controller.stop()


async def test_the_furnace_of_the_page(furnace: tuple[FurnaceController, int], tmp_path: Path) -> None:
    controller, port = furnace
    file, laboratory = printed("modbus_furnace.md", tmp_path)
    assert laboratory.limits["furnace"]["anneal.temperature"].at_most == pytest.approx(1323.15)
    device = made(file, "furnace", tmp_path, host="127.0.0.1", port=port)
    await device.connect()
    outcome = await device.act(request("anneal", temperature=700.0, ramp=15.0, hold=60.0))
    await device.disconnect()
    assert outcome.status == "succeeded", outcome.reason
    assert outcome.readings["reached"].value == pytest.approx(
        controller.furnace.programme.held_mean_K, abs=0.01
    )
    assert not device.spec.simulated


async def test_the_source_measure_unit_of_the_page(tmp_path: Path) -> None:
    meter = SourceMeter(Film(ohm=50.0), identity="KEITHLEY INSTRUMENTS INC.,MODEL 2450,04,1.7", speed=50.0)
    server = SourceMeterServer(meter)
    port = await server.start()
    file, laboratory = printed("scpi_smu.md", tmp_path)
    assert laboratory.limits["probe"]["conductivity.current"].at_most == pytest.approx(0.01)
    device = made(file, "probe", tmp_path, resource=f"TCPIP0::127.0.0.1::{port}::SOCKET")
    await device.connect()
    outcome = await device.act(request("conductivity", current=1e-3, compliance=1.0, thickness=200.0))
    await device.disconnect()
    await server.stop()
    assert outcome.status == "succeeded", outcome.reason
    assert outcome.readings["resistance"].value == pytest.approx(50, rel=1e-3)


async def test_the_oven_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVEN_TOKEN", "secret")
    server = OvenServer(Oven(token="secret", speed=1000.0))
    file, laboratory = printed("rest.md", tmp_path)
    assert laboratory.limits["oven"]["dry.temperature"].at_most == pytest.approx(250)
    device = made(file, "oven", tmp_path, url=f"http://127.0.0.1:{server.port}/v1")
    await device.connect()
    action = request("dry", temperature=120.0, hold=30.0)
    assert (await device.testify(action)).verdict == "not done"
    outcome = await device.act(action)
    assert outcome.status == "succeeded", outcome.reason
    assert outcome.readings["reached"].value == 119.5
    assert (await device.testify(action)).verdict == "done"
    assert (await device.act(request("look"))).status == "succeeded"
    await device.halt()
    await device.disconnect()
    server.stop()


def test_a_simulator_belongs_in_a_simulated_laboratory_only(tmp_path: Path) -> None:
    file, _ = printed("modbus_furnace.md", tmp_path)
    rehearsed = file.model_copy(update={"reality": "simulated"}).with_settings("furnace", simulated=True)
    assert bind(rehearsed)["furnace"].spec.simulated
    for wrong in (
        file.with_settings("furnace", simulated=True),
        file.model_copy(update={"reality": "simulated"}),
    ):
        with pytest.raises(LabError, match="the laboratory is"):
            bind(wrong)
