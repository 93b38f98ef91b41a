"""From what a process models back to an objective's own values."""

from __future__ import annotations

import numpy as np

from surrogates.encode import Array
from surrogates.models.outcome import LARGEST, REACH, Outcome, _unpower


def backward(outcome: Outcome, z: Array) -> Array:
    """The inverse of `outcome.forward`, of any shape; as in its moments, values stay within REACH."""
    u = outcome.center + outcome.width * z
    if outcome.exponent != 1.0 or outcome.width != 1.0:
        u = np.clip(_unpower(u, outcome.exponent), -REACH, REACH)
    with np.errstate(over="ignore"):
        own: Array = (outcome.sign * u * outcome.scale + outcome.shift) * outcome.unit
        return np.clip(own, -LARGEST, LARGEST)
