"""From the entries of `space`, `constraints` and `allowed` to a Space, with every fault on its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from campaigns.collect import Collector
from campaigns.constraints import AnyParameter, tie_problems
from campaigns.errors import Path, Problem, did_you_mean, shown, shown_list
from campaigns.model import NAME
from campaigns.parameters import Categorical, Continuous, Fixed, Integer, Ordinal
from campaigns.space import LinearConstraint, Mixture, Space, Table
from campaigns.surface import space as surface
from campaigns.surface.entry import Entry
from campaigns.table import Row, narrowed
from campaigns.table_csv import TableRefused, read_table
from campaigns.units import UnitError, begins_with_number, parse_quantity


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
    space: Space | None = None


def build_space(found: Collector, data: dict[str, Any], tables: Mapping[str, FilePath]) -> SpaceParts:
    """Reads the three sections of the document `data`."""
    before = len(found.faults)
    parts = SpaceParts()
    section = found.mapping(data["space"], ("space",)) if "space" in data else None
    for name, raw in (section or {}).items():
        _entry(found, parts, name, raw)
    if section is not None and not any(not isinstance(parts.parameters.get(n), Fixed) for n in parts.names):
        wanted = "at least one parameter that may vary"
        found.add(Problem("E224", wanted=wanted, got=shown_list(parts.names) or "none"), ("space",))
    for index, raw in enumerate(found.sequence(data.get("constraints", []), ("constraints",)) or []):
        constraint = _constraint(found, raw, ("constraints", index))
        if constraint is not None:
            parts.constraints[index] = constraint
    if section is not None:
        # Over a table, whether anything meets the constraints is a question to its rows.
        of_box = {} if "allowed" in data else parts.constraints
        found.add_all(tie_problems(parts.parameters, parts.mixtures, of_box, names=parts.names))
    allowed: Table | None = None
    if "allowed" in data:
        allowed = _allowed(found, parts, data["allowed"], tables, sound=len(found.faults) == before)
    if section is not None and len(found.faults) == before:
        parts.space = found.make(
            Space,
            (),
            parameters=tuple(parts.parameters.values()),
            mixtures=tuple(parts.mixtures.values()),
            constraints=tuple(parts.constraints.values()),
            allowed=allowed,
        )
    return parts


def _entry(found: Collector, parts: SpaceParts, name: str, raw: Any) -> None:
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
        parameter = _parameter(found, name, entry, path)
        if parameter is not None:
            parts.parameters[name] = parameter


def _declare(found: Collector, parts: SpaceParts, name: str, path: Path) -> None:
    if name in parts.names:
        found.add(Problem("E211", wanted="each name of the space once", got=shown(name), key=True), path)
    parts.names.append(name)


def _parameter(found: Collector, name: str, entry: Entry, path: Path) -> AnyParameter | None:
    match entry:
        case surface.ContinuousEntry():
            low, high = _numbers(found, entry.continuous, entry.unit, (*path, "continuous"))
            if low is None or high is None:
                return None
            return found.make(
                Continuous, path, name=name, low=low, high=high, unit=entry.unit, scale=entry.scale
            )
        case surface.IntegerEntry():
            low, high = entry.integer
            return found.make(Integer, path, name=name, low=low, high=high, unit=entry.unit)
        case surface.OrdinalEntry():
            levels = _numbers(found, entry.ordinal, entry.unit, (*path, "ordinal"))
            if None in levels:
                return None
            return found.make(Ordinal, path, name=name, levels=tuple(levels), unit=entry.unit)
        case surface.CategoricalEntry():
            return found.make(Categorical, path, name=name, choices=tuple(entry.categorical))
        case surface.FixedEntry():
            return _fixed(found, name, entry, path)
    raise AssertionError(f"no parameter is made of {type(entry).__name__}")


def _numbers(found: Collector, raw: list[Any], unit: str, path: Path) -> list[float | None]:
    return [found.number(bound, unit, (*path, index)) for index, bound in enumerate(raw)]


def _fixed(found: Collector, name: str, entry: surface.FixedEntry, path: Path) -> Fixed | None:
    value, unit = entry.fixed, entry.unit
    if unit and isinstance(value, bool):
        found.add(Problem("E203", wanted=f"a number of {unit}", got=shown(value)), (*path, "fixed"))
        return None
    if unit:
        value = found.number(value, unit, (*path, "fixed"))
    elif isinstance(value, str) and begins_with_number(value):
        try:
            value, unit = parse_quantity(value)
        except UnitError:
            unit = ""  # text that begins with a digit, such as '96 well plate'
        if not unit:
            value = entry.fixed
    return None if value is None else found.make(Fixed, path, name=name, value=value, unit=unit)


def _mixture(found: Collector, parts: SpaceParts, name: str, entry: surface.MixtureEntry, path: Path) -> None:
    for component, bounds in entry.mixture.items():
        place = (*path, "mixture", component)
        low, high = _numbers(found, bounds, entry.unit, place)
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
    if name in entry.mixture:
        found.add(
            Problem("E211", wanted="a mixture named unlike its components", got=shown(name), key=True), path
        )
    if total is None:
        return
    mixture = found.make(
        Mixture,
        path,
        name=name,
        components=tuple(entry.mixture),
        total=total,
        unit=entry.unit,
        tolerance=1e-6 * max(1.0, abs(total)) if entry.tolerance is None else entry.tolerance,
    )
    if mixture is not None:
        parts.mixtures[name] = mixture


def _constraint(found: Collector, raw: Any, path: Path) -> LinearConstraint | None:
    entry = found.entry(surface.ConstraintEntry, raw, path)
    if entry is None:
        return None
    if entry.equals is not None and (entry.at_least is not None or entry.at_most is not None):
        wanted = "'equals' alone, or 'at_least' and 'at_most'"
        found.add(Problem("E223", ("equals",), wanted=wanted, got="both", key=True), path)
        return None
    low = entry.at_least if entry.equals is None else entry.equals
    high = entry.at_most if entry.equals is None else entry.equals
    terms = tuple((name, float(factor)) for name, factor in entry.linear.items())
    return found.make(LinearConstraint, path, terms=terms, at_least=low, at_most=high)


def _allowed(
    found: Collector, parts: SpaceParts, raw: Any, tables: Mapping[str, FilePath], *, sound: bool
) -> Table | None:
    """The table of allowed rows; its cells are looked at only when the space itself is `sound`."""
    path: Path = ("allowed",)
    kind = found.kind(raw, list(surface.ALLOWED), path)
    entry = None if kind is None else found.entry(surface.ALLOWED[kind], raw, path)
    if entry is None:
        return None
    free = [p for p in parts.parameters.values() if not isinstance(p, Fixed)]
    columns = tuple(parameter.name for parameter in free)
    rows: list[Row] | None
    if isinstance(entry, surface.TableEntry):
        rows = _csv_rows(found, parts, entry, tables, sound=sound)
    else:
        assert isinstance(entry, surface.RowsEntry)
        rows = _inline_rows(found, entry, {p.name: p for p in free}) if sound else None
    if rows is None:
        return None
    kept = narrowed(columns, rows, list(parts.constraints.values()))
    if not kept:
        wanted = "a table of which the constraints leave at least one row"
        found.add(Problem("E234", wanted=wanted, got=f"none of {len(rows)}"), path)
        return None
    # Whether the rows suit the space is what `Space` looks at when it is made.
    return found.make(Table, (), columns=columns, rows=tuple(kept))


def _csv_rows(
    found: Collector,
    parts: SpaceParts,
    entry: surface.TableEntry,
    tables: Mapping[str, FilePath],
    *,
    sound: bool,
) -> list[Row] | None:
    path: Path = ("allowed",)
    for name in entry.columns:
        if name not in parts.names or isinstance(parts.parameters.get(name), Fixed):
            free = [n for n in parts.names if not isinstance(parts.parameters.get(n), Fixed)]
            cure = did_you_mean(name, free)
            wanted = "a parameter of the space that may vary"
            found.add(
                Problem("E230", ("columns", name), wanted=wanted, got=shown(name), cure=cure, key=True), path
            )
            sound = False
    if entry.table not in tables:
        message = f"the table '{entry.table}' is not bound to a file"
        bound = shown_list(sorted(tables)) or "no table bound"
        cure = f"give the file on the command line: --table {entry.table}=PATH"
        found.add(
            Problem("E231", ("table",), message=message, wanted="a bound table", got=bound, cure=cure), path
        )
        return None
    if not sound:
        return None
    try:
        return read_table(FilePath(tables[entry.table]), entry.columns, list(parts.parameters.values()))
    except TableRefused as refused:
        found.add_elsewhere(refused.faults)
        return None


def _inline_rows(
    found: Collector, entry: surface.RowsEntry, free: Mapping[str, AnyParameter]
) -> list[Row] | None:
    rows: set[Row] = set()
    broken = False
    for index, raw in enumerate(entry.rows):
        path: Path = ("allowed", "rows", index)
        for name in raw:
            if name not in free:
                broken, cure = True, did_you_mean(name, free)
                wanted = "a parameter of the space that may vary"
                found.add(Problem("E230", (name,), wanted=wanted, got=shown(name), cure=cure, key=True), path)
        missing = [name for name in free if name not in raw]
        if missing:
            broken = True
            wanted = f"a value for each of {shown_list(free)}"
            found.add(
                Problem("E230", wanted=wanted, got=f"none for {shown_list(missing)}", cure="add it"), path
            )
            continue
        values = _row(found, raw, free, path)
        broken = broken or values is None
        rows |= {values} if values is not None else set()
    return None if broken else sorted(rows)


def _row(
    found: Collector, raw: Mapping[str, Any], free: Mapping[str, AnyParameter], path: Path
) -> Row | None:
    values = []
    for name, parameter in free.items():
        value = raw[name]
        if isinstance(value, str) and not isinstance(parameter, Categorical | Fixed):
            value = found.number(value, parameter.unit, (*path, name))
            if value is None:
                continue
        sentence = parameter.violation(value)
        if sentence is None:
            values.append(parameter.canonical(value))
        else:
            wanted = sentence.partition("wanted ")[2].partition(", got")[0]
            found.add(Problem("E233", (name,), wanted=wanted, got=shown(value)), path)
    return tuple(values) if len(values) == len(free) else None
