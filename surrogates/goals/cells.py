"""What a front leaves to be won, cut into boxes."""

from __future__ import annotations

import numpy as np

from surrogates.encode import Array


def cells(V: Array, reference: Array) -> tuple[Array, Array]:
    """Lower and upper corners (c, k) of disjoint boxes that fill what lies above `reference` (k,) and is not dominated
    by a row of V (n, k), larger is better; upper corners reach to infinity.

    By slices along the last objective, n + 1 boxes for two objectives and at most of the order of n^(k-1) for more
    (the hypervolume by slicing objectives of While et al., IEEE Trans. Evol. Comput. 10, 29, 2006, turned round).
    """
    V = V[(reference < V).all(axis=1)]
    if len(reference) == 1:
        low = np.array([[max(float(reference[0]), float(V.max(initial=-np.inf)))]])
        return low, np.full((1, 1), np.inf)
    V = V[np.argsort(-V[:, -1], kind="stable")]
    lows: list[Array] = []
    highs: list[Array] = []
    projected = np.empty((0, len(reference) - 1))
    top = np.inf
    below = cells(projected, reference[:-1])
    for row in V:
        if (projected >= row[:-1]).all(axis=1).any():
            continue  # dominated by what lies higher: the slice goes on
        if row[-1] < top:
            _slice(lows, highs, below, float(row[-1]), top)
            top = float(row[-1])
        projected = np.vstack([projected[~(projected <= row[:-1]).all(axis=1)], row[:-1]])
        below = cells(projected, reference[:-1])
    _slice(lows, highs, below, float(reference[-1]), top)
    return np.vstack(lows), np.vstack(highs)


def _slice(
    lows: list[Array], highs: list[Array], below: tuple[Array, Array], bottom: float, top: float
) -> None:
    count = len(below[0])
    lows.append(np.column_stack([below[0], np.full(count, bottom)]))
    highs.append(np.column_stack([below[1], np.full(count, top)]))
