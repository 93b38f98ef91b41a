"""Chance that no order of events changes: a draw is fixed by seed, action id and purpose."""

from __future__ import annotations

import hashlib
import math
from random import Random


def chance(seed: int, *key: str) -> Random:
    """A generator of its own for `key`: the same key gives the same numbers in any process, at any time."""
    digest = hashlib.sha256("\x1f".join((str(seed), *key)).encode()).digest()
    return Random(int.from_bytes(digest[:16], "big"))


def wander(seed: int, purpose: str, at_s: float, periods_s: tuple[float, ...]) -> float:
    """A slow, smooth walk within [-1, 1]: a sum of sines with seeded phases and irregular periods."""
    phases = chance(seed, "wander", purpose)
    waves = [math.sin(2 * math.pi * (at_s / period + phases.random())) for period in periods_s]
    return sum(waves) / len(waves)
