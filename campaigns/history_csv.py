"""Earlier experiments from a CSV table that the caller bound by name, in the order of the table."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from campaigns.constraints import AnyParameter
from campaigns.errors import Fault, did_you_mean, shown, shown_list
from campaigns.model import Value
from campaigns.parameters import Fixed
from campaigns.space import Mixture
from campaigns.table import ROUNDING, Row
from campaigns.table_csv import MOST_ROWS, TableRefused, _cell_reader

MOST_FAULTS = 20
Results = tuple[float | None, ...]


def read_history(
    path: Path,
    columns: Mapping[str, str],
    gives: Mapping[str, str],
    parameters: Sequence[AnyParameter],
    mixtures: Sequence[Mixture],
) -> tuple[tuple[Row, ...], tuple[Results, ...]]:
    """The rows of a CSV file (UTF-8, with or without byte order mark) and their results, an empty cell being None.

    `columns` maps names of free parameters to column titles, by default their own; `gives` those of the results.
    A row without any result is left out. Raises TableRefused.
    """
    free = [parameter for parameter in parameters if not isinstance(parameter, Fixed)]
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = _Reader(path, columns, gives, free, mixtures)
            return reader.read(csv.reader(lines, strict=True))
    except OSError as error:
        got = error.strerror or str(error)
        raise TableRefused([Fault("E232", wanted="a CSV file", got=got, file=str(path))]) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableRefused([Fault("E232", wanted="CSV in UTF-8", got=str(error), file=str(path))]) from error


class _Reader:
    def __init__(
        self,
        path: Path,
        columns: Mapping[str, str],
        gives: Mapping[str, str],
        free: Sequence[AnyParameter],
        mixtures: Sequence[Mixture],
    ) -> None:
        self.file = str(path)
        self.titles = {parameter.name: columns.get(parameter.name, parameter.name) for parameter in free}
        self.gives = gives
        self.free = free
        self.readers = {parameter.name: _cell_reader(parameter) for parameter in free}
        self.mixtures = mixtures
        self.faults: list[Fault] = []

    def read(self, lines: Iterator[list[str]]) -> tuple[tuple[Row, ...], tuple[Results, ...]]:
        header = [title.strip() for title in next(lines, [])]
        places = {
            name: self._place(name, title.strip(), header)
            for name, title in (*self.titles.items(), *self.gives.items())
        }
        self._refuse_if(bool(self.faults))
        rows: list[Row] = []
        results: list[Results] = []
        for n, cells in enumerate(lines, start=1):
            if n > MOST_ROWS:
                fault = Fault("E232", wanted=f"at most {MOST_ROWS} rows", got="more", file=self.file)
                raise TableRefused([fault])
            if not any(cell.strip() for cell in cells):
                continue
            line = getattr(lines, "line_num", n + 1)
            row = self._row(cells, places, line)
            values = tuple(self._result(name, cells, places[name], line) for name in self.gives)
            self._refuse_if(len(self.faults) >= MOST_FAULTS)
            if row is not None and any(value is not None for value in values):
                rows.append(row)
                results.append(values)
        self._refuse_if(bool(self.faults))
        if not rows:
            wanted = "at least one row with a result under the header"
            raise TableRefused([Fault("E234", wanted=wanted, got="none", file=self.file)])
        return tuple(rows), tuple(results)

    def _refuse_if(self, broken: bool) -> None:
        if broken:
            raise TableRefused(self.faults[:MOST_FAULTS])

    def _place(self, name: str, title: str, header: Sequence[str]) -> int:
        if header.count(title) == 1:
            return header.index(title)
        got = "two such columns" if title in header else f"columns {shown_list(header)}"
        key = "gives" if name in self.gives else "columns"
        cure = did_you_mean(title, header) + f" Say so with {key}.{name}"
        wanted = f"a column {title!r} for {name}"
        self._fault("E262", wanted=wanted, got=got, cure=cure.strip(), line=1, column=1, path=name)
        return 0

    def _row(self, cells: Sequence[str], places: Mapping[str, int], line: int) -> Row | None:
        values: dict[str, Value] = {}
        for parameter in self.free:
            name, place = parameter.name, places[parameter.name]
            text = cells[place].strip() if place < len(cells) else ""
            value = self.readers[name](text) if text else None
            sentence = f"{name}: wanted a value" if value is None else parameter.violation(value)
            if value is None or sentence is not None:
                said = (sentence or "").partition("wanted ")[2].partition(", got")[0]
                wanted, cure = f"{said} for {name}", "widen the parameter, or mend the table"
                self._fault(
                    "E233", wanted=wanted, got=shown(text), cure=cure, line=line, column=place + 1, path=name
                )
            else:
                values[name] = value
        if len(values) < len(self.free):
            return None
        for mixture in self.mixtures:
            got = sum(float(values[name]) for name in mixture.components)
            # Compositions in tables are rounded.
            if abs(got - mixture.total) > max(mixture.tolerance, ROUNDING * abs(mixture.total)):
                wanted = f"{' + '.join(mixture.components)} near {mixture.total:.12g}"
                column = places[mixture.components[0]] + 1
                self._fault(
                    "E233",
                    wanted=wanted,
                    got=shown(got),
                    cure="",
                    line=line,
                    column=column,
                    path=mixture.name,
                )
                return None
        return tuple(values.values())

    def _result(self, name: str, cells: Sequence[str], place: int, line: int) -> float | None:
        text = cells[place].strip() if place < len(cells) else ""
        if not text:
            return None
        with suppress(ValueError):
            value = float(text)
            if value - value == 0 and "_" not in text:
                return value
        cure = "leave the cell empty where nothing was measured"
        wanted = f"a finite number for {name}"
        self._fault("E263", wanted=wanted, got=shown(text), cure=cure, line=line, column=place + 1, path=name)
        return None

    def _fault(
        self, code: str, *, wanted: str, got: str, cure: str, line: int, column: int, path: str
    ) -> None:
        self.faults.append(
            Fault(
                code, wanted=wanted, got=got, cure=cure, file=self.file, line=line, column=column, path=path
            )
        )
