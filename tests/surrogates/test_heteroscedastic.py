"""Noise that varies over the space is learned, and noise that does not is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.encode import Array
from surrogates.models import heteroscedastic
from surrogates.models.base import Model
from surrogates.models.gp import GP, Columns
from surrogates.models.heteroscedastic import RECIPE, Heteroscedastic

COLUMNS = Columns(np.arange(2), np.ones(2, bool))
SEEDS = range(5)


def truth(U: Array) -> Array:
    return np.sin(5 * U[:, 0]) + np.cos(3 * U[:, 1])


def noise_sd(U: Array, varies: bool) -> Array:
    return 0.05 * 10.0 ** U[:, 0] if varies else np.full(len(U), 0.2)


class Case:
    """Results in pairs of replicates or single, standardised, and as many held out as an average needs."""

    def __init__(self, seed: int, varies: bool, replicates: int, n: int = 100) -> None:
        rng = np.random.default_rng(seed)
        self.U = np.repeat(rng.random((n // replicates, 2)), replicates, axis=0)
        y = truth(self.U) + noise_sd(self.U, varies) * rng.standard_normal(n)
        self.X = rng.random((2000, 2))
        held = truth(self.X) + noise_sd(self.X, varies) * rng.standard_normal(2000)
        self.z, self.held, self.unit = (y - y.mean()) / y.std(), (held - y.mean()) / y.std(), y.std()
        self.variance = np.zeros(n)

    def fit(self) -> Heteroscedastic:
        return heteroscedastic.fit(self.U, self.z, self.variance, COLUMNS, 0)

    def plain(self) -> GP:
        return GP.fit(self.U, self.z, self.variance, COLUMNS, RECIPE)

    def log_density(self, model: Model) -> float:
        mean, sd = model.posterior(self.X)
        variance = sd**2 + model.noise_at(self.X)
        return float(-0.5 * (np.log(2 * np.pi * variance) + (self.held - mean) ** 2 / variance).mean())


@pytest.mark.parametrize("replicates", [1, 2])
def test_noise_that_varies(replicates: int) -> None:
    gains, factors = [], []
    for seed in SEEDS:
        case = Case(seed, True, replicates)
        model = case.fit()
        gains.append(case.log_density(model) - case.log_density(case.plain()))
        ratio = np.log(np.sqrt(model.noise_at(case.X)) * case.unit / noise_sd(case.X, True))
        factors.append(np.exp(np.sqrt(np.mean(ratio**2))))
    assert np.mean(gains) > 0.15
    assert np.median(factors) < 1.5


@pytest.mark.parametrize("replicates", [1, 2])
def test_noise_that_does_not_vary(replicates: int) -> None:
    for seed in SEEDS:
        case = Case(seed, False, replicates)
        assert case.log_density(case.fit()) > case.log_density(case.plain()) - 0.02


def test_intervals_hold_their_share_in_noisy_and_quiet_places() -> None:
    quiet, noisy = [], []
    for seed in SEEDS:
        case = Case(seed, True, 2)
        model = case.fit()
        mean, sd = model.leave_one_out()
        held = np.abs(case.z - mean) < 1.645 * sd
        quiet.append(held[case.U[:, 0] < 0.3])
        noisy.append(held[case.U[:, 0] > 0.7])
    assert 0.8 < np.concatenate(quiet).mean() < 0.99
    assert 0.8 < np.concatenate(noisy).mean() < 0.99


def test_believed_points_have_the_noise_of_their_place() -> None:
    case = Case(0, True, 2)
    model = case.fit()
    X = np.array([[0.05, 0.5], [0.95, 0.5]])
    believed = model.condition(X)
    assert isinstance(believed, Heteroscedastic)
    assert np.allclose(believed.posterior(case.X)[0], model.posterior(case.X)[0], atol=1e-6)
    assert np.allclose(believed.gp.variance[-2:], model.field.at(X))
    assert np.allclose(believed.noise_at(X), model.noise_at(X))
    both = model.condition(X, np.ones(2))
    one_by_one = model.condition(X[:1], np.ones(1)).condition(X[1:], np.ones(1))
    assert np.allclose(both.posterior(case.X), one_by_one.posterior(case.X), atol=1e-6)


def test_noise_known_is_not_learned_again() -> None:
    case = Case(0, True, 2)
    learned = case.fit()
    case.variance = (noise_sd(case.U, True) / case.unit) ** 2
    told = case.fit()
    assert told.noise < 0.3 * learned.noise
    assert case.log_density(learned) > case.log_density(told)  # noise_at is what is not known beforehand


@pytest.mark.parametrize("n", [1, 4, 30])
def test_few_or_equal_results(n: int) -> None:
    U = np.random.default_rng(0).random((n, 2))
    model = heteroscedastic.fit(U, np.zeros(n), np.zeros(n), COLUMNS, 0)
    assert np.isfinite(model.posterior(U)).all() and (model.noise_at(U) > 0).all()
    assert model.name.startswith("heteroscedastic(")
