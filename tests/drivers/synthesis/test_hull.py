"""Reactions of largest driving force: against a linear programme, against pymatgen's hull, and by their balances."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.optimize import linprog

from drivers.sim.synthesis.hull import GRID_K, Hull, balanced, highest, hull
from drivers.sim.synthesis.phases import System

GASES = ("air", "argon")


def programme(made: Hull, a: int, b: int) -> float:
    """The largest driving force of x A + (1 - x) B, eV per atom, as a linear programme over x and all products."""
    n = len(made.energies)
    reactants = [a, b]
    cost = np.concatenate([-made.energies[reactants], made.energies])
    balance = np.hstack([made.amounts[reactants].T, -made.amounts.T])
    one = np.concatenate([[1.0, 1.0], np.zeros(n)])
    found = linprog(
        cost, A_eq=np.vstack([balance, one]), b_eq=np.concatenate([np.zeros(len(balance)), [1.0]])
    )
    assert found.status == 0
    return -float(found.fun)


@pytest.mark.parametrize("gas", GASES)
@pytest.mark.parametrize("temperature", [600.0, 1200.0])
def test_no_reaction_has_a_larger_driving_force(
    gas: str, temperature: float, fe_li_o_p: System, cl_mn_na_o_y: System
) -> None:
    for system in (fe_li_o_p, cl_mn_na_o_y):
        made, luck = Hull(system, temperature, gas), random.Random(1)
        some = 0
        for _ in range(60):
            a, b = luck.sample(range(len(system.phases)), 2)
            best, found = programme(made, a, b), made.reaction(a, b)
            if found is not None:
                some += 1
                assert found.driving == pytest.approx(best, abs=1e-6)
            else:
                alone = max(made.above[a].min(), made.above[b].min())
                assert best == pytest.approx(max(alone, 0.0), abs=2e-4)
        assert some > 10


@pytest.mark.parametrize("gas", GASES)
def test_a_reaction_is_balanced_and_releases_its_driving_force(gas: str, cl_mn_na_o_y: System) -> None:
    made, luck = Hull(cl_mn_na_o_y, 1000.0, gas), random.Random(2)
    solids = len(cl_mn_na_o_y.phases)
    gases = made.amounts[solids:]
    for _ in range(80):
        a, b = luck.sample(range(solids), 2)
        found = made.reaction(a, b)
        if found is None:
            continue
        change = sum(n * made.amounts[k] for k, n in found.changes.items())
        # What the solids lose is gas: pure elements, and oxygen only leaves under argon.
        given = dict(zip(made.elements, -change, strict=True))
        assert all(abs(n) < 1e-6 for e, n in given.items() if e not in ("O", "Cl"))
        assert all(n > -1e-6 for n in given.values())
        energy = sum(n * made.energies[k] for k, n in found.changes.items())
        for row, potential in zip(gases, made.energies[solids:], strict=True):
            energy += given[made.elements[int(row.argmax())]] * potential
        assert -energy == pytest.approx(found.driving, abs=1e-6)


def test_the_hull_under_argon_is_pymatgen_s(fe_li_o_p: System) -> None:
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    made = Hull(fe_li_o_p, 900.0, "argon")
    solids = len(fe_li_o_p.phases)
    entries = [
        PDEntry(Composition(dict(p.counts)), made.energies[k] * p.atoms)
        for k, p in enumerate(fe_li_o_p.phases)
    ]
    oxygen = PDEntry(Composition("O"), float(made.energies[solids]))
    diagram = PhaseDiagram([*entries, oxygen])
    for phase, entry in zip(fe_li_o_p.phases, entries, strict=True):
        assert made.above_hull(phase.formula) == pytest.approx(diagram.get_e_above_hull(entry), abs=1e-6)


def test_the_highest_point_of_the_lowest_line() -> None:
    luck = np.random.default_rng(3)
    x = np.linspace(0, 1, 20001)
    for _ in range(200):
        first, second = luck.normal(size=(2, luck.integers(1, 12)))
        grid = (x[:, None] * first + (1 - x[:, None]) * second).min(axis=1)
        at, value = highest(first, second)
        assert value == pytest.approx(grid.max(), abs=1e-3) and value >= grid.max() - 1e-12
        assert (at * first + (1 - at) * second).min() == pytest.approx(value)


def test_oxygen_comes_from_air_and_not_from_argon(fe_li_o_p: System) -> None:
    number = fe_li_o_p.number
    air, argon = (Hull(fe_li_o_p, 900.0, gas) for gas in GASES)
    wustite = air.reaction(number["FeO"], number["FeO"])
    assert wustite is not None and set(wustite.changes) == {number["FeO"], number["Fe2O3"]}
    assert argon.reaction(number["FeO"], number["FeO"]) is None
    pair = [number["FeO"], number["Li2O"]]
    assert balanced(air, number["LiFeO2"], pair) is not None
    assert balanced(argon, number["LiFeO2"], pair) is None
    assert balanced(argon, number["LiFeO2"], [number["Fe2O3"], number["Li2O2"]]) is not None
    assert balanced(air, number["LiFeO2"], [number["Fe2O3"], number["P2O5"]]) is None


def test_thermochemistry_is_looked_up_on_its_grid(fe_li_o_p: System) -> None:
    assert hull(fe_li_o_p, 1003.0, "air") is hull(fe_li_o_p, 1000.0 + 0.4 * GRID_K, "air")
    assert hull(fe_li_o_p, 1003.0, "air") is not hull(fe_li_o_p, 1003.0, "argon")
