"""What a column of an exported table is, and those that several tables have.

Names and types are a stable interface: columns are added at the end of a table only, and none changes its
meaning. A campaign adds one `parameter.<name>` per parameter, `objective.<name>` with `objective.<name>.sigma` per
objective, `predicted.<name>.mean` and `.sd` per reading that matters, and `sensitivity.<name>` per free parameter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.records import ExperimentRecord, Records

if TYPE_CHECKING:
    from campaigns.space import Parameter

Kind = Literal["integer", "number", "text", "flag", "time"]


@dataclass(frozen=True)
class Column:
    """`get` takes a row's object and gives int, float, str, bool, an aware UTC datetime, or None where missing."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    get: Callable[[Any], Any]


@dataclass(frozen=True)
class TableOf:
    """A table: what one row is, its columns, and the objects its rows are made from."""

    name: str
    row: str
    columns: tuple[Column, ...]
    objects: Sequence[Any]


def parameters(records: Records) -> list[Column]:
    """One column for each parameter of the space."""
    kinds: dict[str, Kind] = {
        "continuous": "number",
        "integer": "integer",
        "ordinal": "number",
        "categorical": "text",
    }
    found = []
    for parameter in records.campaign.space.parameters:
        kind = kinds.get(parameter.kind) or _kind_of_fixed(parameter)

        def get(experiment: ExperimentRecord, name: str = parameter.name) -> Any:
            return experiment.candidate.get(name)

        meaning = f"the candidate's value of the {parameter.kind} parameter {parameter.name}"
        found.append(
            Column(f"parameter.{parameter.name}", kind, getattr(parameter, "unit", ""), meaning, get)
        )
    return found


def _kind_of_fixed(parameter: Parameter) -> Kind:
    value = getattr(parameter, "value", None)
    if isinstance(value, bool):
        return "flag"
    return "text" if isinstance(value, str) else "integer" if isinstance(value, int) else "number"


def as_json(value: Mapping[str, Any]) -> str:
    """Names and values as one text, in the order of the names."""
    return json.dumps(dict(value), sort_keys=True, allow_nan=False, ensure_ascii=False)


def moment(at: str | None) -> datetime | None:
    """An ISO 8601 time as an aware UTC datetime. Raises ValueError for one without an offset."""
    if at is None:
        return None
    found = datetime.fromisoformat(at)
    if found.tzinfo is None:
        raise ValueError(f"the time '{at}' has no offset from UTC")
    return found.astimezone(UTC)
