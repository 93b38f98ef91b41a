"""A stand-in for any device, made from what its driver declares: same actions, same durations, readings of no meaning.

For rehearsals: a campaign is played through before an instrument moves. Nothing of the driver but its declaration is
used, so that no instrument is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from drivers import registry
from drivers.arguments import n_atoms
from drivers.configured import ConfiguredDriver
from drivers.driver import Action, Driver, Given
from drivers.errors import DriverNotFound, DriverNotLoaded, SettingsError
from drivers.protocol import ActionSpec, ResultSpec
from drivers.sim.device import SimulatedDevice

WIDTH = 1.0  # of readings whose bounds are open


class StandIn(SimulatedDevice, ConfiguredDriver):
    """Acts like the device that `driver` with `settings` describes: as long, with readings drawn evenly between their
    bounds by the action's id, and arrays of as many rows as the crystal has atoms."""

    class Settings(SimulatedDevice.Settings):
        """`driver`: its installed name; `of`: its settings, as a lab file would give them."""

        driver: str
        of: Mapping[str, Any] = Field(default_factory=dict)

    settings: Settings

    @classmethod
    def declared(cls, settings: Any) -> Mapping[str, ActionSpec]:
        """What the driver declares. Raises SettingsError for one that is not there or refuses its settings."""
        driver = _driver(settings)
        return driver.describe(driver.Settings.model_validate(dict(settings.of))).actions

    async def carry_out(self, action: Action, **arguments: Any) -> Given:
        spec = self.spec.actions[action.verb]
        await self.work(action, spec.lasts_s(arguments), lambda elapsed_s: {"what": action.verb})
        drawn = {name: (self._drawn(action, name, one), None) for name, one in spec.results.items()}
        arrays = {
            name: self._each(action, name, one.components, n_atoms(spec, arguments))
            for name, one in spec.arrays.items()
        }
        return Given(self.readings(action, drawn), arrays)

    def _each(self, action: Action, name: str, components: int, atoms: int) -> list[Any]:
        """For each atom a number, or as many as there are components."""
        chance = self._chance(action, f"array {name}")
        rows = [[chance.uniform(-WIDTH / 2, WIDTH / 2) for _ in range(components)] for _ in range(atoms)]
        return rows if components > 1 else [row[0] for row in rows]

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
