"""Which class a candidate belongs to, learned from measured labels and from how the candidates lie.

The harmonic function on the graph of measured and unmeasured points (Zhu, Ghahramani and Lafferty, ICML 2003): each
unmeasured point's class probabilities are the mean of its neighbours'. It is where the iteration of scikit-learn's
`LabelPropagation` ends; that takes a thousand steps and a warning where this is one linear system.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial import cKDTree

from surrogates.encode import Array

REACH = 0.75  # width of the kernel, in distances between neighbouring points of the graph
ABSENT = 0.01  # weight of not knowing, in mean weights that a point of the graph has in all


class LabelPropagation:
    """Class probabilities over a space.

    classes  (c,) the labels seen, increasing
    length   width of the normal kernel exp(-distance^2 / 2 length^2), in unit columns
    """

    def __init__(self, U: Array, labels: Array, reference: Array, length: float | None = None) -> None:
        """Measured points U (n, d), n >= 1, their `labels` (n,), and unmeasured points `reference` (r, d) that stand
        for the space.

        Raises ValueError for labels that are not integers.
        """
        self.classes, index = np.unique(integers(labels), return_inverse=True)
        self.length = REACH * spacing(np.vstack([U, reference])) if length is None else length
        known = np.eye(len(self.classes))[index]
        between, across = self._weights(reference, reference), self._weights(reference, U)
        np.fill_diagonal(between, 0.0)
        degree = between.sum(axis=1) + across.sum(axis=1)
        self._absent = ABSENT * float(degree.mean()) if len(reference) else ABSENT
        laplacian = np.diag(degree + self._absent) - between
        wanted = across @ known + self._absent / len(self.classes)
        unknown = cho_solve(cho_factor(laplacian, lower=True), wanted) if len(reference) else wanted
        self._nodes, self._shares = np.vstack([U, reference]), np.vstack([known, unknown])

    def probabilities(self, X: Array) -> Array:
        """(m, c) at unit points X (m, d): as if each had been one more point of the graph."""
        weights = self._weights(X, self._nodes)
        total = weights.sum(axis=1) + self._absent
        out: Array = (weights @ self._shares + self._absent / len(self.classes)) / total[:, None]
        return out

    def predict(self, X: Array) -> Array:
        """The likeliest label (m,)."""
        return self.classes[np.argmax(self.probabilities(X), axis=1)]

    def _weights(self, X: Array, Y: Array) -> Array:
        square = (X**2).sum(axis=1)[:, None] + (Y**2).sum(axis=1) - 2.0 * X @ Y.T
        return np.exp(-0.5 * np.maximum(square, 0.0) / self.length**2)


def spacing(points: Array) -> float:
    """Median distance of distinct points (n, d) to their neighbour number 2 d: on a grid that to the next one, and of
    as many draws at random about the same. 1 where there is one point."""
    distinct = np.unique(points, axis=0)
    if len(distinct) < 2:
        return 1.0
    k = min(2 * points.shape[1], len(distinct) - 1)
    return float(np.median(cKDTree(distinct).query(distinct, k=[k + 1])[0]))


def integers(labels: Array) -> Array:
    """Labels (n,) as integers. Raises ValueError where one is not."""
    labels = np.asarray(labels, float)
    wrong = np.flatnonzero(~np.isfinite(labels) | (labels != np.rint(labels)))
    if len(wrong):
        raise ValueError(
            f"result {int(wrong[0]) + 1} of {len(labels)}: wanted the number of a class (0, 1, 2, ...), got "
            f"{labels[wrong[0]]:g}; report which class was seen as an integer, or learn a quantity by another method"
        )
    return labels.astype(int)
