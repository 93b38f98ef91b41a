"""The parameters of a space: what a candidate chooses a value for, and what counts as one.

Numbers are in the parameter's own `unit`. A `violation` is a sentence, or None when the value is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from campaigns.errors import Problem, shown, shown_list
from campaigns.model import BaseCampaignModel, Name, Value
from campaigns.units import known, unknown_unit


def _number(value: object) -> float | None:
    """The value as a finite float, or None; booleans are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _unit_problems(unit: str) -> Iterator[Problem]:
    if not known(unit):
        yield unknown_unit(unit, ("unit",))


class Continuous(BaseCampaignModel):
    """A real number in [low, high]; `scale="log"` means that ratios matter rather than differences."""

    kind: Literal["continuous"] = "continuous"
    name: Name
    low: float
    high: float
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"

    def problems(self) -> Iterator[Problem]:
        yield from _bounds_problems(self.kind, self.low, self.high)
        if self.scale == "log" and self.low <= 0:
            yield Problem(
                "E213",
                (self.kind, 0),
                wanted="a lower bound above 0 on a logarithmic scale",
                got=shown(self.low),
                cure="raise the lower bound, or take 'scale: linear'",
            )
        yield from _unit_problems(self.unit)

    def violation(self, value: Value) -> str | None:
        number = _number(value)
        if number is None or not self.low <= number <= self.high:
            unit = f" {self.unit}" if self.unit else ""
            return f"{self.name}: wanted a number in [{self.low:.12g}, {self.high:.12g}]{unit}, got {shown(value)}"
        return None

    def canonical(self, value: Value) -> float:
        return float(value)


class Integer(BaseCampaignModel):
    """A whole number in [low, high]."""

    kind: Literal["integer"] = "integer"
    name: Name
    low: int
    high: int
    unit: str = ""

    def problems(self) -> Iterator[Problem]:
        yield from _bounds_problems(self.kind, self.low, self.high)
        for i, bound in enumerate((self.low, self.high)):
            if abs(bound) > 2**53:
                yield Problem("E204", (self.kind, i), wanted="a bound within ±2^53", got=shown(bound))
        yield from _unit_problems(self.unit)

    def violation(self, value: Value) -> str | None:
        number = _number(value)
        if number is None or number != int(number) or not self.low <= number <= self.high:
            return f"{self.name}: wanted a whole number in [{self.low}, {self.high}], got {shown(value)}"
        return None

    def canonical(self, value: Value) -> int:
        if float(value) != int(float(value)):
            raise ValueError(f"{self.name}: wanted a whole number, got {shown(value)}")
        return int(value)


class Ordinal(BaseCampaignModel):
    """One of a few numbers whose order and distance mean something; `levels` increase."""

    kind: Literal["ordinal"] = "ordinal"
    name: Name
    levels: tuple[float, ...]
    unit: str = ""

    def problems(self) -> Iterator[Problem]:
        yield from _count_problems(self.kind, len(self.levels))
        for i, (below, above) in enumerate(zip(self.levels, self.levels[1:], strict=False), start=1):
            if not below < above:
                yield Problem(
                    "E217",
                    (self.kind, i),
                    wanted=f"a level above the one before it ({below:.12g})",
                    got=shown(above),
                    cure="write the levels in increasing order, each once",
                )
        yield from _unit_problems(self.unit)

    def violation(self, value: Value) -> str | None:
        number = _number(value)
        if number is None or number not in self.levels:
            levels = shown_list(f"{level:.12g}" for level in self.levels)
            return f"{self.name}: wanted one of {levels}, got {shown(value)}"
        return None

    def canonical(self, value: Value) -> float:
        return float(value)


class Categorical(BaseCampaignModel):
    """One of several names without an order."""

    kind: Literal["categorical"] = "categorical"
    name: Name
    choices: tuple[str, ...]

    def problems(self) -> Iterator[Problem]:
        yield from _count_problems(self.kind, len(self.choices))
        for i, choice in enumerate(self.choices):
            if choice in self.choices[:i]:
                yield Problem("E211", (self.kind, i), wanted="each choice once", got=shown(choice))

    def violation(self, value: Value) -> str | None:
        if value not in self.choices:
            return f"{self.name}: wanted one of {shown_list(self.choices)}, got {shown(value)}"
        return None

    def canonical(self, value: Value) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{self.name}: wanted text, got {shown(value)}")
        return value


class Fixed(BaseCampaignModel):
    """A value that every candidate has: written once, used by many steps, never searched."""

    kind: Literal["fixed"] = "fixed"
    name: Name
    value: Value
    unit: str = ""

    def problems(self) -> Iterator[Problem]:
        yield from _unit_problems(self.unit)

    def violation(self, value: Value) -> str | None:
        same = value == self.value and isinstance(value, bool) == isinstance(self.value, bool)
        return None if same else f"{self.name}: fixed at {shown(self.value)}, got {shown(value)}"

    def canonical(self, value: Value) -> Value:
        return self.value


Parameter = Annotated[Continuous | Integer | Ordinal | Categorical | Fixed, Field(discriminator="kind")]
NUMERIC = (Continuous, Integer, Ordinal)


def _bounds_problems(kind: str, low: float, high: float) -> Iterator[Problem]:
    if not low < high:
        yield Problem(
            "E212",
            (kind,),
            wanted="a lower bound below the upper bound",
            got=f"[{low:.12g}, {high:.12g}]",
            cure="swap the bounds" if low > high else "take 'fixed:' for a single value",
        )


def _count_problems(kind: str, n: int) -> Iterator[Problem]:
    if n < 2:
        yield Problem(
            "E207",
            (kind,),
            wanted="at least two values to choose from",
            got=str(n),
            cure="take 'fixed:' for a single value",
        )
