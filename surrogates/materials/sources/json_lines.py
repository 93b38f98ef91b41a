"""JSON lines: one record a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from campaigns.errors import shown
from campaigns.structure import Structure
from surrogates.materials.errors import StructureRejected
from surrogates.materials.sources.records import structure_of_record
from surrogates.materials.sources.rows import Item
from surrogates.materials.sources.text import text_of


def items(path: Path, columns: Mapping[str, str] | None) -> Iterator[Item]:
    """Rows {"id", "lattice", "species", "frac"}, or with a pymatgen dictionary as "structure". Without `columns`
    (reading -> column) the values are the row's own "values"."""
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as fault:
            yield Item(None, where, path.name, fails("unreadable", f"no JSON: {fault}"))
            continue
        yield item(row, where, path.name, columns)


def item(row: Any, where: str, source: str, columns: Mapping[str, str] | None) -> Item:
    """Of one row as a mapping."""
    if not isinstance(row, Mapping):
        return Item(None, where, source, fails("unreadable", f"wanted a mapping, got {shown(row)}"))
    own = row.get("values") or {}
    if not isinstance(own, Mapping):
        return Item(row.get("id"), where, source, fails("unreadable", f"values: {shown(own)} is no mapping"))
    values = own if columns is None else chosen({**row, **own}, columns)
    data = row.get("structure", row)
    origin = row["source"] if isinstance(row.get("source"), str) else source
    return Item(row.get("id"), where, origin, partial(structure_of_record, data), values, (*row, *own))


def chosen(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """reading -> value of its column, None where the row has none."""
    return {reading: row.get(column) for reading, column in columns.items()}


def fails(code: str, reason: str) -> Callable[[], Structure]:
    """In place of a structure that cannot be made."""

    def fail() -> Structure:
        raise StructureRejected(code, reason)

    return fail
