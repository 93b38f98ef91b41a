"""What a source gives: rows, what was refused and why, which rows are the same crystal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from campaigns.structure import Structure


@dataclass(frozen=True)
class PoolRow:
    """A structure, what is known of it already (reading -> finite number), and where it comes from, in words that are
    the same on every machine."""

    id: str
    structure: Structure
    values: Mapping[str, float] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Refused:
    """A row that was left out. `where`: file:line, file or address; `code`: a code of StructureRejected, or bad-id,
    not-a-number, not-finite, absurd, not-found; `id` is "" where the row has none."""

    where: str
    code: str
    reason: str
    id: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.code}: {self.reason}"


@dataclass(frozen=True)
class Read(Sequence[PoolRow]):
    """The rows in the source's order; what was refused; `duplicates`: id -> id of the first row with the same structure
    (by Structure.key). Rows with the same structure are all kept: their values may differ."""

    rows: tuple[PoolRow, ...]
    refused: tuple[Refused, ...] = ()
    duplicates: Mapping[str, str] = field(default_factory=dict)

    @overload
    def __getitem__(self, at: int) -> PoolRow: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[PoolRow, ...]: ...
    def __getitem__(self, at: int | slice) -> PoolRow | tuple[PoolRow, ...]:
        return self.rows[at]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[PoolRow]:
        return iter(self.rows)

    def summary(self) -> str:
        """One line: how many rows, how many refused for what, how many that are there twice."""
        text = f"{len(self.rows)} structures"
        if self.duplicates:
            text += f", {len(self.duplicates)} of them the same as an earlier one"
        if self.refused:
            codes = sorted({refused.code for refused in self.refused})
            counts = [f"{code} {sum(r.code == code for r in self.refused)}" for code in codes]
            text += f"; {len(self.refused)} refused ({', '.join(counts)})"
        return text


@dataclass(frozen=True)
class Item:
    """One entry of a source before it is checked. `structure` makes the structure or raises StructureRejected; `values`
    are as the source has them, None where it has none; `columns` are the names that values may be asked for by."""

    id: Any
    where: str
    source: str
    structure: Callable[[], Structure]
    values: Mapping[str, Any] = field(default_factory=dict)
    columns: Collection[str] = ()
