"""A programme in the controller: loaded, started once, followed to its end, broken off; and what is left of it."""

from __future__ import annotations

import asyncio
import time

from drivers.instruments.instrument import Halted, LinkLost
from drivers.instruments.modbus.alarms import Alarms
from drivers.instruments.modbus.controller import Command, Controller, Look, Status
from drivers.instruments.modbus.settings import FurnaceSettings
from drivers.protocol import ActionFailed, Attribution, Testimony

MOST_ROWS = 400  # of a trace in a record
SAME_K = 0.2
START_S = 5.0  # real seconds within which a start must show


class Programmes:
    """Runs one programme after another. `halted` breaks the one in hand off."""

    def __init__(self, controller: Controller, settings: FurnaceSettings) -> None:
        self._controller, self._settings = controller, settings
        self._alarms = Alarms(settings.alarm_bits)
        self.halted = Halted()

    async def stop(self) -> None:
        """Heater off, setpoint safe."""
        await self._controller.command(Command.STOP)
        await self._controller.set_target(self._settings.safe_K)

    async def begin(
        self, command: Command, number: int, temperature: float, ramp: float, hold: float
    ) -> Look:
        """Load and start; the look from before. Known failures before the start leave nothing in doubt."""
        self.halted.clear()
        try:
            before = await self._controller.look()
            self._alarms.refuse(before)
            if before.running:
                raise ActionFailed(
                    Attribution.BUSY, f"programme {before.programme} runs: {before.sentence()}"
                )
            numbers = {"target": temperature, "ramp": ramp, "hold": hold, "band": self._settings.band_K}
            await self._controller.load(numbers, number)
        except LinkLost as lost:
            raise ActionFailed(Attribution.INSTRUMENT, f"{lost}; nothing was started") from lost
        if self.halted.is_set():
            raise ActionFailed(Attribution.INSTRUMENT, "halted before the start")
        await self._start(command, number)
        return before

    async def _start(self, command: Command, number: int) -> None:
        """Give the start command until the controller shows the programme.

        A command whose fate is unknown is given again only to a controller that still has the programme loaded: one
        that has restarted would start whatever it finds in its registers.
        """
        until = time.monotonic() + self._settings.reconnect_s + START_S
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
            if names := self._alarms.of(look):
                reason = f"alarm: {names}"
            elif await self._controller.programme_loaded() != number:
                reason = "the controller has lost the programme before it started: it has restarted"
            elif self.halted.is_set():
                reason = "halted"
            elif time.monotonic() > until:
                reason = f"the controller did not start within {START_S:g} s"
            if reason is not None:
                await self.stop()
                raise ActionFailed(Attribution.INSTRUMENT, f"{reason}: {look.sentence()}")
            await asyncio.sleep(min(self._settings.poll_s, 0.2))

    async def follow(
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
            if target is not None and look.programme == number and self.is_at(look, target):
                return look
            if look.elapsed != elapsed:
                moved_at, elapsed = time.monotonic(), look.elapsed
            if (reason := self._over(look, number)) is None:
                if time.monotonic() - moved_at > self._settings.stall_s:
                    reason = f"its time has stood still for {self._settings.stall_s:g} s"
                elif limit_s is not None and look.elapsed > limit_s:
                    reason = f"it should have ended within {limit_s:.0f} s"
                else:
                    await self.halted.sleep(self._settings.poll_s)
                    continue
            await self.stop()
            raise ActionFailed(Attribution.INSTRUMENT, f"{reason}: {look.sentence()}", record)

    def is_at(self, look: Look, target: float) -> bool:
        """Held at `target`, which its setpoint has reached, too."""
        near = abs(look.temperature - target) <= self._settings.band_K
        return look.status == Status.HOLDING and abs(look.working_setpoint - target) <= SAME_K and near

    def _over(self, look: Look, number: int) -> str | None:
        """Why the programme has ended before its end, or None while it runs."""
        if names := self._alarms.of(look):
            return f"alarm: {names}"
        if self.halted.is_set():
            return "halted"
        if look.programme == 0:
            return "the controller has lost its programme: it has restarted"
        if look.programme != number:
            return f"another programme ({look.programme}) was started at the controller"
        if look.status not in (Status.RAMPING, Status.SOAKING, Status.HOLDING):
            return "the programme was stopped at the controller"
        return None

    async def not_complete(self, look: Look, number: int) -> Testimony:
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


def _keep(trace: list[list[float]], look: Look) -> None:
    """Add a row; where there are too many, every second one goes."""
    trace.append([round(x, 3) for x in (look.elapsed, look.temperature, look.working_setpoint, look.output)])
    if len(trace) > MOST_ROWS:
        del trace[1::2]
