"""A stand-in for any device, made from what its driver declares: same actions, same durations, readings of no meaning.

For rehearsals: a campaign is played through before an instrument moves. Nothing of the driver but its declaration is
used, so that no instrument is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from drivers import registry
from drivers.arguments import checked_arguments, checked_readings
from drivers.driver import Action, ActionFailed, Driver, Repeat, Testimony, action
from drivers.errors import DriverNotFound, DriverNotLoaded, SettingsError, UnknownVerb
from drivers.protocol import DeviceSpec, Outcome, ResultSpec
from drivers.sim.device import SimulatedDevice

WIDTH = 1.0  # of readings whose bounds are open


class StandIn(SimulatedDevice):
    """Acts like the device that `driver` with `settings` describes: as long, with readings drawn evenly between their
    bounds by the action's id."""

    class Settings(SimulatedDevice.Settings):
        """`driver`: its installed name; `of`: its settings, as a lab file would give them."""

        driver: str
        of: Mapping[str, Any] = Field(default_factory=dict)

    settings: Settings

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As the driver describes itself. Raises SettingsError for one that is not there or refuses its settings."""
        driver = _driver(settings)
        spec = driver.describe(driver.Settings.model_validate(dict(settings.of)))
        return spec.model_copy(
            update={
                "driver": f"{cls.__module__}:{cls.__qualname__}",
                "version": cls.version,
                "simulated": True,
            }
        )

    @action(Repeat.REPEATABLE, gives={})
    async def stand_in(self, action: Action) -> None:
        """Never offered: `describe` says what is."""

    async def act(self, action: Action) -> Outcome:
        spec = self.spec.actions.get(action.verb)
        if spec is None:
            raise UnknownVerb(self.name, action.verb, tuple(self.spec.actions))
        arguments = checked_arguments(self.name, action, spec)
        lasts_s = spec.lasts_s(arguments)
        clock = self.lab.clock
        with clock.working():
            began_s = clock.now()
            try:
                await self.work(action, lasts_s, lambda elapsed_s: {"what": action.verb})
                drawn = {name: (self._drawn(action, name, one), None) for name, one in spec.results.items()}
                readings = checked_readings(self.name, self.readings(action, drawn), spec.results)
            except ActionFailed as failure:
                return Outcome(
                    status="failed",
                    attribution=failure.attribution,
                    reason=failure.reason,
                    began_s=began_s,
                    ended_s=clock.now(),
                )
            return Outcome(status="succeeded", readings=readings, began_s=began_s, ended_s=clock.now())

    async def testify(self, action: Action) -> Testimony:
        """It was done or not as far as this process knows: a stand-in has no world."""
        return Testimony(verdict="unknown", reason="a stand-in remembers nothing")

    def _drawn(self, action: Action, name: str, result: ResultSpec) -> float:
        low = result.at_least if result.at_least is not None else (result.at_most or 0.0) - WIDTH
        high = result.at_most if result.at_most is not None else low + WIDTH
        value: float = self._chance(action, f"reading {name}").uniform(low, high)
        return value


def _driver(settings: StandIn.Settings) -> type[Driver]:
    try:
        driver = registry.driver(settings.driver)
        driver.Settings.model_validate(dict(settings.of))
    except (DriverNotFound, DriverNotLoaded, ValidationError) as error:
        raise SettingsError(f"no stand-in for {settings.driver!r}: {error}") from error
    return driver
