"""Constraints that no linear relation can state: functions that somebody installed, called by name.

A campaign file names a rule and its arguments; code comes only from packages that are installed here, as entry points
of the group `alquimia.constraints`: `function(candidate, **arguments) -> float`, allowed where the number is at
least 0. `candidate` maps every parameter to its value and must not be changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import entry_points

from campaigns.errors import Problem, did_you_mean, shown, shown_list
from campaigns.model import BaseCampaignModel, Name, Value

GROUP = "alquimia.constraints"
Function = Callable[..., float]


class RuleError(Exception):
    """A rule that is not installed, cannot be loaded, or fails; the text names it."""


class Rule(BaseCampaignModel):
    """The plug-in of that name, with these arguments."""

    plugin: Name
    arguments: tuple[tuple[Name, Value], ...] = ()

    def problems(self) -> Iterator[Problem]:
        names = [name for name, _ in self.arguments]
        if len(set(names)) < len(names):
            yield Problem("E211", ("with",), wanted="each argument once", got=shown_list(names))

    def value(self, candidate: Mapping[str, Value]) -> float:
        """What the plug-in says of a full candidate; allowed where at least 0. Raises RuleError."""
        function = function_of(self.plugin)
        try:
            got = function(candidate, **dict(self.arguments))
        except Exception as error:  # other people's code: whatever it raises is said with its name
            raise RuleError(
                f"the constraint '{self.plugin}' failed with {type(error).__name__}: {error}; "
                f"it was called with {dict(candidate)!r} and {dict(self.arguments)!r}"
            ) from error
        try:
            number = math.nan if isinstance(got, bool | str) else float(got)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isnan(number):
            raise RuleError(
                f"the constraint '{self.plugin}': wanted a number (allowed where at least 0), got {shown(got)} "
                f"for {dict(candidate)!r}"
            )
        return number

    def violation(self, candidate: Mapping[str, Value]) -> str | None:
        got = self.value(candidate)
        return None if got >= 0 else f"constraint {self}: wanted at least 0, got {got:.12g}"

    def __str__(self) -> str:
        return f"{self.plugin}({', '.join(f'{name}={shown(value)}' for name, value in self.arguments)})"


def installed() -> tuple[str, ...]:
    """The names of the rules that packages here offer; nothing is imported for that."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


@lru_cache(maxsize=256)
def function_of(plugin: str) -> Function:
    """The function of a plug-in. Raises RuleError where it is not installed or cannot be imported."""
    points = [point for point in entry_points(group=GROUP) if point.name == plugin]
    if not points:
        raise RuleError(
            f"the constraint '{plugin}' is not installed; "
            + (did_you_mean(plugin, installed()) or f"no package here offers any (entry points '{GROUP}')")
        )
    try:
        function = points[0].load()
    except Exception as error:  # importing other people's code
        raise RuleError(
            f"the constraint '{plugin}' ({points[0].value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not callable(function):
        raise RuleError(f"the constraint '{plugin}' ({points[0].value}) is no function")
    return function


def rule_problems(rules: Mapping[int, Rule]) -> Iterator[Problem]:
    """Rules that are not installed, at ("constraints", key)."""
    names = installed() if rules else ()
    for index, rule in rules.items():
        if rule.plugin not in names:
            yield Problem(
                "E235",
                ("constraints", index, "plugin"),
                wanted="a constraint that is installed",
                got=shown(rule.plugin),
                cure=did_you_mean(rule.plugin, names)
                or f"install the package that offers it; none here does (entry points '{GROUP}')",
            )
