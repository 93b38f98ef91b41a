"""Drawing a phase diagram: where it is least known which class a candidate belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from scipy.spatial import cKDTree

from surrogates.acquisition.base import Belief, Differences
from surrogates.encode import Array
from surrogates.models.base import Model
from surrogates.models.labels import LabelPropagation


def least_confident(p: Array) -> Array:
    return 1.0 - p.max(axis=1)


def margin(p: Array) -> Array:
    two = np.sort(p, axis=1)[:, -2:]
    return 1.0 - (two[:, 1] - two[:, 0])


def entropy(p: Array) -> Array:
    return -(p * np.log(np.maximum(p, np.finfo(float).tiny))).sum(axis=1)


STRATEGIES: dict[str, Callable[[Array], Array]] = {
    "least_confident": least_confident,
    "margin": margin,
    "entropy": entropy,
}


class PhaseBoundary(Differences):
    """Uncertainty of the class by label propagation (PDC: Terayama et al., Phys. Rev. Materials 3, 033802, 2019).

    It is damped by 1 - exp(-distance^2 / 2 length^2) from the nearest point that is measured or that the belief was
    told besides: between two neighbours of different class the uncertainty never ends, and a batch would be one point.
    While a single class is known nothing can be uncertain, and the value is the distance to the nearest such point.

    labels    the model; `labels.predict` is the phase diagram
    """

    def __init__(self, U: Array, labels: Array, reference: Array, strategy: str = "least_confident") -> None:
        """Measured points U (n, d), n >= 1, their classes `labels` (n,), integers; unmeasured points `reference`
        (r, d) that stand for the space: a pool's, or 512 to 1024 draws.

        Raises ValueError for labels that are not integers and for a strategy that does not exist.
        """
        if strategy not in STRATEGIES:
            raise ValueError(f"no strategy {strategy!r}; choose one of {', '.join(STRATEGIES)}")
        self.U, self.labels, self._uncertainty = (
            U,
            LabelPropagation(U, labels, reference),
            STRATEGIES[strategy],
        )

    def value(self, belief: Belief, X: Array) -> Array:
        """(m,) at X (m, d), not below 0; of the belief, only the points it was told beyond the measured ones."""
        known = np.vstack([self.U, cast(Model, belief).U[len(self.U) :]])
        distance = cKDTree(known).query(X)[0]
        if len(self.labels.classes) < 2:
            return distance
        damping = -np.expm1(-0.5 * (distance / self.labels.length) ** 2)
        return self._uncertainty(self.labels.probabilities(X)) * damping
