"""The physics: finite everywhere, monotone where its docstring says so, and with its optimum inside."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import differential_evolution

from drivers.sim import film
from drivers.sim.film import SOLVENTS, anneal, coat, conductance, mix, mobility, truth

SPACE = [(0.0, 0.4), (350.0, 520.0), (math.log(10), math.log(300))]
OPTIMUM = {"chlorobenzene": 2.1297e-3, "anisole": 1.9684e-3, "toluene": 1.7102e-3}

solvents = st.sampled_from(sorted(SOLVENTS))
dopants = st.floats(0, 0.5)
temperatures = st.floats(290, 600)
holds = st.floats(0, 36000)
speeds = st.floats(0, 1000)
durations = st.floats(0, 600)


@given(x=dopants, s=solvents, T=temperatures, t=holds, w=speeds, d=durations)
def test_every_recipe_has_a_finite_outcome(x: float, s: str, T: float, t: float, w: float, d: float) -> None:
    made = truth(x, s, T, t, w, d)
    assert 0 <= mobility(made) <= film.MU_BEST
    assert 0 <= conductance(made) < 1
    assert 0 <= made.crystallinity <= 1 and 0 <= made.coverage <= 1
    assert 0 <= made.active_dopant <= 0.5 and 0 < made.thickness_nm < 1e5 and 0 <= made.wet <= 1


@given(x=dopants, s=solvents, T=temperatures, t=st.floats(0, 3600), more=st.floats(0.1, 3600))
def test_annealing_longer_only_adds(x: float, s: str, T: float, t: float, more: float) -> None:
    before = anneal(coat(mix(None, x, s), 200, 30), T, t)
    after = anneal(before, T, more)
    assert after.crystallinity >= before.crystallinity
    assert after.coverage <= before.coverage
    assert after.wet <= before.wet
    assert after.active_dopant <= before.active_dopant
    at_once = anneal(coat(mix(None, x, s), 200, 30), T, t + more)
    assert mobility(at_once) == pytest.approx(mobility(after), rel=1e-6, abs=1e-15)


@given(x=dopants, s=solvents, T=st.floats(290, 590), hotter=st.floats(0.1, 10), t=st.floats(1, 3600))
def test_heat_speeds_everything_up(x: float, s: str, T: float, hotter: float, t: float) -> None:
    cool, hot = truth(x, s, T, t), truth(x, s, T + hotter, t)
    assert hot.loss_exponent > cool.loss_exponent
    assert hot.dewetting_exponent > cool.dewetting_exponent
    assert hot.oxidation_exponent > cool.oxidation_exponent
    assert hot.wet <= cool.wet


@given(x=dopants, s=solvents, w=st.floats(20, 900), faster=st.floats(1, 100), d=st.floats(30, 600))
def test_faster_spinning_makes_thinner_films_as_the_inverse_square_root(
    x: float, s: str, w: float, faster: float, d: float
) -> None:
    ink = mix(None, x, s)
    slow, fast = coat(ink, w, 600), coat(ink, w + faster, 600)
    assert fast.thickness_nm < slow.thickness_nm
    puddle = film.OMEGA_PUDDLE
    law = math.sqrt((w + puddle) / (w + faster + puddle))
    assert fast.thickness_nm / slow.thickness_nm == pytest.approx(law, rel=1e-3)
    assert coat(ink, w, d).wet >= slow.wet  # less time, more solvent left


def test_arrhenius_is_what_it_is_called() -> None:
    k, energy = 0.01, 80e3
    rates = [film.arrhenius(k, energy, 430.0, T) for T in (400.0, 430.0, 460.0)]
    assert rates[1] == pytest.approx(k)
    slope = (math.log(rates[2]) - math.log(rates[0])) / (1 / 460 - 1 / 400)
    assert slope == pytest.approx(-energy / film.R)


def test_two_doses_are_twice_the_dopant_in_twice_the_solvent() -> None:
    once, twice = mix(None, 0.2, "toluene"), mix(mix(None, 0.2, "toluene"), 0.2, "toluene")
    assert twice.dopant_ratio == pytest.approx(2 * once.dopant_ratio)
    assert twice.volume_mL == 2 * once.volume_mL and twice.mass_g == pytest.approx(2 * once.mass_g)
    assert coat(twice, 209, 30).thickness_nm < coat(once, 209, 30).thickness_nm


@pytest.mark.parametrize("solvent", sorted(SOLVENTS))
def test_the_known_optimum_is_the_best_of_a_global_search_and_lies_inside(solvent: str) -> None:
    found = differential_evolution(
        lambda v: -mobility(truth(v[0], solvent, v[1], math.exp(v[2]))), SPACE, seed=1, tol=1e-6
    )
    assert -found.fun == pytest.approx(OPTIMUM[solvent], rel=1e-3)
    for value, (low, high) in zip(found.x, SPACE, strict=True):
        margin = 0.05 * (high - low)
        assert low + margin < value < high - margin


def test_no_point_of_a_fine_grid_beats_the_known_optimum() -> None:
    best = max(
        mobility(truth(x / 50, s, T, math.exp(lt / 8)))
        for s in SOLVENTS
        for x in range(0, 21)
        for T in range(350, 521, 5)
        for lt in range(18, 47)
    )
    assert 0.97 * OPTIMUM["chlorobenzene"] < best <= OPTIMUM["chlorobenzene"] * (1 + 1e-4)


def test_the_best_temperature_depends_on_time_and_the_best_dopant_on_solvent() -> None:
    def best_temperature(hold: float) -> int:
        return max(range(350, 521), key=lambda T: mobility(truth(0.14, "chlorobenzene", T, hold)))

    def best_dopant(solvent: str) -> float:
        return max((x / 100 for x in range(41)), key=lambda x: mobility(truth(x, solvent, 465, 40)))

    assert best_temperature(15) - best_temperature(200) > 20
    assert best_dopant("chlorobenzene") - best_dopant("toluene") > 0.03


def test_it_is_hard_for_chance_and_rarely_impossible() -> None:
    draw = random.Random(0)
    films = [
        truth(draw.uniform(*SPACE[0]), s, draw.uniform(*SPACE[1]), math.exp(draw.uniform(*SPACE[2])))
        for s in draw.choices(sorted(SOLVENTS), k=20000)
    ]
    good = sum(mobility(one) > 0.9 * OPTIMUM["chlorobenzene"] for one in films) / len(films)
    gone = sum(one.coverage < film.NO_FILM for one in films) / len(films)
    assert 0.003 < good < 0.02
    assert 0.002 < gone < 0.05
