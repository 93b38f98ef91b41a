"""Candidates as numbers: the only place that knows columns.

Two forms, both float64 with one row per candidate:

* **codes** (n, p), one column per free parameter in the order of `Space.free`: the value itself for continuous,
  integer and ordinal parameters, the index of the choice for categorical ones. Linear constraints and mixtures
  are linear in codes.
* **unit** (n, d), what a kernel sees: each numeric parameter scaled to [0, 1] (logarithmically where the
  parameter says so, by rank for ordinals), each categorical one-hot, so that the squared distance between two
  different choices is 2 whichever they are (a Hamming distance). Fixed parameters are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from campaigns.space import Space, Value

Array = np.ndarray


class Encoder:
    """Columns of one space.

    kinds      (p,) kind of each free parameter
    numeric    (p,) bool, not categorical
    discrete   (p,) bool, takes only listed values
    low, high  (p,) bounds of the codes
    group      (d,) number of the length scale that rules each unit column; a categorical's columns share one
    columns    unit columns of each free parameter
    continuous_columns  unit columns that may move freely, and `continuous`, their code columns
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.parameters = space.free
        self.names = tuple(p.name for p in self.parameters)
        self.kinds = tuple(p.kind for p in self.parameters)
        self.numeric = np.array([kind != "categorical" for kind in self.kinds], bool)
        self.discrete = np.array([kind != "continuous" for kind in self.kinds], bool)
        self.log = np.array([getattr(p, "scale", "linear") == "log" for p in self.parameters], bool)
        self.levels = tuple(_levels(p) for p in self.parameters)
        self.low = np.array([_bounds(p)[0] for p in self.parameters], float)
        self.high = np.array([_bounds(p)[1] for p in self.parameters], float)
        self.columns: list[slice] = []
        group: list[int] = []
        for j, p in enumerate(self.parameters):
            width = len(p.choices) if p.kind == "categorical" else 1
            self.columns.append(slice(len(group), len(group) + width))
            group += [j] * width
        self.group = np.array(group, int)
        self.n_columns = len(group)
        self.group_parameter = np.arange(len(self.parameters))
        self.numeric_columns = np.array([self.numeric[g] for g in group], bool)
        self.continuous = np.flatnonzero(~self.discrete)
        self.continuous_columns = np.array([self.columns[j].start for j in self.continuous], int)
        self._index = tuple(
            {choice: i for i, choice in enumerate(p.choices)} if p.kind == "categorical" else None
            for p in self.parameters
        )
        self.scale_low, self.scale_high = self.low.copy(), self.high.copy()
        self.table: Array | None = None
        if space.allowed is not None:
            order = [space.allowed.columns.index(name) for name in self.names]
            self.table = self._from_columns([[row[k] for row in space.allowed.rows] for k in order])
            # A pool is scaled by its own spread: stated bounds may be far wider than what was made.
            rule = self.numeric & np.array([kind != "ordinal" for kind in self.kinds], bool)
            self.scale_low[rule] = self.table[:, rule].min(axis=0, initial=np.inf)
            self.scale_high[rule] = self.table[:, rule].max(axis=0, initial=-np.inf)
        logs = self.log & (self.scale_low > 0)
        self._log = logs
        with np.errstate(divide="ignore", invalid="ignore"):
            self._offset = np.where(logs, np.log(np.where(logs, self.scale_low, 1.0)), self.scale_low)
            top = np.where(logs, np.log(np.where(logs, self.scale_high, 1.0)), self.scale_high)
        self._span = np.where(top > self._offset, top - self._offset, 1.0)

    @property
    def n_parameters(self) -> int:
        return len(self.parameters)

    def codes(self, candidates: Iterable[Mapping[str, Value]]) -> Array:
        """Candidates (mappings with at least every free parameter) as codes (n, p)."""
        rows = list(candidates)
        return self._from_columns([[row[name] for row in rows] for name in self.names], len(rows))

    def candidates(self, codes: Array) -> list[dict[str, Value]]:
        """Codes (n, p) as full canonical candidates: native types, fixed parameters filled in."""
        return [self.candidate(row) for row in np.atleast_2d(codes)]

    def candidate(self, code: Array) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for p, v in zip(self.parameters, code.tolist(), strict=True):
            if p.kind == "categorical":
                values[p.name] = p.choices[round(v)]
            elif p.kind == "integer":
                values[p.name] = round(v)
            else:
                values[p.name] = v
        return self.space.canonical(values | self._fixed())

    def unit(self, codes: Array) -> Array:
        """Codes (n, p) as unit columns (n, d)."""
        codes = np.atleast_2d(codes)
        out = np.zeros((len(codes), self.n_columns))
        for j, columns in enumerate(self.columns):
            v = codes[:, j]
            if not self.numeric[j]:
                out[np.arange(len(codes)), columns.start + np.rint(v).astype(int)] = 1.0
            elif self.kinds[j] == "ordinal":
                levels = self.levels[j]
                out[:, columns.start] = nearest(levels, v) / max(len(levels) - 1, 1)
            else:
                if self._log[j]:
                    v = np.log(np.maximum(v, np.finfo(float).tiny))
                out[:, columns.start] = (v - self._offset[j]) / self._span[j]
        return out

    def move(self, codes: Array, unit: Array) -> Array:
        """`codes` (n, p) with the continuous parameters taken from `unit` (n, number of continuous), clipped."""
        out = codes.copy()
        j = self.continuous
        v = self._offset[j] + unit * self._span[j]
        v = np.where(self._log[j], np.exp(np.minimum(v, 700.0)), v)
        out[:, j] = np.clip(v, self.low[j], self.high[j])
        return out

    def slope(self, codes: Array) -> Array:
        """d(code)/d(unit) of the continuous parameters at `codes` (n, p): (n, number of continuous)."""
        j = self.continuous
        return np.where(self._log[j], codes[:, j], 1.0) * self._span[j]

    def spread(self, cube: Array) -> Array:
        """Points of the cube [0, 1)^p as codes (n, p): every choice, level and integer gets an equal share."""
        out = np.empty_like(cube)
        for j, levels in enumerate(self.levels):
            u = cube[:, j]
            if self.kinds[j] == "continuous":
                if self.log[j]:
                    low, high = np.log(self.low[j]), np.log(self.high[j])
                    v = np.exp(low + u * (high - low))
                else:
                    v = self.low[j] + u * (self.high[j] - self.low[j])
                out[:, j] = np.clip(v, self.low[j], self.high[j])
            elif self.kinds[j] == "integer":
                count = self.high[j] - self.low[j] + 1
                out[:, j] = np.minimum(self.low[j] + np.floor(u * count), self.high[j])
            else:
                out[:, j] = levels[np.minimum((u * len(levels)).astype(int), len(levels) - 1)]
        return out

    def snap(self, codes: Array) -> Array:
        """Codes with every discrete parameter at its nearest allowed value and every value within bounds."""
        out = np.clip(codes, self.low, self.high)
        for j in np.flatnonzero(self.discrete):
            levels = self.levels[j]
            out[:, j] = (
                np.rint(out[:, j]) if self.kinds[j] == "integer" else levels[nearest(levels, out[:, j])]
            )
        return out

    def _fixed(self) -> dict[str, Value]:
        return {p.name: p.value for p in self.space.parameters if p.kind == "fixed"}

    def _from_columns(self, columns: list[list[Value]], n: int | None = None) -> Array:
        n = len(columns[0]) if n is None else n
        out = np.empty((n, len(columns)))
        for j, column in enumerate(columns):
            index = self._index[j]
            out[:, j] = column if index is None else [index[str(v)] for v in column]
        return out


def nearest(levels: Array, values: Array) -> Array:
    """Index of the nearest of increasing `levels` to each value."""
    if len(levels) == 1:
        return np.zeros(len(values), int)
    return np.searchsorted(0.5 * (levels[1:] + levels[:-1]), values)


def _bounds(parameter) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    if parameter.kind == "categorical":
        return 0.0, len(parameter.choices) - 1.0
    if parameter.kind == "ordinal":
        return parameter.levels[0], parameter.levels[-1]
    return parameter.low, parameter.high


def _levels(parameter) -> Array:  # type: ignore[no-untyped-def]
    """Allowed codes of an ordinal or categorical parameter; empty where a range says it all."""
    if parameter.kind == "categorical":
        return np.arange(len(parameter.choices), dtype=float)
    return np.array(parameter.levels if parameter.kind == "ordinal" else (), float)
