"""Bodies for networks that will learn from few labels: what is learned first, from tables with many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import skew

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.errors import SourceError
from surrogates.materials.graph import GraphCache
from surrogates.materials.settings import EnsembleSettings

FEWEST = 50  # labels of a value below which it is no body to start from


@dataclass(frozen=True)
class Lesson:
    """n structures and values (n, t) in any units, NaN where missing."""

    structures: list[Structure]
    values: Array
    targets: tuple[str, ...]

    def only(self, rows: Sequence[int] | Array) -> Lesson:
        """Of some of the structures."""
        return Lesson([self.structures[int(k)] for k in rows], self.values[rows], self.targets)


def lesson(
    tables: Mapping[str, tuple[Sequence[Structure], Sequence[Mapping[str, float]]]],
    readings: Mapping[str, Sequence[str]],
) -> Lesson:
    """One lesson from tables by name, structures and their known values each, of the `readings` of each table. The same
    reading of two tables is two targets: they need not be of one scale. Raises SourceError for a reading that fewer
    than FEWEST structures have."""
    structures: list[Structure] = []
    targets = tuple(f"{name}/{reading}" for name in tables for reading in readings[name])
    rows = []
    for name, (own, values) in tables.items():
        for reading in readings[name]:
            n = sum(reading in row for row in values)
            if n < FEWEST:
                has = sorted({key for row in values for key in row})
                raise SourceError(
                    f"{name}: wanted at least {FEWEST} structures with the value {reading!r} to learn from, got {n}; "
                    f"it has {', '.join(has) or 'no values'}. Cure: name another, or bind it as "
                    f"FILE{{{reading}=COLUMN}}"
                )
        for structure, row in zip(own, values, strict=True):
            if any(reading in row for reading in readings[name]):
                structures.append(structure)
                rows.append(
                    {f"{name}/{reading}": row[reading] for reading in readings[name] if reading in row}
                )
    table = [[row.get(target, np.nan) for target in targets] for row in rows]
    return Lesson(structures, np.array(table, float).reshape(len(rows), len(targets)), targets)


def by_logarithm(values: Array) -> bool:
    """Whether the logarithm of values (n,), NaN where missing, is what to learn: all above 0, and less skewed so."""
    known = values[np.isfinite(values)]
    return bool((known > 0).all() and abs(skew(np.log(known))) < abs(skew(known)))


def pretrained(
    of: Lesson,
    settings: EnsembleSettings,
    seed: int,
    graphs: GraphCache | None = None,
    workers: int = 1,
    folder: Path | None = None,
) -> MaterialsEnsemble:
    """An ensemble to start from. Its heads are thrown away, so that each value is learned on whichever scale is less
    skewed. A tenth of the compositions is left out and stays out: by them an ensemble that starts here can measure
    its uncertainty on compositions that no weight has seen. `folder`: see `MaterialsEnsemble.fit`."""
    values = of.values.copy()
    for k in range(values.shape[1]):
        if by_logarithm(values[:, k]):
            values[:, k] = np.log10(values[:, k])
    settings = replace(settings, finish=False, volumes=None)
    return MaterialsEnsemble.fit(
        of.structures, values, of.targets, settings=settings, seed=seed, workers=workers, graphs=graphs, folder=folder,
    )  # fmt: skip
