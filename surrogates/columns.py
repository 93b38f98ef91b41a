"""The columns of one parameter: a class per kind, each with its code (one column) and its unit columns.

A code is the value itself for numbers and the index of the choice for words. Unit columns are what a kernel sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from campaigns.space import Categorical, Continuous, Integer, Material, Ordinal, Value

Array = np.ndarray
CHUNK = 8192
Free = Continuous | Integer | Ordinal | Categorical | Material


class Axis:
    """One parameter.

    low, high  bounds of its code
    levels     (l,) the codes it may take; empty where a range says it all
    discrete   whether it takes only listed values
    width      number of unit columns
    groups     (width,) which of its own length scales rules each unit column, from 0
    numeric    whether its unit columns are numbers, rather than marks of a choice
    idle       what stands in all its unit columns where it is inactive
    """

    discrete = True
    numeric = True
    idle: ClassVar[float] = 0.5
    levels: Array

    def __init__(self, name: str, low: float, high: float, *, width: int = 1) -> None:
        self.name, self.low, self.high, self.width = name, float(low), float(high), width
        self.levels = np.zeros(0)
        self.groups = np.zeros(width, int)

    def read(self, values: Sequence[Value]) -> Array:
        """Values as codes (n,)."""
        return np.array(values, float)

    def value(self, code: float) -> Value:
        """The value of one code."""
        return code

    def unit(self, codes: Array) -> Array:
        """Codes (n,) as unit columns (n, width)."""
        raise NotImplementedError

    def code(self, columns: Array) -> Array:
        """Unit columns (n, width) as the codes (n,) of the levels nearest to them."""
        return self.levels[nearest_rows(self.unit(self.levels), columns)]

    def spread(self, share: Array) -> Array:
        """Shares (n,) in [0, 1) as codes: equal shares for equal parts of the parameter, on its scale."""
        return self.levels[np.minimum((share * len(self.levels)).astype(int), len(self.levels) - 1)]

    def shares(self, low: float, high: float) -> tuple[float, float]:
        """The shares that `spread` turns into codes of [low, high]."""
        first, last = np.searchsorted(self.levels, [low - 1e-9, high + 1e-9])
        return first / len(self.levels), last / len(self.levels)

    def snap(self, codes: Array) -> Array:
        """The nearest codes it may take."""
        return self.levels[nearest(self.levels, codes)]


class Real(Axis):
    """A real number; its scale is linear, log or logit."""

    discrete = False

    def __init__(self, p: Continuous) -> None:
        super().__init__(p.name, p.low, p.high)
        self.scale = p.scale
        self.rescale(self.low, self.high)
        self._from, self._to = self.offset, self.offset + self.span

    def rescale(self, low: float, high: float) -> None:
        """Scale to the spread of a pool: stated bounds may be far wider than what was made."""
        ends = forward(self.scale, np.array([low, high]))
        self.offset, self.span = float(ends[0]), float(ends[1] - ends[0]) or 1.0

    def unit(self, codes: Array) -> Array:
        out: Array = (forward(self.scale, codes)[:, None] - self.offset) / self.span
        return out

    def spread(self, share: Array) -> Array:
        if self.scale == "linear":
            codes = self.low + share * (self.high - self.low)
        else:
            codes = backward(self.scale, self._from + share * (self._to - self._from))
        return np.clip(codes, self.low, self.high)

    def shares(self, low: float, high: float) -> tuple[float, float]:
        ends = (forward(self.scale, np.array([low, high])) - self._from) / (self._to - self._from)
        return float(np.clip(ends[0], 0, 1)), float(np.clip(ends[1], 0, 1))

    def snap(self, codes: Array) -> Array:
        return codes


class Whole(Axis):
    """A whole number."""

    def __init__(self, p: Integer) -> None:
        super().__init__(p.name, p.low, p.high)
        self.offset, self.span = self.low, self.high - self.low

    def rescale(self, low: float, high: float) -> None:
        """Scale to the spread of a pool."""
        self.offset, self.span = low, (high - low) or 1.0

    def value(self, code: float) -> Value:
        return round(code)

    def unit(self, codes: Array) -> Array:
        out: Array = (codes[:, None] - self.offset) / self.span
        return out

    def spread(self, share: Array) -> Array:
        return np.minimum(self.low + np.floor(share * (self.high - self.low + 1)), self.high)

    def shares(self, low: float, high: float) -> tuple[float, float]:
        count = self.high - self.low + 1
        return (np.ceil(low - 1e-9) - self.low) / count, (np.floor(high + 1e-9) + 1 - self.low) / count

    def snap(self, codes: Array) -> Array:
        return np.rint(codes)


class Level(Axis):
    """One of a few numbers, by rank."""

    def __init__(self, p: Ordinal) -> None:
        super().__init__(p.name, p.levels[0], p.levels[-1])
        self.levels = np.array(p.levels, float)

    def unit(self, codes: Array) -> Array:
        return nearest(self.levels, codes)[:, None] / max(len(self.levels) - 1, 1)


class Choice(Axis):
    """One of several words, one-hot: two different choices are equally far apart; or, where each column has a length
    scale of its own, as far as is learned."""

    numeric = False
    idle = 0.0

    def __init__(self, name: str, choices: Sequence[str], *, learned: bool = False) -> None:
        super().__init__(name, 0.0, len(choices) - 1.0, width=len(choices))
        self.choices = tuple(choices)
        self.levels = np.arange(len(choices), dtype=float)
        self._index = {choice: float(i) for i, choice in enumerate(choices)}
        if learned:
            self.groups = np.arange(self.width)

    def read(self, values: Sequence[Value]) -> Array:
        return np.array([self._index[str(value)] for value in values], float)

    def value(self, code: float) -> Value:
        return self.choices[round(code)]

    def unit(self, codes: Array) -> Array:
        out = np.zeros((len(codes), self.width))
        out[np.arange(len(codes)), np.rint(codes).astype(int)] = 1.0
        return out


class Tabulated(Choice):
    """One of several words, each with numbers of its own: `table` (number of choices, width) holds its unit columns,
    `groups` (width,) says which length scale rules each."""

    numeric = True
    idle = 0.5

    def __init__(self, name: str, choices: Sequence[str], table: Array, groups: Array) -> None:
        super().__init__(name, choices)
        self.table, self.width, self.groups = table, table.shape[1], groups

    def unit(self, codes: Array) -> Array:
        return self.table[np.rint(codes).astype(int)]


class Described(Tabulated):
    """One of several words, as far apart as their descriptors: each scaled to [0, 1] over the choices, with a length
    scale of its own; one that is the same for all choices is dropped."""

    def __init__(self, p: Categorical) -> None:
        assert p.descriptors is not None
        table = np.array(p.descriptors.values, float)
        table = table[:, np.ptp(table, axis=0) > 0]
        table = (table - table.min(axis=0)) / np.ptp(table, axis=0)
        super().__init__(p.name, p.choices, table, np.arange(table.shape[1]))


def axis_of(parameter: Free) -> Axis:
    """The columns of a parameter. Raises TypeError for a material, whose columns are learned."""
    if isinstance(parameter, Continuous):
        return Real(parameter)
    if isinstance(parameter, Integer):
        return Whole(parameter)
    if isinstance(parameter, Ordinal):
        return Level(parameter)
    if isinstance(parameter, Material):
        raise TypeError(
            f"{parameter.name}: a material has no columns of its own, only those learned for a pool"
        )
    if parameter.descriptors is not None:
        return Described(parameter)
    return Choice(parameter.name, parameter.choices, learned=parameter.kernel == "learned")


def forward(scale: str, values: Array) -> Array:
    """Values on their scale: ratios become differences on a log scale, ratios of odds on a logit scale."""
    if scale == "log":
        return np.log(np.maximum(values, np.finfo(float).tiny))
    if scale == "logit":
        inside = np.clip(values, np.finfo(float).tiny, 1 - np.finfo(float).epsneg)
        return np.log(inside) - np.log1p(-inside)
    return values


def backward(scale: str, scaled: Array) -> Array:
    """The inverse of `forward`."""
    if scale == "log":
        return np.exp(np.minimum(scaled, 700.0))
    if scale == "logit":
        return 1.0 / (1.0 + np.exp(np.minimum(-scaled, 700.0)))
    return scaled


def nearest_rows(rows: Array, X: Array) -> Array:
    """Index (m,) of the row of `rows` (k, w) nearest to each of X (m, w)."""
    half = 0.5 * (rows**2).sum(axis=1)
    parts = [np.argmax(X[i : i + CHUNK] @ rows.T - half, axis=1) for i in range(0, len(X), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros(0, int)


def nearest(levels: Array, values: Array) -> Array:
    """Index of the nearest of increasing `levels` to each value."""
    if len(levels) == 1:
        return np.zeros(len(values), int)
    return np.searchsorted(0.5 * (levels[1:] + levels[:-1]), values)
