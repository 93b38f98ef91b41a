"""What a host process is told when it starts: its devices, their limits, its clock and its world."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from drivers.arguments import fault
from drivers.protocol import Action, ActionSpec

ANOTHER_HOLDS_IT = 17  # exit code of a host that found its journal held
JOURNAL_LOST = 74  # exit code of a host whose disk failed


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
    """Why `action` may not reach the device, or None: limits, and arguments unknown, missing or of the wrong kind.

    The engine's guard has asked the same of other files with other code; this is the second, last door.
    """
    where = f"{action.device}.{action.verb}"
    for name in action.args:
        if name not in spec.parameters:
            return f"{where} has no argument {name!r}"
    for name, declared in spec.parameters.items():
        value = action.args.get(name)
        if value is None:
            if declared.default is None:
                return f"{where}: argument {name!r} is missing"
            value = declared.default
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and not -1.7e308 < value < 1.7e308:  # type: ignore[operator]
            return f"{action.device}.{name}: {value} is not a finite number"
        if (complaint := fault(declared, value)) is not None:
            return f"{action.device}.{name}: {complaint}"
        lab = device.limits.get(f"{action.verb}.{name}")
        if lab is None:
            continue
        if not is_number:
            return f"{action.device}.{name}: {value!r} is not a number and the laboratory limits it"
        if lab.at_least is not None and value < lab.at_least:  # type: ignore[operator]
            return (
                f"{action.device}.{name}: {value:g} {declared.unit} asked, limit is at least {lab.at_least:g}"
            )
        if lab.at_most is not None and value > lab.at_most:  # type: ignore[operator]
            return (
                f"{action.device}.{name}: {value:g} {declared.unit} asked, limit is at most {lab.at_most:g}"
            )
    return None
