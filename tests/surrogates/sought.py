"""Objectives and fitted outputs for tests of the goals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.encode import Array
from surrogates.goals.composite import Back
from surrogates.goals.outputs import Outputs
from surrogates.models.exact import DEFAULT
from surrogates.models.gp import GP, Columns
from surrogates.models.outcome import Outcome


@dataclass(frozen=True)
class Wanted:
    """What a goal reads of an objective."""

    name: str
    direction: str
    target: float | None = None
    worst: float | None = None
    best: float | None = None
    tolerance: float | None = None
    weight: float = 1.0


def process(U: Array, y: Array, *, maximise: bool = True) -> tuple[GP, Outcome]:
    columns = Columns(np.arange(U.shape[1]), np.ones(U.shape[1], bool))
    outcome = Outcome.fit(y, maximise=maximise)
    return GP.fit(U, outcome.forward(y), np.zeros(len(U)), columns, DEFAULT), outcome


def fitted(U: Array, Y: Array, *, maximise: bool = True) -> tuple[Outputs, tuple[Back, ...]]:
    """Outputs of Y (n, k) and the functions back to own units; a value that is not finite was not measured."""
    parts, backs = [], []
    for y in Y.T:
        told = np.isfinite(y)
        gp, outcome = process(U[told], y[told], maximise=maximise)
        parts.append(gp)
        backs.append(outcome.backward)
    return Outputs(tuple(f"y{j}" for j in range(Y.shape[1])), tuple(parts)), tuple(backs)
