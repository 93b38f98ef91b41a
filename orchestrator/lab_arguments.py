"""Arguments as a lab file gives them, in the units that the device declares; a fault of such a file with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaigns.errors import did_you_mean
from campaigns.units import UnitError, convert, parse_quantity
from drivers.arguments import fault
from drivers.protocol import ParameterSpec

Where = tuple[str | int, ...]


class Wrong(Exception):
    """A fault, and its place in the file; without a message it is the consequence of one that was said."""

    def __init__(self, place: Where, message: str = "") -> None:
        super().__init__(message)
        self.place, self.message = place, message


def arguments_of(
    given: Mapping[str, Any], declared: Mapping[str, ParameterSpec], here: Where, *, whole: bool
) -> dict[str, Any]:
    """Arguments in the device's units; `whole`: none may be missing. Raises `Wrong`."""
    out: dict[str, Any] = {}
    for name, value in given.items():
        if name not in declared:
            raise Wrong((*here, name), f"there is no such argument: {did_you_mean(name, declared)}")
        spec = declared[name]
        try:
            if isinstance(value, str) and spec.kind in ("number", "integer"):
                value = convert(*parse_quantity(value), spec.unit)
            if spec.kind == "number" and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
        except UnitError as error:
            raise Wrong((*here, name), str(error)) from error
        if (complaint := fault(spec, value)) is not None:
            raise Wrong((*here, name), complaint)
        out[name] = value
    if whole:
        for name, spec in declared.items():
            if name not in given and spec.default is None:
                raise Wrong(here, f"the argument {name!r} is missing")
    return out
