"""Pairwise reactions read off a history: which two phases made what, and up to which temperature they did nothing.

A trial is compared with what was there before it: the same precursors at the next lower temperature that was tried, or
the precursors themselves. A phase that is new must come from two phases that were there (Szymanski et al., Nat.
Commun. 14, 6956, 2023: reactions are pairwise). Where exactly one pair that has lost something can make it, that pair
did; where several can, nothing is learned. Two phases that lie side by side and have lost nothing do not react there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from surrogates.synthesis.chemistry import Chemistry, cations
from surrogates.synthesis.trials import Trial

SEEN = 0.05  # weight fraction below which a phase may be an error of the analysis
LOST = 0.05  # weight fraction that a phase must lose to have reacted

Pair = tuple[str, str]


@dataclass(frozen=True)
class Reaction:
    """Two phases that made `products` (weight fractions among them) between `above` (they had not) and `at` K."""

    pair: Pair
    products: Mapping[str, float]
    above: float
    at: float


@dataclass
class Reactions:
    """`known`: of each pair what it made at the lowest temperature at which that was seen; `inert`: K up to which a
    pair was seen to do nothing."""

    known: dict[Pair, Reaction] = field(default_factory=dict)
    inert: dict[Pair, float] = field(default_factory=dict)

    def first(self, phases: Sequence[str], temperature: float) -> Reaction | None:
        """Of the reactions among some phases up to a temperature, the one that begins first."""
        pairs = (pair_of(a, b) for a, b in combinations(sorted(phases), 2))
        found = [self.known[p] for p in pairs if p in self.known and self.known[p].at <= temperature]
        return min(found, key=lambda one: (one.at, one.pair), default=None)


def pair_of(a: str, b: str) -> Pair:
    return (a, b) if a <= b else (b, a)


def learned(history: Sequence[Trial], chemistry: Chemistry) -> Reactions:
    """All that the trials tell. Does not depend on their order."""
    found = Reactions()
    for before, trial, lower in _steps(history):
        after = {f: x for f, x in trial.phases.items() if x >= SEEN}
        lost = {f for f, x in before.items() if x - after.get(f, 0.0) >= LOST}
        for a, b in combinations(sorted(before), 2):
            if a not in lost and b not in lost:
                pair = pair_of(a, b)
                found.inert[pair] = max(found.inert.get(pair, 0.0), trial.temperature)
        made: dict[Pair, dict[str, float]] = {}
        for product in sorted(set(after) - set(before)):
            makers = [p for p in combinations(sorted(before), 2) if _can_make(p, product, chemistry)]
            makers = [p for p in makers if p[0] in lost and p[1] in lost] or [
                p for p in makers if p[0] in lost or p[1] in lost
            ]
            if len(makers) == 1:
                made.setdefault(makers[0], {})[product] = after[product]
        for pair, products in made.items():
            whole = sum(products.values())
            shares = {f: x / whole for f, x in sorted(products.items())}
            known = found.known.get(pair)
            if known is None or trial.temperature < known.at:
                found.known[pair] = Reaction(pair, shares, lower, trial.temperature)
    return found


def _steps(history: Sequence[Trial]) -> Iterator[tuple[dict[str, float], Trial, float]]:
    """(weight fractions before, trial, the next lower temperature or 0), in an order of their own."""
    mixtures: dict[tuple[str, ...], list[Trial]] = {}
    for trial in history:
        if trial.phases:
            mixtures.setdefault(trial.precursors, []).append(trial)
    for precursors in sorted(mixtures):
        trials = sorted(mixtures[precursors], key=lambda one: (one.temperature, sorted(one.phases.items())))
        before, lower = dict(trials[0].dosed), 0.0
        for trial in trials:
            yield before, trial, lower
            before, lower = {f: x for f, x in trial.phases.items() if x >= SEEN}, trial.temperature


def _can_make(pair: Pair, product: str, chemistry: Chemistry) -> bool:
    """Whether the two have the product's elements between them, and neither has all of them alone."""
    wanted = cations([product], chemistry.gas)
    both = cations(pair, chemistry.gas)
    if not wanted <= both:
        return False
    one_alone = any(wanted <= cations([f], chemistry.gas) for f in pair)
    return not one_alone or chemistry.balance({product: 1.0}, pair) is not None
