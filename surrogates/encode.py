"""Candidates as numbers: the only place that knows columns.

Two forms, both float64 with one row per candidate:

* **codes** (n, p), one column per free parameter in the order of `Space.free`: the value itself for continuous,
  integer and ordinal parameters, the index of the choice for categorical ones. Linear constraints and mixtures
  are linear in codes.
* **unit** (n, d), what a kernel sees: each numeric parameter scaled to [0, 1] (on its log or logit scale where it
  says so, by rank for ordinals), each categorical one-hot, so that the squared distance between two different choices
  is 2 whichever they are (a Hamming distance), or as its descriptors. Parameters that are inactive in a candidate have
  the same constant whatever the candidate, and so no distance. Fixed parameters are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np

from campaigns.space import Space, Value
from surrogates.columns import Array, Axis, Choice, Real, Whole, axis_of, backward, nearest

__all__ = ["Array", "Encoder", "nearest"]


class Encoder:
    """Columns of one space.

    axes       what is known of each free parameter
    kinds      (p,) kind of each free parameter
    discrete   (p,) bool, takes only listed values; `ordered` (p,) bool, its code is a number rather than an index
    context    (p,) bool, measured rather than chosen; `assumed` (p,) its codes where it was not measured
    low, high  (p,) bounds of the codes; `floor`, `ceiling` the same, but infinite for a context, which is what it is
    columns    unit columns of each free parameter
    group      (d,) number of the length scale that rules each unit column
    group_parameter  (number of length scales,) free parameter that each belongs to: a categorical whose kernel is
               learned or which has descriptors has several, every other parameter one
    continuous_columns  unit columns that may move freely, and `continuous`, their code columns
    """

    def __init__(self, space: Space, axes: Mapping[str, Axis] | None = None) -> None:
        """`axes`: of those parameters, by name, whose columns are not a matter of the space alone."""
        self.space, known = space, axes or {}
        self.parameters = space.free
        self.names = tuple(p.name for p in self.parameters)
        self.kinds = tuple(p.kind for p in self.parameters)
        self.axes: tuple[Axis, ...] = tuple(known.get(p.name) or axis_of(p) for p in self.parameters)
        self.levels = tuple(axis.levels for axis in self.axes)
        self.discrete = np.array([axis.discrete for axis in self.axes], bool)
        self.ordered = np.array([not isinstance(axis, Choice) for axis in self.axes], bool)
        self.low = np.array([axis.low for axis in self.axes], float)
        self.high = np.array([axis.high for axis in self.axes], float)
        self.context = np.array([p in space.context for p in self.parameters], bool)
        self.assumed = self.low.copy()
        for j in np.flatnonzero(self.context).tolist():
            p = self.parameters[j]
            self.assumed[j] = self.axes[j].read([p.assumed])[0]  # type: ignore[union-attr]
        self.floor = np.where(self.context & ~self.discrete, -np.inf, self.low)
        self.ceiling = np.where(self.context & ~self.discrete, np.inf, self.high)
        ends = np.cumsum([0, *(axis.width for axis in self.axes)])
        self.columns = [slice(int(a), int(b)) for a, b in pairwise(ends)]
        self.n_columns = int(ends[-1])
        group: list[int] = []
        owner: list[int] = []
        for j, axis in enumerate(self.axes):
            group += (len(owner) + axis.groups).tolist()
            owner += [j] * (int(axis.groups.max()) + 1)
        self.group, self.group_parameter = np.array(group, int), np.array(owner, int)
        self.numeric_columns = np.repeat(
            np.array([axis.numeric for axis in self.axes], bool), [axis.width for axis in self.axes]
        )
        self.continuous = np.flatnonzero(~self.discrete)
        self.continuous_columns = np.array([self.columns[j].start for j in self.continuous], int)
        self._conditions = [self._condition(j) for j, p in enumerate(self.parameters) if p.when]
        self._fixed: dict[str, Value] = {p.name: p.value for p in space.parameters if p.kind == "fixed"}
        self._incomplete = bool(space.context or space.conditional)
        self.table: Array | None = None
        if space.allowed is not None:
            self.table = self._table()
        reals = [axis for axis in self.axes if isinstance(axis, Real)]
        self._offset = np.array([axis.offset for axis in reals], float)
        self._span = np.array([axis.span for axis in reals], float)
        self.scales = np.array([axis.scale if isinstance(axis, Real) else "linear" for axis in self.axes])
        self._curved = [
            (scale, np.flatnonzero(self.scales[self.continuous] == scale))
            for scale in ("log", "logit")
            if (self.scales[self.continuous] == scale).any()
        ]

    @property
    def n_parameters(self) -> int:
        return len(self.parameters)

    def codes(self, candidates: Iterable[Mapping[str, Value]]) -> Array:
        """Candidates as codes (n, p). A context may be missing, and a parameter whose condition does not hold."""
        rows = list(candidates)
        if self._incomplete:
            rows = [self.space.canonical(row) for row in rows]
        out = np.empty((len(rows), self.n_parameters))
        for j, axis in enumerate(self.axes):
            out[:, j] = axis.read([row[axis.name] for row in rows])
        return out

    def candidates(self, codes: Array) -> list[dict[str, Value]]:
        """Codes (n, p) as full canonical candidates: native types, fixed parameters filled in."""
        return [self.candidate(row) for row in np.atleast_2d(codes)]

    def candidate(self, code: Array) -> dict[str, Value]:
        values = {axis.name: axis.value(v) for axis, v in zip(self.axes, code.tolist(), strict=True)}
        return self.space.canonical(values | self._fixed)

    def unit(self, codes: Array) -> Array:
        """Codes (n, p) as unit columns (n, d)."""
        codes = np.atleast_2d(codes)
        out = np.empty((len(codes), self.n_columns))
        for j, (axis, columns) in enumerate(zip(self.axes, self.columns, strict=True)):
            out[:, columns] = axis.unit(codes[:, j])
        for j, _, _ in self._conditions:
            out[~self._holds(j, codes), self.columns[j]] = self.axes[j].idle
        return out

    def move(self, codes: Array, unit: Array) -> Array:
        """`codes` (n, p) with the continuous parameters taken from `unit` (n, number of continuous), clipped."""
        out = codes.copy()
        v = self._offset + unit * self._span
        for scale, k in self._curved:
            v[:, k] = backward(scale, v[:, k])
        j = self.continuous
        out[:, j] = np.clip(v, self.floor[j], self.ceiling[j])
        return out

    def slope(self, codes: Array) -> Array:
        """d(code)/d(unit) of the continuous parameters at `codes` (n, p): (n, number of continuous)."""
        v = np.ones((len(codes), len(self.continuous)))
        for scale, k in self._curved:
            x = codes[:, self.continuous[k]]
            v[:, k] = x if scale == "log" else x * (1 - x)
        return v * self._span

    def spread(self, cube: Array) -> Array:
        """Points of the cube [0, 1)^p as codes (n, p): every choice, level and integer gets an equal share; a context
        is as assumed."""
        out = np.empty_like(cube)
        for j, axis in enumerate(self.axes):
            out[:, j] = self.assumed[j] if self.context[j] else axis.spread(cube[:, j])
        return self.conditioned(out)

    def shares(self, low: Array, high: Array) -> tuple[Array, Array]:
        """The part (p,) to (p,) of the cube that `spread` turns into codes between `low` and `high` (p,)."""
        ends = [axis.shares(a, b) for axis, a, b in zip(self.axes, low.tolist(), high.tolist(), strict=True)]
        return np.array([a for a, _ in ends]), np.array([b for _, b in ends])

    def snap(self, codes: Array) -> Array:
        """Codes with every discrete parameter at its nearest allowed value, every value within bounds, and every
        inactive parameter as it is then."""
        out = np.clip(codes, self.floor, self.ceiling)
        for j in np.flatnonzero(self.discrete):
            out[:, j] = self.axes[j].snap(out[:, j])
        return self.conditioned(out)

    # -- conditions -----------------------------------------------------------
    def conditioned(self, codes: Array) -> Array:
        """Codes (n, p), changed in place: parameters whose condition does not hold have their value of then."""
        for j, inactive, _ in self._conditions:
            codes[~self._holds(j, codes), j] = inactive
        return codes

    def active(self, codes: Array) -> Array:
        """Mask (n, p) of the parameters whose condition holds, or which have none."""
        out = np.ones(codes.shape, bool)
        for j, _, _ in self._conditions:
            out[:, j] = self._holds(j, codes)
        return out

    @property
    def conditional(self) -> bool:
        """Whether any parameter has a condition."""
        return bool(self._conditions)

    def _condition(self, j: int) -> tuple[int, float, list[tuple[int, Array]]]:
        """Column, code where inactive, and for each parent its column and the codes under which this one is active."""
        p = self.parameters[j]
        place = {name: i for i, name in enumerate(self.names)}
        parents = [(place[name], self.axes[place[name]].read(values)) for name, values in p.when]
        return j, float(self.axes[j].read([p.inactive])[0]), parents

    def _holds(self, j: int, codes: Array) -> Array:
        mask = np.ones(len(codes), bool)
        for parent, values in next(parents for i, _, parents in self._conditions if i == j):
            mask &= np.isin(codes[:, parent], values)
        return mask

    def _table(self) -> Array:
        allowed = self.space.allowed
        assert allowed is not None
        out = np.empty((len(allowed.rows), self.n_parameters))
        for j, axis in enumerate(self.axes):
            if self.context[j]:
                out[:, j] = self.assumed[j]
                continue
            place = allowed.columns.index(axis.name)
            out[:, j] = axis.read([row[place] for row in allowed.rows])
            # A pool is scaled by its own spread: stated bounds may be far wider than what was made.
            if isinstance(axis, Real | Whole):
                axis.rescale(out[:, j].min(), out[:, j].max())
        return out
