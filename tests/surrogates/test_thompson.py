"""Functions drawn from a belief: their moments, gradients, and what they know."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from surrogates.acquisition.thompson import PosteriorDraw, ThompsonSampling
from surrogates.encode import Array
from surrogates.errors import UnsupportedMethod
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import RBF, Kernel, Matern52, Recipe, loose_noise, shared_lengths

KERNELS = [Matern52(), RBF()]


def process(kernel: Kernel, *, mixed: bool = False, noise: float = 0.02, n: int = 15) -> GP:
    """Two numeric columns, or two and a choice of three."""
    rng = np.random.default_rng(3)
    U = rng.random((n, 2))
    z = np.sin(6 * U[:, 0]) + U[:, 1]
    columns, theta = Columns(np.arange(2), np.ones(2, bool)), np.log([0.3, 0.6, noise])
    if mixed:
        choice = rng.integers(0, 3, n)
        U, z = np.hstack([U, np.eye(3)[choice]]), z + 0.5 * choice
        columns = Columns(np.array([0, 1, 2, 2, 2]), np.arange(5) < 2)
        theta = np.log([0.3, 0.6, 1.2, noise])
    variance = np.where(np.arange(n) < 5, 0.1, 0.0)
    return GP(U, z - z.mean(), variance, columns, Recipe(kernel, shared_lengths, loose_noise), theta)


def points(gp: GP, m: int) -> Array:
    rng = np.random.default_rng(8)
    X = rng.random((m, gp.d))
    if gp.d == 5:
        X[:, 2:] = np.eye(3)[rng.integers(0, 3, m)]
    return X


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_many_draws_have_the_moments_of_the_belief(kernel: Kernel, mixed: bool) -> None:
    gp, draws = process(kernel, mixed=mixed), 2000
    X = points(gp, 8)
    values = np.array([ThompsonSampling(1, i).value(gp, X) for i in range(draws)])
    mean, sd = gp.posterior(X)
    # Five standard errors: sd / sqrt(N) of a mean, about sqrt(2 / N) sd sd' of a covariance.
    assert (np.abs(values.mean(axis=0) - mean) < 5 * sd / np.sqrt(draws)).all()
    apart = np.abs(np.cov(values.T) - gp.covariance(X, X))
    assert (apart < 5 * np.sqrt(2 / draws) * np.outer(sd, sd)).all()


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_frequencies_have_the_spectrum_of_the_kernel(kernel: Kernel) -> None:
    gp, frequencies = process(kernel, mixed=True), 40_000
    draw = PosteriorDraw(gp, 5, frequencies)
    X = points(gp, 12)
    wanted = gp._kernel(X * gp._scale, X[:1] * gp._scale)[0][:, 0]
    got = np.cos(2 * np.pi * (X - X[0]) @ draw._turns).mean(axis=1)
    assert np.abs(got - wanted).max() < 5 * np.sqrt(0.5 / frequencies)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_gradient(kernel: Kernel, mixed: bool) -> None:
    gp, draw, along = process(kernel, mixed=mixed), ThompsonSampling(2, 7), np.array([1, 0])
    X = points(gp, 5)
    value, slope = draw.gradient(gp, X, along)
    assert np.allclose(value, draw.value(gp, X), rtol=0, atol=1e-10)
    for x, got in zip(X, slope, strict=True):
        numeric = approx_fprime(x, lambda v: float(draw.value(gp, v[None])[0]), 1e-6)[along]
        assert np.allclose(got, numeric, rtol=1e-3, atol=1e-3)


def test_what_was_measured_without_noise_is_known() -> None:
    gp = process(Matern52(), noise=1e-10)
    gp = GP(gp.U, gp.z, np.zeros(gp.n), gp.columns, gp.recipe, gp.theta)
    for i in range(5):
        draw = ThompsonSampling(0, i)
        assert np.allclose(draw.value(gp, gp.U), gp.z, rtol=0, atol=1e-3)
        assert np.abs(draw.value(gp, points(gp, 50)) - gp.posterior(points(gp, 50))[0]).max() > 0.01


def test_one_function_per_seed_and_index() -> None:
    gp = process(Matern52())
    X = points(gp, 300)
    first = ThompsonSampling(4, 1).value(gp, X)
    again = ThompsonSampling(4, 1)
    assert np.array_equal(again.value(gp, X), first)
    assert np.allclose(again.value(gp, X[150:]), first[150:], rtol=0, atol=1e-12)
    for other in (ThompsonSampling(4, 2), ThompsonSampling(5, 1)):
        assert np.abs(other.value(gp, X) - first).max() > 0.1
    state = np.random.get_state()[1]
    ThompsonSampling(4, 3).value(gp, X)
    assert np.array_equal(np.random.get_state()[1], state)


def test_a_draw_told_more_keeps_its_prior_function() -> None:
    gp = process(Matern52(), noise=1e-6)
    draw, X = ThompsonSampling(0, 0), points(gp, 3)
    before = draw.value(gp, X)
    told = gp.condition(X[:1], before[:1])
    assert np.allclose(draw.value(told, X), before, rtol=0, atol=0.02)


class Steps:
    """A belief that is no process; it can draw functions, the steps of which depend on the seed."""

    smooth = False

    def posterior(self, X: Array) -> tuple[Array, Array]:
        return np.zeros(len(X)), np.ones(len(X))

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        raise AssertionError("has none")

    def covariance(self, X: Array, Y: Array) -> Array:
        return np.zeros((len(X), len(Y)))


class Drawing(Steps):
    def sample(self, seed: int) -> Callable[[Array], Array]:
        return lambda X: np.floor(X[:, 0] * (1 + seed % 97))


def test_other_beliefs_draw_for_themselves() -> None:
    X = np.random.default_rng(0).random((20, 2))
    draws = {tuple(ThompsonSampling(0, i).value(Drawing(), X)) for i in range(5)}
    assert len(draws) > 1
    value, slope = ThompsonSampling(0, 0).gradient(Drawing(), X, np.array([0]))
    assert value.shape == (20,) and slope.shape == (20, 1)
    with pytest.raises(UnsupportedMethod, match="drawn"):
        ThompsonSampling(0, 0).value(Steps(), X)
    assert ThompsonSampling(0, 0).coarse() is None
