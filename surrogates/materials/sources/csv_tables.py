"""A CSV table with the text of a CIF in each row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from surrogates.materials.errors import SourceError
from surrogates.materials.sources.cif import LONGEST, structure_of_cif
from surrogates.materials.sources.rows import Item
from surrogates.materials.sources.text import text_of

IDS = ("id", "material_id", "cif_id", "name")


def items(path: Path, columns: Mapping[str, str] | None) -> Iterator[Item]:
    """A row for each, its values those of `columns` (reading -> column), else of every column that holds nothing but
    numbers. An empty cell is a value that is not known."""
    before = csv.field_size_limit(LONGEST)
    try:
        reader = csv.DictReader(io.StringIO(text_of(path)), strict=True)
        rows = [(reader.line_num, row) for row in reader]
        names = list(reader.fieldnames or ())
    except csv.Error as fault:
        raise SourceError(f"{path}:{reader.line_num}: no CSV: {fault}") from fault
    finally:
        csv.field_size_limit(before)
    cif = next((name for name in names if name.lower() == "cif"), None)
    key = next((name for wanted in IDS for name in names if name.lower() == wanted), None)
    if cif is None or key is None:
        raise SourceError(
            f"{path}: wanted a column 'cif' with the text of a CIF and one of {', '.join(IDS)}, "
            f"got {', '.join(map(repr, names)) or 'no header'}"
        )
    if columns is None:
        own = [name for name in names if name and name not in (cif, key)]
        columns = {name: name for name in own if _is_numeric([row[name] for _, row in rows])}
    for end, row in rows:
        # A row's last line: the text of its CIF has line breaks.
        where = f"{path}:{end}"
        values = {reading: _number(row.get(column)) for reading, column in columns.items()}
        yield Item(row[key], where, path.name, partial(structure_of_cif, row[cif] or ""), values, names)


def _number(cell: str | None) -> Any:
    if cell is None or not cell.strip():
        return None
    try:
        return float(cell)
    except ValueError:
        return cell


def _is_numeric(cells: list[str | None]) -> bool:
    numbers = [_number(cell) for cell in cells]
    known = [number for number in numbers if number is not None]
    return (
        bool(known) and all(isinstance(number, float) for number in known) and not all(map(math.isnan, known))
    )
