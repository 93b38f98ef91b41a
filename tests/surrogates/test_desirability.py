"""Degrees of satisfaction: by hand, and flat nowhere."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.errors import UnsupportedObjectives
from surrogates.goals.desirability import Desirability
from tests.surrogates.sought import Wanted

YIELD = Wanted("yield", "maximise", worst=20.0, best=100.0)
WASTE = Wanted("waste", "minimise", worst=10.0, best=2.0, weight=3.0)
COLOUR = Wanted("colour", "match", target=550.0, tolerance=20.0)


def test_degrees_by_hand() -> None:
    goal = Desirability([YIELD, WASTE, COLOUR])
    Y = np.array([[60.0, 4.0, 545.0], [20.0, 2.0, 550.0], [200.0, 0.0, 570.0], [0.0, 11.0, 500.0]])
    assert goal.degrees(Y) == pytest.approx(
        np.array([[0.5, 0.75, 0.75], [0, 1, 1], [1, 1, 0], [0, 0, 0]], float)
    )
    assert goal.exact(Y) == pytest.approx([(0.5 * 0.75**3 * 0.75) ** 0.2, 0.0, 0.0, 0.0])


def test_best_of_everything_is_one_and_the_rounding_is_slight() -> None:
    goal = Desirability([YIELD, WASTE, COLOUR])
    assert goal.exact(np.array([[100.0, 2.0, 550.0]])) == pytest.approx([1.0])
    many = np.random.default_rng(0).normal([60, 6, 550], [60, 6, 30], (1000, 3))
    assert (goal(many) > 0).all() and (goal(many) < 1).all()
    clear = ((goal.degrees(many) > 0.1) & (goal.degrees(many) < 0.9)).all(axis=1)
    assert clear.sum() > 30 and np.abs(goal(many) - goal.exact(many))[clear].max() < 0.002
    assert np.abs(goal(many) - goal.exact(many)).max() < 0.35


def test_the_largest_numbers_are_no_trouble() -> None:
    goal = Desirability([YIELD, WASTE])
    values = goal(np.array([[1.7e308, -1.7e308], [-1.7e308, 1.7e308], [1e200, 1e200]]))
    assert values[0] == pytest.approx(1.0, abs=1e-3) and values[1:] == pytest.approx([0.0, 0.0], abs=1e-3)


@pytest.mark.parametrize("y", [-500.0, 10.0, 40.0, 90.0, 130.0, 5000.0])
def test_it_is_flat_nowhere(y: float) -> None:
    goal = Desirability([YIELD, WASTE, COLOUR])
    for other in ([3.0, 555.0], [30.0, 100.0]):
        Y = np.array([[y, *other], [y + 1.0, *other]])
        assert goal(Y)[1] > goal(Y)[0]


def test_closer_to_the_target_is_better_on_both_sides() -> None:
    goal = Desirability([COLOUR])
    values = goal(np.array([[480.0], [520.0], [540.0], [550.0], [561.0], [572.0], [650.0]]))
    assert (np.diff(values[:4]) > 0).all() and (np.diff(values[3:]) < 0).all()


def test_an_objective_without_weight_does_not_count() -> None:
    goal = Desirability([YIELD, Wanted("waste", "minimise", worst=10.0, best=2.0, weight=0.0)])
    assert goal.exact(np.array([[60.0, 99.0]])) == pytest.approx([0.5])


def test_any_leading_shape() -> None:
    Y = np.random.default_rng(0).normal(50, 30, (4, 5, 2))
    goal = Desirability([YIELD, WASTE])
    assert goal(Y).shape == (4, 5) and goal(Y)[1, 2] == pytest.approx(goal(Y[1, 2][None])[0])


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        (Wanted("yield", "maximise", best=1.0), "worst"),
        (Wanted("yield", "maximise", worst=2.0, best=1.0), "above"),
        (Wanted("yield", "minimise", worst=1.0, best=2.0), "below"),
        (Wanted("yield", "match", tolerance=1.0), "target"),
        (Wanted("yield", "match", target=1.0), "tolerance"),
        (Wanted("yield", "match", target=1.0, tolerance=0.0), "tolerance"),
        (Wanted("yield", "maximise", worst=0.0, best=1.0, weight=0.0), "weights"),
    ],
)
def test_what_is_missing_is_named(objective: Wanted, said: str) -> None:
    with pytest.raises(UnsupportedObjectives, match=said):
        Desirability([objective])
