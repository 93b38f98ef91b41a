"""Phase diagrams: class probabilities, and where to look next."""

from __future__ import annotations

import math
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from surrogates.acquisition.phase_boundary import STRATEGIES, PhaseBoundary
from surrogates.encode import Array
from surrogates.models import labels as labels_module
from surrogates.models.labels import LabelPropagation, integers, spacing

GRID = np.stack(np.meshgrid(*[np.linspace(0, 1, 21)] * 2), axis=-1).reshape(-1, 2)


def phases(X: Array) -> Array:
    """Three phases with curved borders."""
    x, y = X.T
    disc = (x - 0.75) ** 2 + (y - 0.2) ** 2 < 0.09
    return np.where(disc, 2, np.where(y > 0.55 + 0.25 * np.sin(4 * x), 1, 0))


def told(U: Array) -> Any:
    return SimpleNamespace(U=U)


def apart(X: Array, U: Array) -> Array:
    """The rows of X that are none of U."""
    rest: Array = X[~(X[:, None] == U).all(axis=2).any(axis=1)]
    return rest


def test_probabilities_are_scikit_learn_s_where_its_iteration_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.semi_supervised import LabelPropagation as Iterated

    monkeypatch.setattr(labels_module, "ABSENT", 0.0)
    rng = np.random.default_rng(0)
    U, reference = rng.random((8, 2)), rng.random((30, 2))
    known = phases(U)
    assert len(np.unique(known)) == 3
    model = LabelPropagation(U, known, reference, length=0.15)
    theirs = Iterated(gamma=0.5 / 0.15**2, max_iter=5_000, tol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(np.vstack([U, reference]), np.r_[known, np.full(30, -1)])
    X = rng.random((40, 2))
    assert np.allclose(model.probabilities(X), theirs.predict_proba(X), atol=1e-4)
    assert np.array_equal(model.predict(X), theirs.predict(X))


def test_far_from_all_points_nothing_is_known() -> None:
    model = LabelPropagation(np.array([[0.1, 0.1], [0.2, 0.9]]), np.array([3, 7]), GRID)
    assert model.classes.tolist() == [3, 7]
    assert np.allclose(model.probabilities(np.full((1, 2), 50.0)), 0.5)
    assert np.allclose(model.probabilities(GRID).sum(axis=1), 1.0)


def test_categories_that_no_weight_connects() -> None:
    """One-hot columns are so far apart that weights underflow: no results there, no opinion."""
    near = np.hstack([np.tile([1.0, 0.0], (30, 1)), np.linspace(0, 1, 30)[:, None]])
    far = near[:, [1, 0, 2]]
    model = LabelPropagation(near[[2, 25]], np.array([0, 1]), np.vstack([near, far]))
    assert np.allclose(model.probabilities(far), 0.5, atol=1e-6)
    assert model.predict(near[[0, 29]]).tolist() == [0, 1]


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_strategies(strategy: str) -> None:
    rows = np.array([[1.0, 0.0, 0.0], [0.5, 0.3, 0.2], [0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    wanted = {
        "least_confident": [0.0, 0.5, 0.5, 2 / 3],
        "margin": [0.0, 0.8, 1.0, 1.0],
        "entropy": [0.0, 1.0297, math.log(2), math.log(3)],
    }[strategy]
    assert np.allclose(STRATEGIES[strategy](rows), wanted, atol=1e-4)


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_the_diagram_is_drawn_with_fewer_errors_than_by_chance(strategy: str) -> None:
    errors = {"border": 0, "random": 0}
    for seed in range(3):
        order = np.random.default_rng([seed, 1]).permutation(len(GRID))
        rows = order[:5].tolist()
        while len(rows) < 30:
            rest = np.setdiff1d(np.arange(len(GRID)), rows)
            U = GRID[rows]
            values = PhaseBoundary(U, phases(U), GRID[rest], strategy).value(told(U), GRID[rest])
            rows.append(int(rest[np.argmax(values)]))
        for name, chosen in (("border", rows), ("random", order[:30].tolist())):
            rest = np.setdiff1d(np.arange(len(GRID)), chosen)
            model = LabelPropagation(GRID[chosen], phases(GRID[chosen]), GRID[rest])
            errors[name] += int((model.predict(GRID[rest]) != phases(GRID[rest])).sum())
    assert errors["border"] < 0.65 * errors["random"]


def test_a_batch_is_spread_and_no_value_rises() -> None:
    U = GRID[np.random.default_rng(1).permutation(len(GRID))[:12]]
    rest = apart(GRID, U)
    acquisition, belief = PhaseBoundary(U, phases(U), rest), U
    before, chosen = acquisition.value(told(belief), rest), []
    for _ in range(5):
        values = acquisition.value(told(belief), rest)
        assert (values <= before).all()
        before = values
        chosen.append(rest[int(np.argmax(values))])
        belief = np.vstack([belief, chosen[-1]])
        assert acquisition.value(told(belief), chosen[-1][None])[0] == 0.0
    gaps = np.sqrt(((np.array(chosen)[:, None] - chosen) ** 2).sum(axis=2))
    assert gaps[~np.eye(5, dtype=bool)].min() > 0.05 + 1e-9  # not neighbours on the grid


def test_between_two_phases_that_touch_there_is_nothing_more_to_learn() -> None:
    U = np.array([[0.5, 0.5], [0.5001, 0.5], [0.1, 0.5], [0.9, 0.5]])
    acquisition = PhaseBoundary(U, np.array([0, 1, 0, 1]), GRID)
    between, elsewhere = acquisition.value(told(U), np.array([[0.50005, 0.5], [0.5, 0.9]]))
    assert between < 1e-4 < elsewhere


def test_one_phase_only_goes_to_the_farthest_point() -> None:
    U = np.array([[0.2, 0.2], [0.3, 0.8]])
    acquisition = PhaseBoundary(U, np.array([4, 4]), GRID)
    assert GRID[int(np.argmax(acquisition.value(told(U), GRID)))].tolist() == [1.0, 0.0]
    more = np.vstack([U, [[1.0, 0.0]]])
    assert acquisition.value(told(more), np.array([[1.0, 0.0]]))[0] == 0.0


def test_labels_that_are_no_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"result 2 of 3: wanted the number of a class .* got 0.5; report"):
        PhaseBoundary(GRID[:3], np.array([1.0, 0.5, 2.0]), GRID)
    with pytest.raises(ValueError, match="got nan"):
        integers(np.array([math.nan]))
    assert integers(np.array([2.0, -1.0])).tolist() == [2, -1]


def test_a_strategy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(
        ValueError, match="no strategy 'best'; choose one of least_confident, margin, entropy"
    ):
        PhaseBoundary(GRID[:2], np.array([0, 1]), GRID, "best")


def test_spacing() -> None:
    assert spacing(GRID) == pytest.approx(0.05)
    assert spacing(np.vstack([GRID, GRID])) == pytest.approx(0.05)
    assert spacing(np.random.default_rng(0).random((len(GRID), 2))) == pytest.approx(0.05, rel=0.15)
    assert spacing(np.zeros((3, 2))) == 1.0
    assert LabelPropagation(GRID[:1], np.array([1]), GRID[:0]).predict(GRID[:2]).tolist() == [1, 1]
