"""What may go wrong with a simulated device, on order: rates per action in a lab file's `settings: {faults: {...}}`.

An action's fate is fixed by the seed and its id, so that a run with faults can be played again. Of the faults before an
act one at most happens, and of the misreadings one at most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from drivers.protocol import Attribution, Reading, ResultSpec

LATE = 3.0  # times the usual duration
DRIFT = 0.02  # of the value, more with each act that drifts
ABSURD = 1e30


def _rate(what: str) -> Any:
    return Field(default=0.0, ge=0, le=1, description=what)


class Faults(BaseModel):
    """How often, per action, things go wrong (0 to 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    # Before anything is done.
    instrument: float = _rate("the device stops with an error")
    infeasible: float = _rate("the recipe turns out not to work")
    busy: float = _rate("somebody else has the device")
    dropped_sample: float = _rate("the gripper has lost it")
    jammed_door: float = _rate("nothing gets in")
    # While it is done.
    late: float = _rate("it takes three times as long")
    hang: float = _rate("it never ends, and nobody is told: the engine's deadline is what ends it")
    # Done, and read wrong.
    not_a_number: float = _rate("every reading is NaN")
    out_of_range: float = _rate("far beyond the declared bounds")
    garbled: float = _rate("an answer in which the readings are not")
    doubled: float = _rate("each value twice over")
    swapped: float = _rate("two readings in each other's place; with one reading, nothing")
    wrong_unit: float = _rate("right numbers in a unit of another dimension")
    drift: float = _rate("a little off, more with each such act")


@dataclass(frozen=True)
class Before:
    """Why an act fails before anything is done."""

    attribution: Attribution
    reason: str


BEFORE: Mapping[str, Before] = {
    "instrument": Before(Attribution.INSTRUMENT, "it stopped with an error before it had done anything"),
    "infeasible": Before(Attribution.INFEASIBLE, "the recipe does not work"),
    "busy": Before(Attribution.BUSY, "somebody else is using it"),
    "dropped_sample": Before(Attribution.LOGISTICS, "the sample was dropped on the way"),
    "jammed_door": Before(Attribution.LOGISTICS, "the door is jammed"),
}
WHILE = ("late", "hang")

Readings = dict[str, Reading]
Results = Mapping[str, ResultSpec]


def fate(faults: Faults, names: Mapping[str, object] | tuple[str, ...], random: Random) -> str | None:
    """Which of the faults `names` befalls an act, by one draw; None for none."""
    drawn = random.random()
    for name in names:
        rate = getattr(faults, name)
        if drawn < rate:
            return name
        drawn -= rate
    return None


def misread(name: str, readings: Readings, results: Results, n_drifted: int) -> Readings:
    """Readings as a fault of MISREADINGS leaves them."""
    return MISREADINGS[name](readings, results, n_drifted)


def _each(change: Callable[[Reading, ResultSpec], Reading]) -> Callable[[Readings, Results, int], Readings]:
    return lambda readings, results, _: {name: change(one, results[name]) for name, one in readings.items()}


def _beyond(result: ResultSpec) -> float:
    """A value that the declared bounds do not allow, or an absurd one where there are none."""
    if result.at_most is not None:
        return result.at_most + 10 * (abs(result.at_most) + 1)
    if result.at_least is not None:
        return result.at_least - 10 * (abs(result.at_least) + 1)
    return ABSURD


def _swapped(readings: Readings, results: Results, _: int) -> Readings:
    names = sorted(readings)
    if len(names) < 2:
        return readings
    first, second = names[:2]
    one, other = readings[first], readings[second]
    return {
        **readings,
        first: one.model_copy(update={"value": other.value}),
        second: other.model_copy(update={"value": one.value}),
    }


def _drifted(readings: Readings, results: Results, n: int) -> Readings:
    return {
        name: one.model_copy(update={"value": one.value * (1 + DRIFT * n)}) for name, one in readings.items()
    }


MISREADINGS: Mapping[str, Callable[[Readings, Results, int], Readings]] = {
    "not_a_number": _each(lambda one, _: one.model_copy(update={"value": float("nan")})),
    "out_of_range": _each(lambda one, result: one.model_copy(update={"value": _beyond(result)})),
    "garbled": lambda readings, results, _: {"?": Reading(value=0.0)},
    "doubled": _each(lambda one, _: one.model_copy(update={"value": 2 * one.value})),
    "swapped": _swapped,
    "wrong_unit": _each(
        lambda one, result: one.model_copy(update={"unit": "kg" if result.unit != "kg" else "s"})
    ),
    "drift": _drifted,
}
