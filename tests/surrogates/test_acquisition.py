"""Acquisitions against finite differences and against botorch's own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from surrogates.acquisition.base import CHUNK, Acquisition, score
from surrogates.acquisition.confidence_bound import UpperConfidenceBound
from surrogates.acquisition.improvement import LogExpectedImprovement, log_improvement
from surrogates.acquisition.variance import IntegratedVariance, PosteriorStandardDeviation
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, narrow_lengths, narrow_noise

ALL: list[Acquisition] = [
    UpperConfidenceBound(1.5),
    LogExpectedImprovement(0.8),
    LogExpectedImprovement(30.0),
    PosteriorStandardDeviation(),
]


@pytest.fixture(scope="module")
def gp() -> GP:
    rng = np.random.default_rng(2)
    U = rng.random((20, 3))
    z = np.sin(6 * U[:, 0]) * U[:, 1] + 0.05 * rng.standard_normal(20)
    columns = Columns(np.arange(3), np.ones(3, bool))
    recipe = Recipe(Matern52(), narrow_lengths, narrow_noise)
    return GP.fit(U, (z - z.mean()) / z.std(ddof=1), np.zeros(20), columns, recipe)


@pytest.mark.parametrize("acquisition", ALL, ids=repr)
def test_gradient(gp: GP, acquisition: Acquisition) -> None:
    along = np.array([0, 2])
    for x in np.random.default_rng(0).random((6, 3)):
        value, slope = acquisition.gradient(gp, x[None], along)
        assert value[0] == pytest.approx(acquisition.value(gp, x[None])[0])
        numeric = approx_fprime(x, lambda v: float(acquisition.value(gp, v[None])[0]), 1e-6)[along]
        assert np.allclose(slope[0], numeric, rtol=1e-4, atol=1e-4)


def test_botorch_agrees(gp: GP) -> None:
    import torch
    from botorch import acquisition as botorch

    from surrogates.models.botorch_model import load

    model = load(gp)
    X = np.random.default_rng(1).random((40, 3))
    points = torch.as_tensor(X)[:, None]
    pairs = [
        (UpperConfidenceBound(1.5), botorch.UpperConfidenceBound(model, beta=1.5**2)),
        (LogExpectedImprovement(0.8), botorch.LogExpectedImprovement(model, best_f=0.8)),
        (LogExpectedImprovement(30.0), botorch.LogExpectedImprovement(model, best_f=30.0)),
        (PosteriorStandardDeviation(), botorch.PosteriorStandardDeviation(model)),
    ]
    for ours, theirs in pairs:
        with torch.no_grad():
            wanted = theirs(points).numpy()
        assert np.allclose(ours.value(gp, X), wanted, rtol=1e-4, atol=1e-4), type(ours).__name__


def test_log_improvement_is_smooth_over_its_whole_range() -> None:
    from mpmath import mp, mpf

    mp.dps = 60
    z = np.concatenate([-np.geomspace(1e5, 1e-3, 60), np.linspace(0, 30, 31)])
    for value, got in zip(z.tolist(), log_improvement(z)[0].tolist(), strict=True):
        exact = mp.log(mp.npdf(mpf(value)) + mpf(value) * mp.ncdf(mpf(value)))
        assert got == pytest.approx(float(exact), rel=1e-7, abs=1e-9)


def test_chunks_do_not_change_scores(gp: GP) -> None:
    X = np.random.default_rng(3).random((CHUNK + 5, 3))
    assert np.allclose(score(ALL[0], gp, X), ALL[0].value(gp, X), rtol=0, atol=1e-12)


def test_integrated_variance_is_what_one_measurement_takes_away(gp: GP) -> None:
    reference = np.random.default_rng(4).random((64, 3))
    acquisition = IntegratedVariance(reference, gp.noise)
    X = np.random.default_rng(5).random((5, 3))
    before = gp.posterior(reference)[1] ** 2
    for x, got in zip(X, acquisition.value(gp, X), strict=True):
        after = gp.condition(x[None]).posterior(reference)[1] ** 2
        assert got**2 == pytest.approx((before - after).mean(), rel=1e-3)
    value, slope = acquisition.gradient(gp, X, np.array([0, 2]))
    assert np.allclose(value, acquisition.value(gp, X))
    numeric = approx_fprime(X[0], lambda v: float(acquisition.value(gp, v[None])[0]), 1e-5)[[0, 2]]
    assert np.allclose(slope[0], numeric, rtol=1e-2, atol=1e-4)
