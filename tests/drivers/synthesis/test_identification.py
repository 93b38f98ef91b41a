"""The analysis sees a pattern and says what is in it: amounts within their errors, and strangers as strangers."""

from __future__ import annotations

import random
from copy import copy

import numpy as np
import pytest

from drivers.sim.randomness import chance
from drivers.sim.synthesis.diffraction import ANGLES
from drivers.sim.synthesis.identification import UNEXPLAINED, Library, identify, library
from drivers.sim.synthesis.phases import System
from drivers.sim.synthesis.recording import record

SOME = (
    "Fe2O3",
    "Li2O",
    "LiFeO2",
    "Li5FeO4",
    "Li3PO4",
    "FePO4",
    "LiPO3",
    "Fe3O4",
    "FeO",
    "LiFePO4",
    "Li4P2O7",
)


def pattern(system: System, fractions: dict[str, float], key: int = 0, noise: float = 1.0) -> np.ndarray:
    return record(system, fractions, lambda purpose: chance(key, purpose), seed=1, noise=noise)


def draws(system: System, n: int) -> list[dict[str, float]]:
    found = []
    for key in range(n):
        luck = random.Random(key)
        names = luck.sample(SOME, luck.choice([1, 2, 3]))
        shares = [0.1 + luck.random() for _ in names]
        found.append({f: x / sum(shares) for f, x in zip(names, shares, strict=True)})
    return found


def test_a_pattern_without_errors_is_taken_apart_exactly(fe_li_o_p: System) -> None:
    true = {"Fe2O3": 0.5, "Li3PO4": 0.3, "LiFeO2": 0.2}
    found = identify(pattern(fe_li_o_p, true, noise=0.0), library(fe_li_o_p))
    assert {f: x for f, x in found.fractions.items() if x > 0.03} == pytest.approx(true, abs=0.02)
    assert found.complete and list(found.fractions)[:3] == ["Fe2O3", "Li3PO4", "LiFeO2"]


def test_amounts_are_right_within_errors_and_majorities_are_majorities(fe_li_o_p: System) -> None:
    off, wrong, strangers, pull = [], 0, 0, []
    for key, true in enumerate(draws(fe_li_o_p, 40)):
        found = identify(pattern(fe_li_o_p, true, key), library(fe_li_o_p))
        for formula, amount in true.items():
            seen = found.fractions.get(formula, 0.0)
            off.append(seen - amount)
            pull.append((seen - amount) / found.sigmas.get(formula, 0.05))
            wrong += abs(amount - 0.5) > 0.08 and (seen >= 0.5) != (amount >= 0.5)
        strangers += sum(x > 0.1 for f, x in found.fractions.items() if f not in true)
    assert np.sqrt(np.mean(np.square(off))) < 0.06 and abs(np.mean(off)) < 0.03
    assert wrong == 0 and strangers <= 2
    assert 0.3 < np.sqrt(np.median(np.square(pull))) < 2.5


def test_a_phase_that_no_reference_has_leaves_a_residual(fe_li_o_p: System) -> None:
    whole = library(fe_li_o_p)
    known, unknown = [], []
    for key, true in enumerate(draws(fe_li_o_p, 15)):
        counts, missing = pattern(fe_li_o_p, true, key), max(true, key=true.__getitem__)
        rest = copy(whole)
        keep = [f != missing for f in whole.formulas]
        rest.formulas, rest.profiles = tuple(np.array(whole.formulas)[keep]), whole.profiles[keep]
        known.append(identify(counts, whole).complete)
        unknown.append(identify(counts, rest).complete)
    assert sum(known) >= 14 and sum(unknown) <= 4
    assert 0 < UNEXPLAINED < 1


def test_the_errors_of_the_instrument_are_there_and_fixed_by_seed_and_action(fe_li_o_p: System) -> None:
    true = {"LiFeO2": 0.7, "Fe2O3": 0.3}
    one, again, other = (pattern(fe_li_o_p, true, key) for key in (1, 1, 2))
    clean = pattern(fe_li_o_p, true, noise=0.0)
    assert (one == again).all() and (one != other).any()
    assert (one == np.rint(one)).all() and len(one) == len(ANGLES)
    assert np.abs(one - clean).sum() > 0.05 * clean.sum()


def test_a_pattern_of_another_length_is_refused(fe_li_o_p: System) -> None:
    small = Library([fe_li_o_p.phase("Li2O")])
    with pytest.raises(ValueError, match="wanted 2251 counts"):
        identify(np.zeros(10), small)
    assert identify(np.zeros(len(ANGLES)), small).fractions == {}
