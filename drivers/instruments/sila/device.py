"""A device behind any SiLA 2 server: no generated code, the lab file says which verb is which command."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from drivers.configured import ConfiguredDriver, action_spec
from drivers.driver import ActionFailed, Attribution, Given, LabContext, Reading, Testimony
from drivers.errors import SettingsError
from drivers.instruments.instrument import Instrument
from drivers.instruments.sila.connection import Connection, ServerAway, library
from drivers.instruments.sila.matching import faults
from drivers.instruments.sila.settings import SilaAction, SilaSettings, sila_name
from drivers.protocol import Action, ActionSpec, DeviceSpec

STANDARD_SIMULATION = "SimulationController"  # org.silastandard/core: a server that simulates says so by it
BUSY_S = 40.0  # how long a device that is still busy is waited for when asked what it did
BUSY_LOOK_S = 0.2


class SilaDevice(Instrument, ConfiguredDriver):
    """An instrument that a SiLA 2 server offers."""

    class Settings(SilaSettings):
        pass

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self._connection = Connection(settings)
        self._checked = False

    @classmethod
    def declared(cls, settings: Any) -> Mapping[str, ActionSpec]:
        return {
            verb: action_spec(
                one.parameters,
                one.results,
                repeat=one.repeat_class,
                takes_s=one.takes_s,
                doc=one.doc or f"The command {one.command}."
                if one.command
                else one.doc or "Read properties.",
            )
            for verb, one in settings.actions.items()
        }

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As the settings declare; what makes it safe are commands of theirs."""
        named = ", ".join(settings.make_safe)
        left = f"what {named} leaves" if named else "as it was: nothing is sent"
        return super().describe(settings).model_copy(update={"safe_state": left})

    async def connect(self) -> None:
        """Connect and compare the settings with the server's features.

        Raises SettingsError with every difference, and where the server simulates and the device does not say so, or
        the other way round; ServerAway where nobody answers.
        """
        client = await self._connection.open()
        if self._checked:
            return
        features: Mapping[str, Any] = client._features
        if found := faults(self.settings, features):
            raise SettingsError(f"{self.name}: {'; '.join(found)}")
        simulates = STANDARD_SIMULATION in features and bool(
            await self._connection.read(f"{STANDARD_SIMULATION}.SimulationMode")
        )
        self.check_reality(simulates, f"{self.settings.host}:{self.settings.port}")
        self._checked = True

    async def disconnect(self) -> None:
        self._checked = False  # another server may answer there next time
        await self._connection.close()

    async def halt(self) -> None:
        """The commands that the settings name for it; and what is waited for is cancelled, where the server offers
        that. Without either, nothing on the device is stopped by this."""
        await asyncio.gather(self._connection.cancel(), self._all(self.settings.halt))

    async def make_safe(self) -> None:
        """The commands that the settings name for it."""
        await self._all(self.settings.make_safe)

    async def _all(self, commands: Sequence[str]) -> None:
        """Every command, whatever became of the one before. Raises the first failure."""
        results = await asyncio.gather(
            *(self._connection.execute(command, {}) for command in commands), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def carry_out(self, action: Action, **arguments: Any) -> Given:
        """Execute the command and read the properties. A connection lost on the way leaves the end unknown."""
        one: SilaAction = self.settings.actions[action.verb]
        sila2 = library()
        try:
            await self.connect()
            await self._connection.read("SiLAService.ServerUUID")  # before anything is sent that moves
        except (ServerAway, SettingsError) as error:
            raise ActionFailed(Attribution.INSTRUMENT, f"{error}; nothing was sent") from error
        try:
            responses, about = await self._executed(one, action, arguments)
            return Given(await self._readings(one, responses), {"sila": about} if about else {})
        except sila2.framework.DefinedExecutionError as error:
            whose = self.settings.errors.get(error.identifier, Attribution.INSTRUMENT)
            raise ActionFailed(whose, f"{error.identifier}: {error.message}") from error
        except sila2.framework.CommandExecutionNotAccepted as error:
            raise ActionFailed(Attribution.BUSY, f"not accepted now: {error}") from error
        except sila2.framework.SilaError as error:
            raise ActionFailed(Attribution.INSTRUMENT, f"{type(error).__name__}: {error}") from error

    async def _executed(
        self, one: SilaAction, action: Action, arguments: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        if one.command is None:
            return {}, {}
        parameters: dict[str, Any] = {
            one.parameters[name].identifier or sila_name(name): value for name, value in arguments.items()
        }
        parameters |= one.fixed
        if one.sample is not None:
            parameters[one.sample] = action.sample or ""
        if one.action_id is not None:
            parameters[one.action_id] = action.id
        return await self._connection.execute(one.command, parameters)

    async def _readings(self, one: SilaAction, responses: Mapping[str, Any]) -> dict[str, Reading]:
        readings = {}
        for name, result in one.results.items():
            if result.property is not None:
                value = await self._connection.read(result.property)
            else:
                value = responses[result.response or sila_name(name)]
            readings[name] = Reading(value=float(value), unit=result.unit)
        return readings

    async def ask(self, action: Action) -> Testimony:
        """By the property that the settings name. Readings that only the command's response had are lost with it."""
        one: SilaAction = self.settings.actions[action.verb]
        if one.ask is None:
            return Testimony(verdict="unknown", reason=f"{self.name} cannot be asked about {action.verb}")
        await self.connect()
        if one.ask.busy is not None and not await self._is_idle(one.ask.busy):
            return Testimony(verdict="unknown", reason=f"it is still busy ({one.ask.busy})")
        held = await self._connection.read(one.ask.property)
        wanted: Any = action.id
        if one.ask.argument is not None:
            wanted = self.check(action)[one.ask.argument]
        said = f"{one.ask.property} is {held!r}"[:200]
        values = held if isinstance(held, list) else [held]
        if not any(_alike(value, wanted, one.ask.within) for value in values):
            return Testimony(verdict="not done", reason=said)
        if lost := [name for name, result in one.results.items() if result.property is None]:
            return Testimony(verdict="unknown", reason=f"{said}: it was done, and {', '.join(lost)} is lost")
        return Testimony(verdict="done", readings=await self._readings(one, {}), reason=said)

    async def _is_idle(self, busy: str) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BUSY_S):
                while await self._connection.read(busy):  # noqa: ASYNC110 (only the server knows)
                    await asyncio.sleep(BUSY_LOOK_S)
                return True
        return False


def _alike(held: Any, wanted: Any, within: float) -> bool:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (held, wanted))
    if numbers:
        return math.isfinite(held) and abs(held - wanted) <= within
    return type(held) is type(wanted) and held == wanted
