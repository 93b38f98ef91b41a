"""What a host process is told when it starts: its devices, their limits, its clock and its world."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from drivers.protocol import Action, ActionSpec


class Bound(BaseModel):
    """A limit on one argument, in the unit that the device declares for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    at_least: float | None = None
    at_most: float | None = None


class HostedDevice(BaseModel):
    """One device of a host: the driver's registered name, its settings, the lab's limits on it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    driver: str
    settings: Mapping[str, Any] = {}
    limits: Mapping[str, Bound] = {}  # "verb.argument" -> bound


class HostSpec(BaseModel):
    """The whole of what a host needs; written by the engine, read once at the host's start."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    reality: Literal["simulated", "real"]
    socket: Path
    directory: Path
    clock: Literal["virtual", "wall"]
    world: Mapping[str, Any] | None = None
    seed: int = 0
    devices: Mapping[str, HostedDevice]
    linger_s: float = 60.0  # how long devices stay as they are after the engine went; then they are made safe


def beyond(action: Action, spec: ActionSpec, device: HostedDevice) -> str | None:
    """Why `action` may not reach the device, or None.

    The engine's guard has asked the same of other files with other code; this is the second, last door.
    """
    for name, value in action.args.items():
        declared = spec.parameters.get(name)
        if declared is None:
            return f"{action.device}.{action.verb} has no argument {name!r}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if not -1.7e308 < value < 1.7e308:
            return f"{action.device}.{name}: {value} is not a finite number"
        lab = device.limits.get(f"{action.verb}.{name}", Bound())
        for low in (declared.at_least, lab.at_least):
            if low is not None and value < low:
                return f"{action.device}.{name}: {value:g} {declared.unit} asked, limit is at least {low:g}"
        for high in (declared.at_most, lab.at_most):
            if high is not None and value > high:
                return f"{action.device}.{name}: {value:g} {declared.unit} asked, limit is at most {high:g}"
    return None
