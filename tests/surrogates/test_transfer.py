"""History as prior data: the multi-task process against its likelihood and brute force, the ensemble, the guard."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from surrogates.encode import Array
from surrogates.models.base import Model
from surrogates.models.gp import GP, Columns
from surrogates.transfer.aligned import Aligned
from surrogates.transfer.guard import _by_prediction, with_history
from surrogates.transfer.multi_task import MultiTask, fit_multi_task
from surrogates.transfer.ranking import order_kept, ranking_weights, wrong_pairs
from surrogates.transfer.ranking_ensemble import RankingEnsemble, fit_ranking_ensemble
from surrogates.transfer.source import RECIPE, Source, fit_sources
from surrogates.transfer.task_likelihood import TaskLikelihood

Function = Callable[[Array], Array]
MIXED = Columns(np.array([0, 1, 2, 2, 2]), np.array([True, True, False, False, False]))
ALONG = np.array([0, 1])


def truth(U: Array) -> Array:
    return np.sin(6 * U[:, 0]) + 2 * U[:, 1] ** 2 + 0.7 * U[:, 3]


def rows(n: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.random((n, 2)), np.eye(3)[rng.integers(0, 3, n)]])


def source(name: str, function: Function, n: int = 40, seed: int = 1) -> Source:
    U = rows(n, seed)
    y = function(U)
    return Source(name, U, (y - y.mean()) / y.std(ddof=1), np.zeros(n))


def target(n: int) -> tuple[Array, Array, Array]:
    U = rows(n, 0)
    y = truth(U)
    spread = float(y.std(ddof=1)) if n > 1 else 1.0
    return U, (y - y.mean()) / spread if n else y, np.zeros(n)


def alone(U: Array, z: Array, variance: Array, columns: Columns, seed: int) -> GP:
    return GP.fit(U, z, variance, columns, RECIPE)


RELATED = source("last_year", lambda U: 5 * truth(U) + 0.5 * U[:, 0] - 3)
USELESS = Source("useless", rows(40, 2), np.random.default_rng(9).standard_normal(40), np.zeros(40))


def multi_task(n: int = 12) -> MultiTask:
    return fit_multi_task(*target(n), (RELATED, USELESS), MIXED, 0)


def fitted_ensemble(n: int = 8) -> RankingEnsemble:
    return fit_ranking_ensemble(*target(n), (RELATED, USELESS), MIXED, 0, alone)


def ensemble() -> RankingEnsemble:
    """Of three members, each with weight."""
    U, z, variance = target(8)
    own = alone(U, z, variance, MIXED, 0)
    members = [
        Aligned(s.name, alone(s.U, s.z, s.variance, MIXED, 0), U, z, own.noise) for s in (RELATED, USELESS)
    ]
    return RankingEnsemble(own, members, np.array([0.3, 0.5, 0.2]), 5)


MODELS: list[Callable[[], Model]] = [multi_task, ensemble]


# -- the multi-task likelihood ----------------------------------------------------
def test_the_likelihood_is_that_of_the_joint_normal_and_its_gradient_is_right() -> None:
    from scipy.stats import multivariate_normal

    U, z, _ = target(10)
    task = np.repeat([0, 1, 2], [10, 8, 7])
    wide = Columns(np.array([0, 1, 2, 2, 2, 3, 4]), np.r_[MIXED.numeric, False, False])
    X = np.column_stack([np.vstack([U, RELATED.U[:8], USELESS.U[:7]]), task[:, None] == [1, 2]])
    values = np.concatenate([z, RELATED.z[:8], USELESS.z[:7]])
    variance = 0.1 * np.random.default_rng(0).random(25)
    loss = TaskLikelihood(X, values, variance, task, wide, RECIPE)
    for theta in np.random.default_rng(0).normal(-0.4, 0.4, (4, 11)):
        numeric = approx_fprime(theta, lambda t: loss(t)[0], 1e-6)
        assert np.allclose(loss(theta)[1], numeric, rtol=1e-4, atol=1e-3)

    def likelihood(theta: Array) -> float:
        log_lengths, log_noise, log_scale = loss.parts(theta)
        scale = np.exp(log_scale)[task]
        bare = GP(X[:1] * 0 - 1e3, np.zeros(1), np.zeros(1), wide, RECIPE, np.r_[log_lengths, -30.0])
        # what is known is far away: the prior covariance
        K = bare.covariance(X, X) + np.diag(np.exp(log_noise)[task] + variance * scale**2 + 1e-8)
        density = multivariate_normal(loss.means(theta)[task], K).logpdf(scale * values)
        return float(density + np.log(scale).sum())

    def prior(theta: Array) -> float:  # what the priors alone say: the loss less the likelihood
        return -loss(theta)[0] - likelihood(theta)

    a = np.full(11, -0.4)
    b = a.copy()
    b[5:8] += 0.3  # noise: its prior is the recipe's
    wanted = RECIPE.noise().log_density(b[5:8]).sum() - RECIPE.noise().log_density(a[5:8]).sum()
    assert prior(b) - prior(a) == pytest.approx(wanted, abs=1e-6)
    c = a.copy()
    c[8:] = 0.0
    assert prior(c) - prior(a) == pytest.approx(3 * 0.5 * (0.4 / 0.6) ** 2, abs=1e-6)


def test_relatedness_is_learned_per_source() -> None:
    model = multi_task(15)
    assert set(model.relatedness) == {"last_year", "useless"}
    assert model.relatedness["last_year"] > 0.9 > 0.5 > model.relatedness["useless"]
    assert model.lengths.shape == (3,) and model.importance().sum() == pytest.approx(1.0)
    assert "last_year" in model.name


def test_multi_task_predicts_better_than_few_results_alone() -> None:
    X = rows(200, 5)
    U, z, variance = target(8)
    y = truth(U)
    wanted = (truth(X) - y.mean()) / y.std(ddof=1)
    few = alone(U, z, variance, MIXED, 0)
    errors = [float(((model.posterior(X)[0] - wanted) ** 2).mean()) for model in (multi_task(8), few)]
    assert errors[0] < 0.3 * errors[1]


def test_a_task_has_its_own_offset_and_scale() -> None:
    """Sources that are the same but for offset and scale give the same belief, up to the prior of the scale."""
    U, z, variance = target(12)
    moved = Source("moved", RELATED.U, 1.5 * RELATED.z + 40.0, RELATED.variance)
    one = fit_multi_task(U, z, variance, (RELATED,), MIXED, 0)
    other = fit_multi_task(U, z, variance, (moved,), MIXED, 0)
    X = rows(50, 5)
    assert np.allclose(one.posterior(X)[0], other.posterior(X)[0], atol=0.1)
    assert other.relatedness["moved"] > 0.9


def test_a_noisy_source_does_not_make_the_target_noisy() -> None:
    noise = np.random.default_rng(4).standard_normal(40)
    noisy = Source("noisy", RELATED.U, RELATED.z + 0.5 * noise, RELATED.variance)
    model = fit_multi_task(*target(20), (noisy,), MIXED, 0)
    process = model.process
    assert model.noise < 0.05 < 0.1 < process.noise + process.variance[-1]


def test_leave_one_out_of_the_multi_task_process_is_of_its_own_rows() -> None:
    model = multi_task()
    mean, sd = model.leave_one_out()
    process, i = model.process, 3
    rest = np.arange(process.n) != i
    other = GP(
        process.U[rest],
        process.z[rest],
        process.variance[rest],
        process.columns,
        process.recipe,
        process.theta,
        0.0,
    )
    left = MultiTask(
        model.U, model.z, other, len(model.lengths), model._offset, model._scale, model.relatedness
    )
    at, spread = left.posterior(model.U[i : i + 1])
    assert mean.shape == (12,) and mean[i] == pytest.approx(at[0], abs=1e-5)
    assert sd[i] == pytest.approx(math.sqrt(spread[0] ** 2 + model.noise), rel=1e-3)


# -- what both offer --------------------------------------------------------------
@pytest.mark.parametrize("make", MODELS)
def test_gradients(make: Callable[[], Model]) -> None:
    model, X = make(), rows(4, 7)
    mean, sd, mean_slope, sd_slope = model.posterior_gradient(X, ALONG)
    assert np.allclose([mean, sd], model.posterior(X))
    for i, x in enumerate(X):
        for which, slope in ((0, mean_slope), (1, sd_slope)):
            numeric = approx_fprime(x, lambda v, w=which: float(model.posterior(v[None])[w][0]), 1e-6)[ALONG]
            assert np.allclose(slope[i], numeric, atol=1e-4)


@pytest.mark.parametrize("make", MODELS)
def test_covariance_is_consistent_with_the_posterior(make: Callable[[], Model]) -> None:
    model, X = make(), rows(9, 7)
    C = model.covariance(X, X)
    assert np.allclose(np.sqrt(np.diagonal(C)), model.posterior(X)[1], atol=1e-6)
    assert np.linalg.eigvalsh(C).min() > -1e-9
    assert np.allclose(model.covariance(X[:2], X[4:]), C[:2, 4:])


@pytest.mark.parametrize("make", MODELS)
def test_conditioning_believes_its_own_mean_and_takes_what_it_is_told(make: Callable[[], Model]) -> None:
    model, new = make(), rows(2, 7)
    mean, sd = model.posterior(new)
    believed = model.condition(new)
    assert believed.posterior(new)[1].max() < sd.max()
    told = model.condition(new, mean + 1.0)
    assert (told.posterior(new)[0] > mean + 0.2).all()
    assert told.z.shape == (len(model.z) + 2,) and told.U.shape == (len(model.z) + 2, 5)
    assert all(part.shape == told.z.shape for part in told.leave_one_out())
    assert np.array_equal(model.posterior(new)[0], mean)
    assert model.condition(new[:0]) is model


def test_one_told_point_moves_the_mean_by_its_share() -> None:
    """By sd^2 / (sd^2 + noise) of the surprise: in the process over all tasks and in each source."""
    new, own = rows(1, 7), multi_task()
    member = next(part for part in ensemble()._members if isinstance(part, Aligned))
    for model, noise in ((own, own.noise), (member, member.stretch**2 * member.process.noise)):
        mean, sd = model.posterior(new)
        spread = sd**2 - (0.0 if model is own else member.misfit)
        moved = model.condition(new, mean + 1.0).posterior(new)[0] - mean
        assert moved == pytest.approx(spread / (spread + noise), abs=1e-4)


@pytest.mark.parametrize("make", MODELS)
def test_leaving_out_what_was_told_last_gives_the_belief_before(make: Callable[[], Model]) -> None:
    model, new = make(), rows(1, 7)
    mean, sd = model.posterior(new)
    left, spread = (part[-1] for part in model.condition(new, mean + 1.0).leave_one_out())
    assert left == pytest.approx(mean[0], abs=1e-5)
    assert spread == pytest.approx(math.sqrt(sd[0] ** 2 + model.noise_at(new)[0]), rel=0.05)


@pytest.mark.parametrize("make", MODELS)
def test_same_data_same_model_bit_for_bit(make: Callable[[], Model]) -> None:
    X = rows(20, 7)
    assert np.array_equal(make().posterior(X), make().posterior(X))


# -- the ranking ------------------------------------------------------------------
def test_wrong_pairs_counts_them() -> None:
    z = np.array([1.0, 2.0, 3.0])
    draws = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [2.0, 1.0, 3.0]])
    assert wrong_pairs(draws, draws, z).tolist() == [0, 6, 2]
    assert order_kept(draws[2], z) == pytest.approx(2 / 3)


def test_weights_follow_the_ranking() -> None:
    model = fitted_ensemble()
    assert model.own_weight + sum(model.weights.values()) == pytest.approx(1.0)
    assert model.weights["last_year"] > 0.5 and model.weights["useless"] < 0.1


def test_many_useless_sources_do_not_dilute() -> None:
    rng = np.random.default_rng(3)
    many = [Source(f"u{i}", rows(30, 20 + i), rng.standard_normal(30), np.zeros(30)) for i in range(60)]
    model = fit_ranking_ensemble(*target(10), many, MIXED, 0, alone)
    assert np.mean([weight == 0.0 for weight in model.weights.values()]) > 0.8
    assert model.own_weight > 0.4


def test_the_target_is_not_judged_by_what_it_was_told() -> None:
    """Results without any order: the target's process has seen them and reproduces them, the source has not."""
    U = rows(12, 0)
    z = np.random.default_rng(1).standard_normal(12)
    own = alone(U, z, np.full(12, 1e-4), MIXED, 0)
    told = GP(U, z, np.full(12, 1e-4), MIXED, RECIPE, np.r_[np.full(3, -1.5), -8.0])
    assert order_kept(told.posterior(U)[0], z) == 1.0
    assert ranking_weights(told, [own], 0)[0] < 0.5


def test_an_aligned_source_left_out_is_one_fitted_without() -> None:
    U, z, _ = target(9)
    process = alone(RELATED.U, RELATED.z, RELATED.variance, MIXED, 0)
    whole, rest = Aligned("s", process, U, z, 0.01), np.arange(9) != 4
    part = Aligned("s", process, U[rest], z[rest], 0.01)
    assert whole.leave_one_out()[0][4] == pytest.approx(part.posterior(U[4:5])[0][0], abs=1e-9)
    assert whole.leave_one_out()[0][4] != pytest.approx(whole.posterior(U[4:5])[0][0], abs=1e-4)


def test_a_source_that_points_the_other_way_is_not_turned_round() -> None:
    U, z, _ = target(20)
    member = Aligned("s", alone(RELATED.U, -RELATED.z, RELATED.variance, MIXED, 0), U, z, 0.01)
    assert member.stretch > 0.0 and member.misfit > 0.5
    assert np.isfinite(member.leave_one_out()).all()


def test_with_many_results_the_target_has_the_weight() -> None:
    other = source("other", lambda U: truth(U) * (U[:, 0] > 0.4) - truth(1 - U))
    assert fit_ranking_ensemble(*target(40), (other,), MIXED, 0, alone).own_weight > 0.95


def test_the_ensemble_stays_within_its_members() -> None:
    model, X = ensemble(), rows(30, 7)
    means = np.array([member.posterior(X)[0] for member in model._members])
    mean, sd = model.posterior(X)
    assert (means.min(axis=0) - 1e-9 <= mean).all() and (mean <= means.max(axis=0) + 1e-9).all()
    assert (sd**2 >= model._shares @ np.array([m.posterior(X)[1] ** 2 for m in model._members]) - 1e-9).all()


# -- the guard --------------------------------------------------------------------
def test_without_results_history_is_the_belief() -> None:
    model, said = with_history(*target(0), (RELATED,), MIXED, 0, alone)
    X = rows(200, 5)
    assert order_kept(model.posterior(X)[0], truth(X)) > 0.9
    assert model.U.shape == (0, 5) and len(model.leave_one_out()[0]) == 0
    assert said == "history 'last_year' alone: no result yet"
    assert model.condition(X[:2]).z.shape == (2,)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 10, 30])
def test_related_history_is_used_until_it_no_longer_helps(n: int) -> None:
    model, said = with_history(*target(n), (RELATED,), MIXED, 0, alone)
    assert np.isfinite(model.posterior(rows(20, 4))).all() and model.z.shape == (n,)
    if 3 <= n <= 10:
        assert not isinstance(model, GP) and "used" in said


@pytest.mark.parametrize("n", [3, 6, 15, 40])
def test_misleading_history_is_set_aside(n: int) -> None:
    negated = Source("negated", RELATED.U, -RELATED.z, RELATED.variance)
    model, said = with_history(*target(n), (negated,), MIXED, 0, alone)
    assert isinstance(model, GP) and said.startswith("history 'negated' set aside: it ")


def test_with_very_many_results_history_is_not_asked() -> None:
    def known(U: Array, z: Array, variance: Array, columns: Columns, seed: int) -> GP:
        return GP(U, z, variance, columns, RECIPE, np.full(4, -1.0))

    model, said = with_history(*target(501), (RELATED,), MIXED, 0, known)
    assert (
        isinstance(model, GP) and said == "history 'last_year' set aside: it is not asked above 500 results"
    )


def test_the_sentence_has_the_figures() -> None:
    _, said = with_history(*target(8), (RELATED, USELESS), MIXED, 0, alone)
    assert said.startswith("history used: ") and "'last_year' " in said and "nats per result" in said


def test_one_set_of_processes_serves_every_call() -> None:
    kept = fit_sources((RELATED,), MIXED)
    a, b = (with_history(*target(6), (RELATED,), MIXED, 0, alone, processes)[0] for processes in (kept, None))
    X = rows(20, 4)
    assert np.array_equal(a.posterior(X), b.posterior(X))


def test_nothing_to_believe_is_an_error() -> None:
    with pytest.raises(ValueError, match="wanted a result or a source"):
        with_history(*target(0), (), MIXED, 0, alone)
    with pytest.raises(ValueError, match="wanted a name per source"):
        with_history(*target(5), (RELATED, RELATED), MIXED, 0, alone)
    assert with_history(*target(5), (), MIXED, 0, alone)[1] == "no history"


class Told:
    """A model of which only what it predicts left out is known."""

    own_weight, weights = 0.5, {"s": 0.5}

    def __init__(self, off: list[float]) -> None:
        """How far off each result (all 0) it predicts, with sd 1."""
        self.z, self.mean = np.zeros(len(off)), np.array(off)

    def leave_one_out(self) -> tuple[Array, Array]:
        return self.mean, np.ones(len(self.mean))


@pytest.mark.parametrize(
    "base, other, used, figures",
    [
        ([1.0] * 8, [0.0] * 8, True, "predicts better by 0.50 nats per result (standard error 0.00)"),
        ([1.0] * 8, [0.97] * 8, False, "predicts better by only 0.03 nats"),
        ([2.0] + [1.0] * 7, [0.0] + [1.1] * 7, False, "predicts better by only"),
        ([0.0] * 8, [1.0] * 8, False, "predicts worse than the results alone by 0.50 nats"),
        ([1.0] * 8, [0.0] * 7 + [1e9], False, "predicts better by only"),
    ],
)
def test_history_must_win_by_a_margin(
    base: list[float], other: list[float], used: bool, figures: str
) -> None:
    first, second = Told(base), Told(other)
    model, said = _by_prediction(first, [second], "'s'")  # type: ignore[arg-type, list-item]
    assert (model is second) == used and figures in said


# -- sources ----------------------------------------------------------------------
def test_thinning_keeps_the_best_and_the_cover() -> None:
    big = source("big", truth, 600)
    thin = big.thinned(100)
    assert thin.U.shape == (100, 5)
    assert set(np.sort(big.z)[-25:]) <= set(thin.z)
    away = np.sqrt(((big.U[:, None] - thin.U) ** 2).sum(axis=2)).min(axis=1)
    random = big.U[np.random.default_rng(0).choice(600, 100, replace=False)]
    assert away.max() < np.sqrt(((big.U[:, None] - random) ** 2).sum(axis=2)).min(axis=1).max()
    assert big.thinned(600) is big
    same = Source("same", np.zeros((50, 5)), np.zeros(50), np.zeros(50)).thinned(10)
    assert len(same.z) == 10 and same.U.shape == (10, 5)


def test_a_broken_source_is_refused() -> None:
    U = rows(3, 0)
    with pytest.raises(ValueError, match="history 'x': wanted at least one row"):
        Source("x", U[:0], np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match="history 'x': wanted finite numbers"):
        Source("x", U, np.array([0.0, np.nan, 1.0]), np.zeros(3))


def test_degenerate_data_still_give_a_belief() -> None:
    flat = Source("flat", np.zeros((20, 5)), np.zeros(20), np.zeros(20))
    for n in (1, 2, 5):
        U = np.zeros((n, 5))
        model, _ = with_history(U, np.zeros(n), np.zeros(n), (flat, RELATED), MIXED, 0, alone)
        assert np.isfinite(model.posterior(rows(10, 4))).all()
    many = target(5)[0], np.full(5, 1e9), np.zeros(5)
    assert np.isfinite(with_history(*many, (RELATED,), MIXED, 0, alone)[0].posterior(rows(10, 4))).all()
