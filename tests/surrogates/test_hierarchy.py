"""Chimera: a case worked by hand, and the order of rank for values not yet seen."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.errors import UnsupportedObjectives
from surrogates.goals.hierarchy import Chimera
from tests.surrogates.sought import Wanted

COST = Wanted("cost", "minimise", tolerance=0.5)
YIELD = Wanted("yield", "maximise", tolerance=0.25)
# Losses scaled to [0, 1]: cost 0, 0.2, 0.4, 0.8, 1; yield (less is more) 0.75, 0.5, 1, 0, 0.25.
OBSERVED = np.array([[10.0, 25.0], [12.0, 50.0], [14.0, 0.0], [18.0, 100.0], [20.0, 75.0]])


def test_a_case_worked_by_hand() -> None:
    """Threshold of cost: 0 + 0.5 * 1 = 0.5; rows 0, 1, 2 are within. Of yield over these: 0.5 + 0.25 * 0.5 = 0.625,
    shifted by 1 - 0.5 to end at 0.5: 0.125; row 1 is within, so cost counts again, shifted by 0.2 - 0.125. Least is
    best: rows 0 and 2 are worth their shifted yields 0.25 and 0.5, row 1 its shifted cost 0.125, rows 3 and 4 their
    costs 0.8 and 1."""
    goal = Chimera([COST, YIELD], OBSERVED)
    assert goal.thresholds == pytest.approx([0.5, 0.125])
    assert goal.shifts == pytest.approx([0.0, 0.5, 0.075])
    assert goal(OBSERVED) == pytest.approx([-0.25, -0.125, -0.5, -0.8, -1.0], abs=1e-6)


def test_what_meets_the_higher_objective_beats_what_does_not_seen_or_not() -> None:
    goal = Chimera([COST, YIELD, Wanted("colour", "match", target=5.0, tolerance=1.0)], with_colour())
    rng = np.random.default_rng(1)
    Y = np.column_stack([rng.uniform(8, 25, 500), rng.uniform(-200, 150, 500), rng.uniform(-20, 30, 500)])
    values, within = goal(Y), Y[:, 0] < 14.9
    assert values[within].min() > values[Y[:, 0] > 15.2].max() - 2e-3


def with_colour() -> np.ndarray:
    return np.column_stack([OBSERVED, [4.0, 8.0, 5.5, 5.0, 1.0]])


def test_the_tolerance_of_a_match_is_a_distance_from_its_target() -> None:
    goal = Chimera([Wanted("colour", "match", target=5.0, tolerance=1.5), COST], with_colour()[:, [2, 0]])
    near_cheap, near_dear, far_cheap = goal(np.array([[6.4, 10.0], [5.0, 20.0], [6.7, 10.0]]))
    assert near_cheap > near_dear > far_cheap


def test_it_goes_on_rising_within_the_last_tolerance_by_the_first_objective() -> None:
    goal = Chimera([COST, YIELD], OBSERVED)
    cheap, dear = goal(np.array([[9.0, 90.0], [11.0, 90.0]]))
    assert cheap > dear


def test_no_tolerance_means_as_good_as_can_be() -> None:
    goal = Chimera([COST, Wanted("yield", "maximise")], OBSERVED)
    poor, rich = goal(np.array([[12.0, 40.0], [14.0, 50.0]]))
    assert rich > poor


def test_equal_results_and_one_row_are_no_trouble() -> None:
    for observed in (np.full((4, 2), 3.0), OBSERVED[:1]):
        values = Chimera([COST, YIELD], observed)(OBSERVED)
        assert np.isfinite(values).all()


def test_refusals() -> None:
    with pytest.raises(UnsupportedObjectives, match="between 0 and 1; got 20"):
        Chimera([Wanted("cost", "minimise", tolerance=20.0), YIELD], OBSERVED)
    with pytest.raises(ValueError, match="at least one row"):
        Chimera([COST, YIELD], OBSERVED[:0])
    with pytest.raises(ValueError, match="one column for each of 2"):
        Chimera([COST, YIELD], with_colour())
