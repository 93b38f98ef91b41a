"""What simulated devices share: faults on request, halting in the middle, one effect written down once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pydantic import Field

from drivers.driver import Action, ActionFailed, Attribution, Driver, LabContext, Reading
from drivers.errors import SettingsError
from drivers.sim import faults
from drivers.sim.faults import Faults
from drivers.sim.randomness import chance

Effect = Mapping[str, Any] | None


class SimulatedDevice(Driver):
    """Base of simulated devices. Time passes on the lab's clock; effects go to the world, if there is one.

    `dawdle_s` are real seconds before and after each effect, so that a crash test can hit the moments between
    journal, effect and reply.
    """

    simulated = True
    needs_world: ClassVar[bool] = False
    version = "1"
    safe_state: ClassVar[str] = "at rest: nothing is being done"

    class Settings(Driver.Settings):
        faults: Faults = Faults()
        dawdle_s: float = Field(default=0.0, ge=0, le=10)

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        if self.needs_world and lab.world is None:
            raise SettingsError(f"{name} simulates part of a world and its laboratory has none")
        self._in_hand: tuple[Action, asyncio.Task[Any] | None] | None = None
        self._drifted: dict[str, int] = {}  # action -> which of the drifting acts it was
        self._halting = False

    async def work(self, action: Action, seconds: float, effect: Callable[[float], Effect]) -> None:
        """Spend `seconds` of lab time, then let the effect happen.

        `effect(elapsed_s)` says what has come about after that time: at the end with `seconds`, and with less
        where the act was broken off; None is nothing. Raises ActionFailed for a fault, a halt or a busy
        device.
        """
        if self._in_hand is not None:
            raise ActionFailed(Attribution.BUSY, f"{self.name} is busy with {self._in_hand[0].id}")
        before = faults.fate(self.settings.faults, faults.BEFORE, self._chance(action, "fault"))
        if before is not None:
            told = faults.BEFORE[before]
            raise ActionFailed(told.attribution, f"{self.name}: {told.reason} (simulated)")
        meanwhile = faults.fate(self.settings.faults, faults.WHILE, self._chance(action, "meanwhile"))
        began_s = self.lab.clock.now()
        self._in_hand = (action, asyncio.current_task())
        self._halting = False
        try:
            if meanwhile == "hang":
                await asyncio.Event().wait()
            if seconds:
                await self.lab.clock.sleep(seconds * (faults.LATE if meanwhile == "late" else 1.0))
            await self._dawdle()
        except asyncio.CancelledError:
            elapsed_s = min(self.lab.clock.now() - began_s, seconds)
            self._happen(action, effect(elapsed_s))
            task = asyncio.current_task()
            if self._halting and task is not None and task.uncancel() == 0:
                raise ActionFailed(
                    Attribution.INSTRUMENT, f"{self.name} was halted after {elapsed_s:g} of {seconds:g} s"
                ) from None
            raise
        finally:
            self._in_hand = None
        self._happen(action, effect(seconds))
        await self._dawdle()

    async def halt(self) -> None:
        """Break off the act in hand, if there is one: what has happened by now has happened."""
        if self._in_hand is not None and self._in_hand[1] is not None and not self._halting:
            self._halting = True
            self._in_hand[1].cancel()

    async def make_safe(self) -> None:
        """The same as halt."""
        await self.halt()

    async def is_safe(self) -> bool:
        """Whether nothing is being done."""
        return self._in_hand is None

    def readings(
        self, action: Action, measured: Mapping[str, tuple[float, float | None]]
    ) -> dict[str, Reading]:
        """(value, sigma) by name as readings, unless this action's fate is to be misread."""
        results = self.spec.actions[action.verb].results
        readings = {
            name: Reading(value=value, unit=results[name].unit, sigma=sigma)
            for name, (value, sigma) in measured.items()
        }
        fault = faults.fate(self.settings.faults, faults.MISREADINGS, self._chance(action, "misreading"))
        if fault is None:
            return readings
        if fault == "drift":
            self._drifted.setdefault(action.id, len(self._drifted) + 1)
        return faults.misread(fault, readings, results, self._drifted.get(action.id, 0))

    def _happen(self, action: Action, effect: Effect) -> None:
        if effect is not None and self.lab.world is not None:
            self.lab.world.record(action, at_s=self.lab.clock.now(), effect=effect)

    def _chance(self, action: Action, purpose: str) -> Any:
        seed = self.lab.seed if self.lab.world is None else self.lab.world.seed
        return chance(seed, action.id, purpose)

    async def _dawdle(self) -> None:
        if self.settings.dawdle_s:
            await asyncio.sleep(self.settings.dawdle_s)
