"""Readings that must stay within bounds: probabilities against scipy, gradients, and where it sends the search."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.optimize import approx_fprime
from scipy.stats import norm

from surrogates.acquisition.confidence_bound import UpperConfidenceBound
from surrogates.acquisition.feasible import WhereFeasible
from surrogates.acquisition.improvement import LogExpectedImprovement
from surrogates.acquisition.outcome_constraints import (
    Bounded,
    LogWhereFeasible,
    OutcomeChance,
    Together,
    best_feasible,
    log_between,
)
from surrogates.encode import Array
from surrogates.models.gp import GP
from surrogates.models.outcome import Outcome
from surrogates.sampling import Sampler
from surrogates.search import Search
from tests.surrogates.sought import process
from tests.surrogates.spaces import box


@dataclass(frozen=True)
class Limits:
    at_least: float | None = None
    at_most: float | None = None


def reading(*, maximise: bool = True) -> tuple[GP, Outcome, Array, Array]:
    U = np.random.default_rng(1).random((25, 2))
    y = 10 * np.exp(2 * U[:, 0] - U[:, 1])
    return *process(U, y, maximise=maximise), U, y


def test_probability_between_bounds_in_both_tails() -> None:
    mp.dps = 700
    pairs = [
        (-1.0, 2.0),
        (-np.inf, 0.3),
        (1.0, np.inf),
        (20.0, 20.5),
        (-9.0, -8.0),
        (30.0, np.inf),
        (-2.0, 40.0),
    ]
    pairs += [(45.0, np.inf), (50.0, 50.1), (0.0, 1e-9), (-40.0, -39.9999), (-np.inf, np.inf)]
    for a, b in pairs:
        low, high = (mpf(x) if math.isfinite(x) else mp.inf * (1 if x > 0 else -1) for x in (a, b))
        exact = mp.log(mp.ncdf(-low) - mp.ncdf(-high) if a > 0 else mp.ncdf(high) - mp.ncdf(low))
        got = float(log_between(np.array([a]), np.array([b]))[0])
        assert got == pytest.approx(float(exact), rel=1e-6, abs=1e-9), (a, b)


@pytest.mark.parametrize("maximise", [True, False])
@pytest.mark.parametrize("limits", [Limits(at_most=20.0), Limits(at_least=15.0), Limits(9.0, 20.0)])
def test_bounds_in_own_units_whichever_way_is_modelled(limits: Limits, maximise: bool) -> None:
    gp, outcome, U, y = reading(maximise=maximise)
    chance = OutcomeChance([Bounded.of(gp, outcome, limits)])
    low = -np.inf if limits.at_least is None else limits.at_least
    high = np.inf if limits.at_most is None else limits.at_most
    clear = np.minimum(np.abs(y - low), np.abs(y - high)) > 1.0
    within = (y > low) & (y < high)
    assert np.array_equal(np.exp(chance.log_probability(U))[clear] > 0.5, within[clear])
    X = np.random.default_rng(2).random((20, 2))
    mean, sd = gp.posterior(X)
    ends = sorted(
        outcome.sign * v if math.isinf(v) else float(outcome.forward(np.array([v]))[0]) for v in (low, high)
    )
    wanted = norm.cdf(ends[1], mean, sd) - norm.cdf(ends[0], mean, sd)
    assert np.exp(chance.log_probability(X)) == pytest.approx(wanted, abs=1e-9)


def test_a_constraint_without_bounds_always_holds() -> None:
    gp, outcome, U, _ = reading()
    assert OutcomeChance([Bounded.of(gp, outcome, Limits())]).log_probability(U) == pytest.approx(
        np.zeros(25)
    )


def constrained() -> tuple[GP, OutcomeChance]:
    gp, outcome, U, _ = reading()
    score = process(U, U[:, 0] - 0.3 * U[:, 1])[0]
    bounded = (Bounded.of(gp, outcome, Limits(at_most=22.0)), Bounded.of(gp, outcome, Limits(7.0, 30.0)))
    return score, OutcomeChance(bounded)


def test_gradients() -> None:
    score, chance = constrained()
    along = np.array([1, 0])
    both = Together((chance, OutcomeChance(chance.readings[:1])))
    functions = [
        (chance.log_probability, chance.log_probability_gradient),
        (both.log_probability, both.log_probability_gradient),
    ]
    for acquisition in (
        LogWhereFeasible(LogExpectedImprovement(0.5), chance),
        WhereFeasible(UpperConfidenceBound(), chance, -1.0),
    ):
        functions.append(
            (
                lambda X, a=acquisition: a.value(score, X),  # type: ignore[misc]
                lambda X, by, a=acquisition: a.gradient(score, X, by),  # type: ignore[misc]
            )
        )
    for value, gradient in functions:
        for x in np.random.default_rng(3).random((8, 2)):
            got, slope = gradient(x[None], along)
            assert got == pytest.approx(value(x[None]))
            numeric = approx_fprime(x, lambda v, f=value: float(f(v[None])[0]), 1e-7)[along]
            assert np.allclose(slope[0], numeric, rtol=2e-3, atol=2e-3)


def test_together_is_the_product() -> None:
    _, chance = constrained()
    X = np.random.default_rng(4).random((5, 2))
    halves = [OutcomeChance([bounded]) for bounded in chance.readings]
    product = np.prod([np.exp(half.log_probability(X)) for half in halves], axis=0)
    assert np.exp(Together(tuple(halves)).log_probability(X)) == pytest.approx(product)
    assert np.exp(chance.log_probability(X)) == pytest.approx(product)


def test_the_search_goes_to_the_border_and_not_beyond() -> None:
    score, chance = constrained()
    acquisition = LogWhereFeasible(
        LogExpectedImprovement(best_feasible(score.posterior(score.U)[0], chance.log_probability(score.U))),
        chance,
    )
    found = Search(Sampler(box(2))).best(
        acquisition, score, score.U[:2], score.U, np.random.default_rng(0), None
    )
    x = found.code
    assert 16.0 < 10 * np.exp(2 * x[0] - x[1]) < 22.5
    assert acquisition.coarse() is None


def test_best_feasible() -> None:
    mean = np.array([3.0, 2.0, 1.0, 5.0])
    assert best_feasible(mean, np.log([0.1, 0.9, 0.6, 0.49])) == 2.0
    assert best_feasible(mean, np.log([0.1, 0.2, 0.3, 0.4])) == 1.0
    with pytest.raises(ValueError, match="at least one"):
        best_feasible(mean[:0], mean[:0])
