"""A furnace whose controller runs ramp/soak programmes and speaks Modbus TCP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

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
from drivers.instruments.instrument import Instrument, LinkLost
from drivers.instruments.modbus.controller import Command, Controller, Look, Status, programme_id
from drivers.instruments.modbus.link import ModbusLink
from drivers.instruments.modbus.registers import Coding, Registers
from drivers.instruments.optional import installed
from drivers.protocol import DeviceSpec

ROOM_K = 293.15
MOST_ROWS = 400  # of a trace in a record
SAME_K = 0.2
START_S = 5.0  # real seconds within which a start must show
ASK_S = 40.0  # how long a testimony waits for a programme that still runs; a host asks for 50 s
Ramp = Annotated[float, Quantity("K/min", at_least=0.01)]
Temperature = Annotated[float, Quantity("K", at_least=290)]
REACHED = Gives("K", at_least=200, at_most=3000)


class ModbusFurnace(Instrument):
    """A furnace. `anneal` runs one programme; between acts it is off, or where `be_at` has left it."""

    version = "1"

    class Settings(Instrument.Settings):
        """Address: `host`, `port`, `unit`. Numbers: `numbers`, `word_order`, `scale` (value = stored × scale),
        `controller_unit`, `registers`, `alarm_bits` (bit → name); `block_reads: false` reads each register by itself.

        `hottest_K`, `fastest_ramp` (K/min), `longest_hold_s`: what is allowed; durations are reckoned by `usual_ramp`.
        `band_K`: so near is there. `safe_K`: the setpoint after a stop. `poll_s`: between two looks. `timeout_s`: for
        one request; `reconnect_s`: so long a lost connection is tried anew. `stall_s`: a programme whose time stands
        still for so long (real seconds) is stopped. `late`: one that takes so many times its reckoned time is stopped.
        """

        host: str = Field(min_length=1)
        port: int = Field(default=502, ge=1, le=65535)
        unit: int = Field(default=1, ge=0, le=247)
        numbers: Literal["float32", "int16"] = "float32"
        word_order: Literal["big", "little"] = "big"
        scale: float = Field(default=1.0, gt=0)
        controller_unit: Literal["degC", "K"] = "degC"
        registers: Registers = Registers()
        alarm_bits: Mapping[str, str] = {"0": "over-temperature", "1": "thermocouple break", "2": "door open"}
        block_reads: bool = True
        hottest_K: float = Field(default=1473.15, gt=290, le=3000)
        fastest_ramp: float = Field(default=20.0, gt=0.01)
        usual_ramp: float = Field(default=5.0, gt=0)
        longest_hold_s: float = Field(default=360000.0, gt=0)
        band_K: float = Field(default=5.0, gt=0)
        safe_K: float = Field(default=ROOM_K, ge=0, le=400)
        poll_s: float = Field(default=1.0, gt=0)
        timeout_s: float = Field(default=1.0, gt=0)
        reconnect_s: float = Field(default=30.0, ge=0)
        stall_s: float = Field(default=30.0, gt=0)
        late: float = Field(default=2.0, ge=1.1)

        @model_validator(mode="after")
        def _bits(self) -> ModbusFurnace.Settings:
            for bit in self.alarm_bits:
                if not (bit.isascii() and bit.isdigit() and int(bit) < 16):
                    raise ValueError(f"alarm_bits: wanted bits '0' to '15', got {bit!r}")
            return self

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        s = self.settings
        link = ModbusLink(s.host, s.port, s.unit, timeout_s=s.timeout_s, reconnect_s=s.reconnect_s)
        coding = Coding(s.numbers, s.word_order, s.scale)
        self._controller = Controller(link, s.registers, coding, s.controller_unit, blocks=s.block_reads)
        self._halted = asyncio.Event()

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared, with the bounds of the settings and the time of a ramp from room to the hottest."""
        installed("pymodbus")
        spec = super().describe(settings)
        takes_s = (settings.hottest_K - ROOM_K) / settings.usual_ramp * 60
        actions = dict(spec.actions)
        for verb in ("anneal", "be_at"):
            one = actions[verb]
            limits = {
                "temperature": settings.hottest_K, "ramp": settings.fastest_ramp, "hold": settings.longest_hold_s,
            }  # fmt: skip
            parameters = {
                name: p.model_copy(update={"at_most": limits[name]}) if name in limits else p
                for name, p in one.parameters.items()
            }
            actions[verb] = one.model_copy(update={"parameters": parameters, "takes_s": takes_s})
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
        before = await self._begin(Command.START, number, temperature, ramp, hold)
        reckoned_s = abs(temperature - before.temperature) / ramp * 60 + hold
        trace: list[list[float]] = []
        last = await self._follow(number, reckoned_s * self.settings.late + 600, trace)
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
            return await self._not_complete(look, number)

    async def _not_complete(self, look: Look, number: int) -> Testimony:
        if look.programme == number:
            what = "still runs" if look.running else "was broken off"
            return Testimony(verdict="unknown", reason=f"its programme {what}: {look.sentence()}")
        if look.programme or await self._controller.programme_loaded() == number:
            return Testimony(
                verdict="not done",
                reason=f"the controller's last programme is {look.programme}, not {number}",
            )
        return Testimony(
            verdict="unknown", reason="the controller remembers no programme: it may have restarted"
        )

    @action(Repeat.TESTABLE, gives={"temperature": REACHED})
    async def be_at(
        self, action: Action, temperature: Temperature, ramp: Ramp = 5.0
    ) -> Mapping[str, Reading]:
        """Be at a temperature, and stay there. Cooling is by the furnace's own losses."""
        number = programme_id(action.id)
        await self._begin(Command.HOLD, number, temperature, ramp, 0.0)
        look = await self._follow(number, None, [], target=temperature)
        return {"temperature": Reading(value=look.temperature, unit="K")}

    @be_at.testify
    async def be_at_testimony(self, action: Action) -> Testimony:
        """Look whether the furnace holds that temperature now."""
        look = await self._controller.look()
        number, target = programme_id(action.id), float(self.check(action)["temperature"])
        if look.programme != number:
            return await self._not_complete(look, number)
        if self._is_at(look, target):
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
        self._refuse_alarms(look)
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
        self._halted.set()
        await self._stop()

    async def make_safe(self) -> None:
        """The same as halt."""
        await self.halt()

    async def _stop(self) -> None:
        await self._controller.command(Command.STOP)
        await self._controller.set_target(self.settings.safe_K)

    async def _begin(
        self, command: Command, number: int, temperature: float, ramp: float, hold: float
    ) -> Look:
        """Load and start; the look from before. Known failures before the start leave nothing in doubt."""
        self._halted.clear()
        try:
            before = await self._controller.look()
            self._refuse_alarms(before)
            if before.running:
                raise ActionFailed(
                    Attribution.BUSY, f"programme {before.programme} runs: {before.sentence()}"
                )
            numbers = {"target": temperature, "ramp": ramp, "hold": hold, "band": self.settings.band_K}
            await self._controller.load(numbers, number)
        except LinkLost as lost:
            raise ActionFailed(Attribution.INSTRUMENT, f"{lost}; nothing was started") from lost
        if self._halted.is_set():
            raise ActionFailed(Attribution.INSTRUMENT, "halted before the start")
        await self._start(command, number)
        return before

    async def _start(self, command: Command, number: int) -> None:
        """Give the start command until the controller shows the programme.

        A command whose fate is unknown is given again only to a controller that still has the programme loaded: one
        that has restarted would start whatever it finds in its registers.
        """
        until = time.monotonic() + self.settings.reconnect_s + START_S
        sent = False
        while True:
            if not sent:
                try:
                    await self._controller.command(command, once=True)
                    sent, until = True, time.monotonic() + START_S
                except LinkLost:
                    sent = False
            look = await self._controller.look()
            if look.programme == number:
                return
            reason = None
            if names := self._alarms(look):
                reason = f"alarm: {names}"
            elif await self._controller.programme_loaded() != number:
                reason = "the controller has lost the programme before it started: it has restarted"
            elif self._halted.is_set():
                reason = "halted"
            elif time.monotonic() > until:
                reason = f"the controller did not start within {START_S:g} s"
            if reason is not None:
                await self._stop()
                raise ActionFailed(Attribution.INSTRUMENT, f"{reason}: {look.sentence()}")
            await asyncio.sleep(min(self.settings.poll_s, 0.2))

    async def _follow(
        self, number: int, limit_s: float | None, trace: list[list[float]], target: float | None = None
    ) -> Look:
        """Look until the programme is complete, or until `target` (K) is reached and held. Raises ActionFailed."""
        moved_at, elapsed = time.monotonic(), -1.0
        while True:
            look = await self._controller.look()
            _keep(trace, look)
            record = {"programme": number, "trace": trace}
            if look.programme == number and look.status == Status.COMPLETE:
                return look
            if target is not None and look.programme == number and self._is_at(look, target):
                return look
            if look.elapsed != elapsed:
                moved_at, elapsed = time.monotonic(), look.elapsed
            if (reason := self._over(look, number)) is None:
                if time.monotonic() - moved_at > self.settings.stall_s:
                    reason = f"its time has stood still for {self.settings.stall_s:g} s"
                elif limit_s is not None and look.elapsed > limit_s:
                    reason = f"it should have ended within {limit_s:.0f} s"
                else:
                    await self._pause()
                    continue
            await self._stop()
            raise ActionFailed(Attribution.INSTRUMENT, f"{reason}: {look.sentence()}", record)

    def _is_at(self, look: Look, target: float) -> bool:
        """Held at `target`, which its setpoint has reached, too."""
        near = abs(look.temperature - target) <= self.settings.band_K
        return look.status == Status.HOLDING and abs(look.working_setpoint - target) <= SAME_K and near

    def _over(self, look: Look, number: int) -> str | None:
        """Why the programme has ended before its end, or None while it runs."""
        if names := self._alarms(look):
            return f"alarm: {names}"
        if self._halted.is_set():
            return "halted"
        if look.programme == 0:
            return "the controller has lost its programme: it has restarted"
        if look.programme != number:
            return f"another programme ({look.programme}) was started at the controller"
        if look.status not in (Status.RAMPING, Status.SOAKING, Status.HOLDING):
            return "the programme was stopped at the controller"
        return None

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._halted.wait(), self.settings.poll_s)
        except TimeoutError:
            return

    def _alarms(self, look: Look) -> str:
        bits = [bit for bit in range(16) if look.alarms >> bit & 1]
        return ", ".join(
            self.settings.alarm_bits.get(str(bit), f"bit {bit} of the alarm register") for bit in bits
        )

    def _refuse_alarms(self, look: Look) -> None:
        if names := self._alarms(look):
            raise ActionFailed(Attribution.INSTRUMENT, f"alarm: {names}: {look.sentence()}")


def _results(look: Look, temperature: float) -> dict[str, Reading]:
    reached = look.held_mean if look.held > 0 else look.temperature
    return {
        "reached": Reading(value=reached, unit="K"),
        "time_above": Reading(value=look.time_above, unit="s"),
        "overshoot": Reading(value=max(0.0, look.highest - temperature), unit="K"),
    }


def _keep(trace: list[list[float]], look: Look) -> None:
    """Add a row; where there are too many, every second one goes."""
    trace.append([round(x, 3) for x in (look.elapsed, look.temperature, look.working_setpoint, look.output)])
    if len(trace) > MOST_ROWS:
        del trace[1::2]
