"""From the name of a laboratory, or a lab.yaml, to its checked model: the same reader, the same manners, E4xx."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from campaigns.errors import CampaignError, Fault, did_you_mean, dotted, shown
from campaigns.units import UnitError, convert, parse_quantity
from campaigns.yaml_reader import Document, read
from drivers.binding import BoundDevice, bind
from drivers.errors import LabError
from drivers.host.spec import Bound
from drivers.lab import LabFile, LimitEntry, shipped, shipped_names
from drivers.protocol import ParameterSpec
from orchestrator.consumption import NOTHING_USED, Consumption, bind_consumption
from orchestrator.errors import Refused
from orchestrator.monitoring import Monitoring, bind_monitoring
from orchestrator.scheduling.layout import Layout, bind_layout, bind_rests

NOTHING_WATCHED = Monitoring()
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Laboratory:
    """A lab file bound to installed drivers: what devices there are, what they declare, what the lab forbids."""

    def __init__(
        self,
        file: LabFile,
        devices: Mapping[str, BoundDevice],
        limits: Mapping[str, Mapping[str, Bound]],
        monitoring: Monitoring = NOTHING_WATCHED,
        layout: Layout | None = None,
        rests: Mapping[str, Mapping[str, float]] = NOTHING,
        fills: Mapping[str, float] = NOTHING,
        consumption: Consumption = NOTHING_USED,
    ) -> None:
        self.file = file
        self.devices = devices
        self.monitoring = monitoring
        self.layout = layout  # None: nobody is told where samples are
        self.rests = rests  # device -> verb -> s that it is left alone afterwards
        self.fills = fills  # device -> s that it waits for more samples
        self.consumption = consumption
        self.limits = limits  # device -> "verb.argument" -> bound in the driver's unit

    def to_json(self) -> dict[str, Any]:
        """The lab file as the log keeps it."""
        return self.file.model_dump(mode="json")


def read_lab(name: str, lab_file: Path | None) -> tuple[LabFile, Document | None, str]:
    """The laboratory called `name`, or the one that `lab_file` describes. Raises Refused or CampaignError."""
    path = lab_file or shipped(name)
    if path is None:
        raise Refused(
            "E301",
            f"no shipped laboratory is called {name!r}",
            cure=f"{did_you_mean(name, shipped_names())}, or give a file with --lab PATH",
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            "E401", f"{path} cannot be read: {error}", cure="name a lab.yaml that exists"
        ) from error
    document = read(text, file=str(path))
    return _model(document, str(path)), document, str(path)


def bind_lab(file: LabFile, document: Document | None = None, source: str = "") -> Laboratory:
    """The laboratory with its drivers. Raises CampaignError with every fault (E312, E402-E405); touches no device."""
    try:
        devices = bind(file)
    except LabError as error:
        raise CampaignError(
            _fault("E312", f.path, f.message, document, source) for f in error.faults
        ) from error
    faults: list[Fault] = []
    limits: dict[str, dict[str, Bound]] = {}
    for name, entry in file.devices.items():
        limits[name] = {}
        for key, limit in entry.limits.items():
            verb, _, argument = key.partition(".")
            declared = devices[name].spec.actions[verb].parameters[argument]
            try:
                limits[name][key] = limit_in(limit, declared)
            except UnitError as error:
                faults.append(_fault("E402", ("devices", name, "limits", key), str(error), document, source))
    monitoring = bind_monitoring(
        file, devices, lambda place, text: faults.append(_fault("E403", place, text, document, source))
    )
    consumption = bind_consumption(
        file, devices, lambda place, text: faults.append(_fault("E405", place, text, document, source))
    )

    def misplaced(place: tuple[str | int, ...], text: str) -> None:
        faults.append(_fault("E404", place, text, document, source))

    layout = bind_layout(file, devices, misplaced)
    rests, fills = bind_rests(file, devices, misplaced)
    if faults:
        raise CampaignError(faults)
    return Laboratory(file, devices, limits, monitoring, layout, rests, fills, consumption)


def limit_in(limit: LimitEntry, declared: ParameterSpec) -> Bound:
    """A limit in the unit the device declares; a bare number is in that unit already. Raises UnitError."""

    def in_unit(bound: float | str | None) -> float | None:
        if bound is None or not isinstance(bound, str):
            return bound
        value = convert(*parse_quantity(bound), declared.unit)
        if not math.isfinite(value):
            raise UnitError(f"{bound} is not finite in {declared.unit}")
        return value

    low, high = in_unit(limit.at_least), in_unit(limit.at_most)
    if low is not None and high is not None and low > high:
        raise UnitError(
            f"at_least {limit.at_least} is above at_most {limit.at_most}: nothing would be allowed"
        )
    return Bound(at_least=low, at_most=high)


def _model(document: Document, source: str) -> LabFile:
    try:
        return LabFile.model_validate(document.data)
    except ValidationError as error:
        raise CampaignError(
            _fault("E401", f["loc"], f"{f['msg']}, got {shown(f['input'])}", document, source)
            for f in error.errors()
        ) from error


def _fault(
    code: str, path: tuple[str | int, ...], message: str, document: Document | None, source: str
) -> Fault:
    line = column = None
    if document is not None:
        line, column = document.position(path)
    return Fault(code, message=message, file=source, line=line, column=column, path=dotted(path))
