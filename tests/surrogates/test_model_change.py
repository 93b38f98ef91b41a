"""Expected model change against the change that measurements make."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from surrogates.acquisition.model_change import ExpectedModelChange
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths


@pytest.fixture(scope="module")
def gp() -> GP:
    rng = np.random.default_rng(2)
    U = rng.random((15, 3))
    z = np.sin(6 * U[:, 0]) * U[:, 1] + 0.05 * rng.standard_normal(15)
    recipe = Recipe(Matern52(), shared_lengths, loose_noise)
    return GP.fit(U, (z - z.mean()) / z.std(), np.zeros(15), Columns(np.arange(3), np.ones(3, bool)), recipe)


def test_value_is_the_mean_change_by_drawn_measurements(gp: GP) -> None:
    reference = np.random.default_rng(4).random((40, 3))
    before = gp.posterior(reference)[0]
    for x in np.random.default_rng(5).random((4, 3)):
        mean, sd = gp.posterior(x[None])
        nodes, weights = np.polynomial.hermite_e.hermegauss(80)
        changes = [
            np.abs(
                gp.condition(x[None], mean + np.sqrt(sd**2 + gp.noise) * t).posterior(reference)[0] - before
            ).mean()
            for t in nodes
        ]
        wanted = float(weights @ changes / weights.sum())
        got = ExpectedModelChange(reference, gp.noise).value(gp, x[None])[0]
        assert got == pytest.approx(wanted, rel=0.01)


def test_gradient_and_the_rough_one_for_large_pools(gp: GP) -> None:
    reference = np.random.default_rng(4).random((256, 3))
    acquisition, X = ExpectedModelChange(reference, gp.noise), np.random.default_rng(6).random((200, 3))
    value, slope = acquisition.gradient(gp, X[:3], np.array([0, 2]))
    assert np.allclose(value, acquisition.value(gp, X[:3]))
    numeric = approx_fprime(X[0], lambda v: float(acquisition.value(gp, v[None])[0]), 1e-5)[[0, 2]]
    assert np.allclose(slope[0], numeric, rtol=1e-2, atol=1e-4)
    rough = acquisition.coarse()
    assert rough is not None and len(rough.reference) == 32 and rough.coarse() is None
    assert np.corrcoef(rough.value(gp, X), acquisition.value(gp, X))[0, 1] > 0.7


def test_told_points_are_worth_less(gp: GP) -> None:
    acquisition = ExpectedModelChange(np.random.default_rng(4).random((64, 3)), gp.noise)
    X = np.random.default_rng(7).random((50, 3))
    best = X[[int(np.argmax(acquisition.value(gp, X)))]]
    assert acquisition.value(gp.condition(best), best)[0] < 0.5 * acquisition.value(gp, best)[0]
