"""From the entry `allowed` to the table of the only candidates, with every fault on its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from campaigns.collect import Collector
from campaigns.errors import Path, Problem, did_you_mean, shown, shown_list
from campaigns.material import Material
from campaigns.parameters import AnyParameter, Categorical, Fixed, chosen
from campaigns.space import LinearConstraint, Table
from campaigns.surface import space as surface
from campaigns.table import Row, narrowed
from campaigns.table_csv import TableRefused, bound_file, read_table


def build_allowed(
    found: Collector,
    raw: Any,
    tables: Mapping[str, FilePath],
    *,
    names: Sequence[str],
    parameters: Mapping[str, AnyParameter],
    constraints: Sequence[LinearConstraint],
    sound: bool,
) -> Table | None:
    """The table of allowed rows; its cells are looked at only when the space itself is `sound`.

    `names` are those of all parameters, broken ones too.
    """
    path: Path = ("allowed",)
    kind = found.kind(raw, list(surface.ALLOWED), path)
    entry = None if kind is None else found.entry(surface.ALLOWED[kind], raw, path)
    if entry is None:
        return None
    free = chosen(parameters.values())
    columns = tuple(parameter.name for parameter in free)
    rows: list[Row] | None
    if isinstance(entry, surface.TableEntry):
        rows = _csv_rows(found, names, parameters, entry, tables, sound=sound)
    else:
        assert isinstance(entry, surface.RowsEntry)
        rows = _inline_rows(found, entry, {p.name: p for p in free}) if sound else None
    if rows is None:
        return None
    kept = narrowed(columns, rows, constraints)
    if not kept:
        wanted = "a table of which the constraints leave at least one row"
        found.add(Problem("E234", wanted=wanted, got=f"none of {len(rows)}"), path)
        return None
    # Whether the rows suit the space is what `Space` looks at when it is made.
    return found.make(Table, (), columns=columns, rows=tuple(kept))


def _csv_rows(
    found: Collector,
    names: Sequence[str],
    parameters: Mapping[str, AnyParameter],
    entry: surface.TableEntry,
    tables: Mapping[str, FilePath],
    *,
    sound: bool,
) -> list[Row] | None:
    path: Path = ("allowed",)
    for name in entry.columns:
        free = [p.name for p in chosen(parameters.values())]
        if name not in names or (name in parameters and name not in free):
            cure = did_you_mean(name, free)
            wanted = "a parameter of the space that is chosen"
            found.add(
                Problem("E230", ("columns", name), wanted=wanted, got=shown(name), cure=cure, key=True), path
            )
            sound = False
    file = bound_file(found, entry.table, tables, path)
    if file is None or not sound:
        return None
    try:
        return read_table(file, entry.columns, list(parameters.values()))
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
                wanted = "a parameter of the space that is chosen"
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
        if isinstance(value, str) and not isinstance(parameter, Categorical | Material | Fixed):
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
