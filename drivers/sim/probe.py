"""A simulated mobility probe: several spots on the film, mean and standard uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping

from drivers.driver import Action, ActionFailed, Attribution, Gives, Reading, Repeat, action
from drivers.sim import film
from drivers.sim.film_device import FilmDevice
from drivers.sim.randomness import wander

TAKES_S = 30.0
RELATIVE, SPREAD, FLOOR = 0.03, 0.25, 1e-5  # of the value; more on de-wetted films; cm^2/V/s
DRIFT_PERIODS_S = (9.7 * 3600, 31.3 * 3600, 83.0 * 3600)


class Probe(FilmDevice):
    """Measures a film without changing it. It drifts slowly with lab time."""

    @action(
        Repeat.REPEATABLE,
        takes_s=TAKES_S,
        gives={
            "mobility": Gives("cm^2/V/s", at_least=0, at_most=1, doc="hole mobility of the film"),
            "conductance": Gives("S", at_least=0, at_most=1, doc="sheet conductance of the film"),
        },
    )
    async def measure(self, sample: str, action: Action) -> Mapping[str, Reading]:
        """Measure hole mobility and sheet conductance of the sample's film."""
        coat = self.films.sample(sample).film
        if coat is None:
            raise ActionFailed(Attribution.LOGISTICS, f"{sample} has no film to measure")
        mobility, conductance = film.mobility(coat), film.conductance(coat)
        seen = {"what": "measurement", "mobility": mobility, "conductance": conductance}
        await self.work(action, TAKES_S, lambda elapsed_s: seen if elapsed_s >= TAKES_S else None)
        if coat.coverage < film.NO_FILM:
            covered = f"{100 * coat.coverage:.2g} % is covered"
            raise ActionFailed(Attribution.INFEASIBLE, f"no film left: it has de-wetted, {covered}")
        # An act repeated after a crash is the same act: the same errors, and the drift of its first time.
        first_s = self.world.first_at(action.id)
        at_s = self.lab.clock.now() if first_s is None else first_s
        gain = 1 + self.films.settings.drift * wander(self.world.seed, self.name, at_s, DRIFT_PERIODS_S)
        spread = RELATIVE + SPREAD * (1 - coat.coverage)
        floors = {"mobility": FLOOR, "conductance": FLOOR * conductance / mobility if mobility else 0.0}
        measured: dict[str, tuple[float, float | None]] = {}
        for name, true in (("mobility", mobility), ("conductance", conductance)):
            read = gain * true * (1 + self.error(action, f"{name} gain", spread))
            read = max(read + self.error(action, f"{name} floor", floors[name]), 0.0)
            sigma = math.hypot(spread * read, floors[name]) * self.films.settings.noise
            measured[name] = (read, sigma or None)
        return self.readings(action, measured)
