"""Descriptors of choices from a CSV table, bound by name by the caller."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from campaigns.descriptors import Descriptors
from campaigns.errors import Fault, did_you_mean, shown, shown_list
from campaigns.model import NAME
from campaigns.table_csv import TableRefused, plain_number

MOST_ROWS = 100_000


def read_descriptors(
    path: Path, key: str, columns: Sequence[str] | None, choices: Sequence[str]
) -> Descriptors:
    """One row of numbers per choice, from the row of the CSV file (UTF-8) that has it in the column `key`.

    `columns` are the titles to take; None takes every column that has a number for every choice. Titles become names
    by replacing what is no letter, digit or _ by _. Raises TableRefused.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            titles = [title.strip() for title in next(reader, [])]
            rows = [(reader.line_num, cells) for cells in reader if cells][: MOST_ROWS + 1]
    except OSError as error:
        raise TableRefused(
            [Fault("E232", wanted="a CSV file", got=error.strerror or str(error), file=str(path))]
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableRefused([Fault("E232", wanted="CSV in UTF-8", got=str(error), file=str(path))]) from error
    if len(rows) > MOST_ROWS:
        raise TableRefused([Fault("E232", wanted=f"at most {MOST_ROWS} rows", got="more", file=str(path))])
    wanted = [key, *(columns or [])]
    faults = [
        Fault(
            "E219",
            wanted=f"a column {title!r}",
            got="two such columns" if title in titles else f"columns {shown_list(titles)}",
            cure=did_you_mean(title, titles),
            file=str(path),
            line=1,
            column=1,
        )
        for title in wanted
        if titles.count(title) != 1
    ]
    if faults:
        raise TableRefused(faults)
    found = _rows_of(path, rows, titles.index(key), choices)
    taken = columns or [
        title
        for place, title in enumerate(titles)
        if title != key
        and titles.count(title) == 1
        and all(place < len(cells) and plain_number(cells[place]) is not None for _, cells in found)
    ]
    if not taken:
        wanted_text = "a column with a number for every choice"
        raise TableRefused([Fault("E219", wanted=wanted_text, got="none", file=str(path), line=1, column=1)])
    values = []
    for line, cells in found:
        row = []
        for title in taken:
            place = titles.index(title)
            text = cells[place] if place < len(cells) else ""
            number = plain_number(text)
            if number is None:
                faults.append(
                    Fault(
                        "E219",
                        message=f"column {shown(title)}",
                        wanted="a number",
                        got=shown(text),
                        file=str(path),
                        line=line,
                        column=place + 1,
                    )
                )
            else:
                row.append(number)
        values.append(tuple(row))
    if faults:
        raise TableRefused(faults[:20])
    return Descriptors(names=_names(taken), values=tuple(values))


def _rows_of(
    path: Path, rows: list[tuple[int, list[str]]], place: int, choices: Sequence[str]
) -> list[tuple[int, list[str]]]:
    """The one row of each choice."""
    found: dict[str, tuple[int, list[str]]] = {}
    faults = []
    for line, cells in rows:
        choice = cells[place].strip() if place < len(cells) else ""
        if choice not in choices:
            continue
        if choice in found:
            faults.append(
                Fault(
                    "E219",
                    wanted="one row per choice",
                    got=f"a second row for {shown(choice)}",
                    file=str(path),
                    line=line,
                    column=place + 1,
                )
            )
        found[choice] = line, cells
    missing = [choice for choice in choices if choice not in found]
    if missing:
        faults.append(
            Fault(
                "E219", wanted="a row for every choice", got=f"none for {shown_list(missing)}", file=str(path)
            )
        )
    if faults:
        raise TableRefused(faults[:20])
    return [found[choice] for choice in choices]


def _names(titles: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for title in titles:
        name = re.sub(r"\W", "_", title, flags=re.ASCII)[:60]
        name = name if re.fullmatch(NAME, name) else f"_{name}"
        while name in names:
            name += "_"
        names.append(name)
    return tuple(names)
