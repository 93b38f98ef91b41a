"""Random scalarisations: by hand, and that their maxima make up the front."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.errors import UnsupportedObjectives
from surrogates.goals.chebyshev import AUGMENTED, Chebyshev, simplex_weights
from surrogates.goals.pareto import front
from tests.surrogates.sought import Wanted

OBJECTIVES = [Wanted("strength", "maximise"), Wanted("weight", "minimise")]


def test_by_hand() -> None:
    observed = np.array([[0.0, 10.0], [4.0, 30.0]])
    goal = Chebyshev(OBJECTIVES, observed, np.array([0.25, 0.75]))
    # losses of (3, 20): (4 - 3) / 4 and (20 - 10) / 20, weighed 0.0625 and 0.375
    assert goal(np.array([[3.0, 20.0], [4.0, 10.0]])) == pytest.approx([-(0.375 + AUGMENTED * 0.4375), 0.0])


def test_maxima_over_all_weights_are_the_front_concave_or_not() -> None:
    t = np.linspace(0, 1, 12) ** 2
    bay = np.column_stack([t, -((1 - np.sqrt(t)) ** 2)])  # a front that no weighted sum finds the middle of
    observed = np.vstack([bay, bay - np.array([0.1, -0.1]), [[0.2, 0.9]]])
    best = {
        int(np.argmax(Chebyshev(OBJECTIVES, observed, simplex_weights(2, 3, i))(observed)))
        for i in range(400)
    }
    members = set(np.flatnonzero(front(observed, ("maximise", "minimise"))).tolist())
    assert best <= members and len(best) >= 9  # the weighted sum beside it hides what adds next to nothing
    summed = {int(np.argmax(observed @ [w, w - 1.0])) for w in np.linspace(0.01, 0.99, 400)}
    assert len(summed & members) <= 2


def test_weights_are_fixed_by_seed_and_index_and_spread_over_the_simplex() -> None:
    assert np.array_equal(simplex_weights(3, 1, 5), simplex_weights(3, 1, 5))
    assert not np.array_equal(simplex_weights(3, 1, 5), simplex_weights(3, 1, 6))
    many = np.array([simplex_weights(3, 0, i) for i in range(2000)])
    assert (many >= 0).all() and many.sum(axis=1) == pytest.approx(np.ones(2000))
    assert many.mean(axis=0) == pytest.approx(np.full(3, 1 / 3), abs=0.02)


def test_a_match_counts_its_distance_from_the_target() -> None:
    goal = Chebyshev([Wanted("colour", "match", target=5.0)], np.array([[5.0], [9.0]]), np.array([1.0]))
    assert goal(np.array([[4.0], [6.0], [5.5]])).argmax() == 2
    with pytest.raises(UnsupportedObjectives, match="target"):
        Chebyshev([Wanted("colour", "match")], np.array([[5.0]]), np.array([1.0]))


def test_an_objective_that_never_changed_and_huge_values_are_no_trouble() -> None:
    goal = Chebyshev(OBJECTIVES, np.array([[1e300, 2.0], [-1e300 / 8, 2.0]]), np.array([0.5, 0.5]))
    assert np.isfinite(goal(np.array([[1e299, 3.0]]))).all()


def test_the_number_of_weights_is_checked() -> None:
    with pytest.raises(ValueError, match="wanted 2 weights"):
        Chebyshev(OBJECTIVES, np.zeros((1, 2)), np.array([1.0]))
