"""From what was told to what is believed."""

from __future__ import annotations

from functools import partial

from campaigns.aim import Aim
from surrogates.encode import Encoder
from surrogates.knowledge import Knowledge
from surrogates.models import exact
from surrogates.models.surrogate import Fit, Surrogate
from surrogates.observation import Observations


def learn(aim: Aim, encoder: Encoder, observations: Observations, seed: int) -> Knowledge | str:
    """One surrogate per reading and the belief about what is sought, or why there is none yet."""
    if not observations.measured and not any(part.related for part in aim.history):
        return "no result yet" if not observations.rows else "no experiment has succeeded yet"
    readings: dict[str, Surrogate] = {}
    maximise = {o.name: o.direction != "minimise" for o in aim.objectives}
    for reading in aim.readings:
        rows = observations.of(reading)
        if not rows:
            return f"no result of {reading} yet"
        readings[reading] = Surrogate(
            encoder, rows, reading, maximise=maximise.get(reading, True), fit=_fit(aim, seed)
        )
    first = readings[aim.objectives[0].name]
    return Knowledge(encoder, observations, readings, first.belief, first.codes[first.kept])


def _fit(aim: Aim, seed: int) -> Fit:
    if (aim.surrogate.model, aim.surrogate.noise) == ("gp", "normal"):
        return exact.fit
    from surrogates.models.choice import fit

    return partial(fit, aim.surrogate.model, aim.surrogate.noise, seed=seed)
