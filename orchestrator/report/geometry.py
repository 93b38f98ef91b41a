"""Lines and planes through a candidate that stay inside the space: where a belief is looked at.

A mixture component is moved along its Cox direction: the other components keep their proportions and are
rescaled so that the sum holds (Cox 1971, Biometrika 58, 155). In a space that allows only the rows of a table a
line becomes, for each value of the parameter, the row nearest to the candidate in all the others.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.report.wording import MINUS, value_text

if TYPE_CHECKING:
    from campaigns.space import Mixture, Parameter, Space, Value

Candidate = dict[str, "Value"]


@dataclass(frozen=True)
class Line:
    """Feasible candidates in order of one parameter's value.

    `continuous`: they lie close enough to be joined by a curve; otherwise they are points.
    """

    parameter: Parameter
    candidates: tuple[Candidate, ...]
    continuous: bool

    @property
    def positions(self) -> list[Value]:
        return [candidate[self.parameter.name] for candidate in self.candidates]


@dataclass(frozen=True)
class Plane:
    """A grid over two numeric parameters; `candidates[row][column]` is None outside the space."""

    across: Parameter
    up: Parameter
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    candidates: tuple[tuple[Candidate | None, ...], ...]


def is_numeric(parameter: Parameter) -> bool:
    return parameter.kind in ("continuous", "integer", "ordinal")


def is_word(parameter: Parameter) -> bool:
    """Whether its values are words: choices, or names of crystals."""
    return parameter.kind in ("categorical", "material")


def is_log(parameter: Parameter) -> bool:
    return getattr(parameter, "scale", "linear") == "log"


def straight(parameter: Parameter, value: float) -> float:
    """The value on the parameter's own scale, on which equal steps matter equally."""
    scale = getattr(parameter, "scale", "linear")
    if scale == "log":
        return math.log(value)
    return math.log(value / (1 - value)) if scale == "logit" else value


def unit_of(parameter: Parameter) -> str:
    """The parameter's unit, empty where it has none."""
    return getattr(parameter, "unit", "")


def shown(parameter: Parameter, value: Value) -> str:
    """The value as text, with as many decimals as the parameter's range deserves (about 1 in 10,000 of it)."""
    if parameter.kind != "continuous" or parameter.scale != "linear" or not isinstance(value, int | float):
        return value_text(value)
    decimals = 3 - math.floor(math.log10(parameter.high - parameter.low))
    if not 0 <= decimals <= 6 or max(abs(parameter.low), abs(parameter.high)) >= 1e6:
        return value_text(value)
    return f"{value:.{decimals}f}".replace("-", MINUS)


def bounds(parameter: Parameter) -> tuple[float, float]:
    """The lowest and highest value of a numeric parameter, in its unit."""
    if parameter.kind == "ordinal":
        return float(parameter.levels[0]), float(parameter.levels[-1])
    if parameter.kind in ("continuous", "integer"):
        return float(parameter.low), float(parameter.high)
    raise TypeError(f"{parameter.name}: a {parameter.kind} parameter has no bounds")


def grid(parameter: Parameter, n: int) -> list[Value]:
    """At most `n` values from end to end, evenly spaced on the parameter's own scale; all choices or levels.

    Raises TypeError for a material, whose crystals have no order and are too many to list.
    """
    if parameter.kind == "categorical":
        return list(parameter.choices)
    if parameter.kind == "ordinal":
        return [float(level) for level in parameter.levels]
    low, high = bounds(parameter)
    if parameter.kind == "integer":
        count = min(n, int(high - low) + 1)
        return sorted({round(low + (high - low) * i / max(count - 1, 1)) for i in range(count)})
    if is_log(parameter):
        inner = [math.exp(math.log(low) + math.log(high / low) * i / (n - 1)) for i in range(1, n - 1)]
    elif getattr(parameter, "scale", "linear") == "logit":
        first, last = straight(parameter, low), straight(parameter, high)
        inner = [1 / (1 + math.exp(-(first + (last - first) * i / (n - 1)))) for i in range(1, n - 1)]
    else:
        inner = [low + (high - low) * i / (n - 1) for i in range(1, n - 1)]
    return [low, *inner, high]  # the ends exactly, whatever rounding says


def separation(
    space: Space, a: Mapping[str, Value], b: Mapping[str, Value], skip: Sequence[str] = ()
) -> float:
    """Root mean square distance over the free parameters but `skip`, each scaled to 0..1 (a choice: 0 or 1)."""
    squares = []
    for parameter in space.free:
        if parameter.name in skip:
            continue
        left, right = a[parameter.name], b[parameter.name]
        if is_numeric(parameter):
            low, high, x, y = (straight(parameter, float(at)) for at in (*bounds(parameter), left, right))
            squares.append(((x - y) / ((high - low) or 1.0)) ** 2)
        else:
            squares.append(float(left != right))
    return math.sqrt(sum(squares) / len(squares)) if squares else 0.0


def moved(space: Space, anchor: Mapping[str, Value], changes: Mapping[str, Value]) -> Candidate | None:
    """`anchor` with `changes`, its mixtures rescaled along Cox directions; None where that leaves the space."""
    candidate = {**anchor, **changes}
    for mixture in space.mixtures:
        if not _rebalance(mixture, candidate, changes):
            return None
    candidate = space.canonical(candidate)
    if any(candidate[name] != value for name, value in changes.items()):
        return None  # its condition does not hold here
    return None if space.violations(candidate) else candidate


def _rebalance(mixture: Mixture, candidate: Candidate, changes: Mapping[str, Value]) -> bool:
    """Rescale the components that were not set so that the sum holds; False where it cannot."""
    if not any(name in changes for name in mixture.components):
        return True
    others = [name for name in mixture.components if name not in changes]
    rest = mixture.total - sum(float(candidate[name]) for name in mixture.components if name in changes)
    if abs(rest) <= mixture.tolerance:
        rest = max(rest, 0.0)
    if not others:
        return abs(rest) <= mixture.tolerance
    if rest < 0:
        return False
    held = sum(float(candidate[name]) for name in others)
    for name in others:
        # With nothing to keep the proportions of, the rest is shared out equally.
        share = float(candidate[name]) / held if held > 0 else 1 / len(others)
        candidate[name] = rest * share
    return True


def line(space: Space, anchor: Mapping[str, Value], parameter: Parameter, n: int = 61) -> Line:
    """The feasible line through `anchor` along one free parameter, `anchor` itself included."""
    if space.allowed is not None:
        return Line(parameter, tuple(_nearest_rows(space, anchor, parameter, n)), continuous=False)
    values = grid(parameter, n)
    if parameter.kind != "categorical":
        values = sorted({*values, anchor[parameter.name]}, key=float)
    steps = (moved(space, anchor, {parameter.name: value}) for value in values)
    return Line(
        parameter,
        tuple(step for step in steps if step is not None),
        continuous=parameter.kind == "continuous" or (parameter.kind == "integer" and len(values) > 12),
    )


def plane(space: Space, anchor: Mapping[str, Value], across: Parameter, up: Parameter, n: int = 33) -> Plane:
    """The plane through `anchor` over two numeric parameters, everything else held (mixtures rescaled)."""
    xs, ys = grid(across, n), grid(up, n)
    rows = tuple(tuple(moved(space, anchor, {across.name: x, up.name: y}) for x in xs) for y in ys)
    return Plane(across, up, tuple(float(x) for x in xs), tuple(float(y) for y in ys), rows)


def table_rows(space: Space, at_most: int = 20_000) -> list[Candidate]:
    """The allowed rows that meet the constraints, as whole candidates; of more than `at_most` a fixed sample."""
    if space.allowed is None:
        return []
    rows: Sequence[tuple[Value, ...]] = space.allowed.rows
    if len(rows) > at_most:
        rows = random.Random(0).sample(rows, at_most)
    found = [space.canonical(dict(zip(space.allowed.columns, row, strict=True))) for row in rows]
    return [row for row in found if all(c.violation(row) is None for c in space.constraints)]


def _nearest_rows(
    space: Space, anchor: Mapping[str, Value], parameter: Parameter, at_most: int
) -> list[Candidate]:
    """For each value (or, where there are many, each bin of the range) the row nearest to `anchor`."""
    low, high = bounds(parameter) if is_numeric(parameter) else (0.0, 0.0)
    bins = min(at_most, 40)
    nearest: dict[Value, tuple[float, Candidate]] = {}
    for row in [*table_rows(space), dict(anchor)]:
        key: Value = row[parameter.name]
        if is_numeric(parameter) and high > low:
            key = min(int((float(key) - low) / (high - low) * bins), bins - 1)
        away = separation(space, row, anchor, skip=(parameter.name,))
        if key not in nearest or away < nearest[key][0]:
            nearest[key] = (away, row)
    found = [row for _, row in nearest.values()]
    return sorted(found, key=lambda row: (str if is_word(parameter) else float)(row[parameter.name]))
