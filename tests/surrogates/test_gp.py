"""The hand-written process against finite differences, botorch and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from surrogates.encode import Array
from surrogates.models.calibration import coverage, errors
from surrogates.models.gp import GP, Columns, Likelihood
from surrogates.models.kernels import (
    RBF,
    Exchangeable,
    Gamma,
    LogNormal,
    Matern52,
    Prior,
    Recipe,
    loose_noise,
    narrow_lengths,
    narrow_noise,
    shared_lengths,
    wide_lengths,
    wide_noise,
)

RECIPES = [
    Recipe(Matern52(), shared_lengths, loose_noise),
    Recipe(Matern52(), narrow_lengths, narrow_noise),
    Recipe(RBF(), wide_lengths, wide_noise),
]


def data(mixed: bool, known: bool, n: int = 25) -> tuple[Array, Array, Array, Columns]:
    rng = np.random.default_rng(5)
    U = rng.random((n, 5))
    columns = Columns(np.arange(5), np.ones(5, bool))
    if mixed:
        U[:, 2:] = np.eye(3)[rng.integers(0, 3, n)]
        columns = Columns(np.array([0, 1, 2, 2, 2]), np.array([True, True, False, False, False]))
    y = np.sin(5 * U[:, 0]) + U[:, 1] ** 2 + 0.7 * U[:, 3] + 0.1 * rng.standard_normal(n)
    variance = 0.02 * rng.random(n) if known else np.zeros(n)
    return U, (y - y.mean()) / y.std(ddof=1), variance, columns


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.name)
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_likelihood_gradient(recipe: Recipe, mixed: bool, known: bool) -> None:
    U, z, variance, columns = data(mixed, known)
    loss = Likelihood(U, z, variance, columns, recipe)
    for theta in np.random.default_rng(0).normal(-0.7, 0.6, (4, columns.n_lengths + 1)):
        numeric = approx_fprime(theta, lambda t: loss(t)[0], 1e-6)
        assert np.allclose(loss(theta)[1], numeric, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prior", [LogNormal(0.3, 1.7), Gamma(3.0, 4.0), Exchangeable(0.2, 0.7, 0.4)])
def test_prior_slope_and_mass(prior: Prior) -> None:
    t = np.linspace(-12, 6, 20_001)
    density = np.array([prior.log_density(np.array([x]))[0] for x in t])
    jacobian = 0.0 if isinstance(prior, Exchangeable) else t
    assert np.trapezoid(np.exp(density + jacobian), t) == pytest.approx(1.0, abs=2e-3)
    theta = np.array([-0.4, 0.1, 0.9])
    assert np.allclose(
        prior.slope(theta), approx_fprime(theta, lambda x: prior.log_density(x).sum(), 1e-7), atol=1e-4
    )


def test_exchangeable_is_the_normal_density_it_says() -> None:
    from scipy.stats import multivariate_normal

    theta = np.array([-0.4, 0.1, 0.9])
    covariance = 0.4**2 * np.eye(3) + 0.7**2
    wanted = multivariate_normal(np.full(3, 0.2), covariance).logpdf(theta)
    assert Exchangeable(0.2, 0.7, 0.4).log_density(theta).sum() == pytest.approx(wanted)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.name)
@pytest.mark.parametrize("mixed", [False, True])
def test_posterior_gradient(recipe: Recipe, mixed: bool) -> None:
    U, z, variance, columns = data(mixed, known=False)
    gp = GP.fit(U, z, variance, columns, recipe)
    along = np.array([0, 1])
    X = U[:4] + 0.01
    mean, sd, mean_slope, sd_slope = gp.posterior_gradient(X, along)
    assert np.allclose([mean, sd], gp.posterior(X))
    for i, x in enumerate(X):
        for which, slope in ((0, mean_slope), (1, sd_slope)):
            numeric = approx_fprime(x, lambda v, w=which: float(gp.posterior(v[None])[w][0]), 1e-6)[along]
            assert np.allclose(slope[i], numeric, atol=1e-4)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.name)
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_botorch_agrees(recipe: Recipe, mixed: bool, known: bool) -> None:
    """Same posterior, and the fitted hyper-parameters are a maximum of botorch's own objective too."""
    import torch
    from gpytorch.mlls import ExactMarginalLogLikelihood

    from surrogates.models.botorch_model import load

    U, z, variance, columns = data(mixed, known)
    gp = GP.fit(U, z, variance, columns, recipe)
    model = load(gp)
    X = np.random.default_rng(1).random((50, 5))
    if mixed:
        X[:, 2:] = np.eye(3)[np.arange(50) % 3]
    with torch.no_grad():
        posterior = model.posterior(torch.as_tensor(X))
    mean, sd = gp.posterior(X)
    assert np.abs(posterior.mean[:, 0].numpy() - mean).max() < 1e-3 * sd.min() + 1e-5
    assert np.abs(posterior.variance.sqrt()[:, 0].numpy() / sd - 1).max() < 1e-3
    if mixed:
        return  # one length scale per categorical here, one per column in botorch's prior
    mll = ExactMarginalLogLikelihood(model.likelihood, model)
    model.train()
    value = mll(model(*model.train_inputs), model.train_targets)
    assert float(value.detach()) == pytest.approx(gp.evidence / len(z), abs=2e-4)
    value.backward()
    slopes = [p.grad.abs().max().item() for p in model.parameters() if p.grad is not None]
    assert max(slopes) < 5e-3


@pytest.mark.parametrize("known", [False, True])
def test_leave_one_out_equals_leaving_one_out(known: bool) -> None:
    U, z, variance, columns = data(False, known)
    gp = GP.fit(U, z, variance, columns, RECIPES[0])
    mean, sd = gp.leave_one_out()
    for i in range(len(z)):
        rest = np.arange(len(z)) != i
        other = GP(U[rest], z[rest], variance[rest], columns, gp.recipe, gp.theta, gp.mean)
        predicted, spread = other.posterior(U[i : i + 1])
        assert mean[i] == pytest.approx(predicted[0], abs=1e-6)
        assert sd[i] == pytest.approx(math.sqrt(spread[0] ** 2 + gp.noise + variance[i]), abs=1e-6)


def test_condition_keeps_hyper_parameters_and_believes_its_own_mean() -> None:
    U, z, variance, columns = data(False, False)
    gp = GP.fit(U, z, variance, columns, RECIPES[0])
    new = np.full((1, 5), 0.9)
    believed = gp.condition(new)
    X = np.random.default_rng(0).random((30, 5))
    assert np.allclose(believed.posterior(X)[0], gp.posterior(X)[0], atol=1e-8)
    assert believed.posterior(new)[1][0] < gp.posterior(new)[1][0]
    assert np.array_equal(believed.theta, gp.theta)


@pytest.mark.parametrize("mixed", [False, True])
def test_conditioning_by_blocks_is_the_process_built_anew(mixed: bool) -> None:
    U, z, variance, columns = data(mixed, known=True)
    gp = GP.fit(U[:15], z[:15], variance[:15], columns, RECIPES[0])
    grown = gp.condition(U[15:20], z[15:20]).condition(U[20:21], z[20:21])
    anew = GP(U[:21], z[:21], np.r_[variance[:15], np.zeros(6)], columns, RECIPES[0], gp.theta, gp.mean)
    assert np.allclose(grown.posterior(U), anew.posterior(U), atol=1e-7)
    assert np.allclose(grown.leave_one_out(), anew.leave_one_out(), atol=1e-6)
    assert gp.n == 15 and len(gp.posterior(U)[0]) == len(U)


def test_covariance_is_consistent_with_the_posterior() -> None:
    U, z, variance, columns = data(True, False)
    gp = GP.fit(U, z, variance, columns, RECIPES[0])
    X = U[:7] * 0.9
    assert np.allclose(np.sqrt(np.diagonal(gp.covariance(X, X))), gp.posterior(X)[1], atol=1e-7)


def test_known_noise_is_not_learned_again() -> None:
    rng = np.random.default_rng(0)
    U = np.linspace(0, 1, 60)[:, None]
    columns = Columns(np.array([0]), np.array([True]))
    z = np.sin(6 * U[:, 0]) + 0.4 * rng.standard_normal(60)
    free = GP.fit(U, z, np.zeros(60), columns, RECIPES[0])
    told = GP.fit(U, z, np.full(60, 0.16), columns, RECIPES[0])
    assert free.noise > 0.05 > told.noise


def test_singular_data_still_give_a_process() -> None:
    columns = Columns(np.arange(2), np.ones(2, bool))
    U = np.zeros((30, 2))
    gp = GP.fit(U, np.zeros(30), np.zeros(30), columns, RECIPES[0])
    assert np.isfinite(gp.posterior(U)).all()
    one = GP.fit(U[:1], np.zeros(1), np.zeros(1), columns, RECIPES[1])
    assert np.isfinite(one.posterior(U)).all()


def test_coverage_and_errors() -> None:
    normal = np.random.default_rng(0).standard_normal(20_000)
    assert coverage(normal) == pytest.approx(0.9, abs=0.01)
    assert coverage(normal[:2]) is None
    assert errors(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])) == (0.0, 0.0)
    assert errors(np.full(4, 7.0), np.full(4, 7.0)) == (0.0, None)
    assert errors(np.array([1e300, -1e300, 0.0]), np.zeros(3))[1] == pytest.approx(1.0)
