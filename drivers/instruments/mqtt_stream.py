"""A stream of sensor values from an MQTT broker: the latest of each, and all of them as they come.

Values have the time at which they arrived, seconds since 1970. A message that the broker kept for late subscribers
(retained) has no known age and counts only where the sensor's settings say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

import structlog

from drivers.configured import Entry, Name
from drivers.instruments.mqtt_sensor import BadPayload, Sensor, SensorEntry, number

log = structlog.get_logger()

AGAIN_S = 0.5  # before a broken connection is tried again; doubled up to AGAIN_AT_MOST_S
AGAIN_AT_MOST_S = 15.0
LOOK_S = 0.25  # how often it is asked whether a value has become stale
KEPT = 1000  # values that a slow watcher may be behind; older ones are dropped


class Sensed(NamedTuple):
    """One value of one sensor. `value` is None where it has none now: offline, stale, garbled, broker gone."""

    name: str
    value: float | None
    time: float  # s since 1970


class BrokerEntry(Entry):
    """Where the broker is. `password_env`: the environment variable that holds the password."""

    host: str
    port: int = 1883
    username: str | None = None
    password_env: str | None = None
    tls: bool = False
    root_certificates: str | None = None
    client_id: str | None = None


class SensorStream:
    """Subscribes to the topics of some sensors and stays subscribed: a broken connection is made again.

    `async with SensorStream(broker, sensors) as stream: async for name, value, time in stream.watch(): ...`
    """

    def __init__(self, broker: BrokerEntry, sensors: Mapping[Name, SensorEntry]) -> None:
        self.broker = broker
        self.sensors = {name: Sensor(entry) for name, entry in sensors.items()}
        self.connected = asyncio.Event()
        self.reason = "not connected yet"  # why it is not connected
        self._tasks: list[asyncio.Task[None]] = []
        self._watchers: set[asyncio.Queue[Sensed]] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> SensorStream:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def start(self) -> None:
        """Begin to connect, in the background. Idempotent."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._stay_connected()),
                asyncio.create_task(self._notice_silence()),
            ]

    async def stop(self) -> None:
        """Disconnect. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def value(self, name: str) -> Sensed:
        """The latest value of a sensor that has one now. Raises LookupError saying why it has none."""
        sensor = self.sensors[name]
        if (why := sensor.why_not(time.monotonic())) is not None:
            away = "" if self.connected.is_set() else f" (the broker is away: {self.reason})"
            raise LookupError(f"{name}: {why}{away}")
        assert sensor.at is not None
        return Sensed(name, sensor.value, sensor.at)

    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Wait for `condition()`, looked at after each message. False where it did not come true in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        return condition()

    async def watch(self) -> AsyncIterator[Sensed]:
        """Every value from now on, first the ones that are there; None for a sensor that has lost its value.

        A watcher that falls far behind misses the oldest values.
        """
        queue: asyncio.Queue[Sensed] = asyncio.Queue(KEPT)
        self._watchers.add(queue)
        try:
            now_s = time.monotonic()
            for name, sensor in self.sensors.items():
                if sensor.why_not(now_s) is None and sensor.at is not None:
                    yield Sensed(name, sensor.value, sensor.at)
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    # -- the connection -----------------------------------------------------------------------------------------
    async def _stay_connected(self) -> None:
        import aiomqtt

        again_s = AGAIN_S
        while True:
            try:
                async with aiomqtt.Client(**await asyncio.to_thread(self._options)) as client:
                    for topic in sorted(self._topics()):
                        await client.subscribe(topic, qos=1)
                    self.connected.set()
                    self._changed.set()
                    again_s = AGAIN_S
                    async for message in client.messages:
                        payload = (
                            message.payload
                            if isinstance(message.payload, bytes)
                            else str(message.payload).encode()
                        )
                        self.take(str(message.topic), payload, retained=bool(message.retain))
                self.reason = "the broker ended the connection"
            except (aiomqtt.MqttError, OSError) as error:
                self.reason = str(error) or type(error).__name__
            finally:
                self.connected.clear()
            log.warning(
                "mqtt broker away", broker=f"{self.broker.host}:{self.broker.port}", reason=self.reason
            )
            await asyncio.sleep(again_s)
            again_s = min(2 * again_s, AGAIN_AT_MOST_S)

    def _options(self) -> dict[str, Any]:
        broker = self.broker
        password = None if broker.password_env is None else os.environ.get(broker.password_env)
        return {
            "hostname": broker.host,
            "port": broker.port,
            "identifier": broker.client_id,
            "username": broker.username,
            "password": password,
            "timeout": 10,
            "keepalive": 15,
            "tls_context": self._trusted() if broker.tls else None,
        }

    def _trusted(self) -> ssl.SSLContext:
        """Raises OSError naming the file of certificates where it cannot be read."""
        file = self.broker.root_certificates
        try:
            return ssl.create_default_context(cafile=file)
        except OSError as error:
            raise OSError(f"root_certificates {file!r}: {error}") from error

    def _topics(self) -> set[str]:
        entries = [sensor.entry for sensor in self.sensors.values()]
        return {one.topic for one in entries} | {
            one.availability for one in entries if one.availability is not None
        }

    # -- messages -----------------------------------------------------------------------------------------------
    def take(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """One message of the broker."""
        for name, sensor in self.sensors.items():
            entry = sensor.entry
            if topic == entry.availability:
                said = payload.decode(errors="replace").strip()
                if said in (entry.offline, entry.online):
                    sensor.offline = said == entry.offline
            if topic == entry.topic and (entry.retained or not retained):
                self._value(name, sensor, payload)
        self._tell_of_silence()
        self._changed.set()

    def _value(self, name: str, sensor: Sensor, payload: bytes) -> None:
        try:
            value = number(payload, sensor.entry.pointer)
        except BadPayload as error:
            sensor.fault = str(error)
            return
        sensor.value, sensor.at, sensor.arrived_s, sensor.fault = value, time.time(), time.monotonic(), None
        if not sensor.offline:
            sensor.told = False
            self._tell(Sensed(name, value, sensor.at))

    async def _notice_silence(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._tell_of_silence()

    def _tell_of_silence(self) -> None:
        now_s = time.monotonic()
        for name, sensor in self.sensors.items():
            if not sensor.told and sensor.why_not(now_s) is not None:
                sensor.told = True
                self._tell(Sensed(name, None, time.time()))

    def _tell(self, sensed: Sensed) -> None:
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(sensed)
