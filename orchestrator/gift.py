"""What a step gives: a reading on its way to become a measurement."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.protocol import ArraySpec


@dataclass(frozen=True)
class Gift:
    """A reading of the device that becomes a measurement: in which unit it is recorded, and what is believable.

    array: where it is no single number, but some for each atom.
    """

    reading: str
    device_unit: str
    unit: str
    at_least: float | None
    at_most: float | None
    array: ArraySpec | None = None
