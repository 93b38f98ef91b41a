"""Sensors that publish to an MQTT broker, as a device that is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from drivers.configured import ConfiguredDriver, Name
from drivers.driver import ActionFailed, Attribution, Given, LabContext, Reading, Repeat
from drivers.errors import SettingsError
from drivers.instruments.instrument import Instrument
from drivers.instruments.mqtt_sensor import SensorEntry
from drivers.instruments.mqtt_stream import BrokerEntry, Sensed, SensorStream
from drivers.optional import installed
from drivers.protocol import Action, ActionSpec, DeviceSpec, ResultSpec

__all__ = ["BrokerEntry", "Sensed", "SensorEntry", "SensorStream", "Sensors"]


class Sensors(Instrument, ConfiguredDriver):
    """Sensors over MQTT: the latest value of each."""

    class Settings(Instrument.Settings):
        """`wait_s`: how long a first value is waited for, and the broker when connecting."""

        broker: BrokerEntry
        sensors: Mapping[Name, SensorEntry] = Field(min_length=1)
        wait_s: float = Field(default=5.0, ge=0)

        @field_validator("sensors")
        @classmethod
        def _well_formed(cls, sensors: Mapping[str, SensorEntry]) -> Mapping[str, SensorEntry]:
            for name, one in sensors.items():
                for topic in filter(None, (one.topic, one.availability)):
                    if "#" in topic or "+" in topic:
                        raise ValueError(f"{name}: one topic is wanted, {topic!r} stands for many")
                if one.pointer is not None and one.pointer and not one.pointer.startswith("/"):
                    raise ValueError(f"{name}: a JSON pointer begins with '/', not {one.pointer!r}")
                if not one.stale_s > 0:
                    raise ValueError(f"{name}: stale_s is {one.stale_s:g}, wanted more than 0 s")
            return sensors

    safe_state = "it only listens: nothing moves"

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self._stream: SensorStream | None = None

    @classmethod
    def declared(cls, settings: Any) -> Mapping[str, ActionSpec]:
        results = {
            name: ResultSpec(
                unit=one.unit, at_least=one.at_least, at_most=one.at_most, doc=one.doc or f"topic {one.topic}"
            )
            for name, one in settings.sensors.items()
        }
        each = {
            f"read_{name}": ActionSpec(
                results={name: result},
                repeat=Repeat.REPEATABLE,
                takes_s=settings.wait_s,
                doc=f"The latest {name}.",
            )
            for name, result in results.items()
        }
        every = ActionSpec(
            results=results,
            repeat=Repeat.REPEATABLE,
            takes_s=settings.wait_s,
            doc="The latest value of every sensor.",
        )
        return {"read": every, **each}

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        installed("aiomqtt", "instruments")
        return super().describe(settings)

    @property
    def stream(self) -> SensorStream:
        """The values as they come."""
        if self._stream is None:
            self._stream = SensorStream(self.settings.broker, self.settings.sensors)
        return self._stream

    async def connect(self) -> None:
        """Subscribe. Raises SettingsError where no broker answers in time; later the connection is made anew."""
        self.stream.start()
        if not await self.stream.until(self.stream.connected.is_set, max(self.settings.wait_s, 1.0)):
            reason, broker = self.stream.reason, self.settings.broker
            await self.disconnect()
            raise SettingsError(
                f"{self.name}: no MQTT broker answers at {broker.host}:{broker.port}: {reason}"
            )

    async def disconnect(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.stop()

    async def carry_out(self, action: Action, **arguments: Any) -> Given:
        """The values asked for. One that is not there is a failed act; those that are there are in its record."""
        names = list(self.spec.actions[action.verb].results)
        stream = self.stream
        stream.start()
        sensors = [stream.sensors[name] for name in names]
        await stream.until(
            lambda: all(one.at is not None or one.fault is not None or one.offline for one in sensors),
            self.settings.wait_s,
        )
        there: dict[str, Sensed] = {}
        missing = []
        garbled = False
        for name in names:
            try:
                there[name] = stream.value(name)
            except LookupError as error:
                missing.append(str(error.args[0]))
                garbled |= stream.sensors[name].fault is not None
        record = {"at": {name: sensed.time for name, sensed in there.items()}}
        if missing:
            values = {name: sensed.value for name, sensed in there.items()}
            whose = Attribution.BAD_READING if garbled else Attribution.INSTRUMENT
            raise ActionFailed(whose, "; ".join(missing), {**record, "values": values})
        readings = {
            name: Reading(value=float(sensed.value or 0.0), unit=self.settings.sensors[name].unit)
            for name, sensed in there.items()
        }
        return Given(readings, record)
