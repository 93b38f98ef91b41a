"""A sensor over MQTT as the signal of a suspender: a real broker, a real host, the engine's way to look."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiomqtt", reason="MQTT needs the extra 'instruments'")
pytest.importorskip("amqtt", reason="the test's broker is amqtt, of the extra 'dev'")

from drivers.binding import bind
from drivers.clock import WallClock
from drivers.driver import LabContext
from drivers.host.server import Host
from drivers.host.spec import HostedDevice, HostSpec
from drivers.journal import Journal
from drivers.protocol import Action
from orchestrator.hands import Hands
from orchestrator.labfile import bind_lab, read_lab
from orchestrator.sentry import Seen, Sentry, reading_of
from tests.drivers.mqtt.conftest import TestBroker
from tests.drivers.rig import served
from tests.orchestrator.builders import bound, opened

LAB = """\
alquimia_lab: 1
name: box
reality: real
devices:
  glovebox:
    driver: mqtt.sensors
    settings:
      broker: {host: 127.0.0.1, port: PORT}
      wait_s: 1
      sensors: {o2: {topic: glovebox/o2, unit: ppm, stale_s: 30}}
suspenders:
  - signal: o2
    source: {device: glovebox, action: read, reading: o2, every: 5 s}
    band: [0, 10 ppm]
    resume_after: 1 s
"""


async def test_what_a_broker_says_suspends_and_resumes(
    tmp_path: Path,
) -> None:
    broker = TestBroker()
    await broker.start()
    (tmp_path / "lab.yaml").write_text(LAB.replace("PORT", str(broker.port)))
    lab = bind_lab(*read_lab("", tmp_path / "lab.yaml"))
    (source,) = lab.monitoring.sources
    device = bind(lab.file)["glovebox"].make(LabContext(WallClock(), None, 0, tmp_path))
    await device.connect()
    hosted = HostedDevice(driver="mqtt.sensors", settings=dict(lab.file.devices["glovebox"].settings))
    spec = HostSpec(
        name="glovebox", reality="real", socket=tmp_path / "g.sock", directory=tmp_path / "host", clock="wall",
        devices={"glovebox": hosted},
    )  # fmt: skip
    sentry, log = Sentry(lab.monitoring), opened(bound())

    async def look(at_s: float) -> list[str]:
        request = Action(id="look.o2", device="glovebox", verb=source.verb, epoch=1, deadline_s=5.0)
        reply: dict[str, Any] = dict(await hands.sense(request))
        value, unit, why = (
            reading_of(source, reply["readings"])
            if "readings" in reply
            else (None, source.unit, reply["failed"])
        )
        events = sentry.judge(Seen("o2", value, unit, why, at_s), log.state)
        log.apply(*events)
        return [event.kind for event in events]

    async def published(value: float) -> None:
        await broker.publish("glovebox/o2", str(value))
        await asyncio.sleep(0.2)

    async with served(Host(spec, Journal(tmp_path / "host" / "journal.jsonl"), {"glovebox": device})):
        hands = Hands([spec])
        await hands.fence("glovebox", 1, [])
        assert await look(0) == ["suspender.tripped"], "nobody has said anything yet"
        assert "o2" in log.state.suspended["o2"]["reason"]
        await published(3.0)
        assert await look(1) == [] and await look(2) == ["suspender.cleared"]
        await published(12.5)
        assert await look(3) == ["suspender.tripped"] and log.state.suspended["o2"]["value"] == 12.5
        hands.close()
    await broker.stop()
