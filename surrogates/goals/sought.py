"""What of an objective is read here, and measured values turned so that larger is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from surrogates.encode import Array
from surrogates.errors import UnsupportedObjectives


class Sought(Protocol):
    """The part of `campaigns.objective.Objective` that is read here, in the objective's own unit.

    target     what a match should give
    worst, best  results that are worth nothing, and that leave nothing to wish for
    tolerance  for a match how far from `target` is still of use; in a hierarchy the share of the observed range
    """

    @property
    def name(self) -> str: ...

    @property
    def direction(self) -> str: ...

    @property
    def target(self) -> float | None: ...

    @property
    def worst(self) -> float | None: ...

    @property
    def best(self) -> float | None: ...

    @property
    def tolerance(self) -> float | None: ...

    @property
    def weight(self) -> float: ...


def larger_is_better(Y: Array, objectives: Sequence[Sought]) -> Array:
    """Values Y (..., k) in own units as (..., k): as they are, negated, or minus the distance from the target.

    Raises UnsupportedObjectives for a match without a target.
    """
    out = np.array(Y, float)
    if out.shape[-1] != len(objectives):
        raise ValueError(f"wanted one column for each of {len(objectives)} objectives, got {out.shape[-1]}")
    for j, objective in enumerate(objectives):
        if objective.direction == "minimise":
            out[..., j] = -out[..., j]
        elif objective.direction == "match":
            out[..., j] = -np.abs(out[..., j] - needed(objective, "target"))
    return out


def needed(objective: Sought, field: str) -> float:
    """The number that `objective` must give in `field`. Raises UnsupportedObjectives where it does not."""
    value = getattr(objective, field)
    if value is None:
        raise UnsupportedObjectives(
            f"{objective.direction} {objective.name}: wanted `{field}`, got none; add `{field}: NUMBER` to it"
        )
    return float(value)


def span(V: Array) -> tuple[Array, Array]:
    """Lowest of V (n, k) and its range, 1 where all are equal: (k,) each. Raises ValueError for no row."""
    if not len(V):
        raise ValueError("wanted at least one row in which every objective was measured, got none")
    low = V.min(axis=0)
    width = V.max(axis=0) - low
    return low, np.where(width > 0, width, 1.0)
