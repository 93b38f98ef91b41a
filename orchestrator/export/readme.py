"""README.txt of an export: the data dictionary, made from the columns themselves."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from orchestrator.export.column import TableOf
from orchestrator.records import Records

_KINDS = {
    "integer": "whole number",
    "number": "number",
    "text": "text",
    "flag": "true or false",
    "time": "time",
}

_HEAD = """\
Export of the campaign {name}
{rule}
{simulated}
Fingerprint  {fingerprint}
Laboratory   {lab} ({reality})
State        {state}

Files
-----
<table>.csv      UTF-8, comma separated, one header row (RFC 4180, lines end in CR LF)
<table>.parquet  the same columns, typed; unit and meaning stand in the metadata of each field
events.jsonl     the log, one JSON object per line, in its order
campaign.json    the campaign as it was run, its phases and versions, and the SHA-256 of every other file;
                 written last, so that an export that was cut short is one whose sums do not agree

Conventions
-----------
Missing values are empty in CSV and null in Parquet, never NaN. (An empty text is empty in CSV as well;
Parquet tells the two apart.) Times are UTC: ISO 8601 in CSV, timestamps in microseconds in Parquet.
Names in *_s are lab seconds: virtual time in a simulated laboratory. Numbers in CSV are written so that
reading them gives back the same double.

Text cells of the CSV files that begin with = + - @ (their full-width forms, a tab, a line break, or an
apostrophe) have an apostrophe put in front, so that no spreadsheet takes text from a log for a formula.
Take one leading apostrophe off to have the text itself. Parquet and JSON hold the text unchanged.
"""


def readme(records: Records, tables: Sequence[TableOf]) -> str:
    """The text of README.txt."""
    name = records.campaign.name
    real = records.reality == "real"
    parts = [
        _HEAD.format(
            name=name,
            rule="=" * (len(name) + len("Export of the campaign ")),
            simulated=""
            if real
            else "\nSIMULATED: these values come from a simulated laboratory, not from a real one.\n",
            fingerprint=records.fingerprint,
            lab=records.lab,
            reality=records.reality,
            state=f"{records.state}: {records.reason}" if records.reason else records.state,
        )
    ]
    for table in tables:
        lines = [f"\n{table.name}.csv, {table.name}.parquet", "-" * (2 * len(table.name) + 14)]
        lines.append(f"One row is {table.row}.\n")
        width = max(len(column.name) for column in table.columns)
        for column in table.columns:
            unit = f" [{column.unit}]" if column.unit else ""
            text = f"{_KINDS[column.kind]}{unit}: {column.meaning}"
            lead = f"  {column.name:<{width}}  "
            lines.append(textwrap.fill(text, 108, initial_indent=lead, subsequent_indent=" " * len(lead)))
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)
