"""The laboratory of a rehearsal: every real device has a stand-in, and time is virtual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.binding import BoundDevice
from drivers.lab import DeviceEntry, LabFile
from drivers.sim.device import SimulatedDevice
from drivers.sim.faults import Faults
from orchestrator.labfile import Laboratory
from orchestrator.rehearsal.consumption import plentiful

HOST = "rehearsal"  # one process for all devices: one virtual time
# A hang is ended by the engine's deadline, a minute or more of real time each: it is played only where it is asked for.
FAULTS = tuple(name for name in Faults.model_fields if name != "hang")


def rehearsal_of(laboratory: Laboratory, faults: Mapping[str, float] | None = None) -> LabFile:
    """The laboratory with simulated devices as they are and stand-ins for all others, limits and groups kept. `faults`:
    rates (0 to 1) of FAULTS that every device gets in place of its own.

    Signals and suspenders are left out: a simulated glove box never leaks.
    """
    file = laboratory.file
    devices = {
        name: _stands_in(device, file.devices[name], dict(faults or {}))
        for name, device in laboratory.devices.items()
    }
    return LabFile(
        alquimia_lab=1,
        name=f"rehearsal of {file.name}"[:100],
        description=file.description,
        reality="simulated",
        clock="virtual",
        world=file.world,
        devices=devices,
        groups=file.groups,
        places=file.places,
        samples=file.samples,
        transports=file.transports,
        consumables={name: plentiful(entry) for name, entry in file.consumables.items()},
    )


def replaced(laboratory: Laboratory) -> tuple[str, ...]:
    """The devices that have a stand-in."""
    return tuple(name for name, device in laboratory.devices.items() if not _is_simulator(device))


def _stands_in(device: BoundDevice, entry: DeviceEntry, faults: dict[str, float]) -> DeviceEntry:
    if _is_simulator(device):
        settings: dict[str, Any] = dict(entry.settings)
        if faults and issubclass(device.driver, SimulatedDevice):
            settings["faults"] = faults
        driver = entry.driver
    else:
        settings, driver = {"driver": entry.driver, "of": dict(entry.settings)}, "sim.stand_in"
        if faults:
            settings["faults"] = faults
    return entry.model_copy(update={"driver": driver, "settings": settings, "host": HOST})


def _is_simulator(device: BoundDevice) -> bool:
    """What only calculates is no simulator: it would take as long as in earnest."""
    return device.driver.simulated and not device.driver.computes
