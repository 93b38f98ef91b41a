"""Sparse subspaces: the prior, the mixture's moments, and that what matters is found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from surrogates.encode import Array
from surrogates.models import saas
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths
from surrogates.models.mixture import MixtureOfGPs
from surrogates.models.saas import HalfCauchy, Modes

DEFAULT = Recipe(Matern52(), shared_lengths, loose_noise)


def numbers(d: int) -> Columns:
    return Columns(np.arange(d), np.ones(d, bool))


def branin(U: Array) -> Array:
    a, b = 15 * U[:, 0] - 5, 15 * U[:, 1]
    first = (b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6) ** 2
    return -first - 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) - 10


def embedded(n: int = 40, d: int = 30, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Points and results of a function of columns 4 and 23, standardised, and held-out ones."""
    rng = np.random.default_rng(seed)
    U, X = rng.random((n, d)), rng.random((400, d))
    y, held = branin(U[:, [4, 23]]), branin(X[:, [4, 23]])
    return U, (y - y.mean()) / y.std(), X, (held - y.mean()) / y.std()


def mixed() -> tuple[Array, Array, Columns]:
    rng = np.random.default_rng(5)
    U = rng.random((25, 5))
    U[:, 2:] = np.eye(3)[rng.integers(0, 3, 25)]
    z = np.sin(5 * U[:, 0]) + 0.7 * U[:, 3] + 0.1 * rng.standard_normal(25)
    return U, (z - z.mean()) / z.std(), Columns(np.array([0, 1, 2, 2, 2]), np.arange(5) < 2)


def mixture() -> tuple[MixtureOfGPs, Array]:
    """Two processes that disagree, and points to ask about."""
    U, z, columns = mixed()
    gps = [
        GP(U, z, np.zeros(25), columns, DEFAULT, np.log(np.array(theta)))
        for theta in ([0.3, 2.0, 1.0, 0.02], [3.0, 0.4, 2.0, 0.2])
    ]
    X = U[:6].copy()
    X[:, :2] = np.random.default_rng(1).random((6, 2))
    return MixtureOfGPs(gps, np.array([0.3, 0.7])), X


@pytest.mark.parametrize("of_log", [False, True])
def test_prior_mass_median_and_slope(of_log: bool) -> None:
    prior = HalfCauchy(0.1, of_log)
    t = np.linspace(-9, 9, 40_001)  # log lengths
    x = np.exp(-2 * t)
    density = np.exp(prior.log_density(t)) * (1.0 if of_log else 2 * x)
    assert np.trapezoid(density, t) == pytest.approx(1.0, abs=2e-3)
    assert np.trapezoid(density[x < 0.1], t[x < 0.1]) == pytest.approx(0.5, abs=2e-3)
    theta = np.array([-0.4, 0.6, 2.0])
    numeric = approx_fprime(theta, lambda v: prior.log_density(v).sum(), 1e-7)
    assert np.allclose(prior.slope(theta), numeric, atol=1e-4)


def test_mixture_moments_are_those_of_draws() -> None:
    model, X = mixture()
    rng = np.random.default_rng(0)
    draws = []
    for gp, weight in zip(model.gps, model.weights, strict=True):
        mean, cov = gp.posterior(X)[0], gp.covariance(X, X)
        draws.append(rng.multivariate_normal(mean, cov, int(40_000 * weight), method="eigh"))
    every = np.vstack(draws)
    mean, sd = model.posterior(X)
    assert np.allclose(every.mean(axis=0), mean, atol=0.02)
    assert np.allclose(every.std(axis=0), sd, rtol=0.02, atol=0.005)
    assert np.allclose(np.cov(every.T), model.covariance(X, X), atol=0.03)
    assert np.allclose(np.diagonal(model.covariance(X, X)), sd**2, atol=1e-7)
    assert list(model.weights) == [0.7, 0.3] and model.noise == pytest.approx(0.7 * 0.2 + 0.3 * 0.02)
    assert model.lengths[0] ** -2.0 == pytest.approx(0.7 / 9.0 + 0.3 / 0.09)


def test_mixture_gradient() -> None:
    model, X = mixture()
    along = np.array([0, 1])
    mean, sd, mean_slope, sd_slope = model.posterior_gradient(X, along)
    assert np.allclose([mean, sd], model.posterior(X))
    for i, x in enumerate(X):
        for which, slope in ((0, mean_slope), (1, sd_slope)):
            numeric = approx_fprime(x, lambda v, w=which: float(model.posterior(v[None])[w][0]), 1e-6)
            assert np.allclose(slope[i], numeric[along], atol=1e-4)


def test_mixture_leave_one_out_and_believing() -> None:
    model, X = mixture()
    mean, sd = model.leave_one_out()
    rest = np.arange(25) != 7
    parts = [
        GP(model.U[rest], model.z[rest], np.zeros(24), gp.columns, gp.recipe, gp.theta, gp.mean)
        for gp in model.gps
    ]
    without = MixtureOfGPs(parts, model.weights)
    predicted, spread = without.posterior(model.U[7:8])
    assert mean[7] == pytest.approx(predicted[0], abs=1e-6)
    assert sd[7] == pytest.approx(np.sqrt(spread[0] ** 2 + model.noise), abs=1e-6)
    believed = model.condition(X[:2])
    assert np.allclose(believed.z[-2:], model.posterior(X[:2])[0])
    assert (believed.posterior(X[:2])[1] < model.posterior(X[:2])[1]).all()
    # The processes come closer where they are told the same.
    apart = [
        abs(m.gps[0].posterior(X[:1])[0][0] - m.gps[1].posterior(X[:1])[0][0]) for m in (model, believed)
    ]
    assert apart[1] < apart[0]


def test_the_parameters_that_matter_are_found() -> None:
    U, z, X, held = embedded()
    model = saas.fit(U, z, np.zeros(len(z)), numbers(30), 0)
    assert set(np.argsort(model.lengths)[:2]) == {4, 23} == set(np.argsort(-model.importance())[:2])
    plain = GP.fit(U, z, np.zeros(len(z)), numbers(30), DEFAULT)
    errors = [np.sqrt(np.mean((m.posterior(X)[0] - held) ** 2)) for m in (model, plain)]
    assert errors[0] < 0.3 < 0.6 < errors[1]


def test_a_choice_that_matters_is_found() -> None:
    rng = np.random.default_rng(0)
    U = np.hstack([rng.random((40, 12)), np.eye(4)[rng.integers(0, 4, 40)]])
    z = 2.0 * U[:, 13] + np.sin(5 * U[:, 2])
    columns = Columns(np.r_[np.arange(12), np.full(4, 12)], np.arange(16) < 12)
    model = saas.fit(U, (z - z.mean()) / z.std(), np.zeros(40), columns, 0)
    assert model.lengths.shape == (13,) and set(np.argsort(model.lengths)[:2]) == {2, 12}


def test_nothing_is_found_in_noise() -> None:
    """The likeliest set is small, and predictions are no surer than the results allow."""
    inside = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        U, z, X = rng.random((30, 30)), rng.standard_normal(30), rng.random((300, 30))
        model = saas.fit(U, z, np.zeros(30), numbers(30), 0)
        assert (model.gps[0].lengths < 100).sum() <= 3
        mean, sd = model.posterior(X)
        inside.append(np.abs(rng.standard_normal(300) - mean) < 1.645 * np.sqrt(sd**2 + model.noise))
    assert np.mean(inside) > 0.8


def test_slope_of_a_parameter_that_is_off() -> None:
    """By finite differences of the likelihood by length^-2, where that is nearly 0."""
    U, z, _, _ = embedded(n=20)
    U = U[:, :6]
    modes = Modes(U, z, np.zeros(20), numbers(6))
    modes._try((4,), np.full(7, -0.7))
    (mode,) = modes.tried.values()

    def loss(x: float) -> float:
        lengths = np.exp(mode.theta[:-1])
        lengths[2] = x**-0.5
        gp = GP(U, z, np.zeros(20), numbers(6), DEFAULT, np.r_[np.log(lengths), mode.theta[-1]])
        K = gp._kernel(gp._V, gp._V)[0] + (gp.noise + 1e-8) * np.eye(20)
        r = z - gp.mean
        return float(0.5 * r @ np.linalg.solve(K, r) + 0.5 * np.linalg.slogdet(K)[1])

    assert mode.slope[2] == pytest.approx((loss(1e-4) - loss(1e-9)) / 1e-4, rel=0.02)


def test_evidence_is_the_integral_over_the_hyper_parameters() -> None:
    """Of one parameter: against a sum over a grid of log lengths and noises."""
    rng = np.random.default_rng(0)
    U = rng.random((40, 1))
    z = np.sin(9 * U[:, 0]) + 0.2 * rng.standard_normal(40)
    modes = Modes(U, z, np.zeros(40), numbers(1))
    modes._try((0,), np.array([-0.7, -3.0]))
    (mode,) = modes.tried.values()
    a, b = np.meshgrid(np.linspace(-3.0, 4.0, 90), np.linspace(-9.0, 3.0, 90), indexing="ij")
    values = -np.array([modes.whole(np.array(t))[0] for t in zip(a.ravel(), b.ravel(), strict=True)])
    cell = (a[1, 0] - a[0, 0]) * (b[0, 1] - b[0, 0])
    exact = np.log(np.exp(values - values.max()).sum() * cell) + values.max()
    over_tau = saas._log_prior(mode.theta[:-1], np.zeros(0))
    assert mode.evidence - over_tau + saas.DOUBT == pytest.approx(exact, abs=0.3)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_or_equal_results(n: int) -> None:
    U = np.random.default_rng(0).random((n, 20))
    model = saas.fit(U, np.zeros(n), np.zeros(n), numbers(20), 0)
    assert np.isfinite(model.posterior(U)).all() and model.weights.sum() == pytest.approx(1.0)


def test_the_same_seed_is_the_same_mixture() -> None:
    U, z, X, _ = embedded(n=20)
    first, second = (saas.fit(U, z, np.zeros(20), numbers(30), 3).posterior(X) for _ in range(2))
    assert np.array_equal(first, second)
