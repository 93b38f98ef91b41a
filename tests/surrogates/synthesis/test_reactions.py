"""Pairwise reactions are read off trials as a chemist would, and never guessed."""

from __future__ import annotations

import random

import pytest

from surrogates.synthesis.chemistry import Chemistry
from surrogates.synthesis.prediction import fitted, predicted
from surrogates.synthesis.reactions import Reactions, learned
from surrogates.synthesis.trials import Trial

AIR = Chemistry(lambda formula, T: 0.0)
DOSED = {"BaO2": 0.5, "Y2O3": 0.2, "CuO": 0.3}


def test_the_one_pair_that_can_have_made_a_phase_made_it() -> None:
    history = [
        Trial(DOSED, 900.0, DOSED),
        Trial(DOSED, 1000.0, {"BaCuO2": 0.6, "Y2O3": 0.2, "BaO2": 0.2}),
    ]
    found = learned(history, AIR)
    assert set(found.known) == {("BaO2", "CuO")}
    reaction = found.known["BaO2", "CuO"]
    assert dict(reaction.products) == {"BaCuO2": 1.0} and (reaction.above, reaction.at) == (900.0, 1000.0)
    # All three lay side by side unchanged at 900 K; Y2O3 and BaO2 changed by nothing that tells of them at 1000 K.
    assert found.inert == {pair: 900.0 for pair in (("BaO2", "CuO"), ("BaO2", "Y2O3"), ("CuO", "Y2O3"))}


def test_where_two_pairs_can_have_made_it_nothing_is_learned() -> None:
    dosed = {"Na2O": 0.3, "Na2O2": 0.3, "MnO2": 0.4}
    assert not learned([Trial(dosed, 800.0, {"Na2MnO3": 1.0})], AIR).known
    kept = {"Na2MnO3": 0.6, "Na2O": 0.3, "MnO2": 0.1}  # but not where one of them is as it was
    assert set(learned([Trial(dosed, 800.0, kept)], AIR).known) == {("MnO2", "Na2O2")}


def test_a_later_step_is_learned_from_the_phases_before_it() -> None:
    dosed = {"BaO2": 0.4, "CuO": 0.3, "Y2O3": 0.3}
    history = [
        Trial(dosed, 900.0, {"BaCuO2": 0.7, "Y2O3": 0.3}),
        Trial(dosed, 1100.0, {"Y2BaCuO5": 1.0}),
    ]
    found = learned(history, AIR)
    assert dict(found.known["BaCuO2", "Y2O3"].products) == {"Y2BaCuO5": 1.0}
    assert found.known["BaCuO2", "Y2O3"].above == 900.0


def test_a_decomposition_is_no_reaction_of_a_pair() -> None:
    dosed = {"MnO2": 0.5, "Y2O3": 0.5}
    assert not learned([Trial(dosed, 900.0, {"Mn2O3": 0.46, "Y2O3": 0.54})], AIR).known


def test_what_is_learned_does_not_depend_on_the_order_of_trials() -> None:
    history = [
        Trial(DOSED, T, {"BaCuO2": x, "Y2O3": 0.2, "BaO2": 0.8 - x}) for T, x in ((800.0, 0.3), (900.0, 0.6))
    ]
    history += [Trial({"BaO2": 0.5, "CuO": 0.5}, T, {"BaCuO2": 1.0}) for T in (700.0, 1000.0)] + [
        Trial(DOSED, 700.0, {})
    ]
    first = learned(history, AIR)
    for seed in range(5):
        mixed = history[:]
        random.Random(seed).shuffle(mixed)
        assert learned(mixed, AIR) == first
    assert first.known["BaO2", "CuO"].at == 700.0


def test_a_way_is_predicted_reaction_by_reaction() -> None:
    known = learned(
        [
            Trial({"BaO2": 0.68, "CuO": 0.32}, 800.0, {"BaCuO2": 1.0}),
            Trial({"BaCuO2": 0.5, "Y2O3": 0.5}, 1000.0, {"Y2BaCuO5": 1.0}),
        ],
        AIR,
    )
    units = {"BaO2": 2.0, "CuO": 3.0, "Y2O3": 0.5}
    mixture, way = predicted(units, 900.0, known, AIR, "YBa2Cu3O7")
    assert mixture == pytest.approx({"BaCuO2": 2.0, "CuO": 1.0, "Y2O3": 0.5}, abs=1e-6)
    assert [one.pair for one in way] == [("BaO2", "CuO")]
    hotter, way = predicted(units, 1100.0, known, AIR, "YBa2Cu3O7")
    assert hotter == pytest.approx({"Y2BaCuO5": 0.5, "BaCuO2": 1.5, "CuO": 1.0}, abs=1e-6)
    assert len(way) == 2
    _, stopped = predicted(units, 1100.0, known, AIR, "BaCuO2")
    assert len(stopped) == 1
    assert predicted(units, 1100.0, Reactions(), AIR, "BaCuO2") == (units, ())


def test_uncertain_amounts_are_moved_to_the_composition_that_was_dosed() -> None:
    atoms = {"Ba": 2.0, "Cu": 3.0, "Y": 1.0}
    seen = {"BaCuO2": 1.8, "CuO": 1.1, "Y2O3": 0.6}
    found = fitted(tuple(seen), atoms, AIR, seen)
    assert found == pytest.approx({"BaCuO2": 2.0, "CuO": 1.0, "Y2O3": 0.5}, abs=1e-4)
