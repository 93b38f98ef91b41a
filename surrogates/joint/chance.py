"""The chance that a material's own properties are within bounds: stable enough, a gap wide enough."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from surrogates.acquisition.outcome_constraints import Bounds
from surrogates.encode import Array
from surrogates.joint.axis import MaterialAxis
from surrogates.joint.representation import Representation

LEAST = 1e-9  # of a probability: a logarithm that the ensemble's tails cannot be believed beyond


class PropertyChance:
    """A `Chance`: that each bounded property of a material is within its bounds, properties taken as independent. Of a
    labelled property it is 0 or 1, of a predicted one the mean over the members, each a normal about what it says.

    log_probabilities  (N,) of the materials
    """

    def __init__(
        self,
        axis: MaterialAxis,
        columns: slice,
        bounds: Sequence[tuple[str, Bounds]],
        likely: Array | None = None,
    ) -> None:
        """`columns`: of the material among the unit columns. `bounds`: properties by name, in their own units; raises
        ValueError for one that is not among the targets. `likely` (N,): a chance of each material besides."""
        self._axis, self._columns = axis, columns
        chances = [probability(axis.known, name, each) for name, each in bounds]
        product = np.prod(chances, axis=0) if chances else np.ones(len(axis.choices))
        product = product if likely is None else product * likely
        self.log_probabilities: Array = np.log(np.maximum(product, LEAST))

    def log_probability(self, X: Array) -> Array:
        """(m,) at unit points X (m, d)."""
        out: Array = self.log_probabilities[self._axis.found(X[:, self._columns])]
        return out

    def log_probability_gradient(self, X: Array, along: Array) -> tuple[Array, Array]:
        """The same; no process changes what the material is."""
        return self.log_probability(X), np.zeros((len(X), len(along)))


def probability(known: Representation, name: str, bounds: Bounds) -> Array:
    """(N,) that the property `name` lies within `bounds`. Raises ValueError where it is none of the targets."""
    if name not in known.targets:
        raise ValueError(f"{name}: wanted one of the properties {', '.join(known.targets)}")
    t = known.targets.index(name)
    low = -math.inf if bounds.at_least is None else bounds.at_least
    high = math.inf if bounds.at_most is None else bounds.at_most
    values, sd = known.members[:, :, t], known.aleatoric[:, t]
    inside = ((values >= low) & (values <= high)).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = ndtr((high - values) / sd) - ndtr((low - values) / sd)
    out: Array = np.where(sd > 0, spread, inside).mean(axis=0)
    return out
