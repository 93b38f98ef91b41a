"""Which of many attacked geometries are worth a label: none twice, none that nothing in nature would be."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

Array = np.ndarray[Any, Any]


def apart(
    among: Array, known: Array, closest: float, cluster: float, order: Array | None = None
) -> list[int]:
    """One of each cluster of candidates, in ascending order: hierarchical clustering (average linkage) of their
    distances (k, k) at `cluster`; left out is what lies within `closest` of one that is known (k, m). `order` (k,): the
    largest of each cluster is kept, the first where None."""
    free = np.flatnonzero((known > closest).all(axis=1)) if known.size else np.arange(len(among))
    if len(free) < 2:
        return [int(k) for k in free]
    distances = among[np.ix_(free, free)]
    distances = (distances + distances.T) / 2.0
    np.fill_diagonal(distances, 0.0)
    clusters = fcluster(linkage(squareform(distances, checks=False), "average"), cluster, "distance")
    value = -free if order is None else order[free]
    best = {}
    for k in np.argsort(value):
        best[int(clusters[k])] = int(free[k])
    return sorted(best.values())
