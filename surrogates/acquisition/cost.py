"""Acquisition per unit of cost, where some experiments are dearer than others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from campaigns.space import Fixed, Value
from surrogates.acquisition.base import Acquisition, Belief
from surrogates.decode import decode
from surrogates.encode import Array, Encoder

if TYPE_CHECKING:
    from campaigns.cost import Cost

STEP = 1e-6
SAME = 1e-9  # share of a parameter's range below which it counts as not changed: unit columns are rounded


@dataclass(frozen=True)
class PerCost:
    """What an experiment is worth for what it costs (Snoek et al., NeurIPS 2012: improvement per second).

    floor  the value of an experiment that brings nothing, in the acquisition's units; None where it is a logarithm
           already, of which the log of the cost is taken away

    What is above the floor is divided by the cost. What is below is a loss, which would look smaller for being dear, so
    it is left as it is: worse than anything above. `log_cost` gives (m,) for unit rows X (m, d).
    """

    acquisition: Acquisition
    log_cost: Callable[[Array], Array]
    floor: float | None

    def value(self, belief: Belief, X: Array) -> Array:
        value, log_cost = self.acquisition.value(belief, X), self.log_cost(X)
        if self.floor is None:
            return value - log_cost
        over = value - self.floor
        return np.where(over > 0, over * np.exp(-log_cost), over)

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        """Value (m,) and gradient (m, len(along)): the acquisition's own, the cost's by differences."""
        value, slope = self.acquisition.gradient(belief, X, along)
        log_cost, cost_slope = self._slope(X, along)
        if self.floor is None:
            return value - log_cost, slope - cost_slope
        over = value - self.floor
        gain, share = over > 0, np.exp(-log_cost)
        each = share[:, None] * (slope - over[:, None] * cost_slope)
        return np.where(gain, over * share, over), np.where(gain[:, None], each, slope)

    def coarse(self) -> PerCost | None:
        rough = self.acquisition.coarse()
        return None if rough is None else PerCost(rough, self.log_cost, self.floor)

    def _slope(self, X: Array, along: Array) -> tuple[Array, Array]:
        """Log cost (m,) and its gradient (m, len(along)), by steps inwards: a cost may know no point outside."""
        moved = np.repeat(X[None], len(along) + 1, axis=0)
        steps = np.where(X[:, along] + STEP > 1.0, -STEP, STEP)
        for k, column in enumerate(along, start=1):
            moved[k, :, column] += steps[:, k - 1]
        values = self.log_cost(moved.reshape(-1, X.shape[1])).reshape(len(along) + 1, -1)
        return values[0], (values[1:] - values[0]).T / steps


class CostOfCandidates:
    """`campaigns.cost.Cost` of many candidates at once, as `PerCost` asks for it.

    before: the candidate made before, from which changes are paid; None for the first. In a batch that one parallel run
    works off, give the point chosen before.
    """

    def __init__(self, cost: Cost, encoder: Encoder, before: Mapping[str, Value] | None) -> None:
        """Raises KeyError where the cost names a parameter that the space does not have, ValueError where it asks for
        the number of one that is none."""
        self._encoder, self._cost = encoder, cost
        self._index = {name: j for j, name in enumerate(encoder.names)}
        self._fixed = {p.name: p.value for p in encoder.space.parameters if isinstance(p, Fixed)}
        before = None if before is None else encoder.space.canonical(before)
        self._before = None if before is None else encoder.codes([before])[0]
        for name in {name for part in (cost.per, cost.of, cost.changes) for name, _ in part}:
            encoder.space.parameter(name)
        for name, _ in cost.per:
            if name in self._index and not encoder.ordered[self._index[name]]:
                raise ValueError(
                    f"cost: wanted a numeric parameter in 'per', got {name}; take 'of' for choices"
                )

    def __call__(self, X: Array) -> Array:
        """Log cost (m,) of unit rows X (m, d), not below the smallest positive float's."""
        return np.log(np.maximum(self.of_codes(decode(self._encoder, X)), np.finfo(float).tiny))

    def of_codes(self, codes: Array) -> Array:
        """Cost (m,) of codes (m, p), in the cost's unit."""
        out = np.full(len(codes), self._cost.base)
        for name, each in self._cost.per:
            j = self._index.get(name)
            out += each * (float(self._fixed[name]) if j is None else codes[:, j])
        for name, values in self._cost.of:
            for value, each in values:
                out += each * self._is(codes, name, value)
        if self._before is not None:
            for name, each in self._cost.changes:
                j = self._index.get(name)
                if j is not None:
                    near = SAME * (self._encoder.high[j] - self._encoder.low[j])
                    out += each * (np.abs(codes[:, j] - self._before[j]) > near)
        return out

    def _is(self, codes: Array, name: str, value: Value) -> Array:
        """Mask (m,) of the candidates whose parameter has that value."""
        j = self._index.get(name)
        if j is None:
            return np.full(len(codes), self._fixed[name] == value)
        p = self._encoder.parameters[j]
        if p.kind == "categorical":
            return (
                np.rint(codes[:, j]) == p.choices.index(str(value))
                if value in p.choices
                else codes[:, j] < -1
            )
        near = SAME * (self._encoder.high[j] - self._encoder.low[j])
        inside: Array = np.abs(codes[:, j] - float(value)) <= near
        return inside
