"""Why a candidate: what is expected there, what was measured near it, and which parameters matter."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from campaigns.aim import Aim
from campaigns.space import Value
from surrogates.encode import Array, Encoder
from surrogates.knowledge import Knowledge
from surrogates.models.surrogate import Surrogate
from surrogates.observation import Observations
from surrogates.proposal import Method, Nearest, Proposal
from surrogates.search import Found

LEVELS = 9


def proposal(
    found: Found,
    knowledge: Knowledge,
    aim: Aim,
    method: Method,
    *,
    seed: int,
    cost: float | None,
    feasible: float | None,
) -> Proposal:
    """The record of a choice; predictions are of the belief before any pending experiment is guessed."""
    first = knowledge.readings[aim.objectives[0].name]
    predictions = {}
    for name, surrogate in knowledge.readings.items():
        mean, sd = surrogate.predict(found.code[None])
        predictions[name] = (float(mean[0]), float(sd[0]))
    mean_here, sd_here = predictions[first.reading]
    whole = float(first.measured_sd(found.code[None])[0])
    return Proposal(
        candidate=found.candidate,
        mode=method.mode,
        acquisition=method.name,
        value=found.value,
        mean=mean_here,
        sd=sd_here,
        model=knowledge.name,
        seed=seed,
        n_observed=knowledge.n,
        nearest=nearest(knowledge.encoder, knowledge.observations, first.reading, found.candidate),
        noise_sd=math.sqrt(max(whole**2 - sd_here**2, 0.0)) if whole < 1e150 else whole,
        predictions=predictions,
        sensitivity=sensitivity(first, found.code),
        feasible=feasible,
        cost=cost,
    )


def nearest(
    encoder: Encoder, observations: Observations, reading: str, candidate: Mapping[str, Value]
) -> Nearest | None:
    """The closest candidate told, with its value of `reading`; None before the first."""
    rows = observations.rows
    if not rows:
        return None
    away = encoder.unit(encoder.codes(row.candidate for row in rows)) - encoder.unit(
        encoder.codes([candidate])
    )
    distance = np.sqrt((away**2).sum(axis=1))
    i = int(np.argmin(distance))
    return Nearest(dict(rows[i].candidate), rows[i].values.get(reading), float(distance[i]))


def sensitivity(surrogate: Surrogate, code: Array) -> dict[str, float]:
    """Per free parameter, the standard deviation of the predicted mean, in the reading's own unit, as that parameter
    alone goes from end to end (choices: each once) and the others stay as in `code` (p,).

    A local, one-at-a-time sensitivity: it says what the model believes near this candidate, interactions included
    only as far as the candidate's own values set them.
    """
    encoder = surrogate.encoder
    rungs = np.repeat((np.arange(LEVELS)[:, None] + 0.5) / LEVELS, encoder.n_parameters, axis=1)
    ladder = encoder.spread(rungs)
    rows, owners = [], []
    for j in range(encoder.n_parameters):
        levels = np.unique(ladder[:, j]) if encoder.ordered[j] else encoder.levels[j]
        block = np.repeat(code[None], len(levels), axis=0)
        block[:, j] = levels
        rows.append(block)
        owners += [j] * len(levels)
    mean = surrogate.predict(np.vstack(rows))[0]
    owner = np.array(owners)
    return {name: float(mean[owner == j].std()) for j, name in enumerate(encoder.names)}
