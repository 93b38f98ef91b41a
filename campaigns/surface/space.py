"""`space`, `constraints` and `allowed` as they are written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from campaigns.surface.entry import Amount, Bounds, Entry, Name, Scalar, Unit, refuse

Scale = Literal["linear", "log", "logit"]
TableName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)]
Word = Annotated[str, Field(max_length=200)]


def _values(value: Any) -> Any:
    several = value if isinstance(value, list) else [value]
    if not several or any(one is None or isinstance(one, dict | list) for one in several):
        raise refuse("E203", wanted="a value, or a list of values", got=value)
    return several


def _setting(value: Any) -> Any:
    """A value, or a tuple of the values of a list."""
    several = _values(value)
    return tuple(several) if isinstance(value, list) else value


def _described(value: Any) -> Any:
    if not isinstance(value, dict):
        wanted = "{choice: {name: number}}, or {table: NAME, key: COLUMN}"
        raise refuse("E203", wanted=wanted, got=value)
    return value


def _thresholds(value: Any) -> Any:
    for one in value.values() if isinstance(value, dict) else [value]:
        if isinstance(one, bool) or not isinstance(one, int | float | str):
            raise refuse("E203", wanted="an amount, or an amount for each of some components", got=one)
    return value


_AMOUNT = {"type": ["number", "string"]}
_VALUE = {"type": ["string", "number", "boolean"]}
_NUMBERS = {"type": "object", "additionalProperties": {"type": "number"}}
_TABLE = {
    "type": "object",
    "properties": {
        "table": {"type": "string", "pattern": r"^[A-Za-z0-9_-]+$", "maxLength": 64},
        "key": {"type": "string"},
        "columns": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
    "required": ["table", "key"],
    "additionalProperties": False,
}
Values = Annotated[
    Any,
    PlainValidator(_values),
    WithJsonSchema({"anyOf": [_VALUE, {"type": "array", "items": _VALUE, "minItems": 1}]}),
]
Setting = Annotated[
    Any,
    PlainValidator(_setting),
    WithJsonSchema({"anyOf": [_VALUE, {"type": "array", "items": _VALUE, "minItems": 1}]}),
]
When = Annotated[
    dict[Name, Values],
    Field(default_factory=dict, description="parameter: the value or values under which this one is active"),
]
Described = Annotated[
    Any,
    PlainValidator(_described),
    WithJsonSchema(
        {
            "anyOf": [_TABLE, {"type": "object", "additionalProperties": _NUMBERS}],
            "description": "choice: numbers that describe it; or a CSV table, bound by name, with a row per choice",
        }
    ),
]
_WORDS = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 1000}
Measured = Annotated[
    list[Amount],
    Field(min_length=2, max_length=1000),
    WithJsonSchema(
        {
            "anyOf": [{"type": "array", "items": _AMOUNT, "minItems": 2, "maxItems": 2}, _WORDS],
            "description": "[low, high] or words",
        }
    ),
]
Thresholds = Annotated[
    Any,
    PlainValidator(_thresholds),
    WithJsonSchema(
        {
            "anyOf": [_AMOUNT, {"type": "object", "additionalProperties": _AMOUNT}],
            "description": "a component is 0 or at least this: one amount for all, or by component",
        }
    ),
]


class _ChosenEntry(Entry):
    when: When
    otherwise: Scalar = None


class ContinuousEntry(_ChosenEntry):
    """A real number between two bounds."""

    continuous: Bounds
    unit: Unit = ""
    scale: Scale = "linear"


class ContextEntry(Entry):
    """What is measured, not chosen: a number, expected between two bounds, or one of several words."""

    context: Measured
    unit: Unit = ""
    scale: Scale = "linear"


class DescriptorTableEntry(Entry):
    """Descriptors from a CSV table that the caller binds by name: a row per choice."""

    table: TableName
    key: Annotated[str, Field(description="the column with the choices")]
    columns: Annotated[
        list[str] | None, Field(min_length=1, description="the columns to take; all with numbers if left out")
    ] = None


class IntegerEntry(_ChosenEntry):
    """A whole number between two bounds."""

    integer: Annotated[list[int], Field(min_length=2, max_length=2, description="[low, high]")]
    unit: Unit = ""


class OrdinalEntry(_ChosenEntry):
    """One of a few numbers, in increasing order."""

    ordinal: Annotated[list[Amount], Field(min_length=2, max_length=1000)]
    unit: Unit = ""


class CategoricalEntry(_ChosenEntry):
    """One of several names."""

    categorical: Annotated[list[Word], Field(min_length=2, max_length=1000)]
    kernel: Literal["hamming", "learned"] = "hamming"
    descriptors: Described = None


class GenerateEntry(Entry):
    """A generator of candidate crystals, by the name under which it is installed."""

    generator: Name
    arguments: Annotated[dict[Name, Setting], Field(default_factory=dict, alias="with")]


class MaterialEntry(Entry):
    """A crystal of a pool that the caller binds by name (never by path), or of what generators make of it."""

    material: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=64, description="name of the pool")
    ]
    generate: Annotated[list[GenerateEntry], Field(default_factory=list, max_length=20)]
    max_atoms: Annotated[int, Field(ge=1, le=1000, description="in the cell, of what is generated")] = 200
    known: Annotated[
        list[Name] | None,
        Field(max_length=100, description="values of the pool that count as labels; all by default"),
    ] = None


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
    parts: Annotated[
        list[int] | None,
        Field(min_length=2, max_length=2, description="[fewest, most] components that are not 0"),
    ] = None
    thresholds: Thresholds = None


class LinearEntry(Entry):
    """A bound on a weighted sum of parameters."""

    linear: Annotated[dict[Name, float], Field(min_length=1, description="parameter: factor")]
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None


class RuleEntry(Entry):
    """A constraint that an installed package offers by name."""

    plugin: Name
    arguments: Annotated[dict[Name, Scalar], Field(default_factory=dict, alias="with")]


class RowsEntry(Entry):
    """The only candidates allowed, written out."""

    rows: Annotated[list[dict[Name, Scalar]], Field(min_length=1)]


class TableEntry(Entry):
    """The only candidates allowed, as rows of a CSV table that the caller binds by name (never by path)."""

    table: TableName
    columns: Annotated[dict[Name, str], Field(default_factory=dict, description="parameter: CSV header")]


PARAMETERS: dict[str, type[Entry]] = {
    "continuous": ContinuousEntry,
    "integer": IntegerEntry,
    "ordinal": OrdinalEntry,
    "categorical": CategoricalEntry,
    "fixed": FixedEntry,
    "context": ContextEntry,
    "material": MaterialEntry,
    "mixture": MixtureEntry,
}
CONSTRAINTS: dict[str, type[Entry]] = {"linear": LinearEntry, "plugin": RuleEntry}
ALLOWED: dict[str, type[Entry]] = {"rows": RowsEntry, "table": TableEntry}
