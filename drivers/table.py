"""A table of measured data in memory: read once, checked in whole, looked up fast.

Data rows are counted from 1, without the header. numpy and pandas load when a table is read.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CONSTANT, TINY = 1e-12, 1e-100  # relative and absolute width below which a column counts as constant
SAME = 1e-9  # of a column's range: what a decimal's way through text and back may cost


@dataclass(frozen=True)
class Match:
    """The rows that answer a question, in the table's order, and how far they are from it."""

    rows: Sequence[int]  # counted from 1
    distance: float  # Euclidean, every numeric column divided by its range


class MeasuredTable:
    """The wanted columns of a CSV file. `inputs` and `outputs` are column names; others are not looked at.

    An input column is categorical if fewer than half of its cells are numbers; otherwise every cell must be.
    Raises SettingsError for a file that is no such table: unreadable, empty, a column missing, a row longer
    than the header, a cell empty or (unless categorical) no finite number.
    """

    def __init__(self, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        import numpy as np

        frame = _read(path, (*inputs, *outputs))
        self.path = path
        self.outputs = {column: _numbers(frame, column, path) for column in outputs}
        self.categorical = {c: _texts(frame, c, path) for c in inputs if not _is_numeric(frame[c])}
        numeric = [column for column in inputs if column not in self.categorical]
        self._numeric = tuple(numeric)
        self._values = np.empty((len(frame), len(numeric)))
        for i, column in enumerate(numeric):
            self._values[:, i] = _numbers(frame, column, path)
        self._low, self._high = self._values.min(axis=0), self._values.max(axis=0)
        spans = self._high - self._low
        # A range of rounding errors is no range: divided by it, any other value would be infinitely far.
        largest = np.maximum(np.abs(self._low), np.abs(self._high))
        self._spans = np.where(spans > np.maximum(CONSTANT * largest, TINY), spans, 1.0)
        self._scaled = (self._values - self._low) / self._spans

    def bounds(self, column: str) -> tuple[float, float]:
        """Smallest and largest value of a numeric input column."""
        i = self._numeric.index(column)
        return float(self._low[i]), float(self._high[i])

    def numbers(self, columns: Sequence[str]) -> np.ndarray:
        """Values (rows, columns) of numeric input columns."""
        out: np.ndarray = self._values[:, [self._numeric.index(column) for column in columns]]
        return out

    def choices(self, column: str) -> tuple[str, ...]:
        """What a categorical input column holds, in order of appearance."""
        return tuple(dict.fromkeys(self.categorical[column].tolist()))

    def match(self, point: Mapping[str, Any]) -> Match | None:
        """The row nearest to `point` (a value per input column) and its replicates: all rows of equal inputs.

        Categorical columns must be equal. Of several rows at one distance the first in the table wins. None
        where no row has these categories. Every row is looked at, in one vectorised pass.
        """
        import numpy as np

        asked = np.array([float(point[column]) for column in self._numeric])
        offsets = self._scaled - (asked - self._low) / self._spans
        squares = np.einsum("ij,ij->i", offsets, offsets)
        for column, texts in self.categorical.items():
            squares[texts != str(point[column])] = np.inf
        nearest = int(squares.argmin())
        if not np.isfinite(squares[nearest]):
            return None
        same = (np.abs(self._scaled - self._scaled[nearest]) <= SAME).all(axis=1)
        for texts in self.categorical.values():
            same &= texts == texts[nearest]
        return Match((np.flatnonzero(same) + 1).tolist(), float(np.sqrt(squares[nearest])))

    def measured(self, column: str, rows: Sequence[int]) -> list[float]:
        """What an output column says in these rows."""
        values: list[float] = self.outputs[column][[row - 1 for row in rows]].tolist()
        return values


def measured_table(path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> MeasuredTable:
    """The table at `path`; read again only after the file has changed."""
    try:
        stat = path.stat()
    except OSError as error:
        raise SettingsError(f"the table {path} cannot be read: {error.strerror}") from error
    return _cached(path, tuple(inputs), tuple(outputs), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _cached(
    path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...], mtime_ns: int, size: int
) -> MeasuredTable:
    return MeasuredTable(path, inputs, outputs)


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        header = pd.read_csv(path, nrows=0, encoding="utf-8-sig", header=0)
        names = [str(name).strip() for name in header.columns]
        missing = [column for column in columns if column not in names]
        if missing:
            raise SettingsError(
                f"{path} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, names))}"
            )
        with warnings.catch_warnings():
            # All columns are read, also those not asked for: only then is a row that is too long, in which
            # every value may be in the wrong place, an error.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                encoding="utf-8-sig",
                index_col=False,
                keep_default_na=False,
                na_values=[],
                low_memory=False,
            )
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise SettingsError(f"{path} is no CSV table: {error}") from error
    except pd.errors.EmptyDataError as error:
        raise SettingsError(f"{path} is empty") from error
    frame.columns = frame.columns.str.strip()
    if frame.empty:
        raise SettingsError(f"{path} has a header and no rows")
    return frame


def _is_numeric(column: pd.Series) -> bool:
    import pandas as pd

    return column.dtype != bool and bool(pd.to_numeric(column, errors="coerce").notna().mean() >= 0.5)


def _numbers(frame: pd.DataFrame, column: str, path: Path) -> np.ndarray:
    import numpy as np
    import pandas as pd

    numbers = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise SettingsError(
            f"{path}, column {column!r}, data row {bad[0] + 1}: "
            f"wanted a finite number, got {str(frame[column].iloc[bad[0]])!r}{more}"
        )
    return numbers


def _texts(frame: pd.DataFrame, column: str, path: Path) -> np.ndarray:
    import numpy as np

    texts = frame[column].astype(str).str.strip().to_numpy(dtype=object)
    bad = np.flatnonzero(texts == "")
    if len(bad):
        raise SettingsError(f"{path}, column {column!r}, data row {bad[0] + 1}: the cell is empty")
    return texts
