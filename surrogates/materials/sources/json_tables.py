"""JSON files with pymatgen dictionaries: one structure, lists of structures, entries or rows, and pandas tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from surrogates.materials.errors import SourceError
from surrogates.materials.sources.json_lines import chosen
from surrogates.materials.sources.records import structure_of_record
from surrogates.materials.sources.rows import Item
from surrogates.materials.sources.text import stem, text_of

IDS = ("id", "material_id", "entry_id", "task_id", "mp_id")
WANTED = (
    "wanted a pymatgen Structure, a list of Structures, ComputedStructureEntries or rows with a 'structure', a mapping "
    "id -> one of these, or a pandas table (orient 'split', 'records' or 'columns') with such a column"
)


def items(path: Path, columns: Mapping[str, str] | None) -> Iterator[Item]:
    """Every structure in the file; other columns with numbers are its values, or those that `columns` (reading ->
    column) names. Entries give `energy` in eV per atom, corrections included."""
    try:
        data = json.loads(text_of(path))
    except (ValueError, RecursionError) as fault:
        raise SourceError(f"{path}: no JSON: {fault}") from fault
    for name, row in _rows(data, path):
        row, where = _entry(row), f"{path}: entry {name}"
        structure = row if _is_structure(row) else row.get("structure")
        known = next((row[key] for key in IDS if row.get(key) is not None), name)
        values = _numbers(row) if columns is None else chosen(row, columns)
        yield Item(known, where, path.name, partial(structure_of_record, structure), values, tuple(row))


def _rows(data: Any, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(data, Mapping) and {"columns", "data"} <= data.keys():
        names = data.get("index") or range(len(data["data"]))
        rows = [dict(zip(_structure_named(data["columns"], row), row, strict=False)) for row in data["data"]]
        pairs: Any = zip(map(str, names), rows, strict=False)
    elif _is_structure(data):
        pairs = [(stem(path), data)]
    elif isinstance(data, list):
        pairs = ((f"{stem(path)}/{k}", row) for k, row in enumerate(data))
    elif isinstance(data, Mapping) and isinstance(data.get("structure"), Mapping):
        if _is_structure(data["structure"]):
            pairs = [(stem(path), data)]
        else:
            pairs = (
                (name, {k: column.get(name) for k, column in data.items()}) for name in data["structure"]
            )
    elif isinstance(data, Mapping):
        pairs = data.items()
    else:
        raise SourceError(f"{path}: {WANTED}")
    n = 0
    for n, (name, row) in enumerate(pairs, start=1):  # noqa: B007
        if not isinstance(row, Mapping) or not (_is_structure(row) or "structure" in row):
            raise SourceError(f"{path}: entry {name}: {WANTED}")
        yield name, row
    if not n:
        raise SourceError(f"{path}: {WANTED}; got an empty one")


def _structure_named(columns: list[str], row: list[Any]) -> list[str]:
    """The columns, the one that holds structures under the name `structure`."""
    if "structure" in columns:
        return columns
    return ["structure" if _is_structure(x) else c for c, x in zip(columns, row, strict=False)]


def _is_structure(data: Any) -> bool:
    return isinstance(data, Mapping) and "lattice" in data and ("sites" in data or "frac" in data)


def _entry(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A ComputedStructureEntry with its energy per atom, other rows as they are."""
    if not str(row.get("@class", "")).endswith("Entry") or not isinstance(row.get("energy"), int | float):
        return row
    structure = row.get("structure")
    sites = structure.get("sites") if isinstance(structure, Mapping) else None
    if not sites:
        return row
    total = row["energy"] + sum(
        adjustment.get("value") or 0.0
        for adjustment in row.get("energy_adjustments") or [{"value": row.get("correction")}]
    )
    return {**row, "energy": total / len(sites)}


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    skip = {*IDS, "charge", "correction"} if not _is_structure(row) else row.keys()
    return {
        key: value
        for key, value in row.items()
        if key not in skip and isinstance(value, int | float) and not isinstance(value, bool)
    }
