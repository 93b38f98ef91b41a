"""Which candidates of a belief to ask for, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surrogates.encode import Array
from surrogates.errors import UnsupportedMethod
from surrogates.materials.discovery.belief import Belief
from surrogates.materials.discovery.reduction import Reduction
from surrogates.materials.hull import Entry, Hull
from surrogates.proposal import Method

PER_COMPOSITION = 2  # of one batch: a third polymorph seldom tells more than the next composition
BETA = 1.0  # where the method says "auto"
BELIEVED = "believed-"  # before the ids of candidates that a batch holds already
DIGITS = 9


@dataclass(frozen=True)
class Choice:
    """Candidate number `at` of the belief; `value` of the acquisition, larger is better; `hull`: energy of the hull at
    its composition, what is chosen before it in the batch included as believed."""

    at: int
    value: float
    hull: float


def choose(
    belief: Belief,
    n: int,
    method: Method,
    *,
    hull: Hull,
    rng: np.random.Generator,
    begun: Sequence[int] = (),
    per_composition: int = PER_COMPOSITION,
    likely: Array | None = None,
) -> list[Choice]:
    """The next `n`, or as many as there are, one after another. `hull`: of all known; `begun`: candidates that are
    being measured; `likely` (n,): the chance that each is of use for other reasons, by which a probability of being
    stable is multiplied. Raises UnsupportedMethod."""
    if method.mode == "learn":
        return _learn(belief, n, method, begun)
    room = Room(belief.groups, per_composition)
    for at in begun:
        room.take(at)
    # As if what is being measured, and what the batch holds already, had the energies that are believed.
    hull = hull.with_(_entry(belief, at) for at in begun)
    ground = hull.references([s.counts for s in belief.structures])
    out: list[Choice] = []
    while len(out) < n and room.left:
        if not room.open.any():
            room.widen()
        value = _value(belief, method, ground, rng)
        if likely is not None and method.name == "probability":
            value = value * likely
        value = np.where(room.open, np.round(value, DIGITS), -np.inf)
        at = int(np.argmax(value))
        room.take(at)
        out.append(Choice(at, float(value[at]), float(ground[at])))
        if belief.mean[at] < ground[at]:
            hull = hull.with_([_entry(belief, at)])
            ground = hull.references([s.counts for s in belief.structures])
    return out


def _value(belief: Belief, method: Method, ground: Array, rng: np.random.Generator) -> Array:
    """Of each candidate (n,), larger is better; `ground` (n,): energy of the hull at its composition.

    probability  that its energy lies below the hull
    ucb          how far below the hull a lower confidence bound lies (Srinivas et al., ICML 2010), eV per atom
    thompson     how far below the hull one draw of the members lies (Thompson 1933), another for each choice
    """
    if method.name == "probability":
        return belief.below(ground)
    if method.name == "ucb":
        beta = method.beta if isinstance(method.beta, float | int) else BETA
        return ground - belief.bound(beta)
    if method.name == "thompson":
        return ground - belief.draw(rng)
    raise UnsupportedMethod(
        f"{method.mode}: {method.name} does not seek stable crystals; wanted probability, ucb or thompson"
    )


def _learn(belief: Belief, n: int, method: Method, begun: Sequence[int]) -> list[Choice]:
    if method.name not in ("variance", "integrated_variance"):
        raise UnsupportedMethod(
            f"learn: {method.name} is not made for crystals; wanted variance or integrated_variance"
        )
    reduction = Reduction(belief)
    for at in begun:
        reduction.take(at)
    out = []
    for _ in range(min(n, len(belief.ids) - len(begun))):
        at, value = reduction.best(integrated=method.name == "integrated_variance")
        reduction.take(at)
        out.append(Choice(at, value, float(belief.hull[at])))
    return out


class Room:
    """How many more of each composition a batch may have."""

    def __init__(self, groups: Array, most: int) -> None:
        self._groups, self._most, self._step = groups, most, most
        self._taken = np.zeros(len(groups), dtype=bool)
        self._count = np.zeros(int(groups.max(initial=-1)) + 1, dtype=np.int64)

    @property
    def open(self) -> Array:
        """(n,) True for what may be taken."""
        out: Array = ~self._taken & (self._count[self._groups] < self._most)
        return out

    @property
    def left(self) -> bool:
        """Whether anything is left that is not taken, whatever its composition."""
        return bool((~self._taken).any())

    def take(self, at: int) -> None:
        self._taken[at] = True
        self._count[self._groups[at]] += 1

    def widen(self) -> None:
        """Let each composition have as many again: a batch is rather filled than cut short."""
        self._most += self._step


def _entry(belief: Belief, at: int) -> Entry:
    return Entry(BELIEVED + belief.ids[at], belief.structures[at].counts, float(belief.mean[at]))
