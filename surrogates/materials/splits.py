"""Splits by composition: no formula is on both sides, so that a polymorph of a known compound is no test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from campaigns.structure import Structure
from surrogates.encode import Array


def reduced_formula(structure: Structure) -> str:
    """As pymatgen spells it (LiFePO4, and O2 for the element): the text that GNoME's rule hashes."""
    from pymatgen.core import Composition

    return str(Composition(structure.counts).reduced_formula)


def md5_bucket(formula: str) -> int:
    """0 to 99: MD5 of the formula, read as one integer, modulo 100 (Merchant et al., Nature 624, 80, 2023)."""
    return int(hashlib.md5(formula.encode(), usedforsecurity=False).hexdigest(), 16) % 100


def md5_split(structures: Sequence[Structure], share: float = 0.85) -> tuple[Array, Array]:
    """Indices of the training and the test structures; a formula in bucket < 100 * share is for training.

    It depends on nothing but the formulas: a structure stays on its side whatever else is in the table, whoever
    splits it. `share` counts in whole hundredths; raises ValueError outside 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"wanted a share from 0 to 1, got {share}")
    formulas = [reduced_formula(structure) for structure in structures]
    buckets = {formula: md5_bucket(formula) for formula in set(formulas)}
    training = np.array([buckets[formula] < round(100 * share) for formula in formulas], dtype=bool)
    return np.flatnonzero(training), np.flatnonzero(~training)


def compositions(structures: Sequence[Structure]) -> Array:
    """(n,) number of each structure's composition: equal where the reduced formulas are, in order of first meeting."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(s.formula, len(numbers)) for s in structures], dtype=np.int64)
