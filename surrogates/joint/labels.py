"""What is known of the materials themselves: from the pool, and from the loop that labels them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogates.encode import Array
from surrogates.errors import InvalidObservation

Row = tuple[str, Mapping[str, float]]


@dataclass(frozen=True)
class Labels:
    """Readings of materials, in order. `seeds`: known before the campaign; `told`: measured in it, where the same
    material may occur again."""

    seeds: tuple[Row, ...]
    told: tuple[Row, ...]

    def first(self, told: int) -> tuple[Row, ...]:
        """Each material that the seeds and the first `told` rows know, once, in order of first meeting; of several
        values of a reading the mean."""
        of: dict[str, dict[str, list[float]]] = {}
        for name, values in (*self.seeds, *self.told[:told]):
            mine = of.setdefault(name, {})
            for reading, value in values.items():
                mine.setdefault(reading, []).append(value)
        return tuple(
            (name, {reading: sum(found) / len(found) for reading, found in mine.items()})
            for name, mine in of.items()
        )

    @property
    def whole(self) -> tuple[Row, ...]:
        return self.first(len(self.told))

    def only(self, ids: Sequence[str]) -> Labels:
        """Without those of other materials than `ids`."""
        known = set(ids)
        return Labels(
            tuple(row for row in self.seeds if row[0] in known),
            tuple(row for row in self.told if row[0] in known),
        )

    def without(self, readings: Collection[str]) -> Labels:
        """Without any value of the `readings`."""

        def rest(rows: tuple[Row, ...]) -> tuple[Row, ...]:
            left = ((id, {r: v for r, v in values.items() if r not in readings}) for id, values in rows)
            return tuple((id, values) for id, values in left if values)

        return Labels(rest(self.seeds), rest(self.told))

    @classmethod
    def of(
        cls,
        name: str,
        ids: Sequence[str],
        values: Sequence[Mapping[str, float]],
        observations: Iterable[Mapping[str, Any]],
    ) -> Labels:
        """`name`: of the material parameter; `values` of the pool's `ids`; `observations`: of all loops, of which those
        count that chose nothing but the material. Raises InvalidObservation for a material that is not among `ids`."""
        seeds = tuple((id, dict(row)) for id, row in zip(ids, values, strict=True) if row)
        known, told = set(ids), []
        for row in observations:
            if set(row["candidate"]) != {name} or row["failed"] or not row["values"]:
                continue
            id = str(row["candidate"][name])
            if id not in known:
                raise InvalidObservation(
                    f"{name}: wanted a material of the pool ({len(known)}), got {id!r}, which was measured"
                )
            told.append((id, {reading: float(each["value"]) for reading, each in row["values"].items()}))
        return cls(seeds, tuple(told))


def per_atom(name: str, reading: str, observations: Iterable[Mapping[str, Any]]) -> dict[str, Array]:
    """What a reading says of each atom of the materials `name`, by id: (atoms,) or (atoms, components), the last that
    was told of each. `observations`: of any loops, whose candidates may choose more than the material."""
    out: dict[str, Array] = {}
    for row in observations:
        told = row.get("arrays", {}).get(reading)
        if told is not None and name in row["candidate"]:
            out[str(row["candidate"][name])] = np.array(told["values"], float)
    return out


def table(rows: Sequence[Row], targets: Sequence[str], ids: Sequence[str] | None = None) -> Array:
    """Values (n, T) of the rows, or of `ids` (N, T), NaN where a reading is not known."""
    names = [name for name, _ in rows] if ids is None else ids
    of = dict(rows)
    nothing: Mapping[str, float] = {}
    out = [[of.get(name, nothing).get(target, np.nan) for target in targets] for name in names]
    return np.array(out, float).reshape(len(names), len(targets))


def targets_of(rows: Sequence[Row], fewest: int) -> tuple[str, ...]:
    """Readings that at least `fewest` of the rows have, in alphabetical order."""
    count: dict[str, int] = {}
    for _, values in rows:
        for reading in values:
            count[reading] = count.get(reading, 0) + 1
    return tuple(sorted(reading for reading, n in count.items() if n >= fewest))
