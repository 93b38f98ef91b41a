"""Route choice: driving force first, what was seen after that, nothing hidden, nothing twice."""

from __future__ import annotations

import random

import pytest

from surrogates.synthesis.chemistry import Chemistry
from surrogates.synthesis.choose import choose, precursor_sets
from surrogates.synthesis.trials import Recipe, Trial

# eV per formula, the gas's element for nothing. MnO + Na2O2 is driven most and goes to a stable intermediate.
ENERGIES = {
    "MnO": -3.0, "MnO2": -3.6, "Mn2O3": -7.4, "Na2O": -3.6, "Na2O2": -3.8, "NaMnO2": -6.0,
    "Na2Mn2O3": -11.8, "Na4Mn2O5": -15.8,
}  # fmt: skip
CHEMISTRY = Chemistry(lambda formula, T: ENERGIES[formula])
PRECURSORS = ("MnO", "MnO2", "Mn2O3", "Na2O", "Na2O2")
LADDER = (800.0, 900.0, 1000.0)
TARGET = "NaMnO2"


def ask(*history: Trial, temperatures: tuple[float, ...] = LADDER, patient: bool = True) -> list[Recipe]:
    return choose(TARGET, PRECURSORS, history, CHEMISTRY, temperatures, patient=patient)


def weights(*names: str) -> dict[str, float]:
    units = CHEMISTRY.balance({TARGET: 1.0}, names)
    assert units is not None
    from pymatgen.core import Composition

    mass = {f: n * Composition(f).weight for f, n in units.items()}
    return {f: m / sum(mass.values()) for f, m in mass.items()}


def trial(names: tuple[str, ...], temperature: float, **phases: float) -> Trial:
    return Trial(weights(*names), temperature, phases)


def test_without_a_history_the_largest_driving_force_is_first_at_the_first_temperature() -> None:
    recipes = ask()
    assert recipes[0].precursors == ("MnO", "Na2O") and {r.temperature for r in recipes} == {800.0}
    assert recipes[0].units == pytest.approx({"MnO": 1.0, "Na2O": 0.5})
    assert [r.driving for r in recipes] == sorted((r.driving for r in recipes), reverse=True)
    assert recipes[0].driving == recipes[0].total == pytest.approx((6.0 - 3.0 - 1.8) / 4)
    assert "nothing known" in recipes[0].reasons[0]
    assert len(recipes) == len(precursor_sets(TARGET, PRECURSORS, CHEMISTRY)) == 6


def test_a_set_goes_on_upwards_and_is_given_up_at_the_highest() -> None:
    cold = trial(("MnO", "Na2O"), 800.0, **weights("MnO", "Na2O"))
    first = ask(cold)[0]
    assert (first.precursors, first.temperature) == (("MnO", "Na2O"), 900.0)
    assert first.driving == pytest.approx(first.total, rel=1e-3)
    stuck = [cold, *(trial(("MnO", "Na2O"), T, Na2Mn2O3=0.7, Na2O=0.3) for T in (900.0, 1000.0))]
    assert ("MnO", "Na2O") not in {r.precursors for r in ask(*stuck)}


def test_a_stable_intermediate_uses_up_the_driving_force_of_other_sets_too() -> None:
    # MnO + Na2O2 with the same intermediate is known to have little left, whatever its total.
    seen = trial(("MnO", "Na2O"), 800.0, Na2Mn2O3=0.75, Na2O=0.25)
    after = {r.precursors: r for r in ask(seen, patient=False)}
    left = after["MnO", "Na2O"]
    # Na2Mn2O3 / 2 + Na2O / 4 -> NaMnO2
    assert left.driving < left.total / 3 and "meV per atom are left" in left.reasons[0]
    assert next(iter(after)) != ("MnO", "Na2O")  # without patience another set is next
    assert ask(seen)[0].precursors == ("MnO", "Na2O")


def test_a_set_in_which_the_target_has_begun_to_form_is_fired_hotter_before_any_other() -> None:
    humble = ("MnO2", "Na2O2")
    begun = trial(humble, 800.0, MnO2=0.5, Na2O2=0.4, NaMnO2=0.1)
    first = ask(begun, patient=False)[0]
    assert (first.precursors, first.temperature) == (humble, 900.0)
    assert f"{TARGET} has begun to form" in first.reasons
    assert first.total < max(r.total for r in ask(begun, patient=False))
    lower = ask(
        trial(humble, 900.0, MnO2=0.5, Na2O2=0.4, NaMnO2=0.1), temperatures=(900.0, 800.0), patient=False
    )
    assert lower[0].precursors != humble  # colder, it would form no faster


def test_reactions_seen_in_one_set_say_what_becomes_of_another() -> None:
    # Mn2O3 + Na2O is seen to make Na4Mn2O5 in trials for it; the set for NaMnO2 will pass through it.
    units = CHEMISTRY.balance({"Na4Mn2O5": 1.0}, ["Mn2O3", "Na2O"])
    assert units is not None
    other = Trial({"Mn2O3": 0.56, "Na2O": 0.44}, 800.0, {"Na4Mn2O5": 1.0})
    found = {r.precursors: r for r in ask(other)}["Mn2O3", "Na2O"]
    assert found.driving < found.total and "Mn2O3 + Na2O to Na4Mn2O5 by 800 K" in found.reasons[0]


def test_a_pair_that_is_known_to_make_the_target_is_fired_where_it_did() -> None:
    other = Trial({"Mn2O3": 0.56, "Na2O": 0.44}, 900.0, {TARGET: 0.8, "Na2O": 0.2})
    found = {r.precursors: r for r in ask(other)}["Mn2O3", "Na2O"]
    assert found.temperature == 900.0 and found.reasons[0].startswith("known: Mn2O3 + Na2O to NaMnO2")


def test_what_is_known_to_be_inert_is_not_fired() -> None:
    side_by_side = Trial({"Mn2O3": 0.2, "Na2O": 0.8}, 900.0, {"Mn2O3": 0.2, "Na2O": 0.8})
    found = {r.precursors: r for r in ask(side_by_side)}
    assert found["Mn2O3", "Na2O"].temperature == 1000.0 and found["MnO", "Na2O"].temperature == 800.0


def test_a_set_that_repeats_the_intermediates_of_one_given_up_is_left_out() -> None:
    failed = [trial(("MnO", "Na2O"), T, Na2Mn2O3=0.7, Na2O=0.3) for T in LADDER]
    alike = trial(("MnO", "Na2O2"), 800.0, Na2Mn2O3=0.72, Na2O=0.28)
    assert ("MnO", "Na2O2") in {r.precursors for r in ask(*failed)}
    assert ("MnO", "Na2O2") not in {r.precursors for r in ask(*failed, alike)}


def test_sets_take_the_temperatures_in_the_order_that_is_given() -> None:
    down = (900.0, 1000.0, 800.0)
    assert {r.temperature for r in ask(temperatures=down)} == {900.0}
    tried = [trial(("MnO", "Na2O"), T, **weights("MnO", "Na2O")) for T in (900.0, 1000.0)]
    assert {r.precursors: r.temperature for r in ask(*tried, temperatures=down)}["MnO", "Na2O"] == 800.0


def test_the_same_history_in_any_order_gives_the_same_recipes_and_none_twice() -> None:
    history: list[Trial] = []
    luck = random.Random(1)
    for _ in range(18):
        recipes = ask(*history)
        if not recipes:
            break
        shuffled = history[:]
        luck.shuffle(shuffled)
        assert ask(*shuffled) == recipes
        best = recipes[0]
        done = {(t.precursors, t.temperature) for t in history}
        assert (best.precursors, best.temperature) not in done
        history.append(Trial(weights(*best.precursors), best.temperature, {"Na2Mn2O3": 0.6, "Na2O": 0.4}))
    assert not ask(*history)


def test_other_proportions_of_the_same_powders_are_another_set() -> None:
    other = Trial({"MnO": 0.1, "Na2O": 0.9}, 800.0, {"Na2O": 1.0})
    assert {r.precursors: r.temperature for r in ask(other)}["MnO", "Na2O"] == 800.0


def test_superfluous_precursors_are_in_no_set_and_no_temperatures_are_refused() -> None:
    sets = precursor_sets(TARGET, [*PRECURSORS, TARGET, "Y2O3"], CHEMISTRY, most=3)
    assert all(len(names) == 2 for names in sets) and not any({TARGET, "Y2O3"} & set(names) for names in sets)
    with pytest.raises(ValueError, match="at least one temperature"):
        ask(temperatures=())
