"""Which materials to label: where the ensemble knows least, and not ten times the same lesson."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from surrogates.encode import Array
from surrogates.joint.representation import Representation

NEAR = 0.25  # of the median distance between materials: the length over which the network's errors are alike
SOME = 800  # materials that the median distance is taken of
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

    What is chosen, and what is `begun` (numbers) already, counts as if it were labelled: the unknown errors of the
    materials are taken for a Gaussian process whose standard deviations are the epistemic ones, correlated by
    exp(-d^2 / 2 l^2) over distances d in the network's embedding, and a label takes away what it explains of the
    others'. Only the columns of that covariance are ever made.
    """
    which = [known.targets.index(reading) for reading in readings]
    parts = (known.epistemic[:, which] / spread) ** 2
    variance = parts.sum(axis=1)
    sd = np.sqrt(variance)
    noise = ((known.aleatoric[:, which] / spread) ** 2).sum(axis=1) + 1e-12
    some = known.places[np.unique(np.linspace(0, len(sd) - 1, min(len(sd), SOME)).astype(int))]
    between = cdist(some, some)
    length = NEAR * float(np.median(between[between > 0])) if (between > 0).any() else 1.0
    steps: list[Array] = []

    def take(at: int) -> None:
        nonlocal variance
        away = ((known.places - known.places[at]) ** 2).sum(axis=1)
        column = sd * sd[at] * np.exp(-0.5 * away / length**2)
        for step in steps:
            column = column - step * step[at]
        steps.append(column / np.sqrt(max(float(column[at]), 0.0) + noise[at]))
        variance = np.maximum(variance - steps[-1] ** 2, 0.0)

    for at in begun.tolist():
        take(at)
    left, out = open_.copy(), list[Choice]()
    while len(out) < n and left.any():
        at = int(np.argmax(np.where(left, np.round(variance, DIGITS), -np.inf)))
        out.append(Choice(at, float(variance[at])))
        left[at] = False
        take(at)
    return out
