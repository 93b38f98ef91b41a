"""One sensor over MQTT: where its number is in a message, and whether it has a value now."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivers.configured import BoundedEntry


class SensorEntry(BoundedEntry):
    """One sensor: the topic it publishes to; where in the payload its number is.

    `pointer`: a JSON pointer (RFC 6901) into the payload; without it the payload is the number. True and false are 1
    and 0. After `stale_s` without a message there is no value. `availability`: a topic that says `offline` (a last
    will) or `online`.
    """

    topic: str
    pointer: str | None = None
    stale_s: float = 60.0
    retained: bool = False
    availability: str | None = None
    offline: str = "offline"
    online: str = "online"


class BadPayload(ValueError):
    """A message that holds no number where one is expected."""


@dataclass
class Sensor:
    """What is known of one sensor. Ages are by the monotonic clock, so that a corrected system clock moves nothing."""

    entry: SensorEntry
    value: float | None = None
    arrived_s: float = -math.inf  # monotonic
    at: float | None = None  # s since 1970
    fault: str | None = None  # of the latest message
    offline: bool = False
    told: bool = False  # watchers know that there is no value

    def why_not(self, now_s: float) -> str | None:
        """Why there is no value now, and since when; None where there is one."""
        if self.offline:
            return f"it is offline by {self.entry.availability}{self._last()}"
        if self.fault is not None:
            return f"its latest message is worth nothing: {self.fault}{self._last()}"
        if self.at is None:
            return f"nothing has come from {self.entry.topic}"
        age_s = now_s - self.arrived_s
        if age_s > self.entry.stale_s:
            return f"stale, {self.entry.stale_s:g} s are allowed{self._last()}, {age_s:.1f} s ago"
        return None

    def _last(self) -> str:
        if self.at is None:
            return ", nothing came before"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.at))
        return f"; the last value was {self.value:g} {self.entry.unit}".rstrip() + f" at {stamp}"


def number(payload: bytes, pointer: str | None) -> float:
    """The number in a payload. Raises BadPayload."""
    text = payload.decode(errors="replace")
    value: Any = text
    if pointer is not None:
        try:
            value = resolved(json.loads(text), pointer)
        except (ValueError, RecursionError) as error:
            raise BadPayload(f"{text[:80]!r}: {error}") from error
    try:
        if not isinstance(value, bool | int | float | str):
            raise ValueError
        found = float(value)
    except (ValueError, OverflowError) as error:
        raise BadPayload(f"wanted a number, got {str(value)[:80]!r}") from error
    if not math.isfinite(found):
        raise BadPayload(f"wanted a finite number, got {found}")
    return found


def resolved(document: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) points at. Raises ValueError."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"a JSON pointer begins with '/', not {pointer!r}")
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isdecimal() and int(key) < len(document):
            document = document[int(key)]
        else:
            raise ValueError(f"there is no {pointer} in it")
    return document
