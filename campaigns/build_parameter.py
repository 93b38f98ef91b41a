"""From one entry of `space` to a parameter, with every fault on its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from campaigns.collect import Collector
from campaigns.descriptors import Descriptors
from campaigns.descriptors_csv import read_descriptors
from campaigns.errors import Path, Problem, shown, shown_list
from campaigns.material import Generate, Material
from campaigns.model import Value
from campaigns.parameters import AnyParameter, Categorical, Continuous, Fixed, Integer, Ordinal
from campaigns.pool import Pool, bound_pool
from campaigns.surface import space as surface
from campaigns.surface.entry import Entry
from campaigns.table_csv import TableRefused, bound_file
from campaigns.units import UnitError, begins_with_number, parse_quantity


def build_parameter(
    found: Collector,
    name: str,
    entry: Entry,
    path: Path,
    tables: Mapping[str, FilePath],
    pools: Mapping[str, Pool],
) -> AnyParameter | None:
    """The parameter; quantities in its condition are left as they are written, for they are in the parents' units."""
    match entry:
        case surface.ContinuousEntry():
            low, high = numbers(found, entry.continuous, entry.unit, (*path, "continuous"))
            if low is None or high is None:
                return None
            about = {"low": low, "high": high, "unit": entry.unit, "scale": entry.scale}
            return found.make(Continuous, path, name=name, **about, **_condition(entry))
        case surface.IntegerEntry():
            low, high = entry.integer
            about = {"low": low, "high": high, "unit": entry.unit}
            return found.make(Integer, path, name=name, **about, **_condition(entry))
        case surface.OrdinalEntry():
            levels = numbers(found, entry.ordinal, entry.unit, (*path, "ordinal"))
            if None in levels:
                return None
            about = {"levels": tuple(levels), "unit": entry.unit}
            return found.make(Ordinal, path, name=name, **about, **_condition(entry))
        case surface.CategoricalEntry():
            return _categorical(found, name, entry, path, tables)
        case surface.MaterialEntry():
            return _material(found, name, entry, path, pools)
        case surface.ContextEntry():
            return _context(found, name, entry, path)
        case surface.FixedEntry():
            return _fixed(found, name, entry, path)
    raise AssertionError(f"no parameter is made of {type(entry).__name__}")


def numbers(found: Collector, raw: list[Any], unit: str, path: Path) -> list[float | None]:
    """Each amount in `unit`; None, and a fault, for one that cannot be read."""
    return [found.number(bound, unit, (*path, index)) for index, bound in enumerate(raw)]


def plain_value(found: Collector, value: Value, of: AnyParameter | None, path: Path) -> Value | None:
    """A value of the parameter `of`: text with a unit as a number; None, and a fault, for text that is none."""
    if isinstance(value, str) and isinstance(of, Continuous | Integer | Ordinal):
        return found.number(value, of.unit, path)
    return value


def _condition(entry: Any) -> dict[str, Any]:
    when = tuple((parent, tuple(values)) for parent, values in entry.when.items())
    return {"when": when, "otherwise": entry.otherwise}


def _categorical(
    found: Collector,
    name: str,
    entry: surface.CategoricalEntry,
    path: Path,
    tables: Mapping[str, FilePath],
) -> Categorical | None:
    descriptors = None
    if entry.descriptors is not None:
        descriptors = _descriptors(found, entry, (*path, "descriptors"), tables)
        if descriptors is None:
            return None
    about = {"choices": tuple(entry.categorical), "kernel": entry.kernel, "descriptors": descriptors}
    return found.make(Categorical, path, name=name, **about, **_condition(entry))


def _descriptors(
    found: Collector, entry: surface.CategoricalEntry, path: Path, tables: Mapping[str, FilePath]
) -> Descriptors | None:
    raw = entry.descriptors
    if isinstance(raw.get("table"), str):
        table = found.entry(surface.DescriptorTableEntry, raw, path)
        file = None if table is None else bound_file(found, table.table, tables, path)
        if table is None or file is None:
            return None
        try:
            return read_descriptors(file, table.key, table.columns, entry.categorical)
        except TableRefused as refused:
            found.add_elsewhere(refused.faults)
            return None
    sound = True
    names: list[str] = list(next((row for row in raw.values() if isinstance(row, dict)), {}))
    for choice, row in raw.items():
        at = (*path, choice)
        if choice not in entry.categorical:
            wanted = f"one of the choices ({shown_list(entry.categorical)})"
            found.add(Problem("E219", wanted=wanted, got=shown(choice), key=True), at)
        elif not isinstance(row, dict) or sorted(row) != sorted(names) or not names:
            found.add(Problem("E219", wanted=f"numbers {shown_list(names) or 'by name'}", got=shown(row)), at)
        else:
            wrong = [n for n in names if isinstance(row[n], bool) or not isinstance(row[n], int | float)]
            for descriptor in wrong:
                found.add(Problem("E203", wanted="a number", got=shown(row[descriptor])), (*at, descriptor))
            sound = sound and not wrong
            continue
        sound = False
    missing = [choice for choice in entry.categorical if choice not in raw]
    if missing and sound:
        sound = False
        wanted = f"a row for each of {shown_list(entry.categorical)}"
        found.add(Problem("E219", wanted=wanted, got=f"none for {shown_list(missing)}"), path)
    if not sound:
        return None
    values = tuple(tuple(float(raw[choice][n]) for n in names) for choice in entry.categorical)
    return found.make(Descriptors, path, names=tuple(names), values=values)


def _material(
    found: Collector, name: str, entry: surface.MaterialEntry, path: Path, pools: Mapping[str, Pool]
) -> Material | None:
    pool = bound_pool(found, entry.material, pools, (*path, "material"))
    if pool is None:
        return None
    generate = []
    for index, each in enumerate(entry.generate):
        about = {"generator": each.generator, "arguments": tuple(each.arguments.items())}
        made = found.make(Generate, (*path, "generate", index), **about)
        if made is not None:
            generate.append(made)
    if len(generate) < len(entry.generate):
        return None
    return found.make(
        Material,
        path,
        name=name,
        pool=entry.material,
        digest=pool.digest,
        n=pool.n,
        generate=tuple(generate),
        max_atoms=entry.max_atoms,
        known=None if entry.known is None else tuple(entry.known),
    )


def _context(
    found: Collector, name: str, entry: surface.ContextEntry, path: Path
) -> Continuous | Categorical | None:
    words = [one for one in entry.context if isinstance(one, str)]
    if len(words) == len(entry.context) and not entry.unit and entry.scale == "linear":
        return found.make(Categorical, path, name=name, choices=tuple(words), role="context")
    at = (*path, "context")
    if len(entry.context) != 2:
        wanted = "[low, high], or words"
        found.add(Problem("E207", wanted=wanted, got=f"{len(entry.context)} entries"), at)
        return None
    low, high = numbers(found, entry.context, entry.unit, at)
    if low is None or high is None:
        return None
    about = {"low": low, "high": high, "unit": entry.unit, "scale": entry.scale}
    return found.make(Continuous, path, name=name, role="context", **about)


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
