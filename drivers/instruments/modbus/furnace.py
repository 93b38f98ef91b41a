"""A furnace whose controller runs ramp/soak programmes and speaks Modbus TCP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any

from drivers.driver import (
    Action,
    ActionFailed,
    Attribution,
    Given,
    Gives,
    LabContext,
    Quantity,
    Reading,
    Repeat,
    Testimony,
    action,
)
from drivers.instruments.instrument import Instrument, LinkLost, bounded
from drivers.instruments.modbus.alarms import Alarms
from drivers.instruments.modbus.controller import Command, Controller, Look, Status, programme_id
from drivers.instruments.modbus.link import ModbusLink
from drivers.instruments.modbus.programme import Programmes
from drivers.instruments.modbus.registers import Coding
from drivers.instruments.modbus.settings import ROOM_K, FurnaceSettings
from drivers.optional import installed
from drivers.protocol import DeviceSpec

ASK_S = 40.0  # how long a testimony waits for a programme that still runs; a host asks for 50 s
Ramp = Annotated[float, Quantity("K/min", at_least=0.01)]
Temperature = Annotated[float, Quantity("K", at_least=290)]
REACHED = Gives("K", at_least=200, at_most=3000)


class ModbusFurnace(Instrument):
    """A furnace. `anneal` runs one programme; between acts it is off, or where `be_at` has left it."""

    version = "1"

    class Settings(FurnaceSettings):
        """See `drivers.instruments.modbus.settings`."""

    safe_state = "heater off, the programme broken off, the setpoint at safe_K; it cools by its own losses"

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        s = self.settings
        link = ModbusLink(s.host, s.port, s.unit, timeout_s=s.timeout_s, reconnect_s=s.reconnect_s)
        coding = Coding(s.numbers, s.word_order, s.scale)
        self._controller = Controller(link, s.registers, coding, s.controller_unit, blocks=s.block_reads)
        self._programmes = Programmes(self._controller, self.settings)
        self._alarms = Alarms(s.alarm_bits)

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared, with the bounds of the settings and the time of a ramp from room to the hottest."""
        installed("pymodbus", "instruments")
        spec = super().describe(settings)
        takes_s = (settings.hottest_K - ROOM_K) / settings.usual_ramp * 60
        programmed = {verb: spec.actions[verb] for verb in ("anneal", "be_at")}
        limits = {
            "temperature": settings.hottest_K, "ramp": settings.fastest_ramp, "hold": settings.longest_hold_s,
        }  # fmt: skip
        actions = {**spec.actions, **bounded(programmed, limits, takes_s=takes_s)}
        return spec.model_copy(update={"actions": actions})

    @action(
        Repeat.TESTABLE,
        and_s=("hold",),
        gives={
            "reached": Gives("K", at_least=200, at_most=3000, doc="mean temperature of the soak"),
            "time_above": Gives(
                "s", at_least=0, doc="time no more than the band below the setpoint, or above it"
            ),
            "overshoot": Gives("K", at_least=0, at_most=1000, doc="highest temperature above the setpoint"),
        },
    )
    async def anneal(
        self,
        action: Action,
        temperature: Temperature,
        ramp: Ramp,
        hold: Annotated[float, Quantity("s", at_least=0)],
    ) -> Given:
        """Run one programme: ramp to a temperature, hold it, heater off. The furnace is hot when it ends.

        The hold begins when the temperature is within the band. The controller runs the programme by itself and keeps
        its id, so that an interrupted act can be asked about.
        """
        number = programme_id(action.id)
        before = await self._programmes.begin(Command.START, number, temperature, ramp, hold)
        reckoned_s = abs(temperature - before.temperature) / ramp * 60 + hold
        trace: list[list[float]] = []
        last = await self._programmes.follow(number, reckoned_s * self.settings.late + 600, trace)
        record = {"programme": number, "columns": ["s", "K", "setpoint K", "output %"], "trace": trace}
        return Given(_results(last, temperature), record)

    @anneal.testify
    async def anneal_testimony(self, action: Action) -> Testimony:
        """Ask the controller which programme it ran; one that still runs is waited for, up to 40 s."""
        number, until = programme_id(action.id), time.monotonic() + ASK_S
        temperature = float(self.check(action)["temperature"])
        while True:
            look = await self._controller.look()
            if look.programme == number and look.status == Status.COMPLETE:
                return Testimony(verdict="done", readings=_results(look, temperature), reason=look.sentence())
            if look.programme == number and look.running and time.monotonic() < until:
                await asyncio.sleep(self.settings.poll_s)
                continue
            return await self._programmes.not_complete(look, number)

    @action(Repeat.TESTABLE, gives={"temperature": REACHED})
    async def be_at(
        self, action: Action, temperature: Temperature, ramp: Ramp = 5.0
    ) -> Mapping[str, Reading]:
        """Be at a temperature, and stay there. Cooling is by the furnace's own losses."""
        number = programme_id(action.id)
        await self._programmes.begin(Command.HOLD, number, temperature, ramp, 0.0)
        look = await self._programmes.follow(number, None, [], target=temperature)
        return {"temperature": Reading(value=look.temperature, unit="K")}

    @be_at.testify
    async def be_at_testimony(self, action: Action) -> Testimony:
        """Look whether the furnace holds that temperature now."""
        look = await self._controller.look()
        number, target = programme_id(action.id), float(self.check(action)["temperature"])
        if look.programme != number:
            return await self._programmes.not_complete(look, number)
        if self._programmes.is_at(look, target):
            reading = Reading(value=look.temperature, unit="K")
            return Testimony(verdict="done", readings={"temperature": reading}, reason=look.sentence())
        return Testimony(verdict="unknown", reason=f"it is {look.sentence()}, {target:g} K were asked")

    @action(
        Repeat.REPEATABLE,
        takes_s=1,
        gives={
            "temperature": REACHED,
            "setpoint": REACHED,
            "output": Gives("percent", at_least=0, at_most=100),
        },
    )
    async def read(self) -> Mapping[str, Reading]:
        """Temperature, working setpoint and heater output now."""
        try:
            look = await self._controller.look()
        except LinkLost as lost:
            raise ActionFailed(Attribution.INSTRUMENT, str(lost)) from lost
        self._alarms.refuse(look)
        return {
            "temperature": Reading(value=look.temperature, unit="K"),
            "setpoint": Reading(value=look.working_setpoint, unit="K"),
            "output": Reading(value=look.output, unit="percent"),
        }

    async def connect(self) -> None:
        """Raises LinkLost where nothing answers, SettingsError where a simulator answers for a real furnace."""
        await self._controller.link.open()
        self.check_reality((await self._controller.look()).says_simulated, self._controller.link.where)

    async def disconnect(self) -> None:
        """A programme that runs goes on."""
        self._controller.link.close()

    async def halt(self) -> None:
        """Heater off, setpoint safe; the programme in hand is broken off."""
        self._programmes.halted.set()
        await self._programmes.stop()

    async def make_safe(self) -> None:
        """The same as halt."""
        await self.halt()

    async def is_safe(self) -> bool:
        """Whether no programme runs, no temperature is held and the heater is off."""
        return (await self._controller.look()).off


def _results(look: Look, temperature: float) -> dict[str, Reading]:
    reached = look.held_mean if look.held > 0 else look.temperature
    return {
        "reached": Reading(value=reached, unit="K"),
        "time_above": Reading(value=look.time_above, unit="s"),
        "overshoot": Reading(value=max(0.0, look.highest - temperature), unit="K"),
    }
