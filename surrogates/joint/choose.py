"""Which materials to label: where the ensemble knows least, and not ten times the same lesson."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from surrogates.encode import Array
from surrogates.joint.alike import Unexplained
from surrogates.joint.representation import Representation

DIGITS = 12


class Choice(NamedTuple):
    """A material by its number, and the variance that made it the choice: the sum over the readings of the epistemic
    variance over the variance of the labels."""

    at: int
    value: float


def largest_variance(
    known: Representation, readings: tuple[str, ...], n: int, open_: Array, begun: Array, spread: Array
) -> list[Choice]:
    """At most `n` of the materials `open_` (N,) bool, one after another by the largest epistemic variance of their
    `readings`, each in units of `spread` (one per reading).

    What is chosen, and what is `begun` (numbers) already, counts as if it were labelled: see `Unexplained`.
    """
    which = [known.targets.index(reading) for reading in readings]
    parts = (known.epistemic[:, which] / spread) ** 2
    variance = parts.sum(axis=1)
    noise = ((known.aleatoric[:, which] / spread) ** 2).sum(axis=1)
    unexplained = Unexplained(np.sqrt(variance), known.places, noise)
    for at in begun.tolist():
        unexplained.take(at)
    left, out = open_.copy(), list[Choice]()
    while len(out) < n and left.any():
        at = int(np.argmax(np.where(left, np.round(unexplained.variance, DIGITS), -np.inf)))
        out.append(Choice(at, float(unexplained.variance[at])))
        left[at] = False
        unexplained.take(at)
    return out
