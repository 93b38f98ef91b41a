"""Draws of hyper-parameters, and where they disagree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from surrogates.acquisition.base import Acquisition
from surrogates.acquisition.disagreement import Disagreement, IntegratedDisagreement
from surrogates.models import hyperparameters
from surrogates.models.gp import GP, MAX_LOG_LENGTH, MAX_LOG_NOISE, Columns, Likelihood
from surrogates.models.hyperparameters import neighbours
from surrogates.models.kernels import MIN_LENGTH, MIN_NOISE, Matern52, Recipe, loose_noise, shared_lengths

RECIPE = Recipe(Matern52(), shared_lengths, loose_noise)


def fitted(n: int, d: int = 3, seed: int = 2, noise: float = 0.1) -> GP:
    rng = np.random.default_rng(seed)
    U = rng.random((n, d))
    z = np.sin(6 * U[:, 0]) * U[:, -1] + noise * rng.standard_normal(n)
    columns = Columns(np.arange(d), np.ones(d, bool))
    return GP.fit(U, (z - z.mean()) / (z.std() or 1.0), np.zeros(n), columns, RECIPE)


def test_draws_have_the_posterior_s_mean_and_spread() -> None:
    """Against weighted samples of the same posterior, for many results, where it is nearly normal."""
    gp = fitted(60, 1)
    loss = Likelihood(gp.U, gp.z, gp.variance, gp.columns, gp.recipe)
    axes = [np.linspace(t - 1.5, t + 1.5, 41) for t in gp.theta]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    weight = np.exp(-np.array([loss(theta)[0] for theta in grid]) - gp.evidence)
    weight /= weight.sum()
    mean = weight @ grid
    sd = np.sqrt(weight @ (grid - mean) ** 2)
    drawn = np.array([g.theta for g in neighbours(gp, 256, 0)])
    assert np.abs(drawn.mean(axis=0) - mean).max() < 0.35 * sd.min()
    assert np.allclose(drawn.std(axis=0), sd, rtol=0.15)


def test_draws_are_different_within_bounds_and_believable() -> None:
    for n, noise in ((1, 0.1), (2, 0.1), (5, 0.1), (30, 0.1), (40, 0.0)):
        gp = fitted(n, noise=noise)
        loss = Likelihood(gp.U, gp.z, gp.variance, gp.columns, gp.recipe)
        members = neighbours(gp, 8, 3)
        thetas = np.array([m.theta for m in members])
        assert len(members) == 8 == len(np.unique(thetas, axis=0))
        assert (thetas[:, :-1] >= math.log(MIN_LENGTH)).all() and (thetas[:, :-1] <= MAX_LOG_LENGTH).all()
        assert (thetas[:, -1] >= math.log(MIN_NOISE)).all() and (thetas[:, -1] <= MAX_LOG_NOISE).all()
        below = np.array([loss(theta)[0] for theta in thetas]) + gp.evidence
        assert below.max() < 5.0  # half the 95 % point of chi-square with 4 degrees of freedom is 4.7
        assert all(np.array_equal(m.U, gp.U) and np.array_equal(m.z, gp.z) for m in members)


def test_seeds_decide_and_nothing_else() -> None:
    gp = fitted(12)
    first, again, other = (np.array([m.theta for m in neighbours(gp, 8, seed)]) for seed in (4, 4, 5))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_where_the_posterior_is_no_peak_draws_stay_near() -> None:
    """A fit cut short: the curvature there is of any sign."""
    gp = fitted(12)
    away = GP(gp.U, gp.z, gp.variance, gp.columns, gp.recipe, gp.theta + np.array([2.0, -2.0, 1.0, 3.0]))
    thetas = np.array([m.theta for m in neighbours(away, 8, 0)])
    assert np.isfinite(thetas).all() and np.abs(thetas - away.theta).max() < 8.0


def test_many_results_are_judged_by_some(monkeypatch: pytest.MonkeyPatch) -> None:
    gp = fitted(40)
    monkeypatch.setattr(hyperparameters, "MOST", 20)
    assert all(m.n == 40 for m in neighbours(gp, 4, 0))


def test_value_is_the_information_in_nats() -> None:
    """Entropy of the mixture less mean entropy of its members; for a mixture nearly normal, by quadrature."""
    members = neighbours(fitted(15), 8, 0)
    acquisition, belief = Disagreement(members), fitted(15)
    noise = float(np.mean([gp.noise for gp in members]))
    y = np.linspace(-12, 12, 20_001)
    for x in np.random.default_rng(0).random((5, 3)):
        densities = []
        for gp in members:
            mean, sd = gp.posterior(x[None])
            v = float(sd[0] ** 2) + noise
            densities.append(np.exp(-0.5 * (y - mean[0]) ** 2 / v) / math.sqrt(2 * math.pi * v))

        def entropy(p: np.ndarray) -> float:
            return float(-(p * np.log(np.maximum(p, 1e-300))).sum() * (y[1] - y[0]))

        wanted = entropy(np.mean(densities, axis=0)) - np.mean([entropy(p) for p in densities])
        got = float(acquisition.value(belief, x[None])[0])
        assert wanted <= got + 1e-6  # the normal has the largest entropy of its variance
        assert got == pytest.approx(wanted, rel=0.5, abs=0.03)


def test_processes_that_agree_learn_nothing() -> None:
    gp = fitted(15)
    X = np.random.default_rng(1).random((20, 3))
    assert np.allclose(Disagreement((gp, gp)).value(gp, X), 0.0, atol=1e-12)
    assert (Disagreement(neighbours(gp)).value(gp, X) > 1e-4).all()


def test_members_are_told_what_the_belief_was_told() -> None:
    gp = fitted(15)
    members = neighbours(gp)
    acquisition, X = Disagreement(members), np.random.default_rng(1).random((20, 3))
    pending = X[[int(np.argmax(acquisition.value(gp, X)))]]
    believed = gp.condition(pending)
    told = tuple(m.condition(pending, believed.z[-1:]) for m in members)
    assert np.allclose(acquisition.value(believed, X), Disagreement(told).value(believed.condition(X[:0]), X))
    assert acquisition.value(believed, pending)[0] < acquisition.value(gp, pending)[0]


def test_a_disagreement_about_noise_alone_is_none() -> None:
    gp = fitted(15)
    louder = GP(gp.U, gp.z, gp.variance, gp.columns, gp.recipe, gp.theta + np.r_[0, 0, 0, 3.0])
    measured, far = gp.U[:1], np.full((1, 3), 40.0)
    assert louder.noise > 10 * gp.noise
    acquisition = Disagreement((gp, louder))
    assert acquisition.value(gp, far)[0] < 0.01 < 0.5 * abs(math.log(louder.noise / gp.noise))
    assert np.isfinite(acquisition.value(gp, measured)).all()


def test_integrated_disagreement_is_the_loss_of_total_variance() -> None:
    """By joint normals with the mixture's covariance, told one noisy measurement."""
    members = neighbours(fitted(8), 4)
    reference, belief = np.random.default_rng(2).random((20, 3)), fitted(8)
    acquisition, noise = IntegratedDisagreement(members, reference), np.mean([m.noise for m in members])
    for x in np.random.default_rng(3).random((3, 3)):
        points = np.vstack([x, reference])
        means = np.array([m.posterior(points)[0] for m in members])
        whole = np.mean([m.covariance(points, points) for m in members], axis=0) + np.cov(means.T, bias=True)
        lost = whole[0, 1:] ** 2 / (whole[0, 0] + noise)
        assert acquisition.value(belief, x[None])[0] ** 2 == pytest.approx(lost.mean())
    X = np.random.default_rng(4).random((200, 3))
    best = X[[int(np.argmax(acquisition.value(belief, X)))]]
    after = acquisition.value(belief.condition(best), best)
    assert after[0] < 0.5 * acquisition.value(belief, best)[0]
    rough = IntegratedDisagreement(members, np.tile(reference, (8, 1))).coarse()
    assert rough is not None and len(rough.reference) == 20 and rough.coarse() is None


@pytest.mark.parametrize("kind", ["one point", "integrated"])
def test_gradient(kind: str) -> None:
    gp = fitted(15)
    members, X = neighbours(gp), np.random.default_rng(6).random((3, 3))
    acquisition: Acquisition = Disagreement(members)
    if kind == "integrated":
        acquisition = IntegratedDisagreement(members, np.random.default_rng(7).random((32, 3)))
    value, slope = acquisition.gradient(gp, X, np.array([0, 2]))
    assert np.allclose(value, acquisition.value(gp, X))
    numeric = approx_fprime(X[0], lambda v: float(acquisition.value(gp, v[None])[0]), 1e-5)[[0, 2]]
    assert np.allclose(slope[0], numeric, rtol=1e-2, atol=1e-3)
