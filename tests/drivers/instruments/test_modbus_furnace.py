"""A furnace over real Modbus TCP: programmes, alarms, what is known after an interruption, and what a restart does."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from drivers.errors import SettingsError
from drivers.instruments.instrument import LinkLost
from drivers.instruments.modbus.controller import programme_id
from drivers.instruments.modbus.furnace import ModbusFurnace
from drivers.instruments.modbus.link import ModbusLink
from drivers.instruments.modbus.registers import Coding
from drivers.instruments.simulated.furnace_plant import PlantConstants
from drivers.instruments.simulated.modbus_furnace import STOP, FurnaceController
from drivers.protocol import ActionFailed, Attribution
from tests.drivers.instruments.bench import connected, device, request
from tests.drivers.rig import until

ANNEAL = {"temperature": 873.15, "ramp": 10.0, "hold": 1800.0}
FAST = 6000.0


def settings(port: int, **more: Any) -> dict[str, Any]:
    quick = {"poll_s": 0.01, "timeout_s": 0.3, "reconnect_s": 3.0}
    return {"host": "127.0.0.1", "port": port, "simulated": True, **quick, **more}


@pytest.fixture
async def slow() -> AsyncIterator[tuple[FurnaceController, int]]:
    """A furnace whose programme takes some seconds: there is time to interrupt it."""
    controller = FurnaceController(speed=600)
    yield controller, await controller.start()
    await controller.stop()


async def soaking(controller: FurnaceController) -> None:
    await until(lambda: controller.furnace.running)


async def test_a_programme_is_followed_to_its_end(tmp_path: Path) -> None:
    controller = FurnaceController(PlantConstants(noise_K=0.3), speed=FAST, seed=1)
    port = await controller.start()
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        outcome = await furnace.act(request("anneal", **ANNEAL))
        assert outcome.status == "succeeded", outcome.reason
        got = {name: reading.value for name, reading in outcome.readings.items()}
        # The furnace's own state is the truth that the driver is held to.
        programme = controller.furnace.programme
        assert programme.held_s >= ANNEAL["hold"]
        assert got["reached"] == pytest.approx(programme.held_mean_K, abs=0.01)
        assert abs(got["reached"] - ANNEAL["temperature"]) < 5
        assert got["time_above"] == pytest.approx(programme.time_above_s) and got["time_above"] >= 1800
        assert got["overshoot"] == pytest.approx(programme.highest_K - ANNEAL["temperature"], abs=0.01)
        ramp_s = (ANNEAL["temperature"] - 295) / ANNEAL["ramp"] * 60
        assert programme.elapsed_s > 0.95 * (ramp_s + ANNEAL["hold"])
        assert controller.furnace.power_W == 0
        trace = outcome.record["trace"]
        assert trace[0][1] < 400 and max(row[1] for row in trace) > ANNEAL["temperature"] - 5
    await controller.stop()


async def test_registers_hold_what_the_protocol_says(
    slow: tuple[FurnaceController, int], tmp_path: Path
) -> None:
    """Read by another client, byte for byte: 600 degC is 0x44160000, high word first."""
    controller, port = slow
    other = AsyncModbusTcpClient("127.0.0.1", port=port)
    assert await other.connect()
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        act = asyncio.create_task(furnace.act(request("anneal", "x7", **ANNEAL)))
        await soaking(controller)
        words = (await other.read_holding_registers(100, count=11, device_id=1)).registers
        assert words[:2] == [0x4416, 0x0000]
        assert struct.unpack(">ff", struct.pack(">4H", *words[2:6])) == (10.0, 1800.0)
        assert words[8] << 16 | words[9] == programme_id("x7")
        await furnace.halt()
        assert (await act).status == "failed"
    other.close()


async def test_little_word_order_and_what_happens_with_the_wrong_one(tmp_path: Path) -> None:
    controller = FurnaceController(speed=FAST, low_word_first=True)
    port = await controller.start()
    async with connected(ModbusFurnace, tmp_path, settings(port, word_order="little")) as furnace:
        outcome = await furnace.act(request("read"))
        assert outcome.readings["temperature"].value == pytest.approx(295, abs=0.01)
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        outcome = await furnace.act(request("read"))
        readings = outcome.readings
        assert outcome.status == "failed" or not 200 < readings["temperature"].value < 290
    await controller.stop()


def test_sixteen_bit_numbers_are_scaled_and_do_not_wrap() -> None:
    coding = Coding("int16", "big", 0.1)
    assert coding.words("target", 1100.0) == [11000] and coding.value("target", [11000]) == pytest.approx(
        1100
    )
    assert coding.words("target", -12.3) == [65536 - 123] and coding.value(
        "target", [65413]
    ) == pytest.approx(-12.3)
    with pytest.raises(ValueError, match="does not fit"):
        coding.words("hold", 7200.0)


@pytest.mark.parametrize(
    ("alarm", "said"),
    [
        ("over_temperature", "over-temperature"),
        ("thermocouple_break", "thermocouple break"),
        ("door_open", "door open"),
    ],
)
async def test_an_alarm_ends_the_act_with_its_name(
    slow: tuple[FurnaceController, int], tmp_path: Path, alarm: str, said: str
) -> None:
    controller, port = slow
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        act = asyncio.create_task(furnace.act(request("anneal", **ANNEAL)))
        await soaking(controller)
        controller.alarm(alarm)
        outcome = await asyncio.wait_for(act, 5)
        assert outcome.status == "failed" and outcome.attribution is Attribution.INSTRUMENT
        assert said in outcome.reason
        assert controller.furnace.power_W == 0 and not controller.furnace.running
        commands = list(controller.commands)
        # While it stands, nothing is started.
        again = await furnace.act(request("anneal", **ANNEAL))
        assert again.status == "failed" and said in again.reason and controller.commands == commands
        controller.alarm(alarm, on=False)
        assert (await furnace.act(request("read"))).status == "succeeded"


async def test_the_furnace_itself_trips_when_it_gets_too_hot(tmp_path: Path) -> None:
    controller = FurnaceController(PlantConstants(trip_K=700.0), speed=FAST)
    port = await controller.start()
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        outcome = await furnace.act(request("anneal", **ANNEAL))
        assert outcome.status == "failed" and "over-temperature" in outcome.reason
    await controller.stop()


async def test_what_the_controller_says_of_an_interrupted_act(
    slow: tuple[FurnaceController, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never begun, still running, done, broken off: each asked by a driver that remembers nothing."""
    monkeypatch.setattr("drivers.instruments.modbus.furnace.ASK_S", 0.05)
    controller, port = slow
    first, second = request("anneal", **{**ANNEAL, "hold": 2400.0}), request("anneal", **ANNEAL)
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        act = asyncio.create_task(furnace.act(first))
        await soaking(controller)
        act.cancel()  # as when the host dies: the controller goes on by itself
        await asyncio.gather(act, return_exceptions=True)
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        running = await furnace.testify(first)
        assert running.verdict == "unknown" and "still runs" in running.reason
        assert (await furnace.testify(second)).verdict == "not done"
        busy = await furnace.act(second)
        assert busy.attribution is Attribution.BUSY
        assert (await furnace.testify(second)).verdict == "not done"
        await until(lambda: controller.furnace.state == "complete")
        done = await furnace.testify(first)
        assert done.verdict == "done"
        assert done.readings["reached"].value == pytest.approx(
            controller.furnace.programme.held_mean_K, abs=0.01
        )
        assert (await furnace.testify(second)).verdict == "not done"
        act = asyncio.create_task(furnace.act(second))
        await until(lambda: controller.furnace.programme.id == programme_id(second.id))
        await furnace.halt()
        assert (await act).status == "failed"
        broken = await furnace.testify(second)
        assert broken.verdict == "unknown" and "broken off" in broken.reason
        # A programme ran since: that the first one did is no longer to be seen, and it is not called done.
        assert (await furnace.testify(first)).verdict == "not done"


async def test_a_programme_that_was_only_loaded_was_not_done(
    slow: tuple[FurnaceController, int], tmp_path: Path
) -> None:
    controller, port = slow
    action = request("anneal", **ANNEAL)
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        assert (await furnace.testify(action)).verdict == "unknown"  # it may have restarted and forgotten
        await furnace._controller.load({"target": 873.15}, programme_id(action.id))
        assert (await furnace.testify(action)).verdict == "not done"
        assert not controller.furnace.running


async def test_a_restart_of_the_controllers_network_is_survived(
    slow: tuple[FurnaceController, int], tmp_path: Path
) -> None:
    controller, port = slow
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        act = asyncio.create_task(furnace.act(request("anneal", **{**ANNEAL, "hold": 60.0})))
        await soaking(controller)
        await controller.stop()
        await asyncio.sleep(0.5)
        assert not act.done()
        await controller.start(port=port)
        assert (await asyncio.wait_for(act, 30)).status == "succeeded"


async def test_a_controller_that_has_forgotten_ends_the_act(
    slow: tuple[FurnaceController, int], tmp_path: Path
) -> None:
    controller, port = slow
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        act = asyncio.create_task(furnace.act(request("anneal", **ANNEAL)))
        await until(lambda: controller.furnace.programme.elapsed_s > 60)  # it is being followed
        await controller.stop()
        fresh = FurnaceController(speed=600)
        await fresh.start(port=port)
        outcome = await asyncio.wait_for(act, 10)
        assert outcome.status == "failed" and "restarted" in outcome.reason
        await fresh.stop()


async def test_a_start_that_was_lost_is_given_again_only_where_the_programme_is_still_loaded(
    slow: tuple[FurnaceController, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, port = slow
    real, lost = ModbusLink.write, []

    async def loses_the_first(
        link: ModbusLink, address: int, words: list[int], *, once: bool = False
    ) -> None:
        if address == 110 and words == [1] and not lost:
            lost.append(address)
            link.close()
            raise LinkLost("the connection broke before the command was sent")
        await real(link, address, words, once=once)

    monkeypatch.setattr(ModbusLink, "write", loses_the_first)
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        act = asyncio.create_task(furnace.act(request("anneal", **ANNEAL)))
        await soaking(controller)
        assert lost and controller.commands == [1]
        await furnace.halt()
        await act
    await controller.stop()
    lost.clear()
    async with connected(ModbusFurnace, tmp_path, settings(await controller.start(port=port))) as furnace:
        forgetful = FurnaceController(speed=600)

        async def restarts(link: ModbusLink, address: int, words: list[int], *, once: bool = False) -> None:
            if address == 110 and words == [1] and not lost:
                await controller.stop()
                await forgetful.start(port=port)
            await loses_the_first(link, address, words, once=once)

        monkeypatch.setattr(ModbusLink, "write", restarts)
        outcome = await furnace.act(request("anneal", **ANNEAL))
        assert outcome.status == "failed" and "restarted" in outcome.reason
        assert 1 not in forgetful.commands and not forgetful.furnace.running
        await forgetful.stop()


async def test_a_controller_that_is_gone_leaves_a_doubt_and_does_so_in_bounded_time(
    slow: tuple[FurnaceController, int], tmp_path: Path
) -> None:
    controller, port = slow
    async with connected(ModbusFurnace, tmp_path, settings(port, reconnect_s=0.6)) as furnace:
        act = asyncio.create_task(furnace.act(request("anneal", **ANNEAL)))
        await soaking(controller)
        await controller.stop()
        began = time.monotonic()
        with pytest.raises(LinkLost):  # no ActionFailed: the furnace may well be hot
            await act
        assert time.monotonic() - began < 3
        # Before anything was started it is a plain failure.
        outcome = await furnace.act(request("anneal", **ANNEAL))
        assert outcome.status == "failed" and "nothing was started" in outcome.reason


async def test_halt_switches_the_heater_off_at_once(
    slow: tuple[FurnaceController, int], tmp_path: Path
) -> None:
    controller, port = slow
    async with connected(ModbusFurnace, tmp_path, settings(port, poll_s=5.0)) as furnace:
        act = asyncio.create_task(furnace.act(request("anneal", **ANNEAL)))
        await until(lambda: controller.furnace.power_W > 0)
        began = time.monotonic()
        await furnace.halt()
        outcome = await act
        assert time.monotonic() - began < 1  # and not after the five seconds of a look
        assert outcome.status == "failed" and "halted" in outcome.reason
        assert controller.commands[-1] == STOP and controller.furnace.power_W == 0
        assert controller.furnace.state == "stopped"


async def test_being_at_a_temperature_is_a_state(tmp_path: Path) -> None:
    controller = FurnaceController(speed=FAST)
    port = await controller.start()
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        action = request("be_at", temperature=600.0)
        assert (await furnace.act(action)).readings["temperature"].value == pytest.approx(600, abs=5)
        assert controller.furnace.state == "holding" and controller.furnace.power_W > 0
        assert (await furnace.testify(action)).verdict == "done"
        again = request("be_at", temperature=600.0)
        assert (await furnace.testify(again)).verdict == "not done"
        assert (await furnace.act(again)).status == "succeeded"
        assert not await furnace.is_safe()
        await furnace.make_safe()
        assert controller.furnace.power_W == 0 and await furnace.is_safe()
        assert (await furnace.testify(again)).verdict == "unknown"
    await controller.stop()


async def test_a_programme_that_stands_still_is_stopped(
    slow: tuple[FurnaceController, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, port = slow
    async with connected(ModbusFurnace, tmp_path, settings(port, stall_s=0.2)) as furnace:
        act = asyncio.create_task(furnace.act(request("anneal", **ANNEAL)))
        await soaking(controller)
        monkeypatch.setattr(controller.furnace, "advance", lambda seconds: None)
        outcome = await asyncio.wait_for(act, 5)
        assert outcome.status == "failed" and "stood still" in outcome.reason
        assert controller.commands[-1] == STOP


async def test_a_furnace_too_weak_for_the_recipe_is_stopped(tmp_path: Path) -> None:
    controller = FurnaceController(PlantConstants(power_W=300.0), speed=20 * FAST)
    port = await controller.start()
    async with connected(ModbusFurnace, tmp_path, settings(port)) as furnace:
        outcome = await furnace.act(request("anneal", **ANNEAL))
        assert outcome.status == "failed" and "should have ended" in outcome.reason
        assert controller.commands[-1] == STOP
    await controller.stop()


async def test_a_wrong_register_map_is_found_before_anything_starts(
    slow: tuple[FurnaceController, int], tmp_path: Path
) -> None:
    controller, port = slow
    async with connected(ModbusFurnace, tmp_path, settings(port, registers={"hold": 300})) as furnace:
        outcome = await furnace.act(request("anneal", **ANNEAL))
        assert outcome.status == "failed" and "illegal address" in outcome.reason
        assert controller.commands == []


async def test_reality_is_checked(slow: tuple[FurnaceController, int], tmp_path: Path) -> None:
    _, port = slow
    furnace = device(ModbusFurnace, tmp_path, {**settings(port), "simulated": False})
    with pytest.raises(SettingsError, match="says that it is a simulator"):
        await furnace.connect()
    await furnace.disconnect()
    honest = FurnaceController(says_simulated=False)
    port = await honest.start()
    furnace = device(ModbusFurnace, tmp_path, settings(port))
    with pytest.raises(SettingsError, match="does not say"):
        await furnace.connect()
    await furnace.disconnect()
    await honest.stop()
    assert furnace.spec.simulated


async def test_nobody_there_is_an_error_that_says_where(tmp_path: Path) -> None:
    furnace = device(ModbusFurnace, tmp_path, settings(1, reconnect_s=0.0))
    with pytest.raises(LinkLost, match=r"127\.0\.0\.1:1 unit 1"):
        await furnace.connect()


async def test_another_unit_refuses(slow: tuple[FurnaceController, int], tmp_path: Path) -> None:
    _, port = slow
    furnace = device(ModbusFurnace, tmp_path, settings(port, unit=9))
    with pytest.raises((ActionFailed, LinkLost)):
        await furnace.connect()
    await furnace.disconnect()
