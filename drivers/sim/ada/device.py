"""Base of the devices of Ada that need films with a place on their slide."""

from __future__ import annotations

from typing import Any

from drivers.driver import ActionFailed, Attribution, LabContext
from drivers.errors import SettingsError
from drivers.sim.ada.laboratory import Ada, Slide
from drivers.sim.ada.slide import Coat
from drivers.sim.film import NO_FILM
from drivers.sim.film_device import FilmDevice
from drivers.sim.randomness import wander

DRIFT_PERIODS_S = (9.7 * 3600, 31.3 * 3600, 83.0 * 3600)


class SlideDevice(FilmDevice):
    """A device that handles slides of an `ada` world."""

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        if not isinstance(self.world.state, Ada):
            raise SettingsError(f"{name} needs a world of the model ada, not {self.world.model}")

    def slide(self, sample: str) -> Slide:
        state: Ada = self.world.state
        return state.sample(sample)

    def coated(self, sample: str) -> Coat:
        """The film of a sample. Raises ActionFailed where there is none."""
        film = self.slide(sample).film
        if film is None:
            raise ActionFailed(Attribution.LOGISTICS, f"{sample} has no film: coat it first")
        return film

    def kept(self, coat: Coat) -> None:
        """Raises ActionFailed for a film that is all holes."""
        if coat.coverage < NO_FILM:
            covered = f"{100 * coat.coverage:.2g} % is covered"
            raise ActionFailed(Attribution.INFEASIBLE, f"no film left: it has de-wetted, {covered}")

    def gain(self, action_id: str) -> float:
        """Of the instrument at the time of an action: near 1, drifting slowly with lab time. An act repeated after a
        crash is the same act, at the time of its first."""
        first_s = self.world.first_at(action_id)
        at_s = self.lab.clock.now() if first_s is None else first_s
        return 1 + self.films.settings.drift * wander(self.world.seed, self.name, at_s, DRIFT_PERIODS_S)
