"""Which structures calibrate an ensemble and which each member learns from, drawn by composition."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from surrogates.encode import Array

Draw = Literal["all", "subset", "bootstrap"]
MOST_HELD = 0.25  # of all structures
FEWEST_HELD = 24  # wanted at least: two in three finite samples of this size cover 86 to 94 % at 90 %


def held_out(formulas: Sequence[str], share: float, salt: int) -> Array:
    """(n,) True for structures that no member may learn from before the calibration: about `share` of them, more
    where that would be fewer than FEWEST_HELD, never above MOST_HELD; none where one composition alone is more.

    Every composition has a place in an order that depends on its formula and the salt alone, and the first in that
    order are held out. So with more labels the threshold only falls: what is held out of a later ensemble was held
    out of every earlier one, and a warm start has not seen its own test.
    """
    n = len(formulas)
    out = np.zeros(n, dtype=bool)
    if share <= 0.0 or n == 0:
        return out
    threshold = min(MOST_HELD, max(share, FEWEST_HELD / n))
    place = {formula: _place(formula, salt) for formula in set(formulas)}
    out = np.array([place[formula] < threshold for formula in formulas], dtype=bool)
    if out.mean() > 2 * MOST_HELD:  # one composition with most of the polymorphs
        return np.zeros(n, dtype=bool)
    return out


def _place(formula: str, salt: int) -> float:
    digest = hashlib.sha256(f"{salt}/{formula}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def member_rows(groups: Array, draw: Draw, share: float, rng: np.random.Generator) -> Array:
    """Indices (k,) of the structures that one member learns from, of groups (n,): whole groups, so that no
    composition is both in the draw and out of it.

    all: each once. subset: `share` of the groups, each once. bootstrap: as many groups as there are, with
    replacement; the structures of a group drawn twice are there twice (Breiman 1996).
    """
    found, number = np.unique(groups, return_inverse=True)
    n = len(found)
    if draw == "all" or n < 3:
        return np.arange(len(groups))
    times = np.zeros(n, dtype=np.int64)
    if draw == "subset":
        times[rng.permutation(n)[: max(2, round(share * n))]] = 1
    else:
        times += rng.multinomial(n, np.full(n, 1.0 / n))
    return np.repeat(np.arange(len(groups)), times[number])
