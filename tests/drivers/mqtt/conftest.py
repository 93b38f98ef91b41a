"""A real MQTT broker on loopback, which a test may end and start again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiomqtt", reason="MQTT needs the extra 'instruments'")
pytest.importorskip("amqtt", reason="the test's broker is amqtt, of the extra 'dev'")

import aiomqtt
from amqtt.broker import Broker

from drivers.binding import bind
from drivers.clock import WallClock
from drivers.driver import LabContext
from drivers.instruments.mqtt import Sensors
from tests.drivers.pages import printed


class TestBroker:
    """amqtt on one port, over TLS where a certificate is given; what is kept in it is lost when it ends."""

    __test__ = False

    def __init__(self, key: Path | None = None, certificate: Path | None = None) -> None:
        self._key, self._certificate = key, certificate
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        self._broker: Broker | None = None

    async def start(self) -> None:
        listener: dict[str, Any] = {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}
        if self._certificate is not None:
            listener |= {"ssl": True, "certfile": str(self._certificate), "keyfile": str(self._key)}
        config = {
            "listeners": {"default": listener},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        self._broker = Broker(config)
        await self._broker.start()

    async def stop(self) -> None:
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.shutdown()

    async def publish(self, topic: str, payload: Any, *, retain: bool = False) -> None:
        trusted = None
        if self._certificate is not None:
            trusted = ssl.create_default_context(cafile=str(self._certificate))
        async with aiomqtt.Client("127.0.0.1", self.port, tls_context=trusted) as client:
            await client.publish(topic, payload, qos=1, retain=retain)


BROKER_OF_ITS_OWN = """
import asyncio, sys
from amqtt.broker import Broker
async def serve():
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listener = {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}
    await Broker({"listeners": {"default": listener}, "plugins": plugins}).start()
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(serve())
"""


@contextlib.asynccontextmanager
async def broker_process(port: int) -> AsyncIterator[None]:
    """A broker in a process of its own, which is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BROKER_OF_ITS_OWN, str(port),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"up\n"
        yield
    finally:
        process.kill()
        await process.communicate()


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    one = TestBroker()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def sensors(broker: TestBroker, tmp_path: Path) -> AsyncIterator[Sensors]:
    """The device of the documentation's laboratory, connected to the test's broker."""
    lab = printed("instruments/mqtt.md", {"port: 1883": f"port: {broker.port}"})
    lab = lab.with_settings("glovebox", wait_s=1.0)
    made = bind(lab)["glovebox"].make(LabContext(WallClock(), None, 0, tmp_path))
    assert isinstance(made, Sensors)
    await made.connect()
    yield made
    await made.disconnect()


async def soon(condition: Any, within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def dies_with_a_will(port: int, topic: str, payload: str) -> AsyncIterator[None]:
    """A client of MQTT 3.1.1 with a retained last will whose connection breaks at the end of the block."""

    def text(value: str) -> bytes:
        return len(value).to_bytes(2, "big") + value.encode()

    flags = 0x02 | 0x04 | 0x08 | 0x20  # clean session, will, will at QoS 1, will retained
    body = (
        text("MQTT")
        + bytes([4, flags])
        + (30).to_bytes(2, "big")
        + text("probe")
        + text(topic)
        + text(payload)
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(bytes([0x10, len(body)]) + body)
    assert (await reader.readexactly(4))[3] == 0  # accepted
    yield
    writer.transport.abort()
