"""Earlier experiments from a CSV table that the caller bound by name, in the order of the table."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from campaigns.errors import Fault, did_you_mean, shown, shown_list
from campaigns.model import Value
from campaigns.parameters import Categorical
from campaigns.space import Space
from campaigns.table import ROUNDING, Row
from campaigns.table_csv import MOST_ROWS, TableRefused, plain_number

MOST_FAULTS = 20
Results = tuple[float | None, ...]


def read_history(
    path: Path, columns: Mapping[str, str], gives: Mapping[str, str], space: Space
) -> tuple[tuple[Row, ...], tuple[Results, ...]]:
    """The rows of a CSV file (UTF-8, with or without byte order mark) and their results, an empty cell being None.

    `columns` maps names of free parameters to column titles, by default their own; `gives` those of the results.
    A row has a canonical value for each free parameter: only a context, and a parameter whose condition does not
    hold, may have an empty cell. A row without any result is left out. Raises TableRefused.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return _Reader(path, columns, gives, space).read(csv.reader(lines, strict=True))
    except OSError as error:
        got = error.strerror or str(error)
        raise TableRefused([Fault("E232", wanted="a CSV file", got=got, file=str(path))]) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableRefused([Fault("E232", wanted="CSV in UTF-8", got=str(error), file=str(path))]) from error


class _Reader:
    def __init__(
        self, path: Path, columns: Mapping[str, str], gives: Mapping[str, str], space: Space
    ) -> None:
        self.file = str(path)
        self.titles = {p.name: columns.get(p.name, p.name) for p in space.free}
        self.gives = gives
        self.space = space
        self.may_be_empty = {p.name for p in (*space.context, *space.conditional)}
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
        candidate: dict[str, Value] = {}
        before = len(self.faults)
        for parameter in self.space.free:
            name, place = parameter.name, places[parameter.name]
            text = cells[place].strip() if place < len(cells) else ""
            if not text and name in self.may_be_empty:
                continue
            value = text or None if isinstance(parameter, Categorical) else plain_number(text)
            sentence = f"{name}: wanted a value" if value is None else parameter.violation(value)
            if value is None or sentence is not None:
                said = (sentence or "").partition("wanted ")[2].partition(", got")[0]
                self._bad_cell(f"{said} for {name}", text, line, place, name)
            else:
                candidate[name] = value
        if len(self.faults) > before:
            return None
        try:
            full = self.space.canonical(candidate)
        except ValueError:  # the condition of a parameter holds, and its cell is empty
            names = [name for name in self.may_be_empty if name not in candidate]
            self._bad_cell(f"a value for {shown_list(names)}", "", line, places[names[0]], names[0])
            return None
        for mixture in self.space.mixtures:
            got = sum(float(full[name]) for name in mixture.components)
            # Compositions in tables are rounded.
            if abs(got - mixture.total) > max(mixture.tolerance, ROUNDING * abs(mixture.total)):
                wanted = f"{' + '.join(mixture.components)} near {mixture.total:.12g}"
                self._bad_cell(wanted, f"{got:.12g}", line, places[mixture.components[0]], mixture.name)
                return None
        return tuple(full[name] for name in self.titles)

    def _bad_cell(self, wanted: str, text: str, line: int, place: int, path: str) -> None:
        cure = "widen the parameter, or mend the table"
        self._fault("E233", wanted=wanted, got=shown(text), cure=cure, line=line, column=place + 1, path=path)

    def _result(self, name: str, cells: Sequence[str], place: int, line: int) -> float | None:
        text = cells[place].strip() if place < len(cells) else ""
        if not text:
            return None
        value = plain_number(text)
        if value is not None:
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
