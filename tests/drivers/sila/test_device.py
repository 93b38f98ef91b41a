"""The driver `sila` against a stranger's server, by the laboratory that the documentation prints."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers import contract
from drivers.contract import Case
from drivers.errors import SettingsError
from drivers.instruments.sila.connection import ServerAway
from drivers.instruments.sila.device import SilaDevice
from drivers.protocol import Attribution
from tests.drivers.laboratory import request
from tests.drivers.sila.conftest import Device
from tests.drivers.sila.furnace import Furnace, certificate, furnace_server

ANNEAL: dict[str, Any] = {
    "command": "BoxFurnace.Anneal",
    "doc": "Heat and hold.",
    "parameters": {
        "setpoint": {"unit": "K", "at_least": 300.0, "at_most": 1200.0},
        "hold": {"unit": "s", "at_least": 0.0, "at_most": 0.1},
    },
    "results": {"reached": {"unit": "K", "property": "BoxFurnace.Temperature"}},
    "ask": {
        "property": "BoxFurnace.Temperature",
        "argument": "setpoint",
        "within": 2.0,
        "busy": "BoxFurnace.Working",
    },
}
LEVEL: dict[str, Any] = {
    "command": "BoxFurnace.Level",
    "doc": "Stand level.",
    "parameters": {"feet": {"kind": "integer", "at_least": 1, "at_most": 100}},
    "results": {"tilt": {"at_least": 0}},
}
READ = {"doc": "Read.", "results": {"temperature": {"property": "BoxFurnace.Temperature", "unit": "K"}}}


async def test_the_printed_laboratory_anneals_and_follows_what_the_server_says(
    furnace: Furnace, device: Device
) -> None:
    async with device() as one:
        done = await one.act(request("furnace", "anneal", setpoint=900.0, hold=0.3))
        assert done.status == "succeeded", done
        assert (done.readings["reached"].value, done.readings["reached"].unit) == (900.0, "K")
        said = done.record["sila"]["intermediate"]
        assert (
            said["count"] == 10
            and said["latest"][0] == {"Now": 360.0}
            and said["latest"][-1] == {"Now": 900.0}
        )
        assert (await one.act(request("furnace", "read"))).readings["temperature"].value == 900.0
        assert (await one.act(request("furnace", "level", feet=4))).readings["tilt"].value == 0.4


async def test_a_running_command_does_not_hold_up_the_loop(furnace: Furnace, device: Device) -> None:
    async with device() as one:
        act = asyncio.create_task(one.act(request("furnace", "anneal", setpoint=500.0, hold=0.5)))
        longest, before = 0.0, time.monotonic()
        while not act.done():
            await asyncio.sleep(0.001)
            now = time.monotonic()
            longest, before = max(longest, now - before), now
        assert act.result().status == "succeeded" and longest < 0.3


async def test_execution_errors_are_known_failures_with_their_names(furnace: Furnace, device: Device) -> None:
    async with device() as one:
        hot = await one.act(request("furnace", "anneal", setpoint=1300.0, hold=0.0))
        assert (hot.status, hot.attribution) == ("failed", Attribution.INFEASIBLE)
        assert hot.reason == "OverTemperature: 1300.0 K is above 1200 K"
        broken = await one.act(request("furnace", "level", feet=13))
        assert (broken.status, broken.attribution) == ("failed", Attribution.INSTRUMENT)
        assert "UndefinedExecutionError" in broken.reason and "a foot is missing" in broken.reason


async def test_halt_stops_the_command_and_the_act_ends_as_failed(furnace: Furnace, device: Device) -> None:
    async with device() as one:
        act = asyncio.create_task(one.act(request("furnace", "anneal", setpoint=900.0, hold=30.0)))
        while not furnace.working:
            await asyncio.sleep(0.01)
        await one.halt()
        outcome = await asyncio.wait_for(act, 5)
        assert (outcome.status, outcome.attribution) == ("failed", Attribution.INSTRUMENT)
        assert outcome.reason == "Stopped: by Stop" and not furnace.working


async def test_a_server_without_what_the_settings_name_is_refused_with_every_fault(
    furnace: Furnace, device: Device
) -> None:
    wrong = {
        "bake": {"command": "Oven.Bake"},
        "boil": {"command": "BoxFurnace.Boil"},
        "anneal": {
            **ANNEAL,
            "parameters": {
                "setpoint": {"unit": "degC", "at_most": 900.0},
                "colour": {"kind": "text"},
            },
            "results": {"peak": {"unit": "K"}},
            "ask": None,
        },
        "level": {**LEVEL, "parameters": {"feet": {"kind": "text"}}},
    }
    async with device(connect=False, actions=wrong, halt=["BoxFurnace.Anneal"]) as one:
        with pytest.raises(SettingsError) as refused:
            await one.connect()
    for fault in (
        "halt: BoxFurnace.Anneal takes parameters",
        "actions.bake: there is no feature 'Oven'; the server has SiLAService, BoxFurnace",
        "actions.boil: BoxFurnace has no command 'Boil'",
        "actions.anneal: parameters.setpoint: the server says 'K', the settings 'degC'",
        "parameters.colour: BoxFurnace.Anneal has no parameter 'Colour'",
        "BoxFurnace.Anneal needs Hold, which nothing gives",
        "results.peak: BoxFurnace.Anneal has no response 'Peak'; it has Reached",
        "actions.level: parameters.feet: the server wants a Integer, a text is a String",
    ):
        assert fault in str(refused.value)
    assert furnace.anneals == 0


async def test_the_device_testifies_by_its_property_and_not_while_it_is_busy(
    furnace: Furnace, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.instruments.sila.device.BUSY_S", 0.3)
    anneal = request("furnace", "anneal", setpoint=900.0, hold=0.0)
    async with device() as one:
        assert (await one.testify(anneal)).verdict == "not done"
        furnace.temperature = 901.5
        done = await one.testify(anneal)
        assert (done.verdict, done.readings["reached"].value) == ("done", 901.5)
        furnace.temperature = 903.0
        assert (await one.testify(anneal)).verdict == "not done"
        furnace.working = True
        assert (await one.testify(anneal)).verdict == "unknown"
        assert (await one.testify(request("furnace", "level", feet=4))).verdict == "unknown"


async def test_results_that_only_the_response_had_are_lost_with_it(furnace: Furnace, device: Device) -> None:
    actions = {"anneal": {**ANNEAL, "results": {"reached": {"unit": "K"}}}}
    async with device(actions=actions) as one:
        furnace.temperature = 900.0
        asked = await one.testify(request("furnace", "anneal", setpoint=900.0, hold=0.0))
        assert asked.verdict == "unknown" and "it was done, and reached is lost" in asked.reason


async def test_a_server_that_is_gone_is_a_failed_act_and_one_that_is_back_is_used(
    device: Device, port: int
) -> None:
    async with device(connect=False) as one:
        gone = await one.act(request("furnace", "read"))
        assert (gone.status, gone.attribution) == ("failed", Attribution.INSTRUMENT)
        assert "cannot be reached" in gone.reason and gone.reason.endswith("nothing was sent")
        for _ in range(2):
            with furnace_server(port):
                while (read := await one.act(request("furnace", "read"))).status == "failed":
                    await asyncio.sleep(0.05)
                assert read.readings["temperature"].value == 300.0


async def test_a_server_lost_in_the_middle_leaves_the_end_unknown(device: Device, port: int) -> None:
    async with device(connect=False, away_s=0.5, answers_within_s=2.0) as one:
        with furnace_server(port) as furnace:
            await one.connect()
            act = asyncio.create_task(one.act(request("furnace", "anneal", setpoint=900.0, hold=60.0)))
            while not furnace.working:
                await asyncio.sleep(0.01)
            furnace.parent_server.grpc_server.stop(0)
            with pytest.raises(ServerAway):
                await asyncio.wait_for(act, 15)


async def test_an_unobservable_command_that_is_broken_off_lets_its_thread_go(
    furnace: Furnace, device: Device
) -> None:
    async with device() as one:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await one.act(request("furnace", "level", feet=60))
        assert (await one.act(request("furnace", "read"))).status == "succeeded"


async def test_tls_trusts_the_named_authority_and_no_other(device: Device, port: int, tmp_path: Path) -> None:
    key, pem, path = certificate(tmp_path, "furnace")
    _, _, other = certificate(tmp_path, "other")
    with furnace_server(port, (key, pem)):
        async with device(insecure=False, root_certificates=str(path)) as one:
            assert (await one.act(request("furnace", "read"))).status == "succeeded"
        async with device(connect=False, insecure=False, root_certificates=str(other)) as one:
            with pytest.raises(ServerAway):
                await one.connect()
        async with device(connect=False) as one:
            with pytest.raises(ServerAway):
                await one.connect()


def test_insecure_is_for_loopback_only() -> None:
    actions = {"read": READ}
    SilaDevice.Settings(host="::1", port=1, insecure=True, actions=actions)
    for host in ("192.0.2.7", "furnace.example.org"):
        with pytest.raises(ValidationError, match="insecure is for loopback only"):
            SilaDevice.Settings(host=host, port=1, insecure=True, actions=actions)


async def test_a_real_server_is_no_simulation(
    furnace: Furnace, device: Device, port: int, tmp_path: Path
) -> None:
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "insecure": True,
        "simulated": True,
        "actions": {"read": READ},
    }
    one = await Case("sila", settings).ready(tmp_path)
    with pytest.raises(SettingsError, match="does not say that it is a simulator"):
        await one.connect()
    await one.disconnect()


@pytest.mark.parametrize("promise", [name for name in vars(contract) if name.startswith("keeps_")])
async def test_it_keeps_the_contract(furnace: Furnace, port: int, tmp_path: Path, promise: str) -> None:
    settings = {
        "host": "127.0.0.1", "port": port, "insecure": True, "halt": ["BoxFurnace.Stop"],
        "actions": {"anneal": ANNEAL, "level": LEVEL, "read": READ},
    }  # fmt: skip
    one = await Case("sila", settings).ready(tmp_path)
    await getattr(contract, promise)(one)
    await one.disconnect()
