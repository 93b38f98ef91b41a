"""Compositions worth a try: what relaxed oxidation states allow (Merchant et al., Nature 624, 80, 2023), or all small
ratios of metals; then random crystals of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations, pairwise, product
from math import gcd
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field
from pymatgen.core import Composition, Element

from campaigns.structure import NUMBER
from surrogates.materials.generators.protocol import (
    Count,
    ElementSymbol,
    Generated,
    Known,
    Scale,
    elements_of,
)
from surrogates.materials.generators.protocol import compositions as known_formulas
from surrogates.materials.generators.random_symmetric import Drawing

BETWEEN = 2  # elements whose mean state may lie between two of their states

Rule = Literal["states", "all"]


class Charged(NamedTuple):
    """A composition and how its charges cancel, in words."""

    counts: Mapping[str, int]
    how: str


def compositions(
    known: Sequence[Known],
    *,
    limit: int,
    rng: np.random.Generator,
    elements: Sequence[ElementSymbol] | None = None,
    rule: Rule = "states",
    between: Annotated[int, Field(ge=0)] = BETWEEN,
    most_elements: Count = 4,
    formula_atoms: Count = 12,
    max_atoms: Count = 20,
    units: Count = 4,
    per_composition: Count = 5,
    volumes: tuple[Scale, Scale] = (0.4, 1.2),
) -> Iterator[Generated]:
    """Random crystals (see `random_symmetric`) of compositions that are not known, in random order.

    `rule` "states": the oxidation states of smact, with 0 for metals, can cancel, up to `between` elements between
    two of theirs; "all": every ratio, for intermetallics. 2 to `most_elements` of the `elements` (the known ones' by
    default), at most `formula_atoms` atoms in the formula unit, `max_atoms` in the cell; `per_composition` crystals of
    each. Raises ValueError: an element that smact has no states of."""
    symbols = sorted(elements_of(known, elements))
    taken = known_formulas(known)
    open_ones = [
        c
        for c in enumerate_compositions(symbols, formula_atoms, most_elements, rule, between)
        if _alphabetical(c.counts) not in taken
    ]
    source = Drawing([each.structure for each in known], volumes=volumes)
    made = 0
    for at in rng.permutation(len(open_ones)):
        counts, how = open_ones[int(at)]
        for _ in range(per_composition):
            if made >= limit:
                return
            most = max(1, min(units, max_atoms // sum(counts.values())))
            drawn = source.draw(counts, most, rng)
            if drawn is None:
                break
            structure, group = drawn
            made += 1
            name = Composition(counts).reduced_formula
            yield Generated(structure, (), f"random crystal of {name} ({how}), space group {group}")


def enumerate_compositions(
    symbols: Sequence[str],
    formula_atoms: int,
    most_elements: int = 4,
    rule: Rule = "states",
    between: int = BETWEEN,
) -> Iterator[Charged]:
    """Formula units of 2 to `most_elements` elements with at most `formula_atoms` atoms, each ratio once."""
    for size in range(2, min(most_elements, len(symbols)) + 1):
        for chosen in combinations(sorted(symbols), size):
            for ratio in product(range(1, formula_atoms), repeat=size):
                if sum(ratio) > formula_atoms or gcd(*ratio) != 1:
                    continue
                counts = dict(zip(chosen, ratio, strict=True))
                how = "every ratio" if rule == "all" else balanced(counts, between)
                if how is not None:
                    yield Charged(counts, how)


def balanced(counts: Mapping[str, int], between: int = BETWEEN) -> str | None:
    """How the charges of a formula unit can cancel, in words; None where they cannot.

    Each element has one of its states, but for up to `between` of them, whose mean lies strictly between two
    neighbouring ones. Si between -4 and -3 is what admits Li15Si4. All atoms at 0 are a metal, not a way to cancel."""
    symbols = list(counts)
    states = [oxidation_states(symbol) for symbol in symbols]
    for loose in range(min(between, len(symbols)) + 1):
        for free in combinations(range(len(symbols)), loose):
            spans = [
                list(pairwise(own)) if k in free else [(q, q) for q in own] for k, own in enumerate(states)
            ]
            for choice in product(*spans):
                if _cancels(choice, [counts[s] for s in symbols]):
                    return ", ".join(
                        f"{s} {a:+d}" if a == b else f"{s} between {a:+d} and {b:+d}"
                        for s, (a, b) in zip(symbols, choice, strict=True)
                    )
    return None


def _cancels(choice: Sequence[tuple[int, int]], counts: Sequence[int]) -> bool:
    if all(a == b == 0 for a, b in choice):
        return False
    low = sum(n * a for n, (a, _) in zip(counts, choice, strict=True))
    high = sum(n * b for n, (_, b) in zip(counts, choice, strict=True))
    return low == high == 0 or low < 0 < high


@lru_cache(maxsize=200)
def oxidation_states(symbol: str) -> tuple[int, ...]:
    """The states of smact, ascending, with 0 for metals. Raises ValueError: no element, or none is known."""
    from smact import Element as SmactElement

    if symbol not in NUMBER:
        raise ValueError(f"wanted the symbol of an element, got {symbol!r}")
    known = SmactElement(symbol).oxidation_states or []
    states = {int(q) for q in known} | ({0} if Element(symbol).is_metal else set())
    if not states:
        raise ValueError(f"{symbol}: smact knows no oxidation state of it; leave it out, or use rule: all")
    return tuple(sorted(states))


def _alphabetical(counts: Mapping[str, int]) -> str:
    return "".join(f"{s}{n if n > 1 else ''}" for s, n in sorted(counts.items()))
