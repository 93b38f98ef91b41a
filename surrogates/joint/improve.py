"""Which materials to label so that the best are found: acquisitions over draws of what the labels may turn out to be.

A draw is one member of the ensemble plus what no other label would tell; whatever the readings' distributions are after
a formula, the draws have them. Materials are all looked at, so that nothing is optimised over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from campaigns.campaign import OutcomeConstraint
from campaigns.objective import Objective
from surrogates.encode import Array
from surrogates.errors import UnsupportedMethod
from surrogates.goals.cells import cells
from surrogates.goals.chebyshev import Chebyshev, simplex_weights
from surrogates.goals.pareto import non_dominated, reference_point
from surrogates.goals.sought import larger_is_better
from surrogates.joint.choose import Choice
from surrogates.joint.representation import Representation
from surrogates.proposal import Method

EACH = 16  # draws of every member
BETA = 2.0
LEAST = 1e-300


@dataclass(frozen=True)
class Question:
    """What is sought among the materials `open_` (N,) bool.

    `told` (n, k): the objectives as labelled so far, of those that keep the constraints, in their own units; `weight`
    (N,): the chance that a label is of use, for other reasons; `begun`: numbers of the materials being labelled.
    """

    known: Representation
    objectives: tuple[Objective, ...]
    constraints: tuple[OutcomeConstraint, ...]
    told: Array
    open_: Array
    weight: Array
    begun: Array


def best(
    question: Question, method: Method, n: int, rng: np.random.Generator, each: int = EACH
) -> list[Choice]:
    """At most `n` materials, one after another, each counting as labelled by its draws for those after it.

    Of several objectives `log_nehvi` (log of the expected hypervolume improvement; labels have no noise here) and
    `parego` (along a random direction of trade-off each time); of one `log_ei`, `ucb` and `thompson`. Raises
    UnsupportedMethod for any other.
    """
    names = [objective.name for objective in question.objectives]
    bounds = [c.name for c in question.constraints]
    drawn = question.known.draws([*names, *bounds], each, rng)
    values, kept = drawn[:, :, : len(names)], _kept(drawn[:, :, len(names) :], question.constraints)
    V = larger_is_better(values, question.objectives)
    told = larger_is_better(question.told, question.objectives)
    value: _Hypervolume | _Chebyshev | _Single
    if method.name == "log_nehvi" and len(names) > 1:
        value = _Hypervolume(V, kept, told, _reference(question, V, told))
    elif method.name == "parego" and len(names) > 1:
        value = _Chebyshev(values, kept, question, rng)
    elif method.name in ("log_ei", "log_nei", "ucb", "thompson") and len(names) == 1:
        beta = method.beta if isinstance(method.beta, int | float) else BETA
        value = _Single(V[:, :, 0], kept, told[:, 0], method.name, float(beta), rng)
    else:
        raise UnsupportedMethod(
            f"{method.mode}: {method.name} is not made for labels of materials; wanted "
            + ("log_ei, ucb or thompson" if len(names) == 1 else "log_nehvi or parego")
        )
    for at in question.begun.tolist():
        value.take(at)
    left, out = question.open_.copy(), list[Choice]()
    chance = np.log(np.maximum(question.weight, LEAST))
    while len(out) < n and left.any():
        gains = value.log() + chance * value.spread
        at = int(np.argmax(np.where(left, gains, -np.inf)))
        out.append(Choice(at, float(gains[at])))
        left[at] = False
        value.take(at)
    return out


def _log(won: Array) -> Array:
    """Logarithm of (N,) of what is expected to be won."""
    out: Array = np.log(np.maximum(won, LEAST))
    return out


class _Hypervolume:
    """(N,) log of the volume that is expected to be won over the front, that of each draw. `spread`: what a factor of e
    in the chance is worth."""

    spread = 1.0

    def __init__(self, V: Array, kept: Array, told: Array, reference: Array) -> None:
        """V (S, N, k), kept (S, N), told (n, k), reference (k,), larger is better."""
        self._V, self._kept, self._reference = V, kept, reference
        front = told[non_dominated(told)] if len(told) else told
        self._fronts = [front] * len(V)
        self._won = np.stack([self._volumes(s) for s in range(len(V))])

    def log(self) -> Array:
        return _log(self._won.mean(axis=0))

    def take(self, at: int) -> None:
        for s in range(len(self._V)):
            if self._won[s, at] > 0:  # else it is below the front, or keeps no constraint: nothing changes
                front = np.vstack([self._fronts[s], self._V[s, at]])
                self._fronts[s] = front[non_dominated(front)]
                self._won[s] = self._volumes(s)

    def _volumes(self, s: int) -> Array:
        low, high = cells(self._fronts[s], self._reference)
        V = self._V[s]
        inside = (self._reference < V).all(axis=1) & self._kept[s]
        out = np.zeros(len(V))
        sides = np.minimum(V[inside][:, None], high) - low
        out[inside] = np.prod(np.maximum(sides, 0.0), axis=2).sum(axis=1)
        return out


class _Chebyshev:
    """(N,) log of the expected improvement of one scalarisation, another for each choice: see `goals.chebyshev`."""

    spread = 1.0

    def __init__(self, values: Array, kept: Array, question: Question, rng: np.random.Generator) -> None:
        """values (S, N, k) in own units, kept (S, N)."""
        self._values, self._kept, self._question, self._rng = values, kept, question, rng
        self._begun: list[int] = []
        self._seen = question.told if len(question.told) else values.mean(axis=0)

    def log(self) -> Array:
        weights = simplex_weights(self._values.shape[2], int(self._rng.integers(2**31)), len(self._begun))
        worth_of = Chebyshev(self._question.objectives, self._seen, weights)
        worth = worth_of(self._values)
        best = np.full(len(worth), worth_of(self._seen).max())
        if self._begun:
            made = np.where(self._kept[:, self._begun], worth[:, self._begun], -np.inf)
            best = np.maximum(best, made.max(axis=1))
        return _log((np.maximum(worth - best[:, None], 0.0) * self._kept).mean(axis=0))

    def take(self, at: int) -> None:
        self._begun.append(at)


class _Single:
    """(N,) of one objective: log of the expected improvement, the upper confidence bound, or what one draw says."""

    def __init__(
        self, V: Array, kept: Array, told: Array, name: str, beta: float, rng: np.random.Generator
    ) -> None:
        """V, kept (S, N), told (n,)."""
        self._V, self._kept, self._rng = V, kept, rng
        self._name, self._beta = name, beta
        self.spread = float(V.mean(axis=0).std()) if name in ("ucb", "thompson") else 1.0
        worst = float(V.min(initial=0.0))
        self._best = np.full(len(V), told.max(initial=worst) if len(told) else worst)

    def log(self) -> Array:
        if self._name == "ucb":
            bound: Array = self._V.mean(axis=0) + self._beta * self._V.std(axis=0)
            return bound + self.spread * _log(self._kept.mean(axis=0))
        if self._name == "thompson":
            s = int(self._rng.integers(len(self._V)))
            return np.where(self._kept[s], self._V[s], -np.inf)
        return _log((np.maximum(self._V - self._best[:, None], 0.0) * self._kept).mean(axis=0))

    def take(self, at: int) -> None:
        self._best = np.maximum(self._best, np.where(self._kept[:, at], self._V[:, at], -np.inf))


def _kept(values: Array, constraints: Sequence[OutcomeConstraint]) -> Array:
    """(S, N) bool: all constraints are, in values (S, N, c)."""
    out = np.ones(values.shape[:2], bool)
    for k, bound in enumerate(constraints):
        if bound.at_least is not None:
            out &= values[:, :, k] >= bound.at_least
        if bound.at_most is not None:
            out &= values[:, :, k] <= bound.at_most
    return out


def _reference(question: Question, V: Array, told: Array) -> Array:
    """(k,), larger is better: as the campaign states it, else from what is labelled, else from what is believed."""
    given = [
        None if o.reference is None else (o.reference if o.direction == "maximise" else -o.reference)
        for o in question.objectives
    ]
    base = told if len(told) else V.mean(axis=0)
    return reference_point(base, ["maximise"] * V.shape[2], given)
