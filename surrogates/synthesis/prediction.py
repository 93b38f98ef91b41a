"""What a set of precursors will have become at a temperature, by the pairwise reactions that are known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import nnls

from surrogates.synthesis.chemistry import Chemistry, total, units_of
from surrogates.synthesis.reactions import Reaction, Reactions

GONE = 1e-3  # share of the units below which a phase is used up
STEPS = 20
HEAVY = 1e3  # weight of the balance against the amounts that were seen


def predicted(
    units: Mapping[str, float], temperature: float, reactions: Reactions, chemistry: Chemistry, target: str
) -> tuple[dict[str, float], tuple[Reaction, ...]]:
    """The phases (formula units) before the target forms, and the reactions that led there, in their order.

    One reaction after another, the earliest first, each until one of the pair is used up; it ends at the first reaction
    that makes the target, which is then the last in the list and not carried out.
    """
    mixture, done = dict(units), []
    for _ in range(STEPS):
        whole = sum(mixture.values())
        there = [f for f, n in mixture.items() if n > GONE * whole]
        reaction = reactions.first(there, temperature)
        if reaction is None or reaction in done:
            break
        done.append(reaction)
        if target in reaction.products:
            break
        mixture = _after(mixture, reaction, chemistry)
    return mixture, tuple(done)


def _after(mixture: Mapping[str, float], reaction: Reaction, chemistry: Chemistry) -> dict[str, float]:
    """The pair reacts in the proportion that its products ask for, as far as the scarcer of the two goes."""
    products = units_of(reaction.products)
    used = fitted(reaction.pair, total(products), chemistry)
    if not all(used.get(f, 0.0) > 0 for f in reaction.pair):
        used = dict.fromkeys(reaction.pair, 1.0)
    extent = min(mixture[f] / used[f] for f in reaction.pair)
    after = dict(mixture)
    for f in reaction.pair:
        after[f] -= extent * used[f]
    for f, n in products.items():
        after[f] = after.get(f, 0.0) + extent * n
    return {f: n for f, n in after.items() if n > 0}


def fitted(
    formulas: tuple[str, ...],
    atoms: Mapping[str, float],
    chemistry: Chemistry,
    seen: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Formula units of some phases that together hold `atoms` (the gas's element aside, where the gas supplies it) as
    nearly as they can; where amounts were `seen` (units), those nearest to them that do."""
    rows = {f: total({f: 1.0}) for f in formulas}
    elements = sorted({e for row in (*rows.values(), atoms) for e in row if e != chemistry.gas})
    matrix = HEAVY * np.array([[row.get(e, 0.0) for row in rows.values()] for e in elements])
    wanted = HEAVY * np.array([atoms.get(e, 0.0) for e in elements])
    if seen is not None:
        matrix = np.vstack([matrix, np.eye(len(rows))])
        wanted = np.concatenate([wanted, [seen.get(f, 0.0) for f in rows]])
    units, _ = nnls(matrix, wanted)
    return {f: float(n) for f, n in zip(rows, units, strict=True) if n > 0}
