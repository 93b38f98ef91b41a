"""A table of the only candidates allowed: rows that were measured, bottles that are on the shelf."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from campaigns.conditions import Conditional
from campaigns.constraints import LinearConstraint
from campaigns.errors import Problem, did_you_mean, shown, shown_list
from campaigns.material import Material
from campaigns.mixture import Mixture
from campaigns.model import BaseCampaignModel, Value
from campaigns.parameters import AnyParameter, Categorical, Integer, chosen

Row = tuple[Value, ...]
# Measured compositions are rounded (99.9 % and 100.1 % are 100 %); a sum further off is a wrong column.
ROUNDING = 0.02


def _rows(given: Any) -> tuple[Row, ...]:
    """Rows as tuples that share equal cells: a million rows of a grid hold few different values.

    pydantic would look at every cell of every row by itself, which takes many seconds for a million rows;
    the types are checked column by column instead.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ValueError("rows must be a list")
    shared: dict[tuple[type, Value], Value] = {}
    rows = []
    for row in given:
        if not isinstance(row, list | tuple):
            raise ValueError("a row must be a list of values")
        try:
            rows.append(tuple([shared.setdefault((cell.__class__, cell), cell) for cell in row]))
        except TypeError:
            raise ValueError("a cell must be text, a number or true/false") from None
    for column in zip(*rows, strict=False):
        for kind in set(map(type, column)):
            if kind not in (bool, int, float, str):
                raise ValueError(f"a cell must be text, a number or true/false, not {kind.__name__}")
            if kind is float and any(cell - cell != 0 for cell in set(column) if isinstance(cell, float)):
                raise ValueError("a cell must be a finite number")
    return tuple(rows)


class Table(BaseCampaignModel):
    """`rows` hold one value per name in `columns`, in that order; the columns name every parameter that is chosen
    (neither fixed nor a context).

    Rows come sorted and each once, so that the same set of rows always has the same fingerprint.
    """

    columns: tuple[str, ...]
    rows: Annotated[
        tuple[Row, ...],
        PlainValidator(_rows),
        PlainSerializer(lambda rows: [list(row) for row in rows], when_used="json"),
    ]

    def problems(self) -> Iterator[Problem]:
        if not self.rows:
            yield Problem("E234", ("allowed",), wanted="at least one row", got="none")
        width = len(self.columns)
        if len(set(self.columns)) < width:
            yield Problem("E230", ("allowed",), wanted="each column once", got=shown_list(self.columns))
        if set(map(len, self.rows)) - {width}:
            number, row = next((n, row) for n, row in enumerate(self.rows) if len(row) != width)
            yield Problem(
                "E230", ("allowed",), wanted=f"{width} values in row {number + 1}", got=str(len(row))
            )

    @cached_property
    def members(self) -> frozenset[Row]:
        """The rows as a set, so that membership does not cost a walk over a million rows."""
        return frozenset(self.rows)

    def column(self, name: str) -> list[Value]:
        """All values of one column, in row order."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def violation(self, canonical: Mapping[str, Value]) -> str | None:
        row = tuple(canonical[name] for name in self.columns)
        if row in self.members:
            return None
        values = ", ".join(f"{name}={shown(value)}" for name, value in zip(self.columns, row, strict=True))
        return f"allowed: wanted one of the {len(self.rows)} rows of the table, got {values}"


def table_problems(
    table: Table, parameters: Sequence[AnyParameter], mixtures: Sequence[Mixture], *, most: int = 20
) -> Iterator[Problem]:
    """Whether every row is a candidate of the space; linear constraints narrow a table and are no problem here."""
    free = {parameter.name: parameter for parameter in chosen(parameters)}
    missing = [name for name in free if name not in table.columns]
    surplus = [name for name in table.columns if name not in free]
    if missing or surplus:
        yield Problem(
            "E230",
            ("allowed",),
            wanted=f"a column for each chosen parameter ({shown_list(free)})",
            got=shown_list(table.columns),
            cure=did_you_mean(surplus[0], free) if surplus else f"add {shown_list(missing)}",
        )
        return
    said = 0
    for name, column in zip(table.columns, zip(*table.rows, strict=True), strict=True):
        parameter = free[name]
        right = (
            int
            if isinstance(parameter, Integer)
            else str
            if isinstance(parameter, Categorical | Material)
            else float
        )
        kinds: set[type] = set(map(type, column))
        bad = [cell for cell in dict.fromkeys(column) if parameter.violation(cell) is not None]
        wrong = [cell for cell in column if type(cell) is not right] if kinds - {right} and not bad else []
        for cell in (bad or wrong[:1])[: max(0, most - said)]:
            said += 1
            yield Problem(
                "E233",
                ("allowed",),
                message=f"row {column.index(cell) + 1}",
                wanted=(parameter.violation(cell) or f"{name}: wanted {right.__name__}, got")
                .split(", got")[0]
                .removeprefix(f"{name}: wanted ")
                + f" for {name}",
                got=shown(cell),
                cure="widen the parameter, or mend the table",
            )
    if said:
        return
    yield from _inactive_problems(table, free)
    for mixture in mixtures:
        places = [table.columns.index(name) for name in mixture.components if name in table.columns]
        slack = max(mixture.tolerance, ROUNDING * abs(mixture.total))
        for number, row in enumerate(table.rows, start=1):
            got = sum(float(row[place]) for place in places)
            if abs(got - mixture.total) > slack:
                yield Problem(
                    "E233",
                    ("allowed",),
                    message=f"row {number} does not add up",
                    wanted=f"{' + '.join(mixture.components)} near {mixture.total:.12g}",
                    got=shown(got),
                    cure="look whether the columns are the right ones",
                )
                break
            sentence = mixture.violation(dict(zip(table.columns, row, strict=True)), rounded=True)
            if sentence is not None:
                wanted, _, other = sentence.partition("wanted ")[2].partition(", got ")
                yield Problem("E233", ("allowed",), message=f"row {number}", wanted=wanted, got=other)
                break


def _inactive_problems(table: Table, free: Mapping[str, AnyParameter]) -> Iterator[Problem]:
    """The first row in which a parameter whose condition does not hold has another value than it has then."""
    for name, parameter in free.items():
        if not isinstance(parameter, Conditional) or not parameter.when:
            continue
        place, value = table.columns.index(name), parameter.inactive
        for number, row in enumerate(table.rows, start=1):
            if row[place] != value and not parameter.active(dict(zip(table.columns, row, strict=True))):
                yield Problem(
                    "E233",
                    ("allowed",),
                    message=f"row {number}",
                    wanted=f"{shown(value)} for {name}, whose condition does not hold there",
                    got=shown(row[place]),
                    cure=f"write {shown(value)}, or say 'otherwise:'",
                )
                break


def narrowed(
    columns: Sequence[str], rows: Sequence[Row], constraints: Sequence[LinearConstraint]
) -> list[Row]:
    """The rows that meet every constraint: this is how a campaign takes part of a table."""
    if not constraints:
        return list(rows)
    return [
        row
        for row in rows
        if all(c.violation(dict(zip(columns, row, strict=True))) is None for c in constraints)
    ]
