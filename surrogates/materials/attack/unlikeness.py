"""How differently the atoms of two cells are surrounded, to a potential: 0 for arrangements that a symmetry, or another
order of equal atoms, takes into each other, however far their atoms are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from campaigns.structure import Structure
from surrogates.materials.attack.potential import PotentialEnsemble

Array = np.ndarray[Any, Any]
OTHER_ELEMENT = 1e6  # more than any two surroundings of one element differ by, squared


def unlikeness(ensemble: PotentialEnsemble, structures: Sequence[Structure]) -> Array:
    """(k, k) root mean square difference of what the atoms see, in units of its spread in the lessons, each atom
    matched with one of the same element, so that the sum is least; infinite where the atoms are not the same ones."""
    cells = ensemble.cells(structures)
    seen = np.split(ensemble.seen(cells), np.cumsum(cells.sizes.numpy())[:-1])
    kinds = np.split(cells.numbers.numpy(), np.cumsum(cells.sizes.numpy())[:-1])
    out = np.zeros((len(structures), len(structures)))
    for i in range(len(structures)):
        for j in range(i):
            if sorted(kinds[i]) != sorted(kinds[j]):
                out[i, j] = out[j, i] = np.inf
                continue
            cost = ((seen[i][:, None] - seen[j][None]) ** 2).sum(axis=-1)
            rows, columns = linear_sum_assignment(cost + OTHER_ELEMENT * (kinds[i][:, None] != kinds[j]))
            out[i, j] = out[j, i] = np.sqrt(cost[rows, columns].mean())
    return out


def spread_out(values: Array, distances: Array, most: int) -> list[int]:
    """At most `most` of k candidates, the most valuable (k,) first, then those with the largest value times
    1 - exp(-(d / l)^2), d the distance (k, k) to the nearest chosen one and l the median distance: one maximum that
    many attacks end at is labelled once."""
    n = len(values)
    if n <= 1:
        return list(range(min(n, most)))
    apart = distances[np.isfinite(distances) & (distances > 0)]
    length = float(np.median(apart)) if len(apart) else 1.0
    chosen = [int(np.argmax(values))]
    while len(chosen) < min(most, n):
        nearest = distances[:, chosen].min(axis=1)
        worth = values * (1.0 - np.exp(-((nearest / length) ** 2)))
        worth[chosen] = -np.inf
        chosen.append(int(np.argmax(worth)))
    return chosen
