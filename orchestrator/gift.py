"""What a step gives: a reading on its way to become a measurement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gift:
    """A reading of the device that becomes a measurement: in which unit it is recorded, and what is believable."""

    reading: str
    device_unit: str
    unit: str
    at_least: float | None
    at_most: float | None
