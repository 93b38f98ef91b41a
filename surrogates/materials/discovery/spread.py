"""Candidates where nothing is believed yet: over all compositions, or at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from campaigns.structure import Structure


def spread(
    ids: Sequence[str], structures: Mapping[str, Structure], n: int, *, design: str, rng: np.random.Generator
) -> list[str]:
    """`n` of `ids`, or all. `random`: each as likely as any other. Any other design: compositions in random order, one
    crystal of each before a second of any, so that a composition with many polymorphs is no likelier than others."""
    order = [ids[k] for k in rng.permutation(len(ids))]
    if design == "random":
        return order[:n]
    met: dict[str, int] = {}
    turn = []
    for id in order:
        formula = structures[id].formula
        turn.append(met.setdefault(formula, 0))
        met[formula] += 1
    return [order[k] for k in np.argsort(turn, kind="stable")[:n]]


def elements_first(
    ids: Sequence[str], structures: Mapping[str, Structure], known: Sequence[str], pending: Sequence[str]
) -> list[str]:
    """A crystal of each element that the candidates hold and that has no energy: without it nothing that holds the
    element can be judged. The smallest cell, then the first id. `known`, `pending`: ids measured and being measured."""
    there = {
        structures[id].elements[0]
        for id in (*known, *pending)
        if id in structures and len(structures[id].elements) == 1
    }
    wanted = {symbol for id in ids for symbol in structures[id].elements} - there
    best: dict[str, str] = {}
    for id in sorted(ids, key=lambda id: (structures[id].n_atoms, id)):
        elements = structures[id].elements
        if len(elements) == 1 and elements[0] in wanted:
            best.setdefault(elements[0], id)
    return [best[symbol] for symbol in sorted(best)]
