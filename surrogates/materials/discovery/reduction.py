"""What a label is believed to teach of the other candidates, so that a batch is not ten times the same lesson."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from surrogates.encode import Array
from surrogates.materials.discovery.belief import Belief

REFERENCE = 800  # candidates whose variance counts, evenly spaced, where there are more
NEAR = 0.25  # of the median distance between candidates: the length over which the network's errors are alike
DIGITS = 12


class Reduction:
    """Epistemic variance of n candidates as labels are promised: a Gaussian process whose prior sd are the epistemic
    ones, correlated by exp(-d^2 / 2 l^2) over distances d in the network's embedding, and whose noise is the aleatoric
    part. Only columns of its covariance are ever made."""

    def __init__(self, belief: Belief) -> None:
        n = len(belief.ids)
        self._sd, self._places = belief.epistemic, belief.said.places
        self._noise = belief.aleatoric**2 + 1e-12
        self._variance = belief.epistemic**2
        self._some = np.unique(np.linspace(0, n - 1, min(n, REFERENCE)).astype(int))
        between = cdist(self._places[self._some], self._places[self._some])
        middle = np.median(between[between > 0]) if (between > 0).any() else 1.0
        self._length = NEAR * float(middle)
        self._open = np.ones(n, dtype=bool)
        self._columns: list[Array] = []  # (n,): explained by each label taken
        self._others: Array | None = None  # (n, reference) covariance, for the integrated variance

    def best(self, *, integrated: bool) -> tuple[int, float]:
        """The candidate to take and its value: its own variance, eV^2, or by how much its label lowers the sum of the
        reference candidates' variance over that of all."""
        value = self._gain() if integrated else self._variance
        value = np.where(self._open, np.round(value, DIGITS), -np.inf)
        at = int(np.argmax(value))
        return at, float(value[at])

    def take(self, at: int) -> None:
        """As if it had been labelled."""
        column = self._covariance(at)
        scale = np.sqrt(max(float(column[at]), 0.0) + self._noise[at])
        step = column / scale
        self._columns.append(step)
        self._variance = np.maximum(self._variance - step**2, 0.0)
        if self._others is not None:
            self._others -= np.outer(step, step[self._some])
        self._open[at] = False

    def _gain(self) -> Array:
        if self._others is None:
            alike = self._alike(self._some)
            self._others = self._sd[:, None] * alike * self._sd[self._some]
            for step in self._columns:
                self._others -= np.outer(step, step[self._some])
        out: Array = (self._others**2).sum(axis=1) / (self._variance + self._noise)
        return out / max(float(self._variance[self._some].sum()), 1e-30)

    def _covariance(self, at: int) -> Array:
        column: Array = self._sd * self._alike(np.array([at]))[:, 0] * self._sd[at]
        for step in self._columns:
            column = column - step * step[at]
        return column

    def _alike(self, columns: Array) -> Array:
        """(n, len(columns)) correlations."""
        distances = cdist(self._places, self._places[columns])
        out: Array = np.exp(-0.5 * (distances / max(self._length, 1e-12)) ** 2)
        return out
