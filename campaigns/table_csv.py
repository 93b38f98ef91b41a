"""A CSV table, bound by name by the caller, as the rows a campaign may choose from."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from campaigns.collect import Collector
from campaigns.errors import Fault, Problem, did_you_mean, shown, shown_list
from campaigns.errors import Path as Place
from campaigns.model import Value
from campaigns.parameters import AnyParameter, Categorical, Integer, chosen
from campaigns.table import Row

MOST_ROWS = 2_000_000
_MOST_FAULTS = 20


class TableRefused(Exception):
    """The table cannot be used; each fault names the CSV file, line and column where there is one."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.render() for fault in faults))
        self.faults = tuple(faults)


def read_table(path: Path, headers: Mapping[str, str], parameters: Sequence[AnyParameter]) -> list[Row]:
    """The distinct rows of a CSV file (UTF-8, with or without byte order mark), sorted.

    `headers` maps the names of chosen parameters to column titles; a parameter that is not in it has a column
    of its own name. Other columns are not looked at. Rows that are equal in these columns (replicates) count
    once. Raises TableRefused.
    """
    free = chosen(parameters)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return sorted(set(_rows(csv.reader(lines, strict=True), path, headers, free)))
    except OSError as error:
        raise TableRefused(
            [Fault("E232", wanted="a CSV file", got=error.strerror or str(error), file=str(path))]
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableRefused([Fault("E232", wanted="CSV in UTF-8", got=str(error), file=str(path))]) from error


def _rows(
    reader: Iterator[list[str]], path: Path, headers: Mapping[str, str], free: Sequence[AnyParameter]
) -> Iterator[Row]:
    titles = [title.strip() for title in next(reader, [])]
    places = _places(titles, path, headers, free)
    # Each distinct text is converted once: columns of measured tables hold few different numbers, and rows that
    # share their cells are small.
    seen: list[dict[str, Value]] = [{} for _ in free]
    readers = [_cell_reader(parameter) for parameter in free]
    faults: list[Fault] = []
    n = 0
    for n, cells in enumerate(reader, start=1):
        if not cells:
            continue
        if n > MOST_ROWS:
            raise TableRefused(
                [Fault("E232", wanted=f"at most {MOST_ROWS} rows", got="more", file=str(path))]
            )
        try:
            yield tuple([known[cells[place]] for known, place in zip(seen, places, strict=True)])
            continue
        except (KeyError, IndexError):
            pass
        row: list[Value] = []
        for parameter, place, known, convert in zip(free, places, seen, readers, strict=True):
            text = cells[place] if place < len(cells) else ""
            value = convert(text.strip())
            sentence = f"{parameter.name}: wanted a value" if value is None else parameter.violation(value)
            if value is None or sentence is not None:
                wanted = (sentence or "").partition("wanted ")[2].partition(", got")[0]
                faults.append(
                    Fault(
                        "E233",
                        message=f"column {shown(titles[place])}",
                        wanted=f"{wanted} for {parameter.name}",
                        got=shown(text),
                        cure="widen the parameter, or mend the table",
                        file=str(path),
                        line=getattr(reader, "line_num", n + 1),
                        column=place + 1,
                        path=parameter.name,
                    )
                )
                continue
            known[text] = value
            row.append(value)
        if len(faults) >= _MOST_FAULTS:
            raise TableRefused(faults)
        if len(row) == len(free):
            yield tuple(row)
    if faults:
        raise TableRefused(faults)
    if n == 0:
        raise TableRefused(
            [Fault("E234", wanted="at least one row under the header", got="none", file=str(path))]
        )


def _places(
    titles: Sequence[str], path: Path, headers: Mapping[str, str], free: Sequence[AnyParameter]
) -> list[int]:
    faults, places = [], []
    for parameter in free:
        title = headers.get(parameter.name, parameter.name).strip()
        if titles.count(title) == 1:
            places.append(titles.index(title))
            continue
        got = "two such columns" if title in titles else f"columns {shown_list(titles)}"
        cure = did_you_mean(title, titles) + f" Say so with allowed.columns.{parameter.name}"
        faults.append(
            Fault(
                "E230",
                wanted=f"a column {title!r} for {parameter.name}",
                got=got,
                cure=cure,
                file=str(path),
                line=1,
                column=1,
                path=parameter.name,
            )
        )
    if faults:
        raise TableRefused(faults)
    return places


def plain_number(text: str) -> float | None:
    """The finite number that the text of a cell is; None for text that is none."""
    with suppress(ValueError):
        value = float(text)
        # Adding 0.0 turns -0.0, which prints differently, into 0.0.
        return value + 0.0 if value - value == 0 and "_" not in text else None
    return None


def bound_file(found: Collector, name: str, tables: Mapping[str, Path], path: Place) -> Path | None:
    """The file that the caller bound to the table `name`; None, and a fault, where there is none."""
    if name in tables:
        return Path(tables[name])
    found.add(
        Problem(
            "E231",
            ("table",),
            message=f"the table '{name}' is not bound to a file",
            wanted="a bound table",
            got=shown_list(sorted(tables)) or "no table bound",
            cure=f"give the file on the command line: --table {name}=PATH",
        ),
        path,
    )
    return None


def _cell_reader(parameter: AnyParameter) -> Callable[[str], Value | None]:
    """How the text of a cell becomes a value of the parameter; None for text that cannot."""

    def whole(text: str) -> Value | None:
        value = plain_number(text)
        return int(value) if isinstance(value, float) and value == int(value) else value

    if isinstance(parameter, Categorical):
        return lambda text: text or None
    return whole if isinstance(parameter, Integer) else plain_number
