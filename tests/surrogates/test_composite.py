"""A function of several beliefs as one belief: against exact moments, brute force and differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from surrogates.acquisition.base import Acquisition
from surrogates.acquisition.confidence_bound import UpperConfidenceBound
from surrogates.acquisition.improvement import LogExpectedImprovement
from surrogates.acquisition.variance import IntegratedVariance, PosteriorStandardDeviation
from surrogates.encode import Array
from surrogates.goals.composite import Composite, normal_nodes
from surrogates.goals.outputs import Outputs, complete_rows
from surrogates.models.outcome import Outcome
from surrogates.sampling import Sampler
from surrogates.search import Search
from tests.surrogates.sought import fitted
from tests.surrogates.spaces import box

WEIGHTS = np.array([2.0, -0.5])


def data(n: int = 18) -> tuple[Array, Array]:
    U = np.random.default_rng(4).random((n, 2))
    return U, np.column_stack([np.sin(5 * U[:, 0]) + U[:, 1], (U[:, 0] - 0.4) ** 2 + np.cos(3 * U[:, 1])])


def same(z: Array) -> Array:
    return z


def weighed(Y: Array) -> Array:
    out: Array = Y @ WEIGHTS
    return out


def near(Y: Array) -> Array:
    """Something bent sharply."""
    out: Array = np.exp(-((Y[..., 0] - 0.3) ** 2)) - np.abs(Y[..., 1])
    return out


def linear() -> Composite:
    return Composite(fitted(*data())[0], (same, same), weighed)


def bent() -> Composite:
    outputs, backs = fitted(*data())
    return Composite(outputs, backs, near)


@pytest.mark.parametrize(
    ("exponent", "center", "width"), [(1.0, 0.0, 1.0), (0.3, -0.2, 0.8), (1.9, 0.4, 1.3)]
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_back_to_own_units_is_the_inverse(exponent: float, center: float, width: float, sign: float) -> None:
    outcome = Outcome(sign, 3.0, 0.2, 0.4, exponent, center, width)
    y = np.linspace(-2.0, 3.0, 21)
    assert outcome.backward(outcome.forward(y)) == pytest.approx(y, abs=1e-9)


def test_nodes_have_exactly_the_moments_of_the_normal() -> None:
    nodes = normal_nodes(3)
    assert np.allclose(nodes.mean(axis=0), 0.0, atol=1e-12)
    assert np.allclose(nodes.T @ nodes / len(nodes), np.eye(3), atol=1e-12)
    assert np.array_equal(nodes, normal_nodes(3))


def test_a_linear_function_is_composed_without_error() -> None:
    model, X = linear(), np.random.default_rng(0).random((9, 2))
    mean, sd = model.outputs.posterior(X)
    got_mean, got_sd = model.moments(*model.posterior(X))
    assert got_mean == pytest.approx(mean @ WEIGHTS)
    assert got_sd == pytest.approx(np.sqrt(sd**2 @ WEIGHTS**2))
    Y = np.random.default_rng(1).random((5, 2))
    wanted = model.outputs.covariance(X, Y) @ WEIGHTS**2 / model.width**2
    assert np.allclose(model.covariance(X, Y), wanted, atol=1e-8)
    noise = np.array([part.noise for part in model.outputs.parts]) @ WEIGHTS**2 / model.width**2
    assert model.noise_at(X) == pytest.approx(np.full(9, noise), rel=1e-6)
    assert model.noise == pytest.approx(noise, rel=1e-6)
    left = [part.leave_one_out() for part in model.outputs.parts]
    wanted_mean = np.column_stack([pair[0] for pair in left]) @ WEIGHTS
    wanted_sd = np.sqrt(np.column_stack([pair[1] for pair in left]) ** 2 @ WEIGHTS**2)
    got_mean, got_sd = model.moments(*model.leave_one_out())
    assert got_mean == pytest.approx(wanted_mean) and got_sd == pytest.approx(wanted_sd)


def test_a_bent_function_has_the_moments_of_brute_force() -> None:
    model, X = bent(), np.random.default_rng(0).random((6, 2))
    mean, sd = model.outputs.posterior(X)
    draws = mean[:, None] + sd[:, None] * np.random.default_rng(2).standard_normal((200_000, 2))
    values = near(np.stack([back(draws[..., j]) for j, back in enumerate(model.backs)], axis=-1))
    got_mean, got_sd = model.moments(*model.posterior(X))
    assert np.abs(got_mean - values.mean(axis=1)).max() < 0.05 * values.std(axis=1).max()
    assert got_sd == pytest.approx(values.std(axis=1), rel=0.1)


def test_it_is_standardised_over_the_results() -> None:
    model = bent()
    assert model.z.mean() == pytest.approx(0.0, abs=1e-12) and model.z.std(ddof=1) == pytest.approx(1.0)
    assert model.center + model.width * model.z == pytest.approx(near(data()[1]), abs=1e-6)


@pytest.mark.parametrize("make", [linear, bent])
def test_gradients(make) -> None:  # type: ignore[no-untyped-def]
    model, along = make(), np.array([1, 0])
    for x in np.random.default_rng(3).random((6, 2)):
        mean, sd, mean_slope, sd_slope = model.posterior_gradient(x[None], along)
        assert (mean, sd) == model.posterior(x[None])
        for slope, i in ((mean_slope, 0), (sd_slope, 1)):
            numeric = approx_fprime(x, lambda v, i=i: float(model.posterior(v[None])[i][0]), 1e-6)[along]
            assert np.allclose(slope[0], numeric, rtol=2e-3, atol=2e-3)


def test_covariance_is_one_and_agrees_with_the_sd() -> None:
    model, X = bent(), np.random.default_rng(5).random((40, 2))
    whole = model.covariance(X, X)
    assert np.diagonal(whole) == pytest.approx(model.posterior(X)[1] ** 2, rel=1e-6)
    assert np.allclose(whole, whole.T) and np.linalg.eigvalsh(whole).min() > -1e-8


def test_rows_that_lack_an_objective_still_tell_of_the_other() -> None:
    U, Y = data()
    Y[3, 0] = Y[7, 1] = Y[8, 1] = np.nan
    outputs, backs = fitted(U, Y)
    told = [np.flatnonzero(np.isfinite(column)) for column in Y.T]
    with pytest.raises(ValueError, match="complete"):
        Composite(outputs, backs, near)
    model = Composite(outputs, backs, near, complete=complete_rows(told))
    whole = np.isfinite(Y).all(axis=1)
    assert np.array_equal(model.U, U[whole])
    assert model.center + model.width * model.z == pytest.approx(near(Y[whole]), abs=1e-6)
    assert [len(part.z) for part in model.outputs.parts] == [17, 16]
    assert len(model.leave_one_out()[0]) == len(model.z) == 15


def test_complete_rows_follow_the_order_of_observation() -> None:
    first, second = complete_rows([np.array([5, 1, 3]), np.array([3, 4, 5])])
    assert first.tolist() == [2, 0] and second.tolist() == [0, 2]


def test_more_points_may_be_told() -> None:
    model, X = bent(), np.array([[0.55, 0.2], [0.9, 0.9]])
    before = model.posterior(X)
    told = model.condition(X)
    assert len(told.U) == len(model.U) + 2 and np.array_equal(told.U[-2:], X)
    assert len(told.z) == len(told.U) and told.width == model.width
    assert (told.posterior(X)[1] < before[1]).all()
    parts = np.array([[0.1, 0.2], [0.3, -0.1]])
    exact = model.condition(X, parts)
    assert np.array_equal([part.z[-2:] for part in exact.outputs.parts], parts.T)
    low = model.condition(X[:1], np.array([model.z.min()]))
    assert low.posterior(X[:1])[0] < before[0][0]
    line = linear()
    mean, sd = line.posterior(X)
    wanted = mean + np.array([1.5, -1.0]) * sd
    assert line.condition(X, wanted).z[-2:] == pytest.approx(wanted)


def test_a_part_that_was_not_measured_is_believed() -> None:
    outputs = fitted(*data())[0]
    U = np.array([[0.5, 0.5]])
    told = outputs.condition(U, np.array([[np.nan, 1.5]]))
    assert [part.z[-1] for part in told.parts] == pytest.approx([outputs.posterior(U)[0][0, 0], 1.5])


def test_lengths_and_importance_are_those_of_the_part_that_matters() -> None:
    outputs = fitted(*data())[0]
    model = Composite(outputs, (same, same), lambda Y: Y[..., 1])
    assert model.lengths == pytest.approx(outputs.parts[1].lengths)
    assert model.importance() == pytest.approx(outputs.parts[1].importance())
    assert bent().importance().sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "acquisition",
    [
        UpperConfidenceBound(2.0),
        LogExpectedImprovement(0.7),
        PosteriorStandardDeviation(),
        IntegratedVariance(np.random.default_rng(8).random((32, 2)), 0.01),
    ],
    ids=lambda a: type(a).__name__,
)
def test_acquisitions_and_the_search_take_it_for_a_belief(acquisition: Acquisition) -> None:
    model = bent()
    found = Search(Sampler(box(2))).best(
        acquisition, model, model.U[:2], model.U, np.random.default_rng(0), None
    )
    grid = np.random.default_rng(9).random((400, 2))
    assert found.value >= acquisition.value(model, grid).max() - 1e-3


@pytest.mark.parametrize("value", [0.0, 7.0, 1e300])
def test_equal_results_are_no_trouble(value: float) -> None:
    U = data()[0]
    outputs, backs = fitted(U, np.full((len(U), 2), value))
    with np.errstate(over="ignore"):
        model = Composite(outputs, backs, lambda Y: Y[..., 0] / 2 + Y[..., 1] / 4)
    mean, sd = model.posterior(U)
    assert np.isfinite(mean).all() and np.isfinite(sd).all() and (sd > 0).all()


def test_outputs_want_a_name_for_each_part() -> None:
    outputs = fitted(*data())[0]
    with pytest.raises(ValueError, match="one name for each"):
        Outputs(("only",), outputs.parts)
    with pytest.raises(ValueError, match="functions back"):
        Composite(outputs, (same,), weighed)
