"""Where experiments fail: the classifier, its gradients, and what it does to proposals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import log_ndtr, ndtr

from campaigns.space import Value
from surrogates import knowledge
from surrogates.acquisition.confidence_bound import UpperConfidenceBound
from surrogates.acquisition.feasible import WhereFeasible
from surrogates.encode import Array
from surrogates.models.feasibility import AMPLITUDE, HOPE, Feasibility
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths
from surrogates.planner import Method, Planner
from surrogates.sampling import design
from tests.surrogates.spaces import SCORE, box, mixed, pool


def corner(n: int = 60, d: int = 3) -> tuple[Array, Array, Columns]:
    U = np.random.default_rng(2).random((n, d))
    return U, U[:, 0] + U[:, 1] > 1.2, Columns(np.arange(d), np.ones(d, bool))


def test_replicates_have_the_mode_and_width_of_brute_force() -> None:
    """Forty results of one candidate against the posterior on a grid; Laplace's mean is the posterior's mode."""
    failed, columns = np.arange(40) % 4 == 0, Columns(np.array([0]), np.ones(1, bool))
    U = np.full((40, 1), 0.5)
    f = np.linspace(-4, 6, 20_001)
    log_posterior = -0.5 * ((f - HOPE) / AMPLITUDE) ** 2 + 30 * log_ndtr(f) + 10 * log_ndtr(-f)
    weight = np.exp(log_posterior - log_posterior.max())
    weight /= weight.sum()
    mean, sd = Feasibility(U, failed, columns).process.posterior(U[:1])
    assert AMPLITUDE * mean[0] == pytest.approx(f[np.argmax(weight)], abs=1e-3)
    assert AMPLITUDE * sd[0] == pytest.approx(math.sqrt(weight @ f**2 - (weight @ f) ** 2), rel=0.02)


def test_the_border_is_learned_and_the_parameter_without_part_in_it() -> None:
    U, failed, columns = corner()
    feasibility = Feasibility(U, failed, columns)
    X = np.random.default_rng(3).random((500, 3))
    truth = X[:, 0] + X[:, 1] <= 1.2
    assert ((feasibility.log_probability(X) > math.log(0.5)) == truth).mean() > 0.9
    lengths = feasibility.process.lengths
    assert lengths[2] > max(lengths[:2])


def test_far_from_everything_there_is_hope() -> None:
    _, _, columns = corner()
    feasibility = Feasibility(np.full((1, 3), -1e3), np.array([True]), columns)
    wanted = float(ndtr(HOPE / math.sqrt(1 + AMPLITUDE**2)))
    assert math.exp(feasibility.log_probability(np.ones((1, 3)))[0]) == pytest.approx(wanted)


def test_gradients() -> None:
    U, failed, columns = corner()
    recipe = Recipe(Matern52(), shared_lengths, loose_noise)
    z = np.sin(5 * U[~failed, 0]) + U[~failed, 1]
    gp = GP.fit(U[~failed], (z - z.mean()) / z.std(), np.zeros(len(z)), columns, recipe)
    weighed = WhereFeasible(UpperConfidenceBound(), Feasibility(U, failed, columns), -1.5)
    X = np.random.default_rng(4).random((12, 3))
    value, slope = weighed.gradient(gp, X, np.arange(3))
    assert np.allclose(value, weighed.value(gp, X))
    for x, got in zip(X, slope, strict=True):
        numeric = approx_fprime(x, lambda v: float(weighed.value(gp, v[None])[0]), 1e-6)
        assert np.allclose(got, numeric, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("space", [box(2), mixed(), pool()], ids=["box", "mixed", "pool"])
def test_without_failures_nothing_is_weighed(space: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object) -> None:
        raise AssertionError("nothing has failed")

    monkeypatch.setattr(knowledge, "Feasibility", never)
    planner = Planner(space, [SCORE])  # type: ignore[arg-type]
    for i, candidate in enumerate(design(space, 8, seed=0)):  # type: ignore[arg-type]
        planner.tell(candidate, math.sin(i))
    assert all(p.fallback is None for p in planner.ask(2))
    planner.tell(planner.pending[0], None, failed=True)
    with pytest.raises(AssertionError):
        planner.ask(1)


def test_odd_tables_of_failures_give_probabilities() -> None:
    U, failed, columns = corner()
    mixed_columns = Columns(np.array([0, 1, 1]), np.array([True, False, False]))
    one_hot = np.c_[U[:, 0], np.eye(2)[failed.astype(int)]]
    for points, which, of in (
        (U, np.ones(60, bool), columns),
        (np.repeat(U[:1], 60, axis=0), failed, columns),
        (one_hot, failed, mixed_columns),
        (np.random.default_rng(0).random((900, 3)), np.arange(900) % 3 == 0, columns),
    ):
        log_p = Feasibility(points, which, of).log_probability(points)
        assert np.isfinite(log_p).all() and (log_p <= 0).all()


@pytest.mark.parametrize("method", [Method(), Method("optimise", "log_ei"), Method("learn", "variance")])
def test_fewer_experiments_fail_when_failures_are_told(method: Method) -> None:
    def fails(candidate: dict[str, Value]) -> bool:
        return float(candidate["x0"]) > 0.6

    asked = {True: 0, False: 0}
    for told in asked:
        for seed in range(2):
            planner = Planner(box(2), [SCORE], seed=seed)
            for i in range(20):
                chosen = method if i > 3 else Method("explore", "sobol")
                candidate = planner.ask(1, chosen)[0].candidate
                if not fails(candidate):
                    planner.tell(candidate, float(candidate["x0"]) + float(candidate["x1"]))
                    continue
                asked[told] += 1
                if told:
                    planner.tell(candidate, None, failed=True)
                else:
                    planner.forget(candidate)
    assert asked[True] < 0.7 * asked[False], asked
