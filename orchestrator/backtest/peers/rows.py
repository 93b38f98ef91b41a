"""The rows of a table as other libraries are told of them: fields, values, and which rows are still open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Field:
    """One column that varies. Numbers have bounds; `log`: ratios matter; choices have no order."""

    name: str
    kind: Literal["number", "integer", "choice"]
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str, ...] = ()


class Rows:
    """All rows, and the way from a proposal, which may lie anywhere, to the nearest row that nobody has asked for."""

    def __init__(self, fields: Sequence[Field], rows: Sequence[Mapping[str, float | int | str]]) -> None:
        """`rows` hold a value for each field; columns that do not vary are no fields."""
        self.fields = tuple(fields)
        self.rows = tuple({field.name: row[field.name] for field in fields} for row in rows)
        self._codes = np.array([self._code(row) for row in self.rows]).reshape(
            len(self.rows), len(self.fields)
        )

    def __len__(self) -> int:
        return len(self.rows)

    def _code(self, row: Mapping[str, float | int | str]) -> list[float]:
        """Numbers as a share of their range, choices by their place."""
        out: list[float] = []
        for field in self.fields:
            value = row[field.name]
            if field.kind == "choice":
                out.append(float(field.choices.index(str(value))))
                continue
            low, high, at = field.low, field.high, float(value)
            if field.log:
                low, high, at = np.log(low), np.log(high), np.log(at)
            out.append((at - low) / (high - low))
        return out

    def nearest(self, proposal: Mapping[str, float | int | str], open_rows: Array) -> int:
        """The open row at the smallest distance: Euclidean over ranges, a wrong choice counting as a whole range.

        `open_rows` (n,) says which are open; the first of equals wins. Raises ValueError where none is.
        """
        if not open_rows.any():
            raise ValueError("no row is open")
        away = np.abs(self._codes - np.array(self._code(proposal)))
        for i, field in enumerate(self.fields):
            if field.kind == "choice":
                away[:, i] = away[:, i] > 0
        squares = np.where(open_rows, (away**2).sum(axis=1), np.inf)
        return int(squares.argmin())
