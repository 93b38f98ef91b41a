"""`space`, `constraints` and `allowed` as they are written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from campaigns.surface.entry import Amount, Bounds, Entry, Name, Scalar, Unit


class ContinuousEntry(Entry):
    """A real number between two bounds."""

    continuous: Bounds
    unit: Unit = ""
    scale: Literal["linear", "log"] = "linear"


class IntegerEntry(Entry):
    """A whole number between two bounds."""

    integer: Annotated[list[int], Field(min_length=2, max_length=2, description="[low, high]")]
    unit: Unit = ""


class OrdinalEntry(Entry):
    """One of a few numbers, in increasing order."""

    ordinal: Annotated[list[Amount], Field(min_length=2, max_length=1000)]
    unit: Unit = ""


class CategoricalEntry(Entry):
    """One of several names."""

    categorical: Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=2, max_length=1000)]


class FixedEntry(Entry):
    """A value that all candidates share."""

    fixed: Scalar
    unit: Unit = ""


class MixtureEntry(Entry):
    """Components, each a continuous parameter of the space, that add up to a total."""

    mixture: Annotated[dict[Name, Bounds], Field(min_length=2, max_length=100)]
    total: Amount
    unit: Unit = ""
    tolerance: float | None = None


class ConstraintEntry(Entry):
    """A bound on a weighted sum of parameters."""

    linear: Annotated[dict[Name, float], Field(min_length=1, description="parameter: factor")]
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None


class RowsEntry(Entry):
    """The only candidates allowed, written out."""

    rows: Annotated[list[dict[Name, Scalar]], Field(min_length=1)]


class TableEntry(Entry):
    """The only candidates allowed, as rows of a CSV table that the caller binds by name (never by path)."""

    table: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)]
    columns: Annotated[dict[Name, str], Field(default_factory=dict, description="parameter: CSV header")]


PARAMETERS: dict[str, type[Entry]] = {
    "continuous": ContinuousEntry,
    "integer": IntegerEntry,
    "ordinal": OrdinalEntry,
    "categorical": CategoricalEntry,
    "fixed": FixedEntry,
    "mixture": MixtureEntry,
}
ALLOWED: dict[str, type[Entry]] = {"rows": RowsEntry, "table": TableEntry}
