"""What can be wrong with a driver, a lab file or a request; errors carry their parts as fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class DriverError(Exception):
    """Base of every error this package raises on purpose."""


class DeclarationError(DriverError, TypeError):
    """A driver class that cannot be understood; raised while the class is being defined."""


class DriverNotFound(DriverError, LookupError):
    """No installed package offers a driver of this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(
            f"no driver is called {name!r}; installed are: {', '.join(self.known) or 'none'}. "
            "A driver comes with a package that names it in the entry-point group 'alquimia.drivers'."
        )


class DriverNotLoaded(DriverError, ImportError):
    """An installed driver whose code could not be imported, or which is no driver."""


class UnknownVerb(DriverError, LookupError):
    """An action that the device does not have. Nothing was done."""

    def __init__(self, device: str, verb: str, known: Sequence[str]) -> None:
        self.device, self.verb, self.known = device, verb, tuple(known)
        super().__init__(
            f"{device} has no action {verb!r}; it has {', '.join(known) or 'none'}. Nothing was done."
        )


class ArgumentRejected(DriverError, ValueError):
    """Arguments that the device's declaration does not allow, all faults at once. Nothing was done."""

    def __init__(self, device: str, verb: str, faults: Sequence[str]) -> None:
        self.device, self.verb, self.faults = device, verb, tuple(faults)
        super().__init__(f"{device}.{verb}: {'; '.join(self.faults)}. Nothing was done.")


class SettingsError(DriverError, ValueError):
    """Settings that are well-formed and yet do not describe a device (a missing file, a missing column)."""


@dataclass(frozen=True)
class LabFault:
    """One thing wrong with a lab: where in the file (`path`, keys from the top), and what."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.message}"


class LabError(DriverError, ValueError):
    """A lab file that cannot be bound to installed drivers, all faults at once. No device was touched."""

    def __init__(self, faults: Sequence[LabFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))


class WorldError(DriverError):
    """A simulated world that cannot be opened as asked."""


class WorldInUse(WorldError):
    """Another process has this world open: two writers would make two truths."""


class WorldCorrupt(WorldError):
    """A line of the tally, not the last, is not a fact. Nothing was changed."""


class WorldMismatch(WorldError):
    """The directory holds a world of another model or seed."""
