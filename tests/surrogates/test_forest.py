"""Trees as a belief: moments, draws, believing more points."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from surrogates.encode import Array
from surrogates.models.conditioned import Conditioned
from surrogates.models.forest import TREES, Forest, Kind
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths

COLUMNS = Columns(np.array([0, 1, 2, 2, 2]), np.array([True, True, False, False, False]))


def data(n: int = 60, seed: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    U = rng.random((n, 5))
    U[:, 2:] = np.eye(3)[rng.integers(0, 3, n)]
    z = np.sin(5 * U[:, 0]) + 1.5 * U[:, 2] + 0.1 * rng.standard_normal(n)
    return U, (z - z.mean()) / (z.std() or 1.0)


def fitted(kind: Kind, n: int = 60) -> Forest:
    U, z = data(n)
    return Forest.fit(U, z, np.zeros(n), COLUMNS, 0, kind)


@pytest.mark.parametrize("kind", ["forest", "trees"])
def test_covariance_is_that_of_the_draws(kind: Kind) -> None:
    """The laws of total variance and covariance hold for what the trees themselves say, leaf heights included."""
    U, z = data(30)
    U, z = np.vstack([U, U]), np.r_[z, z + 0.7 * np.random.default_rng(6).standard_normal(30)]
    model = Forest.fit(U, z, np.zeros(60), COLUMNS, 0, kind)
    X = np.vstack([data(6, seed=4)[0], U[:2]])
    draws = np.array([model.sample(seed)(X) for seed in range(6000)])
    mean, sd = model.posterior(X)
    unit = np.outer(sd, sd)
    assert np.allclose((draws.mean(axis=0) - mean) / sd, 0.0, atol=0.06)
    assert np.allclose(np.cov(draws.T) / unit, model.covariance(X, X) / unit, atol=0.07)
    assert np.allclose(np.diagonal(model.covariance(X, X)), sd**2)


@pytest.mark.parametrize("kind", ["forest", "trees"])
def test_held_out_results_are_where_they_are_expected(kind: Kind) -> None:
    U, z = data(400)
    inside, out_of_bag = [], []
    for seed in range(4):
        rows = np.random.default_rng(seed).permutation(400)[:60]
        rest = np.setdiff1d(np.arange(400), rows)
        model = Forest.fit(U[rows], z[rows], np.zeros(60), COLUMNS, seed, kind)
        mean, sd = model.posterior(U[rest])
        inside.append(np.abs(z[rest] - mean) < 1.645 * np.sqrt(sd**2 + model.noise))
        assert np.sqrt(np.mean((mean - z[rest]) ** 2)) < 0.5
        left, spread = model.leave_one_out()
        out_of_bag.append(np.abs(z[rows] - left) < 1.645 * spread)
        assert 0.7 < np.sqrt(np.mean((left - z[rows]) ** 2) / np.mean((mean - z[rest]) ** 2)) < 1.5
    assert 0.82 < np.mean(inside) < 0.97
    assert 0.82 < np.mean(out_of_bag) < 0.97


def test_leave_one_out_does_not_know_the_result_left_out() -> None:
    U, z = data()
    z[7] += 30.0
    mean, _ = Forest.fit(U, z, np.zeros(60), COLUMNS, 0).leave_one_out()
    assert mean[7] < 5.0


def test_importance_is_summed_over_the_columns_of_a_parameter() -> None:
    share = fitted("forest").importance()
    assert share.shape == (3,) and share.sum() == pytest.approx(1.0)
    assert share[1] < 0.1 and min(share[0], share[2]) > 0.3


def test_known_noise_counts_less() -> None:
    U, z = data()
    z = z.copy()
    z[:30] += 3.0
    doubted = Forest.fit(U, z, np.r_[np.full(30, 100.0), np.zeros(30)], COLUMNS, 0)
    equal = Forest.fit(U, z, np.zeros(60), COLUMNS, 0)
    assert doubted.posterior(U)[0].mean() < equal.posterior(U)[0].mean() - 1.0


def test_believing_lowers_the_sd_and_keeps_the_mean() -> None:
    model = fitted("trees")
    U = data()[0]
    far = U[np.argmax(model.posterior(U)[1])][None]
    believed = model.condition(far)
    assert np.allclose(believed.posterior(U)[0], model.posterior(U)[0])
    assert believed.posterior(far)[1][0] < 0.9 * model.posterior(far)[1][0]
    assert np.all(believed.posterior(U)[1] <= model.posterior(U)[1] + 1e-9)
    assert np.allclose(np.diagonal(believed.covariance(U, U)), believed.posterior(U)[1] ** 2, atol=1e-8)
    told = model.condition(far, model.posterior(far)[0] + 1.0)
    assert told.posterior(far)[0] > model.posterior(far)[0] + 0.3
    assert len(told.U) == 61 and told.leave_one_out()[0].shape == (61,)


def test_conditioning_is_that_of_normal_values() -> None:
    """What holds for any belief holds for a process, whose own conditioning is exact."""
    U, z = data()
    gp = GP.fit(U[:40], z[:40], np.zeros(40), COLUMNS, Recipe(Matern52(), shared_lengths, loose_noise))
    own = gp.condition(U[40:50], z[40:50]).condition(U[50:], z[50:])
    wrapped = Conditioned(gp, U[40:50], z[40:50]).condition(U[50:], z[50:])
    assert np.allclose(own.posterior(U), wrapped.posterior(U), atol=1e-5)
    assert np.allclose(own.covariance(U, U[:5]), wrapped.covariance(U, U[:5]), atol=1e-5)
    told = gp.condition(U[40:], z[40:]).leave_one_out()
    rest = Conditioned(gp.condition(U[40:59], z[40:59]), U[59:], z[59:]).leave_one_out()
    assert np.allclose([told[0][-1], told[1][-1]], [rest[0][-1], rest[1][-1]], atol=1e-5)


def test_draws_of_a_conditioned_forest_pass_near_what_it_was_told() -> None:
    model = fitted("forest")
    X = data(4, seed=9)[0]
    told = model.condition(X, np.full(4, 2.0))
    assert isinstance(told, Conditioned)
    draws = np.array([told.sample(seed)(X) for seed in range(1500)])
    assert np.allclose(draws.mean(axis=0), told.posterior(X)[0], atol=0.05)
    assert np.allclose(draws.std(axis=0), told.posterior(X)[1], rtol=0.15)


def test_no_gradient() -> None:
    model = fitted("forest")
    assert not model.smooth and model.lengths is None and model.name == f"forest({TREES} trees)"
    for belief in (model, model.condition(model.U[:1])):
        with pytest.raises(TypeError, match="no gradient"):
            belief.posterior_gradient(model.U, np.array([0]))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_or_equal_results(n: int) -> None:
    U, _ = data(n)
    model = Forest.fit(U, np.zeros(n), np.zeros(n), COLUMNS, 0)
    assert np.isfinite(model.posterior(U)).all() and np.isfinite(model.leave_one_out()).all()
    assert model.importance().sum() == pytest.approx(1.0)


def test_the_same_seed_is_the_same_forest() -> None:
    np.random.seed(1)
    first = fitted("trees").posterior(data()[0])
    np.random.seed(2)
    assert np.array_equal(first, fitted("trees").posterior(data()[0]))


def test_scikit_learn_is_loaded_by_those_who_use_it() -> None:
    code = (
        "import sys, surrogates.models.choice; sys.exit('sklearn' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
