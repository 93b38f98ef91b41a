"""What was measured before the campaign: experiments of a CSV table, read once and then part of the campaign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from campaigns.errors import Problem, did_you_mean, shown, shown_list
from campaigns.model import BaseCampaignModel, Name, Value
from campaigns.space import Space

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


def history_problems(
    histories: Mapping[int, History], space: Space | None, *, sought: Sequence[str] | None
) -> Iterator[Problem]:
    """Histories of other parameters or of results that nobody seeks.

    `sought` are the names of objectives and outcome constraints; None: one of those is broken, as `space` may be.
    """
    for index, history in histories.items():
        at = ("history", index)
        for name in history.results:
            if sought is not None and name not in sought:
                yield Problem(
                    "E262",
                    (*at, "gives", name),
                    wanted="an objective, or a reading with an outcome constraint",
                    got=shown(name),
                    cure=did_you_mean(name, sought),
                    key=True,
                )
        if space is None:
            continue
        free = {parameter.name: parameter for parameter in space.free}
        if set(history.columns) != set(free):
            wanted = f"a column for each free parameter ({shown_list(free)})"
            yield Problem("E262", at, wanted=wanted, got=shown_list(history.columns))
            continue
        for name, column in zip(history.columns, zip(*history.rows, strict=True), strict=True):
            bad = next(
                (cell for cell in dict.fromkeys(column) if free[name].violation(cell) is not None), None
            )
            if bad is not None:
                wanted = f"values that '{name}' can have"
                yield Problem("E233", at, wanted=wanted, got=shown(bad), cure="widen the parameter")
