"""The YAML as it is written: one model per kind of entry, the source of both validation and the JSON Schema.

These models know shapes only: keys, types, closed lists of words. What the words mean together (units, bounds,
references) is checked on the values of the language that `build` makes of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from campaigns.campaign import CAMPAIGN_NAME, LAB
from campaigns.errors import Problem, shown
from campaigns.model import NAME
from campaigns.plan import METHODS
from campaigns.recipe import DEVICE


def refuse(code: str, *, wanted: str, got: object, cure: str = "") -> PydanticCustomError:
    """The error a validator raises; `build` finds the problem in its context."""
    problem = Problem(code, wanted=wanted, got=shown(got), cure=cure)
    return PydanticCustomError("campaign", "wanted {wanted}", {"wanted": wanted, "problems": (problem,)})


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, dict | list):
        raise refuse("E203", wanted="text, a number, true or false", got=value)
    return value


def _amount(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise refuse("E203", wanted="a number, or text with a unit as in '80 degC'", got=value)
    return value


def _argument(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) != {"text"} or not isinstance(value["text"], str):
            raise refuse("E203", wanted="a value, or {text: '…'} for text taken as it is", got=value)
        return value
    return _scalar(value)


_AMOUNT = {
    "oneOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[-+]?(\d|\.\d)"}],
    "description": "a number, or a number with its unit ('80 degC')",
}
_SCALAR = {"type": ["string", "number", "boolean"]}
_ARGUMENT = {
    "oneOf": [
        _SCALAR,
        {
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
            "additionalProperties": False,
        },
    ],
    "description": "$parameter, a quantity ('2000 rpm'), or a value; {text: '…'} for text that looks like one of these",
}
Amount = Annotated[Any, PlainValidator(_amount), WithJsonSchema(_AMOUNT)]
Scalar = Annotated[Any, PlainValidator(_scalar), WithJsonSchema(_SCALAR)]
Argument = Annotated[Any, PlainValidator(_argument), WithJsonSchema(_ARGUMENT)]
Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Unit = Annotated[
    str, Field(max_length=60, description="unit of measurement, as pint reads it: K, rpm, cm^2/V/s, %")
]
Bounds = Annotated[list[Amount], Field(min_length=2, max_length=2, description="[low, high]")]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Entry(BaseModel):
    """Base of all entries: strict, nothing unknown, finite numbers."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, frozen=True, validate_by_name=False
    )


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


class ObjectiveEntry(Entry):
    """What is sought, by the name that a step of the recipe gives it."""

    maximise: Name | None = None
    minimise: Name | None = None
    unit: Unit = ""


class StepEntry(Entry):
    """One verb of one device."""

    id: Name
    do: Annotated[
        str, Field(pattern=rf"{DEVICE[:-1]}\.{NAME[1:]}", max_length=130, description="device.verb")
    ]
    arguments: Annotated[dict[Name, Argument], Field(default_factory=dict, alias="with")]
    gives: Annotated[
        dict[Name, Name], Field(default_factory=dict, description="measured name: reading of the device")
    ]


class UntilEntry(Entry):
    """What ends a phase early; any one rule that holds is enough."""

    calibrated: Annotated[float | None, Field(gt=0, lt=1)] = None
    stalled_for: Count | None = None
    variance_below: Annotated[float | None, Field(gt=0)] = None
    reached: Amount = None


class _PhaseEntry(Entry):
    experiments: Count | None = None
    at_most: Count | None = None
    until: UntilEntry | None = None
    batch: Annotated[int, Field(ge=1, le=1000)] = 1
    timeout: Amount = None


class ExploreEntry(_PhaseEntry):
    """Cover the space before anything is known."""

    explore: Annotated[str, Field(json_schema_extra={"enum": list(METHODS["explore"])})]


class LearnEntry(_PhaseEntry):
    """Measure where the model knows least."""

    learn: Annotated[str, Field(json_schema_extra={"enum": list(METHODS["learn"])})]


class OptimiseEntry(_PhaseEntry):
    """Measure where the best may be."""

    optimise: Annotated[str, Field(json_schema_extra={"enum": list(METHODS["optimise"])})]
    beta: Annotated[float | None, Field(ge=0, le=1000)] = None


class BudgetEntry(Entry):
    """What may be used up."""

    experiments: Count
    duration: Amount = None
    failures: Annotated[int | None, Field(ge=0, le=1_000_000)] = None


class LimitEntry(Entry):
    """Bounds on one argument of a device."""

    at_least: Amount = None
    at_most: Amount = None


# `from` is a Python keyword, hence the aliases.
class QuietHoursEntry(Entry):
    """Hours of each day in which nothing new is begun."""

    begins: Annotated[str, Field(alias="from")]
    ends: Annotated[str, Field(alias="to")]
    zone: Annotated[str, Field(max_length=64, description="IANA time zone: Europe/Zurich")]


class ScheduleEntry(Entry):
    """When the campaign may act."""

    start: str | None = None
    quiet_hours: QuietHoursEntry | None = None


class HeadEntry(Entry):
    """The single values at the top of the file."""

    alquimia: int
    campaign: Annotated[str, Field(pattern=CAMPAIGN_NAME, max_length=100)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    lab: Annotated[str, Field(pattern=LAB, max_length=200)]
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0


PARAMETERS: dict[str, type[Entry]] = {
    "continuous": ContinuousEntry,
    "integer": IntegerEntry,
    "ordinal": OrdinalEntry,
    "categorical": CategoricalEntry,
    "fixed": FixedEntry,
    "mixture": MixtureEntry,
}
PHASES: dict[str, type[Entry]] = {"explore": ExploreEntry, "learn": LearnEntry, "optimise": OptimiseEntry}
ALLOWED: dict[str, type[Entry]] = {"rows": RowsEntry, "table": TableEntry}
