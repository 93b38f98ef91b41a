"""What was measured before the campaign: experiments of a CSV table, read once and then part of the campaign."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.errors import Problem, shown_list
from campaigns.model import BaseCampaignModel, Name, Value

Row = tuple[Value, ...]


class History(BaseCampaignModel):
    """`rows[i]` holds a value per parameter in `columns`, `values[i]` a result per name in `results`.

    A result that was not measured is None. Rows are in the order of the table. `related` says that they come from
    another set-up, whose results resemble those of this one without being the same.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    results: tuple[Name, ...]
    values: tuple[tuple[float | None, ...], ...]
    related: bool = False

    def problems(self) -> Iterator[Problem]:
        if not self.rows:
            yield Problem("E234", wanted="at least one row", got="none")
        if not self.results:
            yield Problem("E262", wanted="at least one result", got="none")
        for names in (self.columns, self.results):
            if len(set(names)) < len(names):
                yield Problem("E262", wanted="each column once", got=shown_list(names))
        for what, rows, width in (
            ("parameters", self.rows, len(self.columns)),
            ("results", self.values, len(self.results)),
        ):
            wrong = next((number for number, row in enumerate(rows, start=1) if len(row) != width), None)
            if wrong is not None:
                wanted = f"{width} {what} in row {wrong}"
                yield Problem("E262", wanted=wanted, got=str(len(rows[wrong - 1])))
        if len(self.rows) != len(self.values):
            wanted = f"results for each of the {len(self.rows)} rows"
            yield Problem("E262", wanted=wanted, got=str(len(self.values)))
