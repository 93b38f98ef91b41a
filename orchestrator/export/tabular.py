"""A table as CSV and as Parquet."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from orchestrator.export.column import Column, TableOf

if TYPE_CHECKING:
    import pyarrow

# A spreadsheet takes a cell that begins with one of these for a formula (the last four are the wide forms).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def value_of(table: TableOf, column: Column, row: Any) -> Any:
    """One cell, checked. Raises ValueError for NaN and infinity: a missing number is missing, not NaN."""
    value = column.get(row)
    if value is None:
        return None
    if column.kind == "number":
        value = float(value)
        if not math.isfinite(value):
            raise ValueError(f"{table.name}.{column.name} is {value}; the log promises finite numbers")
    return value


def write_csv(table: TableOf, file: BinaryIO) -> None:
    """RFC 4180 with a header row, in UTF-8. Missing is an empty cell; text is made safe."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    # CR LF, as RFC 4180 has it, also makes the writer quote a cell that holds a bare carriage return.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.name for column in table.columns])
    for row in table.objects:
        writer.writerow([_cell(value_of(table, column, row)) for column in table.columns])
    text.flush()
    text.detach()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, float):
        return repr(value)
    return safe(value) if isinstance(value, str) else str(value)


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula: a leading apostrophe where it might.

    Text that begins with an apostrophe gets one too, so that taking one off a cell that has one undoes it.
    """
    return "'" + text if text.startswith((*_FORMULA, "'")) else text


def write_parquet(table: TableOf, file: BinaryIO, about: Mapping[str, str]) -> None:
    """Typed and nullable; each field's metadata holds `unit` and `meaning`, the table's holds `about`."""
    import pyarrow.parquet as parquet  # only an export needs it, and it is slow to load

    parquet.write_table(arrow(table, about), file, compression="zstd")


def arrow(table: TableOf, about: Mapping[str, str]) -> pyarrow.Table:
    """The table in memory."""
    import pyarrow as pa

    kinds = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "text": pa.string(),
        "flag": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    fields = [
        pa.field(column.name, kinds[column.kind], metadata={"unit": column.unit, "meaning": column.meaning})
        for column in table.columns
    ]
    arrays = [
        pa.array([value_of(table, column, row) for row in table.objects], type=field.type)
        for column, field in zip(table.columns, fields, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=dict(about)))
