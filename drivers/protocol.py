"""What a driver is, in values that cross process borders as JSON.

The engine knows a device only through these: a `DeviceSpec` (what it can do), an `Action` (one request,
whose id is its idempotency key), an `Outcome` (what became of it) and a `Testimony` (what the device itself
says about an action whose end nobody saw).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_serializer

from drivers.calibration import Calibration

Scalar = bool | int | float | str
Argument = Scalar | Mapping[str, Any]  # a mapping is a structure record
LARGEST_RECORD = 1024 * 1024  # bytes of JSON: a reply is one line, of 4 MiB at most


def _storable(text: str) -> str:
    return text if text.isascii() else text.encode(errors="replace").decode()


# What a device says in words. Undecoded bytes in it (half of a surrogate pair) become '?': no log could hold them.
Words = Annotated[str, AfterValidator(_storable)]


def storable(value: Any) -> Any:
    """`value` in JSON's own types, words made storable; tuples become lists.

    Raises ValueError naming what JSON cannot hold: an object of another type, a key that is no text, NaN, infinity.
    """
    if isinstance(value, str):
        return _storable(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"wanted finite numbers, got {value}")
        return float(value)
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, Mapping):
        if strangers := [key for key in value if not isinstance(key, str)]:
            raise ValueError(f"wanted keys of text, got {strangers[0]!r}")
        return {_storable(key): storable(item) for key, item in value.items()}
    raise ValueError(f"wanted texts, numbers, lists and mappings, got a {type(value).__name__}")


Record = Annotated[Mapping[str, Any], AfterValidator(storable)]


class Value(BaseModel):
    """Base of every value in this module: frozen, strict about unknown fields, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Repeat(StrEnum):
    """What may be done with an action that began and whose end is not known."""

    REPEATABLE = "repeatable"  # doing it twice is as good as once: do it again
    TESTABLE = "testable"  # the device can be asked (position, weight, temperature)
    OPAQUE = "opaque"  # nobody can tell but a person: a doubt


class Attribution(StrEnum):
    """Whose fault a known failure is. Only INFEASIBLE teaches the planner; BUSY uses up no failure budget."""

    INSTRUMENT = "instrument"
    LOGISTICS = "logistics"
    INFEASIBLE = "infeasible"
    BAD_READING = "bad reading"
    BUSY = "busy"


class ParameterSpec(Value):
    """One argument of an action. Numbers arrive in `unit` as plain floats; bounds are in the same unit.

    A structure arrives as {"lattice": three row vectors, angstrom, "species": an element symbol per site, "frac":
    fractional coordinates per site}, and may have "magmoms": Bohr magnetons per site.
    """

    kind: Literal["number", "integer", "choice", "text", "flag", "structure"]
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()
    default: Scalar | None = None
    doc: str = ""


class ResultSpec(Value):
    """One number an action gives back, in `unit`; readings outside the bounds are rejected, never recorded."""

    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    doc: str = ""


class ArraySpec(Value):
    """Numbers for each atom of the structure that an action is given, in its order and in `unit`.

    They are kept in the record of the outcome, under the array's name: a list of numbers, or, of `components` more than
    1, a list of as many lists of them as there are atoms.
    """

    unit: str = ""
    components: int = Field(default=1, ge=1, le=9)
    doc: str = ""


class ActionSpec(Value):
    """One verb of a device.

    `takes_s` is the usual duration in lab seconds, for plans and deadlines; the arguments named in `and_s`, which
    are seconds, add to it. One action takes up to `n_samples` samples with the same arguments.
    """

    parameters: Mapping[str, ParameterSpec] = Field(default_factory=dict)
    results: Mapping[str, ResultSpec] = Field(default_factory=dict)
    arrays: Mapping[str, ArraySpec] = Field(default_factory=dict)
    repeat: Repeat
    takes_s: float = 0.0
    and_s: tuple[str, ...] = ()
    n_samples: int = Field(default=1, ge=1)
    doc: str = ""

    def lasts_s(self, args: Mapping[str, Argument]) -> float:
        """The usual duration, lab seconds, of this action with these arguments."""
        seconds = (args[name] for name in self.and_s if name in args)
        return self.takes_s + sum(float(one) for one in seconds if not isinstance(one, Mapping))


class DeviceSpec(Value):
    """What a device declares of itself. `safe_state`: what `make_safe` leaves behind, in words."""

    driver: str
    version: str
    simulated: bool
    actions: Mapping[str, ActionSpec]
    doc: str = ""
    safe_state: str = ""
    calibration: Calibration | None = None


class Action(Value):
    """One indivisible request to one device. `args` are in the units of the device's `ParameterSpec`s.

    `together` are the samples that it takes beside `sample`.
    """

    id: str
    device: str
    verb: str
    args: Mapping[str, Argument] = Field(default_factory=dict)
    sample: str | None = None
    together: tuple[str, ...] = ()
    epoch: int
    deadline_s: float = 600.0

    @property
    def samples(self) -> tuple[str, ...]:
        """All samples that it is about."""
        return () if self.sample is None else (self.sample, *self.together)


class Reading(Value):
    """One number read off a device, with its unit and standard uncertainty where the device knows it.

    `value` may be NaN or infinite: that is what broken instruments say, and the engine must see it to reject it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True)

    value: float
    unit: Words = ""
    sigma: float | None = None

    @field_serializer("value", "sigma", when_used="json")
    def _as_json(self, number: float | None) -> float | str | None:
        """JSON has no NaN; validation reads these words back as the numbers they name."""
        return number if number is None or math.isfinite(number) else str(number)


class Outcome(Value):
    """How an action ended, as the host's journal has it. Times are lab seconds (virtual in a simulated lab).

    `record` is what else the action gave, in JSON types without NaN: kept, not interpreted. A failed action may have
    one: what there was when it ended. `used` is what it took of the laboratory's consumables, by their names, where the
    device knows.
    """

    status: Literal["succeeded", "failed"]
    readings: Mapping[str, Reading] = Field(default_factory=dict)
    record: Record = Field(default_factory=dict)
    used: Mapping[str, Reading] = Field(default_factory=dict)
    attribution: Attribution | None = None
    reason: Words = ""
    began_s: float = 0.0
    ended_s: float = 0.0


class Testimony(Value):
    """What a testable device says of an action that began and was not seen to end."""

    __test__ = False  # not a test class, whatever its name looks like to pytest

    verdict: Literal["done", "not done", "unknown"]
    readings: Mapping[str, Reading] = Field(default_factory=dict)
    reason: Words = ""


class ActionFailed(Exception):
    """Raised by a driver when an action ended in a way it knows: nothing is in doubt, the act is over.

    `record`: what there is to keep of it all the same; `used`: what it took of consumables, as in `Given`.
    """

    def __init__(
        self,
        attribution: Attribution,
        reason: str,
        record: Mapping[str, Any] | None = None,
        used: Mapping[str, float | Reading] | None = None,
    ) -> None:
        super().__init__(reason)
        self.attribution = attribution
        self.reason = reason
        self.record: Mapping[str, Any] = {} if record is None else record
        self.used: Mapping[str, float | Reading] = {} if used is None else used
