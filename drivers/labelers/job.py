"""What is asked of a worker process and what comes back: plain values, JSON on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from drivers.protocol import Attribution

Fidelity = Literal["potential", "ml-potential", "LDA", "GGA", "meta-GGA", "hybrid", "experiment"]


@dataclass(frozen=True)
class Method:
    """Which code calculates, and how: what every record says of where its numbers come from.

    `settings` are all that the result depends on, pseudopotentials and ladder included; `expected_error` is what
    is known of the method's own error, None where nothing is. `places` are paths and commands: where things are and
    no part of what a label is. `worker` is the import path of the class that makes
    the calculator in a worker process (`drivers.labelers.workers.code:Code`).
    """

    code: str
    version: str
    method: str
    fidelity: Fidelity
    settings: Mapping[str, Any]
    worker: str
    places: Mapping[str, Any] = field(default_factory=dict)
    expected_error: Mapping[str, Any] | None = None
    note: str = ""

    def provenance(self) -> dict[str, Any]:
        """The part of a record that names the method."""
        return {
            key: value for key, value in asdict(self).items() if key not in ("worker", "places") and value
        }


@dataclass(frozen=True)
class Job:
    """One label to be calculated. `limit_s`: wall seconds it may take once a worker has it."""

    id: str
    verb: str
    structure: Mapping[str, Any]
    arguments: Mapping[str, Any]
    worker: str
    settings: Mapping[str, Any]
    limit_s: float


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    `lasting`: the same job would end the same way again, so that it need not be done again. `attribution` is that of
    a failure; `record` holds what there was when it failed.
    """

    readings: Mapping[str, float] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    attribution: Attribution | None = None
    reason: str = ""
    lasting: bool = False

    @property
    def failed(self) -> bool:
        return self.attribution is not None

    def to_json(self) -> dict[str, Any]:
        """The value in JSON types (readings may be NaN)."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The value that `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        attribution = data["attribution"]
        return cls(
            readings={str(name): float(value) for name, value in data["readings"].items()},
            record=dict(data["record"]),
            attribution=None if attribution is None else Attribution(attribution),
            reason=str(data["reason"]),
            lasting=bool(data["lasting"]),
        )
