"""From the entries of `recipe` and `budget` to values, of the campaign itself or of one of its loops."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from campaigns.budget import Budget
from campaigns.collect import Collector
from campaigns.errors import Path, Problem, shown
from campaigns.model import NAME
from campaigns.recipe import Argument, Quantity, Reference, Step
from campaigns.surface import campaign as surface
from campaigns.units import begins_with_number


def build_recipe(found: Collector, data: Mapping[str, Any], base: Path = ()) -> dict[int, Step]:
    """The steps that are sound, by their place in the list; `base` is where `data` stands in the file."""
    made: dict[int, Step] = {}
    section = found.sequence(data["recipe"], (*base, "recipe")) if "recipe" in data else None
    if section == []:
        found.add(Problem("E207", wanted="at least one step", got="none"), (*base, "recipe"))
    for index, raw in enumerate(section or []):
        path: Path = (*base, "recipe", index)
        entry = found.entry(surface.StepEntry, raw, path)
        if entry is None:
            continue
        device, _, verb = entry.do.partition(".")
        arguments = {
            name: value
            for name, given in entry.arguments.items()
            if (value := _argument(found, given, (*path, "with", name))) is not None
        }
        times = {
            name: found.number(given, "s", (*path, name))
            for name in ("after", "within")
            if (given := getattr(entry, name)) is not None
        }
        if None in times.values():
            continue
        if index == 0 and times:
            name = next(iter(times))
            none_before = f"'{name}' is counted from the step before, and this is the first"
            found.add(Problem("E212", message=none_before, cure=f"leave '{name}' out"), (*path, name))
            continue
        if len(arguments) == len(entry.arguments):
            step = found.make(
                Step,
                path,
                id=entry.id,
                device=device,
                verb=verb,
                arguments=arguments,
                gives=dict(entry.gives),
                after_s=times.get("after"),
                within_s=times.get("within"),
            )
            if step is not None:
                made[index] = step
    return made


def _argument(found: Collector, given: Any, path: Path) -> Argument | None:
    """`$name` is a reference, `2000 rpm` a quantity, `{text: …}` text as it is, anything else itself."""
    if isinstance(given, dict):
        text: str = given["text"]
        return text
    if not isinstance(given, str):
        value: bool | int | float = given
        return value
    if given.startswith("$"):
        if re.fullmatch(NAME, given[1:]):
            return Reference(parameter=given[1:])
        found.add(Problem("E210", wanted="$ and the name of a parameter", got=shown(given)), path)
        return None
    if begins_with_number(given):
        quantity = found.quantity(given, path)
        return None if quantity is None else found.make(Quantity, path, value=quantity[0], unit=quantity[1])
    return given


def build_budget(found: Collector, data: Mapping[str, Any], base: Path = ()) -> Budget | None:
    """The budget, None where there is none or it is broken."""
    entry = found.entry(surface.BudgetEntry, data["budget"], (*base, "budget")) if "budget" in data else None
    if entry is None:
        return None
    path: Path = (*base, "budget", "duration")
    duration = None if entry.duration is None else found.number(entry.duration, "s", path)
    if duration is not None and duration <= 0:
        found.add(Problem("E204", wanted="a time above 0", got=shown(entry.duration)), path)
        duration = None
    return found.make(
        Budget, (*base, "budget"), experiments=entry.experiments, duration_s=duration, failures=entry.failures
    )
