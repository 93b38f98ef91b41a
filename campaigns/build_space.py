"""From the entries of `space`, `constraints` and `allowed` to a Space, with every fault on its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from campaigns.build_allowed import build_allowed
from campaigns.build_parameter import build_parameter, numbers, plain_value
from campaigns.collect import Collector
from campaigns.conditions import Conditional, condition_problems
from campaigns.constraints import tie_problems
from campaigns.errors import Path, Problem, shown, shown_list
from campaigns.model import NAME
from campaigns.parameters import AnyParameter, Continuous, chosen
from campaigns.pool import Pool
from campaigns.rules import Rule, rule_problems
from campaigns.space import LinearConstraint, Mixture, Space, Table
from campaigns.surface import space as surface


@dataclass
class SpaceParts:
    """What could be made of the space, even where some of it is broken.

    `names` holds every parameter the file names, broken ones too, so that a reference to one of those is not
    called unknown as well. `space` is None when anything of it is broken.
    """

    names: list[str] = field(default_factory=list)
    parameters: dict[str, AnyParameter] = field(default_factory=dict)
    mixtures: dict[str, Mixture] = field(default_factory=dict)
    constraints: dict[int, LinearConstraint] = field(default_factory=dict)
    rules: dict[int, Rule] = field(default_factory=dict)
    space: Space | None = None


def build_space(
    found: Collector, data: dict[str, Any], tables: Mapping[str, FilePath], pools: Mapping[str, Pool]
) -> SpaceParts:
    """Reads the three sections of the document `data`."""
    before = len(found.faults)
    parts = SpaceParts()
    section = found.mapping(data["space"], ("space",)) if "space" in data else None
    for name, raw in (section or {}).items():
        _entry(found, parts, name, raw, tables, pools)
    _conditions(found, parts, section or {})
    broken = [name for name in parts.names if name not in parts.parameters]
    if section is not None and not broken and not chosen(parts.parameters.values()):
        wanted = "at least one parameter that may vary"
        found.add(Problem("E224", wanted=wanted, got=shown_list(parts.names) or "none"), ("space",))
    for index, raw in enumerate(found.sequence(data.get("constraints", []), ("constraints",)) or []):
        _constraint(found, parts, raw, index)
    found.add_all(rule_problems(parts.rules))
    if section is not None:
        # Over a table, whether anything meets the constraints is a question to its rows.
        of_box = {} if "allowed" in data else parts.constraints
        found.add_all(condition_problems(parts.parameters, names=parts.names))
        found.add_all(tie_problems(parts.parameters, parts.mixtures, of_box, names=parts.names))
    allowed: Table | None = None
    if "allowed" in data:
        allowed = build_allowed(
            found,
            data["allowed"],
            tables,
            names=parts.names,
            parameters=parts.parameters,
            constraints=list(parts.constraints.values()),
            sound=len(found.faults) == before,
        )
    if section is not None and len(found.faults) == before:
        parts.space = found.make(
            Space,
            (),
            parameters=tuple(parts.parameters.values()),
            mixtures=tuple(parts.mixtures.values()),
            constraints=tuple(parts.constraints.values()),
            rules=tuple(parts.rules.values()),
            allowed=allowed,
        )
    return parts


def _entry(
    found: Collector,
    parts: SpaceParts,
    name: str,
    raw: Any,
    tables: Mapping[str, FilePath],
    pools: Mapping[str, Pool],
) -> None:
    path: Path = ("space", name)
    if not re.fullmatch(NAME, name) or len(name) > 64:
        wanted = "a name of letters, digits and _, at most 64"
        found.add(Problem("E204", wanted=wanted, got=shown(name), cure="as in anneal_time", key=True), path)
    kind = found.kind(raw, list(surface.PARAMETERS), path)
    if kind != "mixture":
        _declare(found, parts, name, path)
    elif isinstance(raw.get("mixture"), dict):
        for component in raw["mixture"]:
            _declare(found, parts, component, (*path, "mixture", component))
    entry = None if kind is None else found.entry(surface.PARAMETERS[kind], raw, path)
    if entry is None or not found.unit(getattr(entry, "unit", ""), (*path, "unit")):
        return
    if isinstance(entry, surface.MixtureEntry):
        _mixture(found, parts, name, entry, path)
    else:
        parameter = build_parameter(found, name, entry, path, tables, pools)
        if parameter is not None:
            parts.parameters[name] = parameter


def _declare(found: Collector, parts: SpaceParts, name: str, path: Path) -> None:
    if name in parts.names:
        found.add(Problem("E211", wanted="each name of the space once", got=shown(name), key=True), path)
    parts.names.append(name)


def _mixture(found: Collector, parts: SpaceParts, name: str, entry: surface.MixtureEntry, path: Path) -> None:
    for component, bounds in entry.mixture.items():
        place = (*path, "mixture", component)
        low, high = numbers(found, bounds, entry.unit, place)
        if low is None or high is None:
            continue
        if low >= high:
            got = f"[{low:.12g}, {high:.12g}]"
            found.add(Problem("E212", wanted="a lower bound below the upper bound", got=got), place)
            continue
        part = found.make(Continuous, place, name=component, low=low, high=high, unit=entry.unit)
        if part is not None:
            parts.parameters[component] = part
    total = found.number(entry.total, entry.unit, (*path, "total"))
    thresholds = _thresholds(found, entry, path)
    if name in entry.mixture:
        found.add(
            Problem("E211", wanted="a mixture named unlike its components", got=shown(name), key=True), path
        )
    if total is None or thresholds is None:
        return
    mixture = found.make(
        Mixture,
        path,
        name=name,
        components=tuple(entry.mixture),
        total=total,
        unit=entry.unit,
        tolerance=1e-6 * max(1.0, abs(total)) if entry.tolerance is None else entry.tolerance,
        parts=None if entry.parts is None else (entry.parts[0], entry.parts[1]),
        thresholds=thresholds,
    )
    if mixture is not None:
        parts.mixtures[name] = mixture


def _thresholds(
    found: Collector, entry: surface.MixtureEntry, path: Path
) -> tuple[tuple[str, float], ...] | None:
    if entry.thresholds is None:
        return ()
    if isinstance(entry.thresholds, dict):
        amounts = {
            name: found.number(amount, entry.unit, (*path, "thresholds", name))
            for name, amount in entry.thresholds.items()
        }
    else:
        amount = found.number(entry.thresholds, entry.unit, (*path, "thresholds"))
        amounts = dict.fromkeys(entry.mixture, amount)
    if None in amounts.values():
        return None
    return tuple((name, amount) for name, amount in amounts.items() if amount is not None)


def _conditions(found: Collector, parts: SpaceParts, section: Mapping[str, Any]) -> None:
    """Quantities in `when` and `otherwise`, which could not be read before every parameter was."""
    for name, parameter in parts.parameters.items():
        if not isinstance(parameter, Conditional) or not parameter.when:
            continue
        path: Path = ("space", name)
        when = []
        for parent, values in parameter.when:
            of = parts.parameters.get(parent)
            listed = isinstance(section[name]["when"][parent], list)
            read = [
                plain_value(
                    found, value, of, (*path, "when", parent, index) if listed else (*path, "when", parent)
                )
                for index, value in enumerate(values)
            ]
            when.append((parent, tuple(value for value in read if value is not None)))
        otherwise = parameter.otherwise
        if otherwise is not None:
            otherwise = plain_value(found, otherwise, parameter, (*path, "otherwise"))
        parts.parameters[name] = parameter.model_copy(update={"when": tuple(when), "otherwise": otherwise})


def _constraint(found: Collector, parts: SpaceParts, raw: Any, index: int) -> None:
    path: Path = ("constraints", index)
    kind = found.kind(raw, list(surface.CONSTRAINTS), path)
    entry: Any = None if kind is None else found.entry(surface.CONSTRAINTS[kind], raw, path)
    if entry is None:
        return
    if isinstance(entry, surface.RuleEntry):
        rule = found.make(Rule, path, plugin=entry.plugin, arguments=tuple(entry.arguments.items()))
        if rule is not None:
            parts.rules[index] = rule
        return
    assert isinstance(entry, surface.LinearEntry)
    if entry.equals is not None and (entry.at_least is not None or entry.at_most is not None):
        wanted = "'equals' alone, or 'at_least' and 'at_most'"
        found.add(Problem("E223", ("equals",), wanted=wanted, got="both", key=True), path)
        return
    low = entry.at_least if entry.equals is None else entry.equals
    high = entry.at_most if entry.equals is None else entry.equals
    terms = tuple((name, float(factor)) for name, factor in entry.linear.items())
    constraint = found.make(LinearConstraint, path, terms=terms, at_least=low, at_most=high)
    if constraint is not None:
        parts.constraints[index] = constraint
