"""What a look at a signal means: for the rules that compare it, and for the suspender that wants it in its band.

The log is told only what changes something: a signal read every second for a month is not a month of events.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.units import UnitError
from drivers.protocol import Reading
from orchestrator.events import Event
from orchestrator.interlocks import changes_sides, in_unit
from orchestrator.lab import LabState
from orchestrator.monitoring import Monitoring, Source, Suspender


@dataclass(frozen=True)
class Seen:
    """One look: a finite value in `unit`, or None and the reason. `at_s` is on the engine's monotonic clock."""

    signal: str
    value: float | None
    unit: str
    reason: str
    at_s: float


class Sentry:
    """Judges looks. All it remembers is since when a tripped signal is back in its band: after a restart the dwell
    begins anew."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring
        self._suspenders = {one.signal: one for one in monitoring.suspenders}
        self._back_since: dict[str, float] = {}

    def judge(self, seen: Seen, state: LabState) -> list[Event]:
        """The events that follow from a look."""
        return [*self._for_rules(seen, state), *self._for_suspender(seen, state)]

    def _for_rules(self, seen: Seen, state: LabState) -> Iterator[Event]:
        if changes_sides(self._monitoring.rules, state, seen.signal, seen.value, seen.unit):
            body = {
                "signal": seen.signal,
                "value": seen.value,
                "unit": seen.unit,
                "reason": seen.reason,
            }
            yield Event(f"signal/{seen.signal}", "signal.read", body)

    def _for_suspender(self, seen: Seen, state: LabState) -> Iterator[Event]:
        suspender = self._suspenders.get(seen.signal)
        if suspender is None:
            return
        value, why = _out_of_band(seen, suspender)
        body = {"signal": seen.signal, "value": value, "unit": suspender.unit}
        if why:
            self._back_since.pop(seen.signal, None)
            if seen.signal not in state.suspended:
                devices = list(suspender.devices)
                yield Event(
                    f"suspender/{seen.signal}",
                    "suspender.tripped",
                    {**body, "reason": why, "devices": devices},
                )
            return
        if seen.signal in state.suspended:
            since_s = self._back_since.setdefault(seen.signal, seen.at_s)
            if seen.at_s - since_s >= suspender.resume_s:
                del self._back_since[seen.signal]
                reason = f"{seen.signal} was back in its band for {suspender.resume_s:g} s"
                yield Event(f"suspender/{seen.signal}", "suspender.cleared", {**body, "reason": reason})


def reading_of(source: Source, readings: Mapping[str, Any]) -> tuple[float | None, str, str]:
    """(value, unit, reason) of a signal among what its device gave; no finite number is no value."""
    try:
        reading = Reading.model_validate(readings[source.reading])
    except (KeyError, ValueError) as error:
        return None, source.unit, f"{source.device} gave no {source.reading!r}: {error!r}"[:300]
    if not math.isfinite(reading.value):
        return None, source.unit, f"{source.reading} is {reading.value}"
    return reading.value, reading.unit or source.unit, ""


def _out_of_band(seen: Seen, suspender: Suspender) -> tuple[float | None, str]:
    """(value in the band's unit, why it is out of it or ''); what could not be read is out of every band."""
    if seen.value is None:
        return None, f"{seen.signal} is not known: {seen.reason}"
    try:
        value = in_unit(seen.value, seen.unit, suspender.unit)
    except UnitError as error:
        return None, f"{seen.signal} is not known: {error}"
    if suspender.low <= value <= suspender.high:
        return value, ""
    side = f"below {suspender.low:g}" if value < suspender.low else f"above {suspender.high:g}"
    return value, f"{seen.signal} is {value:g} {suspender.unit}, {side}".rstrip()
