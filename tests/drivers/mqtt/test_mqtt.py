"""The driver `mqtt.sensors` against a real broker, by the laboratory that the documentation prints."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers import contract
from drivers.clock import WallClock
from drivers.contract import Case
from drivers.driver import LabContext
from drivers.errors import SettingsError
from drivers.instruments.mqtt import BrokerEntry, Sensed, SensorEntry, Sensors, SensorStream
from drivers.instruments.mqtt_sensor import BadPayload, number
from drivers.protocol import Attribution
from tests.drivers.laboratory import request
from tests.drivers.mqtt.conftest import TestBroker, broker_process, dies_with_a_will, soon


async def publish_all(broker: TestBroker, o2: float = 3.5) -> None:
    await broker.publish("glovebox/o2", json.dumps({"value": o2, "unit": "ppm"}))
    await broker.publish("chiller/flow", "2.25")
    await broker.publish("cleanroom/door/closed", "1")


async def test_the_printed_laboratory_reads_what_was_published(broker: TestBroker, sensors: Sensors) -> None:
    before = time.time()
    await publish_all(broker)
    read = await sensors.act(request("glovebox", "read"))
    assert read.status == "succeeded", read
    assert {name: (one.value, one.unit) for name, one in read.readings.items()} == {
        "o2": (3.5, "ppm"), "water": (2.25, "L/min"), "door": (1.0, ""),
    }  # fmt: skip
    assert all(before <= at <= time.time() for at in read.record["at"].values())
    await broker.publish("glovebox/o2", '{"value": 4.0}')
    await soon(lambda: sensors.stream.value("o2").value == 4.0)
    one = await sensors.act(request("glovebox", "read_o2"))
    assert {name: value.value for name, value in one.readings.items()} == {"o2": 4.0}


async def test_a_missing_value_is_a_failed_act_that_names_it(broker: TestBroker, sensors: Sensors) -> None:
    await broker.publish("glovebox/o2", '{"value": 4.0}')
    failed = await sensors.act(request("glovebox", "read"))
    assert (failed.status, failed.attribution) == ("failed", Attribution.INSTRUMENT)
    assert (
        failed.reason
        == "water: nothing has come from chiller/flow; door: nothing has come from cleanroom/door/closed"
    )
    assert failed.record["values"] == {"o2": 4.0}


async def test_a_stale_value_fails_and_says_since_when(broker: TestBroker) -> None:
    entry = SensorEntry(topic="t", unit="ppm", stale_s=0.4)
    async with SensorStream(BrokerEntry(host="127.0.0.1", port=broker.port), {"o2": entry}) as stream:
        await soon(stream.connected.is_set)
        await broker.publish("t", "3.5")
        await soon(lambda: stream.sensors["o2"].at is not None)
        assert stream.value("o2").value == 3.5
        await asyncio.sleep(0.5)
        with pytest.raises(
            LookupError, match=r"o2: stale, 0.4 s are allowed; the last value was 3.5 ppm at 20\d\d-"
        ):
            stream.value("o2")
        await broker.publish("t", "3.6")
        await soon(lambda: stream.sensors["o2"].value == 3.6)
        assert stream.value("o2").value == 3.6


@pytest.mark.parametrize(
    "payload", ["", "nonsense", '{"other": 1}', '{"value": "much"}', '{"value": NaN}', "[" * 9999]
)
async def test_a_garbled_message_takes_the_value_away(
    broker: TestBroker, sensors: Sensors, payload: str
) -> None:
    await publish_all(broker)
    await broker.publish("glovebox/o2", payload)
    await soon(lambda: sensors.stream.sensors["o2"].fault)
    failed = await sensors.act(request("glovebox", "read"))
    assert (failed.status, failed.attribution) == ("failed", Attribution.BAD_READING)
    assert "o2: its latest message is worth nothing" in failed.reason
    assert (await sensors.act(request("glovebox", "read_water"))).status == "succeeded"


async def test_what_the_broker_kept_has_no_known_age(broker: TestBroker) -> None:
    await broker.publish("t", "3.5", retain=True)
    sensors = {"no": SensorEntry(topic="t"), "yes": SensorEntry(topic="t", retained=True)}
    async with SensorStream(BrokerEntry(host="127.0.0.1", port=broker.port), sensors) as stream:
        await soon(lambda: stream.sensors["yes"].at is not None)
        with pytest.raises(LookupError, match="nothing has come"):
            stream.value("no")


async def test_a_last_will_takes_the_value_away_until_the_sensor_is_back(
    broker: TestBroker, sensors: Sensors
) -> None:
    await publish_all(broker)
    async with dies_with_a_will(broker.port, "glovebox/status", "offline"):
        await broker.publish("glovebox/status", "online")
        assert (await sensors.act(request("glovebox", "read"))).status == "succeeded"
    await soon(lambda: sensors.stream.sensors["o2"].offline)
    failed = await sensors.act(request("glovebox", "read"))
    assert failed.status == "failed"
    assert failed.reason.startswith("o2: it is offline by glovebox/status; the last value was 3.5 ppm at 20")
    await broker.publish("glovebox/status", "online")
    await soon(lambda: not sensors.stream.sensors["o2"].offline)
    assert (await sensors.act(request("glovebox", "read"))).status == "succeeded"


async def test_a_broker_that_is_killed_is_connected_to_again(tmp_path: Path) -> None:
    broker = TestBroker()
    settings = {
        "broker": {"host": "127.0.0.1", "port": broker.port},
        "sensors": {"o2": {"topic": "o2", "unit": "ppm", "stale_s": 60.0}},
    }
    one = await Case("mqtt.sensors", settings).ready(tmp_path)
    assert isinstance(one, Sensors)
    async with broker_process(broker.port):
        await one.connect()
        await broker.publish("o2", "3.5")
        assert (await one.act(request("s", "read"))).readings["o2"].value == 3.5
    await soon(lambda: not one.stream.connected.is_set())
    assert (await one.act(request("s", "read"))).readings["o2"].value == 3.5  # it is not stale yet
    await asyncio.sleep(0.7)  # the first attempt to connect again fails
    async with broker_process(broker.port):
        await soon(one.stream.connected.is_set)
        await broker.publish("o2", "7")
        await soon(lambda: one.stream.value("o2").value == 7.0)
    await one.disconnect()


async def test_a_watcher_gets_every_value_and_hears_of_silence(broker: TestBroker) -> None:
    entry = SensorEntry(topic="t", stale_s=0.5, availability="s")
    heard: list[Sensed] = []
    async with SensorStream(BrokerEntry(host="127.0.0.1", port=broker.port), {"o2": entry}) as stream:
        await soon(stream.connected.is_set)

        async def watch() -> None:
            async for sensed in stream.watch():
                heard.append(sensed)

        watching = asyncio.create_task(watch())
        for i in range(5):
            await broker.publish("t", str(i))
        await soon(lambda: [one.value for one in heard if one.value is not None] == [0, 1, 2, 3, 4])
        await soon(lambda: heard[-1].value is None)  # stale
        await broker.publish("t", "5")
        await soon(lambda: heard[-1].value == 5)
        await broker.publish("s", "offline")
        await soon(lambda: heard[-1].value is None)  # offline
        assert {one.name for one in heard} == {"o2"} and abs(heard[-1].time - time.time()) < 5
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert not stream._watchers


async def test_no_broker_at_the_start_is_an_error(tmp_path: Path) -> None:
    settings = Sensors.Settings(
        broker=BrokerEntry(host="127.0.0.1", port=9), sensors={"a": SensorEntry(topic="t")}, wait_s=0.5
    )
    one = Sensors("s", settings, LabContext(WallClock(), None, 0, tmp_path))
    with pytest.raises(SettingsError, match=r"no MQTT broker answers at 127\.0\.0\.1:9"):
        await one.connect()


def test_numbers_in_payloads() -> None:
    assert number(b" 3.5\n", None) == 3.5 and number(b"-1e3", None) == -1000
    assert number(b'{"a": [{"b/c": true}]}', "/a/0/b~1c") == 1.0
    assert number(b"7", "") == 7.0 and number(b'{"": 2}', "/") == 2
    for payload, pointer in (
        (b"1,5", None),
        (b"inf", None),
        (b"[1]", ""),
        (b"[1]", "/1"),
        (b"null", ""),
        (b"\xff", None),
    ):
        with pytest.raises(BadPayload):
            number(payload, pointer)


def test_settings_that_make_no_sense_are_refused() -> None:
    for bad in (
        SensorEntry(topic="a/+/b"), SensorEntry(topic="a", pointer="x"), SensorEntry(topic="a", stale_s=0.0)
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            Sensors.Settings(broker=BrokerEntry(host="h"), sensors={"a": bad})


@pytest.mark.parametrize("promise", [name for name in vars(contract) if name.startswith("keeps_")])
async def test_it_keeps_the_contract(broker: TestBroker, tmp_path: Path, promise: str) -> None:
    settings = {
        "broker": {"host": "127.0.0.1", "port": broker.port},
        "sensors": {"o2": {"topic": "o2", "unit": "ppm", "at_least": 0.0, "retained": True}},
    }
    await broker.publish("o2", "3.5", retain=True)
    one = await Case("mqtt.sensors", settings).ready(tmp_path)
    await getattr(contract, promise)(one)
    await one.disconnect()
