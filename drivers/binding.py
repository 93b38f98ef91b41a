"""From a lab file to installed drivers: every device's class, settings and spec, or every fault at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pydantic import ValidationError

from drivers import registry
from drivers.driver import Driver, LabContext
from drivers.errors import DriverNotFound, DriverNotLoaded, LabError, LabFault, SettingsError
from drivers.lab import DeviceEntry, LabFile
from drivers.protocol import DeviceSpec


@dataclass(frozen=True)
class BoundDevice:
    """One device of a laboratory, known and checked, not yet made."""

    name: str
    host: str
    driver: type[Driver]
    settings: Driver.Settings
    spec: DeviceSpec

    def make(self, lab: LabContext) -> Driver:
        """The device itself. Touches no instrument: that is `connect`'s task."""
        return self.driver(self.name, self.settings, lab)


def bind(lab: LabFile) -> Mapping[str, BoundDevice]:
    """The devices of `lab`, in its order. Touches no device.

    Raises LabError with all faults: unknown driver, settings it refuses, a simulated driver in a real
    laboratory or the other way round, a limit on a verb or argument that does not exist or is no number.
    """
    faults: list[LabFault] = []
    bound: dict[str, BoundDevice] = {}
    for name, entry in lab.devices.items():
        device = _bind(name, entry, lab, faults)
        if device is not None:
            bound[name] = device
    for group, members in lab.groups.items():
        known = [bound[n] for n in members if n in bound]
        different = [device.name for device in known if device.spec.actions != known[0].spec.actions]
        if different:
            message = (
                f"{different[0]} does not do what {known[0].name} does: a group is of devices that are alike"
            )
            faults.append(LabFault(("groups", group), message))
    sharing = {bound[n].host for n in bound if bound[n].driver.needs_world}
    if lab.world is None and sharing:
        needy = ", ".join(n for n in bound if bound[n].driver.needs_world)
        faults.append(LabFault(("world",), f"{needy} simulate a shared world and this laboratory has none"))
    elif len(sharing) > 1:
        faults.append(
            LabFault(
                ("devices",),
                f"devices of one world must share one host, these are spread over "
                f"{', '.join(sorted(sharing))}: give them the same 'host'",
            )
        )
    if faults:
        raise LabError(faults)
    return bound


def _bind(name: str, entry: DeviceEntry, lab: LabFile, faults: list[LabFault]) -> BoundDevice | None:
    here = ("devices", name)
    try:
        driver = registry.driver(entry.driver)
    except (DriverNotFound, DriverNotLoaded) as error:
        faults.append(LabFault((*here, "driver"), str(error)))
        return None
    try:
        settings = driver.Settings.model_validate(entry.settings)
    except ValidationError as error:
        faults += [
            LabFault((*here, "settings", *fault["loc"]), f"{fault['msg']} (got {fault['input']!r})")
            for fault in error.errors()
        ]
        return None
    try:
        spec = driver.describe(settings)
    except SettingsError as error:
        faults.append(LabFault((*here, "settings"), str(error)))
        return None
    if not driver.computes and spec.simulated != (lab.reality == "simulated"):
        is_a = "simulates" if spec.simulated else "moves real things"
        faults.append(
            LabFault((*here, "driver"), f"{entry.driver} {is_a} and the laboratory is {lab.reality}")
        )
    faults += [LabFault((*here, "limits", key), fault) for key, fault in _limit_faults(entry, spec)]
    faults += _calibration_faults(here, spec)
    return BoundDevice(name, lab.host_of(name), driver, settings, spec)


def warnings(bound: Mapping[str, BoundDevice], on: date) -> tuple[str, ...]:
    """What is no fault of a laboratory and should be known before it runs on that day: calibrations past their time."""
    told = []
    for name, device in bound.items():
        if device.spec.calibration is not None and (one := device.spec.calibration.warning(on)):
            told.append(f"{name}: {one}")
    return tuple(told)


def _calibration_faults(here: tuple[str, ...], spec: DeviceSpec) -> list[LabFault]:
    if spec.calibration is None:
        return []
    given = {name for action in spec.actions.values() for name in action.results}
    return [
        LabFault(
            (*here, "settings", "calibration", "sigma", name),
            f"there is no reading {name!r}; it gives {', '.join(sorted(given)) or 'none'}",
        )
        for name in spec.calibration.sigma
        if name not in given
    ]


def _limit_faults(entry: DeviceEntry, spec: DeviceSpec) -> list[tuple[str, str]]:
    faults = []
    for key in entry.limits:
        verb, _, argument = key.partition(".")
        action = spec.actions.get(verb)
        if action is None:
            faults.append((key, f"there is no action {verb!r}; it has {', '.join(spec.actions)}"))
        elif argument not in action.parameters:
            known = ", ".join(action.parameters) or "none"
            faults.append((key, f"{verb} has no argument {argument!r}; it has {known}"))
        elif action.parameters[argument].kind not in ("number", "integer"):
            faults.append((key, f"{argument} is no number and cannot be limited"))
    return faults
