"""Powders in a furnace: atoms stay, heat and contact help, and a poor intermediate really ruins a route."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.sim.synthesis.hull import balanced, hull
from drivers.sim.synthesis.kinetics import GAMMA, barrier, heated, rate_constant
from drivers.sim.synthesis.phases import System
from drivers.sim.synthesis.powder import Powder, at_time, ramp_s, schedule

HOURS = 3600.0


def mixture(system: System, target: str, *precursors: str, gas: str = "air", mixed: float = 1.0) -> Powder:
    number = [system.number[one] for one in precursors]
    moles = balanced(hull(system, 1000.0, gas), system.number[target], number)
    assert moles is not None
    return Powder(dict(zip(precursors, moles.tolist(), strict=True)), mixed)


def made(system: System, target: str, powder: Powder, celsius: float, hold: float, gas: str = "air") -> float:
    course = heated(system, powder, celsius + 273.15, hold, gas)
    return course[-1][1].weight_fractions(system).get(target, 0.0)


def metals(system: System, powder: Powder) -> dict[str, float]:
    sums: dict[str, float] = {}
    for formula, n in powder.moles.items():
        for element, share in system.phase(formula).fractions.items():
            sums[element] = sums.get(element, 0.0) + n * share
    return {e: n for e, n in sums.items() if e not in ("O", "Cl")}


def test_barriers_and_rates_are_the_formulas() -> None:
    # 0.08 J/m^2 and 50 meV per atom at 10 A^3 per atom: 16 pi gamma^3 / 3 dG^2 by hand, in SI units.
    gamma, per_volume = 0.08, 0.05 * 1.602177e-19 / 10e-30
    assert barrier(0.05, 10.0) == pytest.approx(16.7552 * gamma**3 / per_volume**2 / 1.602177e-19, rel=1e-4)
    assert pytest.approx(0.08, rel=1e-4) == GAMMA * 16.02177
    assert barrier(0.1, 10.0) == pytest.approx(barrier(0.05, 10.0) / 4)
    hotter, driven = rate_constant(0.05, 10, 1.5, 1100), rate_constant(0.2, 10, 1.5, 1000)
    assert min(hotter, driven) > rate_constant(0.05, 10, 1.5, 1000) > rate_constant(0.05, 10, 2.0, 1000)


def test_the_furnace_heats_as_the_a_lab_s() -> None:
    assert ramp_s(573.15) == pytest.approx(275 * 30) and ramp_s(873.15) == pytest.approx(275 * 30 + 1200)
    steps = list(schedule(1000.0, 60.0))
    assert steps[-1] == (1000.0, 60.0) and all(t > 0 for _, t in steps)
    assert all(b > a for (a, _), (b, _) in pairwise(steps))


@settings(max_examples=40)
@given(
    celsius=st.floats(300, 1100), hold=st.floats(0, 1e5), gas=st.sampled_from(["air", "argon"]),
    shares=st.lists(st.floats(0.01, 1), min_size=4, max_size=4),
)  # fmt: skip
def test_no_atom_of_a_metal_is_lost_or_made(
    fe_li_o_p: System, celsius: float, hold: float, gas: str, shares: list[float]
) -> None:
    powder = Powder(dict(zip(("Fe2O3", "Li2O2", "P2O5", "FeO"), shares, strict=True)), 1.0)
    before = metals(fe_li_o_p, powder)
    course = heated(fe_li_o_p, powder, celsius + 273.15, hold, gas)
    for seconds, after in (*course, (0.5, at_time(course, course[-1][0] * 0.77))):
        assert metals(fe_li_o_p, after) == pytest.approx(before, rel=1e-6)
        assert min(after.moles.values()) >= 0 and seconds >= 0


def test_cold_unmixed_and_brief_do_little_and_hotter_longer_ground_do_more(cl_mn_na_o_y: System) -> None:
    system, target = cl_mn_na_o_y, "YMn2O5"
    powder = mixture(system, target, "Mn2O3", "Y2O3")
    assert made(system, target, powder, 300, 4 * HOURS) < 0.01
    loose = Powder(powder.moles, 0.0)
    assert made(system, target, loose, 1100, 4 * HOURS) == 0
    at = [made(system, target, powder, celsius, 4 * HOURS) for celsius in (700, 900, 1100)]
    assert at[0] < at[1] < at[2] and at[2] > 0.5
    assert made(system, target, powder, 900, HOURS) < at[1] < made(system, target, powder, 900, 40 * HOURS)
    once = heated(system, powder, 1173.15, 4 * HOURS, "air")[-1][1]
    again = [heated(system, p, 1173.15, 4 * HOURS, "air")[-1][1] for p in (once, once.ground())]
    layered, ground = (p.weight_fractions(system)[target] for p in again)
    assert once.weight_fractions(system)[target] < layered < ground


def test_an_interrupted_firing_is_somewhere_between(cl_mn_na_o_y: System) -> None:
    powder = mixture(cl_mn_na_o_y, "YMn2O5", "Mn2O3", "Y2O3")
    course = heated(cl_mn_na_o_y, powder, 1273.15, 4 * HOURS, "air")
    end = course[-1][0]
    amounts = [
        at_time(course, end * x).weight_fractions(cl_mn_na_o_y).get("YMn2O5", 0.0)
        for x in (0, 0.7, 0.8, 0.9, 2)
    ]
    assert amounts == sorted(amounts) and amounts[0] == 0 < amounts[1] < amounts[-1]
    assert end == pytest.approx(ramp_s(1273.15) + 4 * HOURS)
    assert at_time(course, end + 1) is course[-1][1]


@pytest.mark.parametrize("celsius", [500, 700, 900, 1100])
def test_a_route_of_large_driving_force_through_a_stable_intermediate_fails(
    cl_mn_na_o_y: System, celsius: float
) -> None:
    """NaMnO2 under argon: of MnO and Na2O2, the set driven most of all, Na2Mn2O3 forms early and stays; Mn2O3 and Na2O,
    driven least, make the target."""
    system, target = cl_mn_na_o_y, "NaMnO2"
    tempting = mixture(system, target, "MnO", "Na2O2", gas="argon")
    humble = mixture(system, target, "Mn2O3", "Na2O", gas="argon")
    at = hull(system, 1000.0, "argon")

    def driving(powder: Powder) -> float:
        n = sum(powder.moles.values())
        before = sum(x * at.energies[system.number[f]] for f, x in powder.moles.items())
        return (before - at.energies[system.number[target]]) / n

    assert driving(tempting) > driving(humble) + 0.1
    assert made(system, target, tempting, celsius, 4 * HOURS, "argon") < 0.5
    after = heated(system, tempting, celsius + 273.15, 4 * HOURS, "argon")[-1][1].weight_fractions(system)
    if celsius >= 700:
        assert after["Na2Mn2O3"] > 0.4
        assert made(system, target, humble, celsius, 4 * HOURS, "argon") > 0.8
