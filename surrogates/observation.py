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
    """`values` and `sigmas` (their known standard deviations) by reading, in the reading's own unit. A reading that was
    not obtained has no entry: results may be partial. `failed`: the candidate came to nothing, which says where
    experiments can be carried out, and nothing about any reading."""

    candidate: dict[str, Value]
    values: dict[str, float]
    sigmas: dict[str, float]
    failed: bool

    def value(self, reading: str) -> float | None:
        return self.values.get(reading)


class Observations:
    """The table. Only rows with a value reach a model; failed candidates are kept to be avoided."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.rows: list[Observation] = []
        self._choices = {p.name: p.choices for p in space.free if p.kind == "categorical"}

    def add(
        self,
        candidate: Mapping[str, Value],
        values: Mapping[str, float | None],
        sigmas: Mapping[str, float | None] | None = None,
        *,
        failed: bool = False,
    ) -> Observation:
        """A value of None is one that was not obtained. Raises InvalidObservation, also where no value is left of a
        candidate that did not fail; nothing is added then."""
        checked = self.check(candidate)
        kept = {} if failed else {name: _value(name, v) for name, v in values.items() if v is not None}
        if not kept and not failed:
            raise InvalidObservation(
                f"wanted a finite number of {' or '.join(values) or 'a reading'}, got none; "
                "tell failed=True for a result without one"
            )
        known = {n: _sigma(n, s) for n, s in (sigmas or {}).items() if s is not None and n in kept}
        row = Observation(checked, kept, known, failed)
        self.rows.append(row)
        return row

    def check(self, candidate: Mapping[str, Value]) -> dict[str, Value]:
        """The canonical candidate. It may lie outside the space's bounds (history does), but must be readable."""
        # A context may not have been measured, and an inactive parameter has the value of then.
        missing = [p.name for p in self.space.chosen if p.name not in candidate and not p.when]
        if missing:
            raise InvalidObservation(f"candidate lacks {', '.join(missing)}; got {dict(candidate)!r}")
        for p in self.space.free:
            if p.name not in candidate:
                continue
            got = candidate[p.name]
            if p.name in self._choices:
                if got not in self._choices[p.name]:
                    wanted = ", ".join(self._choices[p.name])
                    raise InvalidObservation(f"{p.name}: wanted one of {wanted}, got {got!r}")
            elif p.kind == "material":
                if (wrong := p.violation(got)) is not None:
                    raise InvalidObservation(wrong)
            elif isinstance(got, (bool, str)) or not math.isfinite(got):
                raise InvalidObservation(f"{p.name}: wanted a finite number, got {got!r}")
        known = {name: candidate[name] for name in self.space.names if name in candidate}
        return self.space.canonical(known)

    @property
    def measured(self) -> list[Observation]:
        """Rows with at least one value."""
        return [row for row in self.rows if row.values]

    def of(self, *readings: str) -> list[Observation]:
        """Rows that have a value of every one of `readings`."""
        return [row for row in self.rows if all(name in row.values for name in readings)]

    def values(self, reading: str) -> Array:
        """Every value (n,) of a reading, in the order told."""
        return np.array([row.values[reading] for row in self.of(reading)], float)

    def failed(self) -> Array:
        """(n rows,) bool."""
        return np.array([row.failed for row in self.rows], bool)

    def candidates(self) -> list[dict[str, Value]]:
        """Of every row, failed ones included."""
        return [row.candidate for row in self.rows]

    def keys(self) -> set[tuple[tuple[str, Value], ...]]:
        """Of every candidate told, failed ones included."""
        return {key(row.candidate) for row in self.rows}


def _value(name: str, value: float) -> float:
    if isinstance(value, (bool, str)) or not math.isfinite(value) or abs(value) > 1.7e308:
        raise InvalidObservation(
            f"{name}: wanted a finite number, got {value!r}; tell failed=True for a result without one"
        )
    return float(value)


def _sigma(name: str, sigma: float) -> float:
    if not math.isfinite(sigma) or sigma < 0:
        raise InvalidObservation(f"{name}: wanted a sigma that is finite and not below zero, got {sigma!r}")
    return float(sigma)
