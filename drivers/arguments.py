"""Is a value what the declaration allows? Is what came back what was declared? The device's own last look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from drivers.errors import ArgumentRejected
from drivers.protocol import (
    Action,
    ActionFailed,
    ActionSpec,
    Argument,
    Attribution,
    ParameterSpec,
    Reading,
    ResultSpec,
)


def fault(spec: ParameterSpec, value: object) -> str | None:
    """Why `value` may not be this argument ("wanted ..., got ..."), or None."""
    if spec.kind == "flag":
        return None if isinstance(value, bool) else f"wanted true or false, got {value!r}"
    if spec.kind == "text":
        return None if isinstance(value, str) else f"wanted a text, got {value!r}"
    if spec.kind == "choice":
        return None if value in spec.choices else f"wanted one of {', '.join(spec.choices)}, got {value!r}"
    unit = f" {spec.unit}" if spec.unit else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"wanted a number{unit}, got {value!r}"
    if not math.isfinite(value):
        return f"wanted a finite number{unit}, got {value!r}"
    if spec.kind == "integer" and value != int(value):
        return f"wanted a whole number{unit}, got {value!r}"
    if spec.at_least is not None and value < spec.at_least:
        return f"{value!r}{unit} asked, at least {spec.at_least:g}{unit} is allowed"
    if spec.at_most is not None and value > spec.at_most:
        return f"{value!r}{unit} asked, at most {spec.at_most:g}{unit} is allowed"
    return None


def checked_arguments(device: str, action: Action, spec: ActionSpec) -> dict[str, Argument]:
    """The arguments of `action`, defaults filled in, numbers as float and integers as int.

    Raises ArgumentRejected with every fault: unknown or missing names, wrong types, values beyond the bounds.
    """
    faults = [f"it has no argument {name!r}" for name in action.args if name not in spec.parameters]
    arguments: dict[str, Argument] = {}
    for name, parameter in spec.parameters.items():
        value = action.args.get(name, parameter.default)
        if value is None:
            faults.append(f"argument {name!r} is missing")
        elif (complaint := fault(parameter, value)) is not None:
            faults.append(f"{name}: {complaint}")
        elif parameter.kind == "number":
            arguments[name] = float(value)
        else:
            arguments[name] = int(value) if parameter.kind == "integer" else value
    if faults:
        raise ArgumentRejected(device, action.verb, faults)
    return arguments


def checked_readings(
    where: str, returned: Mapping[str, Any] | None, results: Mapping[str, ResultSpec]
) -> dict[str, Reading]:
    """What a method returned, as readings in the declared order; plain numbers get the declared unit.

    Values pass as they are, NaN and out-of-range included: rejecting them is the engine's task, and it must
    see them to say so. Names and types are the driver's promise: a broken one is a failed action (bad
    reading).
    """
    got = {} if returned is None else returned
    if not isinstance(got, Mapping) or set(got) != set(results):
        names = ", ".join(map(str, got)) if isinstance(got, Mapping) else repr(got)
        raise ActionFailed(
            Attribution.BAD_READING,
            f"{where} gave [{names}] and declares [{', '.join(results)}]: the driver is at fault",
        )
    readings: dict[str, Reading] = {}
    for name, declared in results.items():
        value = got[name]
        if isinstance(value, Reading):
            readings[name] = value if value.unit else value.model_copy(update={"unit": declared.unit})
        elif isinstance(value, bool) or not hasattr(value, "__float__"):
            raise ActionFailed(Attribution.BAD_READING, f"{where} gave {name} = {value!r}, wanted a number")
        else:
            readings[name] = Reading(value=float(value), unit=declared.unit)
    return readings
