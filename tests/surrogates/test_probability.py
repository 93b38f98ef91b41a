"""Probability and size of an improvement."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from surrogates.acquisition.probability import LogProbabilityOfImprovement, expected_improvement
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, narrow_lengths, narrow_noise


@pytest.fixture(scope="module")
def gp() -> GP:
    rng = np.random.default_rng(2)
    U = rng.random((20, 3))
    z = np.sin(6 * U[:, 0]) * U[:, 1] + 0.05 * rng.standard_normal(20)
    columns = Columns(np.arange(3), np.ones(3, bool))
    recipe = Recipe(Matern52(), narrow_lengths, narrow_noise)
    return GP.fit(U, (z - z.mean()) / z.std(ddof=1), np.zeros(20), columns, recipe)


@pytest.mark.parametrize("best", [-1.0, 0.8, 30.0, -30.0])
def test_gradient(gp: GP, best: float) -> None:
    acquisition, along = LogProbabilityOfImprovement(best), np.array([2, 0])
    for x in np.random.default_rng(0).random((6, 3)):
        value, slope = acquisition.gradient(gp, x[None], along)
        assert value[0] == pytest.approx(acquisition.value(gp, x[None])[0])
        shifts = np.eye(3)[along] * 1e-5
        numeric = (acquisition.value(gp, x + shifts) - acquisition.value(gp, x - shifts)) / 2e-5
        assert np.allclose(slope[0], numeric, rtol=1e-4, atol=1e-6)


def test_it_is_the_share_of_the_belief_above_the_best(gp: GP) -> None:
    X = np.random.default_rng(1).random((50, 3))
    mean, sd = gp.posterior(X)
    got = np.exp(LogProbabilityOfImprovement(0.8).value(gp, X))
    assert np.allclose(got, norm.sf((0.8 - mean) / sd))


def test_far_below_the_best_it_stays_finite_and_ranks(gp: GP) -> None:
    X = np.random.default_rng(1).random((50, 3))
    value, slope = LogProbabilityOfImprovement(1e6).gradient(gp, X, np.arange(3))
    assert np.isfinite(value).all() and np.isfinite(slope).all() and len(np.unique(value)) == 50


def test_expected_improvement() -> None:
    rng = np.random.default_rng(4)
    mean, sd = rng.standard_normal(6), rng.random(6)
    draws = mean + sd * norm.ppf((np.arange(20_000) + 0.5) / 20_000)[:, None]
    wanted = np.maximum(draws - 0.4, 0).mean(axis=0)
    assert np.allclose(expected_improvement(mean, sd, 0.4), wanted, rtol=2e-3, atol=1e-6)
    certain = expected_improvement(np.array([1.0, 0.0, -1e4]), np.array([0.0, 0.0, 1.0]), 0.4)
    assert certain.tolist() == [pytest.approx(0.6), 0.0, 0.0]
