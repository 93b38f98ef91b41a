"""Gross errors do not bend a robust process, and without them it is a plain one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from surrogates.encode import Array
from surrogates.models import robust
from surrogates.models.gp import GP, Columns
from surrogates.models.robust import DEGREES, RECIPE, SHRINKAGE

COLUMNS = Columns(np.arange(3), np.ones(3, bool))
SEEDS = range(5)


def truth(U: Array) -> Array:
    return np.sin(5 * U[:, 0]) + np.cos(3 * U[:, 1]) * U[:, 0] + U[:, 1]


def data(seed: int, n: int = 50, share: float = 0.1) -> tuple[Array, Array, Array, Array]:
    """Points, results without gross errors, with them, and the rows of these."""
    rng = np.random.default_rng(seed)
    U = rng.random((n, 3))
    clean = truth(U) + 0.1 * rng.standard_normal(n)
    bad = rng.choice(n, int(share * n), replace=False)
    spoilt = clean.copy()
    spoilt[bad] += rng.choice([-1.0, 1.0], len(bad)) * rng.uniform(4, 8, len(bad))
    return U, clean, spoilt, np.sort(bad)


def error(model: str, U: Array, y: Array) -> float:
    z = (y - y.mean()) / y.std()
    fit = robust.fit(U, z, np.zeros(len(z)), COLUMNS, 0) if model == "robust" else plain(U, z)
    X = np.random.default_rng(99).random((500, 3))
    return float(np.sqrt(np.mean((fit.posterior(X)[0] * y.std() + y.mean() - truth(X)) ** 2)))


def plain(U: Array, z: Array) -> GP:
    return GP.fit(U, z, np.zeros(len(z)), COLUMNS, RECIPE)


def test_a_tenth_of_gross_errors() -> None:
    errors = []
    for seed in SEEDS:
        U, clean, spoilt, _ = data(seed)
        errors.append([error("plain", U, clean), error("plain", U, spoilt), error("robust", U, spoilt)])
    clean_error, plain_error, robust_error = np.mean(errors, axis=0)
    assert robust_error < 1.3 * clean_error
    assert plain_error > 4 * clean_error


def test_no_gross_error() -> None:
    errors = [[error(model, *data(seed, share=0.0)[:2]) for model in ("plain", "robust")] for seed in SEEDS]
    plain_error, robust_error = np.mean(errors, axis=0)
    assert robust_error < 1.05 * plain_error


@pytest.mark.parametrize("seed", SEEDS)
def test_outliers_are_named(seed: int) -> None:
    U, _, y, bad = data(seed)
    model = robust.fit(U, (y - y.mean()) / y.std(), np.zeros(len(y)), COLUMNS, 0)
    assert set(bad) <= set(model.outliers.tolist()) and len(model.outliers) <= len(bad) + 1
    assert f"{len(model.outliers)} outliers" in model.name
    assert model.extra[bad].min() > 20 * model.noise


def test_noise_and_intervals_are_those_of_good_results() -> None:
    noise, inside = [], []
    for seed in SEEDS:
        U, _, y, bad = data(seed, n=80)
        model = robust.fit(U, (y - y.mean()) / y.std(), np.zeros(len(y)), COLUMNS, 0)
        noise.append(np.sqrt(model.noise) * y.std())
        mean, sd = model.leave_one_out()
        held = np.abs(model.z - mean) < 1.645 * sd
        assert not held[bad].any() and sd[bad].max() < 3 * np.median(sd)
        inside.append(np.delete(held, bad))
    assert 0.085 < np.mean(noise) < 0.115
    assert 0.82 < np.mean(inside) < 0.97


def test_weights_are_those_of_the_t_distribution() -> None:
    square = np.array([0.5, 4.0, 100.0])
    exact = np.minimum((DEGREES + 1) / (DEGREES + square / 0.3), 1.0)
    assert np.allclose(robust._weights(square, np.zeros(3), np.full(3, 0.3)), exact, rtol=1e-3)
    latent = robust._weights(square, np.full(3, 200.0), np.full(3, 0.3))
    assert np.allclose(latent, 1.0, atol=0.05)  # where nothing is known no result is far off


def test_shrinkage_is_the_fixed_point_for_normal_results() -> None:
    x, v = np.random.default_rng(0).standard_normal(400_000), 1.0
    for _ in range(60):
        v = float(np.mean(x**2 * np.minimum(1.0, (DEGREES + 1) / (DEGREES + x**2 / v))))
    assert v == pytest.approx(SHRINKAGE, abs=0.01)


def test_a_shift_and_a_scale_change_nothing() -> None:
    U, _, y, _ = data(0)
    one = robust.fit(U, y, np.zeros(len(y)), COLUMNS, 0)
    two = robust.fit(U, 3.0 * y - 7.0, np.zeros(len(y)), COLUMNS, 0)
    assert np.allclose(two.posterior(U)[0], 3.0 * one.posterior(U)[0] - 7.0, atol=1e-3)
    assert np.allclose(two.leave_one_out()[1], 3.0 * one.leave_one_out()[1], rtol=1e-3)
    assert two.noise == pytest.approx(9.0 * one.noise, rel=1e-3)


def test_gradient_covariance_and_believing() -> None:
    U, _, y, _ = data(1)
    model = robust.fit(U, y, np.zeros(len(y)), COLUMNS, 0)
    X = np.random.default_rng(0).random((5, 3))
    mean, sd, mean_slope, sd_slope = model.posterior_gradient(X, np.arange(3))
    assert np.allclose([mean, sd], model.posterior(X))
    for i, x in enumerate(X):
        for which, slope in ((0, mean_slope), (1, sd_slope)):
            numeric = approx_fprime(x, lambda v, w=which: float(model.posterior(v[None])[w][0]), 1e-6)
            assert np.allclose(slope[i], numeric, atol=1e-3)
    assert np.allclose(np.diagonal(model.covariance(X, X)), sd**2, atol=1e-6)
    believed = model.condition(X)
    assert np.allclose(believed.posterior(U)[0], model.posterior(U)[0], atol=1e-6)
    assert (believed.posterior(X)[1] < sd).all() and len(believed.leave_one_out()[0]) == len(y) + 5
    told = model.condition(X, mean + 2.0)
    assert ((told.posterior(X)[0] > mean + 0.5) & (told.posterior(X)[0] < mean + 2.2)).all()
    assert np.allclose(told.z[-5:], mean + 2.0)
    assert np.array_equal(believed.outliers, model.outliers) and believed.noise == pytest.approx(model.noise)


@pytest.mark.parametrize("n", [1, 3, 6])
def test_few_or_equal_results(n: int) -> None:
    U = np.random.default_rng(0).random((n, 3))
    model = robust.fit(U, np.zeros(n), np.zeros(n), COLUMNS, 0)
    assert np.isfinite(model.posterior(U)).all() and len(model.outliers) == 0


def test_known_noise_is_no_outlier() -> None:
    U, _, y, bad = data(2)
    variance = np.zeros(len(y))
    variance[bad] = 36.0
    model = robust.fit(U, y, variance, COLUMNS, 0)
    assert not set(bad) & set(model.outliers.tolist())
