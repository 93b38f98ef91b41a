"""What was told: one row per result, in the order of arrival. Replicates stay separate rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from campaigns.space import Space, Value
from surrogates.encode import Array
from surrogates.errors import InvalidObservation
from surrogates.sampling import key


@dataclass(frozen=True)
class Observation:
    """`value` and `sigma` (its known standard deviation) in the objective's unit; `value` is None where the
    experiment failed and said nothing about the objective."""

    candidate: dict[str, Value]
    value: float | None
    sigma: float | None
    failed: bool


class Observations:
    """The table. Only rows with a value reach a model; failed candidates are kept to be avoided."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.rows: list[Observation] = []
        self._choices = {p.name: p.choices for p in space.free if p.kind == "categorical"}

    def add(
        self, candidate: Mapping[str, Value], value: float | None, sigma: float | None, failed: bool
    ) -> Observation:
        """Raises InvalidObservation; nothing is added then."""
        row = Observation(self.check(candidate), _value(value, failed), _sigma(sigma), failed)
        self.rows.append(row)
        return row

    def check(self, candidate: Mapping[str, Value]) -> dict[str, Value]:
        """The canonical candidate. It may lie outside the space's bounds (history does), but must be readable."""
        missing = [p.name for p in self.space.free if p.name not in candidate]
        if missing:
            raise InvalidObservation(f"candidate lacks {', '.join(missing)}; got {dict(candidate)!r}")
        for p in self.space.free:
            got = candidate[p.name]
            if p.name in self._choices:
                if got not in self._choices[p.name]:
                    wanted = ", ".join(self._choices[p.name])
                    raise InvalidObservation(f"{p.name}: wanted one of {wanted}, got {got!r}")
            elif isinstance(got, (bool, str)) or not math.isfinite(got):
                raise InvalidObservation(f"{p.name}: wanted a finite number, got {got!r}")
        known = {name: candidate[name] for name in self.space.names if name in candidate}
        return self.space.canonical(known)

    @property
    def measured(self) -> list[Observation]:
        return [row for row in self.rows if row.value is not None]

    def values(self) -> Array:
        return np.array([row.value for row in self.measured], float)

    def sigmas(self) -> Array:
        """Known standard deviations (n,), zero where none was given."""
        return np.array([row.sigma or 0.0 for row in self.measured], float)

    def keys(self) -> set[tuple[tuple[str, Value], ...]]:
        """Of every candidate told, failed ones included."""
        return {key(row.candidate) for row in self.rows}


def _value(value: float | None, failed: bool) -> float | None:
    if failed:
        return None
    if value is None or isinstance(value, (bool, str)) or not math.isfinite(value) or abs(value) > 1.7e308:
        raise InvalidObservation(
            f"wanted a finite number, got {value!r}; tell failed=True for a result without one"
        )
    return float(value)


def _sigma(sigma: float | None) -> float | None:
    if sigma is not None and (not math.isfinite(sigma) or sigma < 0):
        raise InvalidObservation(f"sigma: wanted a finite number not below zero, got {sigma!r}")
    return None if sigma is None else float(sigma)
