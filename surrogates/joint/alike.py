"""What labels of some materials would tell of the others, before they are there: so that a batch is not one lesson."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from surrogates.encode import Array

NEAR = 0.25  # of the median distance between materials: the length over which the network's errors are alike
SOME = 800  # materials that the median distance is taken of


class Unexplained:
    """The epistemic variance (N,) that is left as materials are taken for labelled.

    The unknown errors of the materials are taken for a Gaussian process whose standard deviations are the epistemic
    ones, correlated by exp(-d^2 / 2 l^2) over distances d between `places` (N, P) in the network's embedding; a label,
    whose own variance is `noise` (N,), takes away what it explains of the others'. Only the columns of that covariance
    are ever made.
    """

    def __init__(self, epistemic: Array, places: Array, noise: Array) -> None:
        some = places[np.unique(np.linspace(0, len(places) - 1, min(len(places), SOME)).astype(int))]
        between = cdist(some, some)
        self._length = NEAR * float(np.median(between[between > 0])) if (between > 0).any() else 1.0
        self._sd, self._places = epistemic, places
        self._noise = noise + 1e-12 * float(epistemic.max() ** 2 or 1.0)
        self._steps: list[Array] = []
        self.variance = epistemic**2

    def take(self, at: int) -> None:
        """Count material `at` as labelled."""
        away = ((self._places - self._places[at]) ** 2).sum(axis=1)
        column = self._sd * self._sd[at] * np.exp(-0.5 * away / self._length**2)
        for step in self._steps:
            column = column - step * step[at]
        self._steps.append(column / np.sqrt(max(float(column[at]), 0.0) + self._noise[at]))
        self.variance = np.maximum(self.variance - self._steps[-1] ** 2, 0.0)
