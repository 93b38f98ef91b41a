"""The parameters of a space: what a candidate chooses a value for, and what counts as one.

Numbers are in the parameter's own `unit`. A `violation` is a sentence, or None when the value is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field

from campaigns.conditions import Conditional
from campaigns.descriptors import Descriptors
from campaigns.errors import Problem, shown, shown_list
from campaigns.material import Material
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


Role = Literal["chosen", "context"]


class Continuous(Conditional):
    """A real number in [low, high].

    On `scale="log"` ratios matter rather than differences, on `scale="logit"` odds (shares near 0 or near 1).
    With `role="context"` it is measured, not chosen: [low, high] is where it is expected, and any number is a fact.
    """

    kind: Literal["continuous"] = "continuous"
    name: Name
    low: float
    high: float
    unit: str = ""
    scale: Literal["linear", "log", "logit"] = "linear"
    role: Role = "chosen"

    def problems(self) -> Iterator[Problem]:
        where = self.kind if self.role == "chosen" else self.role
        yield from _bounds_problems(where, self.low, self.high)
        if self.scale == "log" and self.low <= 0:
            yield Problem(
                "E213",
                (where, 0),
                wanted="a lower bound above 0 on a logarithmic scale",
                got=shown(self.low),
                cure="raise the lower bound, or take 'scale: linear'",
            )
        if self.scale == "logit" and not 0 < self.low <= self.high < 1:
            yield Problem(
                "E218",
                (where, 0 if self.low <= 0 else 1),
                wanted="bounds above 0 and below 1 on a logit scale",
                got=shown(self.low if self.low <= 0 else self.high),
                cure="keep away from 0 and 1, or take 'scale: linear'",
            )
        yield from _unit_problems(self.unit)
        yield from _role_problems(self)

    @property
    def assumed(self) -> float:
        """The value taken for a context that was not measured: the middle of its range, on its scale."""
        if self.scale == "log":
            return math.sqrt(self.low) * math.sqrt(self.high)
        if self.scale == "logit":
            odds = math.sqrt(self.low / (1 - self.low)) * math.sqrt(self.high / (1 - self.high))
            return odds / (1 + odds)
        return 0.5 * self.low + 0.5 * self.high

    @property
    def inactive(self) -> float:
        """The value where its condition does not hold."""
        return self.low if self.otherwise is None else float(self.otherwise)

    def violation(self, value: Value) -> str | None:
        number = _number(value)
        if self.role == "context":
            return None if number is not None else f"{self.name}: wanted a number, got {shown(value)}"
        if number is None or not self.low <= number <= self.high:
            unit = f" {self.unit}" if self.unit else ""
            return f"{self.name}: wanted a number in [{self.low:.12g}, {self.high:.12g}]{unit}, got {shown(value)}"
        return None

    def canonical(self, value: Value) -> float:
        return float(value)


class Integer(Conditional):
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
        yield from _role_problems(self)

    @property
    def inactive(self) -> int:
        """The value where its condition does not hold."""
        return self.low if self.otherwise is None else int(self.otherwise)

    def violation(self, value: Value) -> str | None:
        number = _number(value)
        if number is None or number != int(number) or not self.low <= number <= self.high:
            return f"{self.name}: wanted a whole number in [{self.low}, {self.high}], got {shown(value)}"
        return None

    def canonical(self, value: Value) -> int:
        if float(value) != int(float(value)):
            raise ValueError(f"{self.name}: wanted a whole number, got {shown(value)}")
        return int(value)


class Ordinal(Conditional):
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
        yield from _role_problems(self)

    @property
    def inactive(self) -> float:
        """The value where its condition does not hold."""
        return self.levels[0] if self.otherwise is None else float(self.otherwise)

    def violation(self, value: Value) -> str | None:
        number = _number(value)
        if number is None or number not in self.levels:
            levels = shown_list(f"{level:.12g}" for level in self.levels)
            return f"{self.name}: wanted one of {levels}, got {shown(value)}"
        return None

    def canonical(self, value: Value) -> float:
        return float(value)


class Categorical(Conditional):
    """One of several names without an order.

    Any two choices are equally far apart (`kernel="hamming"`), as far as the results say (`kernel="learned"`), or as
    far as their `descriptors` are. With `role="context"` it is measured, not chosen.
    """

    kind: Literal["categorical"] = "categorical"
    name: Name
    choices: tuple[str, ...]
    kernel: Literal["hamming", "learned"] = "hamming"
    descriptors: Descriptors | None = None
    role: Role = "chosen"

    def problems(self) -> Iterator[Problem]:
        where = self.kind if self.role == "chosen" else self.role
        yield from _count_problems(where, len(self.choices))
        for i, choice in enumerate(self.choices):
            if choice in self.choices[:i]:
                yield Problem("E211", (where, i), wanted="each choice once", got=shown(choice))
        if self.descriptors is not None:
            yield from self.descriptors.of(self.choices)
            if self.kernel == "learned":
                yield Problem(
                    "E219",
                    ("kernel",),
                    wanted="descriptors, or a learned kernel",
                    got="both",
                    cure="drop one of the two",
                    key=True,
                )
        yield from _role_problems(self)

    @property
    def assumed(self) -> str:
        """The value taken for a context that was not measured: the first."""
        return self.choices[0]

    @property
    def inactive(self) -> str:
        """The value where its condition does not hold."""
        return self.choices[0] if self.otherwise is None else str(self.otherwise)

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


AnyParameter = Continuous | Integer | Ordinal | Categorical | Material | Fixed
Searched = Continuous | Integer | Ordinal | Categorical | Material
Parameter = Annotated[AnyParameter, Field(discriminator="kind")]
NUMERIC = (Continuous, Integer, Ordinal)


def chosen(parameters: Iterable[AnyParameter]) -> list[Searched]:
    """Those of `parameters` that are searched: neither fixed nor measured."""
    return [p for p in parameters if not isinstance(p, Fixed) and getattr(p, "role", "chosen") == "chosen"]


def _role_problems(parameter: Continuous | Integer | Ordinal | Categorical) -> Iterator[Problem]:
    if parameter.when and getattr(parameter, "role", "chosen") == "context":
        wanted = "a parameter that is chosen, to have a condition"
        yield Problem("E226", ("when",), wanted=wanted, got="one that is measured", key=True)
    if parameter.otherwise is not None and not parameter.when:
        wanted = "'when', the condition that 'otherwise' belongs to"
        yield Problem("E227", ("otherwise",), wanted=wanted, got="none", cure="add it", key=True)


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
