"""Base of the devices of the thin-film laboratory: they share one world of that model."""

from __future__ import annotations

from typing import Any, ClassVar

from drivers.driver import Action, LabContext
from drivers.errors import SettingsError
from drivers.sim.device import SimulatedDevice
from drivers.sim.thin_film import ThinFilm
from drivers.sim.world import World


class FilmDevice(SimulatedDevice):
    """A device that handles samples of a `thin_film` world."""

    needs_world: ClassVar[bool] = True

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        if not isinstance(self.world.state, ThinFilm):
            raise SettingsError(f"{name} needs a world of the model thin_film, not {self.world.model}")

    @property
    def world(self) -> World:
        assert self.lab.world is not None  # the constructor has seen to it
        return self.lab.world

    @property
    def films(self) -> ThinFilm:
        state: ThinFilm = self.world.state
        return state

    def error(self, action: Action, purpose: str, sd: float) -> float:
        """A random error of this action, scaled by the world's noise."""
        return self.world.chance(action, purpose).gauss(0.0, sd) * self.films.settings.noise
