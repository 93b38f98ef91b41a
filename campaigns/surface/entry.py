"""What all entries share: strictness, amounts, names, bounds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from campaigns.errors import Problem, shown
from campaigns.model import NAME


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


def _beta(value: Any) -> Any:
    if value == "scheduled":
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse("E203", wanted="a number from 0 to 1000, or 'scheduled'", got=value)
    if not 0 <= value <= 1000:
        raise refuse("E204", wanted="a number from 0 to 1000, or 'scheduled'", got=value)
    return float(value)


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
_BETA = {"oneOf": [{"type": "number", "minimum": 0, "maximum": 1000}, {"const": "scheduled"}]}
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
Beta = Annotated[Any, PlainValidator(_beta), WithJsonSchema(_BETA)]
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
