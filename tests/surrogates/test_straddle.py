"""The straddle rule: its gradient, what it prefers, and that it finds a level set."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import ndtr

from surrogates.acquisition.straddle import Straddle, expected_misclassification
from surrogates.encode import Array
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths

RECIPE = Recipe(Matern52(), shared_lengths, loose_noise)


def ring(X: Array) -> Array:
    out: Array = np.hypot(X[:, 0] - 0.4, X[:, 1] - 0.6)
    return out


def fitted(U: Array) -> tuple[GP, float, float]:
    y = ring(U)
    center, width = float(y.mean()), float(y.std())
    return (
        GP.fit(U, (y - center) / width, np.zeros(len(U)), Columns(np.arange(2), np.ones(2, bool)), RECIPE),
        center,
        width,
    )


def test_gradient() -> None:
    gp = fitted(np.random.default_rng(0).random((12, 2)))[0]
    acquisition, along = Straddle(0.3, 1.5), np.array([0, 1])
    X = np.random.default_rng(1).random((8, 2))
    value, slope = acquisition.gradient(gp, X, along)
    mean, sd = gp.posterior(X)
    assert np.array_equal(value, acquisition.value(gp, X))
    assert np.allclose(value, 1.5 * sd - np.abs(mean - 0.3), rtol=0, atol=1e-15)
    assert (mean > 0.3).any() and (mean < 0.3).any()
    for x, got in zip(X, slope, strict=True):
        numeric = approx_fprime(x, lambda v: float(acquisition.value(gp, v[None])[0]), 1e-6)
        assert np.allclose(got, numeric, rtol=1e-3, atol=1e-4)


def test_the_level_set_is_found_with_fewer_errors_than_by_chance() -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 25)] * 2), axis=-1).reshape(-1, 2)
    level, errors = 0.35, {"straddle": 0, "random": 0}
    for seed in range(4):
        order = np.random.default_rng([seed, 0]).permutation(len(grid))
        rows = order[:5].tolist()
        for _ in range(15):
            gp, center, width = fitted(grid[rows])
            values = Straddle((level - center) / width).value(gp, grid)
            values[rows] = -np.inf
            rows.append(int(np.argmax(values)))
        for name, chosen in (("straddle", rows), ("random", order[:20].tolist())):
            gp, center, width = fitted(grid[chosen])
            inside = center + width * gp.posterior(grid)[0] > level
            errors[name] += int((inside != (ring(grid) > level)).sum())
    assert errors["straddle"] < 0.5 * errors["random"]


def test_expected_misclassification() -> None:
    mean, sd = np.array([1.0, -2.0, 0.5]), np.array([1.0, 2.0, 0.25])
    wanted = (ndtr(-0.5) + ndtr(-1.25) + 0.5) / 3
    assert expected_misclassification(mean, sd, 0.5) == pytest.approx(wanted)
    assert expected_misclassification(np.ones(3), np.zeros(3), 0.0) == 0.0


def test_expected_misclassification_is_the_share_that_is_wrong() -> None:
    """Over functions drawn from the belief."""
    rng = np.random.default_rng(3)
    mean, sd = rng.normal(size=200), rng.random(200) + 0.1
    draws = mean + sd * rng.standard_normal((4000, 200))
    wrong = ((draws > 0.2) != (mean > 0.2)).mean()
    assert math.isclose(expected_misclassification(mean, sd, 0.2), float(wrong), rel_tol=0.02)
