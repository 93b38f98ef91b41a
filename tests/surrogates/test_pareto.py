"""The front and what it dominates, against definition, by hand and against botorch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogates.encode import Array
from surrogates.goals.cells import cells
from surrogates.goals.pareto import front, hypervolume, reference_point

UP = ("maximise",) * 5


def tables(most: int = 4) -> st.SearchStrategy[Array]:
    """Small whole numbers, so that ties and equal rows abound."""
    return st.integers(1, most).flatmap(
        lambda k: st.lists(st.tuples(*[st.integers(0, 4)] * k), min_size=1, max_size=9).map(
            lambda rows: np.array(rows, float).reshape(len(rows), k)
        )
    )


@given(tables())
@settings(max_examples=100, deadline=None)
def test_the_front_is_what_its_definition_says(Y: Array) -> None:
    mask = front(Y, UP[: Y.shape[1]])
    for i, row in enumerate(Y):
        dominated = ((row <= Y).all(axis=1) & (row < Y).any(axis=1)).any()
        seen_before = (Y[:i] == row).all(axis=1).any()
        assert mask[i] == (not dominated and not seen_before)


def test_directions() -> None:
    Y = np.array([[1.0, 1.0], [2.0, 2.0], [2.0, 3.0], [0.0, 0.5]])
    assert front(Y, ("maximise", "minimise")).tolist() == [True, True, False, True]
    assert front(Y, ("minimise", "minimise")).tolist() == [False, False, False, True]
    with pytest.raises(ValueError, match="got 'match'"):
        front(Y, ("match", "minimise"))
    with pytest.raises(ValueError, match=r"wanted values \(n, 1\)"):
        front(Y, ("maximise",))


@given(tables())
@settings(max_examples=100, deadline=None)
def test_volume_by_counting_unit_cubes(Y: Array) -> None:
    k = Y.shape[1]
    corners = np.stack(np.meshgrid(*[np.arange(4)] * k, indexing="ij"), axis=-1).reshape(-1, k)
    counted = (Y[None] >= corners[:, None] + 1).all(axis=2).any(axis=1).sum()
    assert hypervolume(Y, np.zeros(k), UP[:k]) == pytest.approx(counted)


@given(tables())
@settings(max_examples=100, deadline=None)
def test_cells_fill_exactly_what_is_not_dominated(Y: Array) -> None:
    """Each unit cube up to 5 lies in one cell or is dominated, never both."""
    k = Y.shape[1]
    low, high = cells(Y, np.zeros(k))
    middle = np.stack(np.meshgrid(*[np.arange(5)] * k, indexing="ij"), axis=-1).reshape(-1, k) + 0.5
    inside = ((low[None] < middle[:, None]) & (middle[:, None] < high[None])).all(axis=2).sum(axis=1)
    dominated = (Y[None] >= middle[:, None]).all(axis=2).any(axis=1)
    assert np.array_equal(inside, np.where(dominated, 0, 1))


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_botorch_agrees(k: int) -> None:
    import torch
    from botorch.utils.multi_objective.hypervolume import Hypervolume, infer_reference_point
    from botorch.utils.multi_objective.pareto import is_non_dominated

    Y = np.random.default_rng(k).random((25, k))
    Y /= np.linalg.norm(Y, axis=1, keepdims=True) * (1 + 0.2 * Y[:, :1])
    mask = front(Y, UP[:k])
    rows = torch.as_tensor(Y)
    assert mask.tolist() == is_non_dominated(rows).tolist()
    reference = reference_point(Y, UP[:k])
    assert reference == pytest.approx(infer_reference_point(rows[is_non_dominated(rows)]).numpy())
    wanted = Hypervolume(torch.as_tensor(reference)).compute(rows[torch.as_tensor(mask)])
    assert hypervolume(Y, reference, UP[:k]) == pytest.approx(wanted)
    down = ("minimise",) * k
    assert hypervolume(-Y, -reference, down) == pytest.approx(wanted)
    assert reference_point(-Y, down) == pytest.approx(-reference)


def test_references_given_are_kept_and_others_inferred() -> None:
    Y = np.array([[0.0, 4.0], [2.0, 0.0], [-9.0, -9.0]])
    assert reference_point(Y, UP[:2], [None, -7.0]) == pytest.approx([-0.2, -7.0])
    assert reference_point(Y[:0], UP[:2], [1.0, 2.0]) == pytest.approx([1.0, 2.0])
    with pytest.raises(ValueError, match="at least one"):
        reference_point(Y[:0], UP[:2], [1.0, None])
    with pytest.raises(ValueError, match="for each of 2"):
        reference_point(Y, UP[:2], [1.0])


@pytest.mark.parametrize("Y", [np.array([[3.0, 0.0]]), np.array([[1.0, 5.0], [0.0, 5.0]])])
def test_a_front_of_one_point_has_a_reference_below_it(Y: Array) -> None:
    reference = reference_point(Y, UP[:2])
    assert (reference < Y[0]).all() and hypervolume(Y, reference, UP[:2]) > 0


def test_nothing_above_the_reference_dominates_nothing() -> None:
    assert hypervolume(np.array([[1.0, -1.0]]), np.zeros(2), UP[:2]) == 0.0
    assert hypervolume(np.empty((0, 2)), np.zeros(2), UP[:2]) == 0.0


def test_reports_may_use_it_without_torch() -> None:
    code = "import sys, surrogates.goals.pareto, surrogates.goals.desirability; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
