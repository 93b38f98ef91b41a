"""Simulated devices over SiLA 2: driven by a plain client, and by the driver `sila`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sila2.client import SilaClient
from sila2.framework import DefinedExecutionError, UndefinedExecutionError, ValidationError

from drivers import contract
from drivers.clock import VirtualClock
from drivers.contract import Case
from drivers.driver import LabContext
from drivers.errors import LabError, SettingsError
from drivers.instruments.sila.definition import device_feature
from drivers.instruments.sila.device import SilaDevice
from drivers.instruments.sila.serve import laboratory, limits, main, serving
from drivers.instruments.sila.units import convert
from drivers.lab import LabFile
from drivers.protocol import ActionSpec, DeviceSpec, ParameterSpec, Repeat
from tests.drivers.laboratory import request
from tests.drivers.sila.furnace import certificate

ROOT = Path(__file__).parents[3]
FURNACE = {
    "simulated": True,
    "insecure": True,
    "host": "127.0.0.1",
    "halt": ["CancelController.CancelAll"],
    "actions": {
        "heat": {
            "command": "Furnace.Heat",
            "doc": "Heat and hold.",
            "sample": "Sample",
            "action_id": "ActionId",
            "parameters": {
                "temperature": {"unit": "K", "at_least": 320.0, "at_most": 540.0},
                "hold": {"unit": "s", "at_least": 0.0, "at_most": 3600.0},
            },
            "ask": {"property": "Furnace.SucceededActions", "busy": "Furnace.Busy"},
            "takes_s": 300.0,
        }
    },
}


def thin_film(**changes: Any) -> LabFile:
    return laboratory("simulated/thin_film").model_copy(update=changes)


def waited(instance: Any) -> Any:
    while not instance.done:
        time.sleep(0.005)
    return instance.get_responses()


@contextlib.asynccontextmanager
async def client(port: int, **options: Any) -> AsyncIterator[Callable[..., Any]]:
    """Calls of a plain SiLA client, each in a thread: `await ask(lambda c: ...)`."""
    made = await asyncio.to_thread(SilaClient, "127.0.0.1", port, **(options or {"insecure": True}))
    try:
        yield lambda function: asyncio.to_thread(function, made)
    finally:
        await asyncio.to_thread(made.close)
        made._task_executor.shutdown(wait=False)


async def test_a_plain_client_makes_a_film_and_measures_it(port: int, tmp_path: Path) -> None:
    def make(c: SilaClient) -> Any:
        assert c.SimulationController.SimulationMode.get() is True
        for i, (feature, command, arguments) in enumerate((
            ("Dispenser", "Mix", {"DopantFraction": 0.14, "Solvent": "chlorobenzene"}),
            ("Coater", "Spin", {"Speed": 209.44, "Duration": 30.0}),
            ("Furnace", "Heat", {"Temperature": 467.0, "Hold": 35.0}),
        )):  # fmt: skip
            waited(getattr(getattr(c, feature), command)(Sample="s1", ActionId=f"a{i}", **arguments))
        measured = waited(c.Probe.Measure(Sample="s1", ActionId="m"))
        return measured, waited(c.Probe.Measure(Sample="s1", ActionId="m")), c.Probe.SucceededActions.get()

    async with serving(thin_film(), tmp_path, port=port), client(port) as ask:
        measured, again, succeeded = await ask(make)
    assert measured == again and succeeded == ["m"]  # the same id is the same action
    readings = measured._asdict()
    assert json.loads(readings.pop("Record")) == {}
    assert readings and all(isinstance(value, float) for value in readings.values())
    facts = [json.loads(line) for line in (tmp_path / "world" / "tally.jsonl").read_text().splitlines()]
    assert [fact["action"] for fact in facts] == ["a0", "a1", "a2", "m"]


async def test_known_failures_are_defined_errors_and_limits_hold(port: int, tmp_path: Path) -> None:
    lab = thin_film()
    async with serving(lab, tmp_path, port=port), client(port) as ask:
        with pytest.raises(ValidationError, match="MaximalInclusive"):
            await ask(lambda c: c.Furnace.Heat(Sample="s1", ActionId="", Temperature=5000.0, Hold=1.0))
        with pytest.raises(UndefinedExecutionError, match="limit is at most 550"):
            await ask(lambda c: waited(c.Furnace.Heat(Sample="s1", ActionId="", Temperature=551.0, Hold=1.0)))
        with pytest.raises(UndefinedExecutionError, match="sample"):
            await ask(lambda c: waited(c.Furnace.Heat(Sample="", ActionId="", Temperature=500.0, Hold=1.0)))
        with pytest.raises(DefinedExecutionError) as failed:
            await ask(lambda c: waited(c.Probe.Measure(Sample="nothing", ActionId="x")))
        assert failed.value.identifier in ("Infeasible", "Logistics", "Instrument")
        assert await ask(lambda c: c.Probe.SucceededActions.get()) == []
        with pytest.raises(DefinedExecutionError, match="StartRealModeFailed"):
            await ask(lambda c: c.SimulationController.StartRealMode())


async def test_a_device_does_one_thing_at_a_time_and_cancel_all_stops_it(port: int, tmp_path: Path) -> None:
    lab = thin_film(clock="wall")
    async with serving(lab, tmp_path, port=port), client(port) as ask:
        heating = await ask(
            lambda c: c.Furnace.Heat(Sample="s1", ActionId="h", Temperature=500.0, Hold=300.0)
        )
        while not await ask(lambda c: c.Furnace.Busy.get()):
            await asyncio.sleep(0.01)
        with pytest.raises(DefinedExecutionError) as busy:
            await ask(
                lambda c: waited(c.Furnace.Heat(Sample="s1", ActionId="i", Temperature=500.0, Hold=1.0))
            )
        assert busy.value.identifier == "Busy"
        while heating.progress is None or heating.estimated_remaining_time is None:
            await asyncio.sleep(0.01)
        assert heating.progress < 1 and heating.estimated_remaining_time.total_seconds() > 60
        await ask(lambda c: c.CancelController.CancelAll())
        with pytest.raises(DefinedExecutionError):
            await asyncio.wait_for(ask(lambda c: waited(heating)), 5)
        assert await ask(lambda c: (c.Furnace.Busy.get(), c.Furnace.SucceededActions.get())) == (False, [])


def long_mixing() -> LabFile:
    return thin_film(clock="wall").with_settings("dispenser", takes_s=3000.0)


async def test_one_command_is_cancelled_by_its_execution_and_others_go_on(port: int, tmp_path: Path) -> None:
    async with serving(long_mixing(), tmp_path, port=port), client(port) as ask:
        heating = await ask(lambda c: c.Furnace.Heat(Sample="s1", ActionId="", Temperature=500.0, Hold=300.0))
        mixing = await ask(
            lambda c: c.Dispenser.Mix(Sample="s2", ActionId="m", DopantFraction=0.1, Solvent="anisole")
        )
        while not await ask(lambda c: c.Furnace.Busy.get() and c.Dispenser.Busy.get()):
            await asyncio.sleep(0.01)
        unknown = "00000000-0000-4000-8000-000000000000"
        with pytest.raises(DefinedExecutionError) as refused:
            await ask(lambda c: c.CancelController.CancelCommand(unknown))
        assert refused.value.identifier == "InvalidCommandExecutionUUID"
        await ask(lambda c: c.CancelController.CancelCommand(str(heating.execution_uuid)))
        with pytest.raises(DefinedExecutionError):
            await asyncio.wait_for(ask(lambda c: waited(heating)), 20)
        assert await ask(lambda c: (c.Furnace.Busy.get(), c.Dispenser.Busy.get())) == (False, True)
        with pytest.raises(DefinedExecutionError) as over:
            await ask(lambda c: c.CancelController.CancelCommand(str(heating.execution_uuid)))
        assert over.value.identifier == "InvalidCommandExecutionUUID"
        await ask(lambda c: c.CancelController.CancelCommand(str(mixing.execution_uuid)))


async def test_a_halt_cancels_what_the_driver_waits_for_and_nothing_else(port: int, tmp_path: Path) -> None:
    settings = SilaDevice.Settings.model_validate({**FURNACE, "halt": [], "port": port})
    async with serving(long_mixing(), tmp_path, port=port), client(port) as ask:
        one = SilaDevice("furnace", settings, LabContext(VirtualClock(), None, 0, tmp_path))
        await ask(lambda c: c.Dispenser.Mix(Sample="s2", ActionId="m", DopantFraction=0.1, Solvent="anisole"))
        act = asyncio.create_task(one.act(request("furnace", "heat", id="h", temperature=467.0, hold=300.0)))
        while not await ask(lambda c: c.Furnace.Busy.get() and c.Dispenser.Busy.get()):
            await asyncio.sleep(0.01)
        await one.halt()
        outcome = await asyncio.wait_for(act, 20)
        assert outcome.status == "failed", outcome
        assert await ask(lambda c: (c.Furnace.Busy.get(), c.Dispenser.Busy.get())) == (False, True)
        await one.halt()  # nothing is waited for: nothing is cancelled
        assert await ask(lambda c: c.Dispenser.Busy.get())
        await ask(lambda c: c.CancelController.CancelAll())
        await one.disconnect()


async def test_the_sila_driver_drives_a_served_device_and_asks_it(port: int, tmp_path: Path) -> None:
    settings = SilaDevice.Settings.model_validate({**FURNACE, "port": port})
    async with serving(thin_film(), tmp_path, port=port):
        one = SilaDevice("furnace", settings, LabContext(VirtualClock(), None, 0, tmp_path))
        assert one.spec.simulated
        heat = request("furnace", "heat", id="h1", temperature=467.0, hold=35.0)
        assert (await one.testify(heat)).verdict == "not done"
        assert (await one.act(heat)).status == "succeeded"
        assert (await one.testify(heat)).verdict == "done"
        await one.disconnect()


async def test_a_simulation_is_refused_as_a_real_instrument(port: int, tmp_path: Path) -> None:
    settings = SilaDevice.Settings.model_validate({**FURNACE, "port": port, "simulated": False})
    async with serving(thin_film(), tmp_path, port=port):
        one = SilaDevice("furnace", settings, LabContext(VirtualClock(), None, 0, tmp_path))
        with pytest.raises(SettingsError, match="says that it is a simulator"):
            await one.connect()
        outcome = await one.act(request("furnace", "heat", temperature=467.0, hold=35.0))
        assert outcome.status == "failed" and "nothing was sent" in outcome.reason
        await one.disconnect()


@pytest.mark.parametrize("promise", [name for name in vars(contract) if name.startswith("keeps_")])
async def test_a_served_device_keeps_the_contract(port: int, tmp_path: Path, promise: str) -> None:
    async with serving(thin_film(), tmp_path, port=port):
        one = await Case("sila", {**FURNACE, "port": port}).ready(tmp_path)
        await getattr(contract, promise)(one)
        await one.disconnect()


async def test_it_is_served_encrypted(port: int, tmp_path: Path) -> None:
    key, pem, _ = certificate(tmp_path, "lab")
    encrypted = serving(thin_film(), tmp_path, port=port, key=key, certificate=pem)
    async with encrypted, client(port, root_certs=pem) as ask:
        assert "Furnace" in await ask(lambda c: list(c._features))
    with pytest.raises(ValueError, match="only loopback is served"):
        async with serving(thin_film(), tmp_path, host="0.0.0.0", port=port):
            pass


async def test_the_command_serves_until_it_is_interrupted(port: int, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "drivers.instruments.sila.serve", "simulated/instant", "--port", str(port),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 60) == (
            f"serving {', '.join(laboratory('simulated/instant').devices)} on 127.0.0.1:{port}\n".encode()
        )
        async with client(port) as ask:
            assert await ask(lambda c: c.SimulationController.SimulationMode.get()) is True
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def test_a_real_laboratory_is_not_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text("alquimia_lab: 1\nname: b\nreality: real\ndevices: {d: {driver: sila}}\n")
    assert main([str(lab)]) == 1
    assert "b is a real laboratory" in capsys.readouterr().err


def test_names_that_are_one_in_sila_are_said() -> None:
    one = ActionSpec(
        repeat=Repeat.OPAQUE, parameters={"a_1": ParameterSpec(kind="flag"), "a1": ParameterSpec(kind="flag")}
    )
    with pytest.raises(ValueError, match="'a1' and 'a_1' are both A1"):
        device_feature("d", DeviceSpec(driver="d", version="1", simulated=True, actions={"do": one}))


def test_limits_are_converted_or_refused() -> None:
    assert convert(25.0, "degC", "K") == pytest.approx(298.15) and convert(1.0, "h", "s") == 3600
    lab = thin_film()
    spec = laboratory_spec(lab)
    bounds = limits(lab, "furnace", spec).limits
    assert (bounds["heat.hold"].at_most, bounds["heat.temperature"].at_most) == (3600, 550)
    entry = lab.devices["furnace"].model_copy(
        update={
            "limits": {"heat.hold": type(lab.devices["furnace"].limits["heat.hold"])(at_most="3 furlong")}
        }
    )
    with pytest.raises(LabError, match="3 furlong cannot be converted"):
        limits(lab.model_copy(update={"devices": {"furnace": entry}}), "furnace", spec)


def laboratory_spec(lab: LabFile) -> DeviceSpec:
    from drivers.binding import bind

    return bind(lab)["furnace"].spec


def test_no_thread_is_left_waiting() -> None:
    """Servers and clients of the tests before have ended; what they leave must not keep a process alive for ever."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = [one for one in threading.enumerate() if "Subscription" in one.name and not one.daemon]
        if not left:
            return
        time.sleep(0.05)
    raise AssertionError(left)
