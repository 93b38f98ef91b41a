"""Models by name, and the one that predicts best."""

from __future__ import annotations

import re

import numpy as np
import pytest

from surrogates.encode import Array
from surrogates.models import choice, exact
from surrogates.models.choice import MODELS, NOISES, Score
from surrogates.models.gp import GP, Columns
from surrogates.models.wrapped import Wrapped


def smooth(n: int, d: int = 3) -> tuple[Array, Array, Array, Columns]:
    U = np.random.default_rng(1).random((n, d))
    z = np.sin(4 * U[:, 0]) + U[:, 1] ** 2
    return U, (z - z.mean()) / z.std(), np.zeros(n), Columns(np.arange(d), np.ones(d, bool))


def jumps(n: int) -> tuple[Array, Array, Array, Columns]:
    """A few plateaus, most of them empty: what trees are made for."""
    U = np.random.default_rng(2).random((n, 4))
    z = 3.0 * ((U[:, 0] > 0.8) & (U[:, 1] > 0.3)) + 1.0 * (U[:, 2] > 0.6)
    return U, (z - z.mean()) / z.std(), np.zeros(n), Columns(np.arange(4), np.ones(4, bool))


@pytest.mark.parametrize("name", [*MODELS, "auto"])
def test_every_model_answers_the_same_questions(name: str) -> None:
    U, z, variance, columns = smooth(20)
    model = choice.fit(name, "normal", U, z, variance, columns, 0)
    X = np.random.default_rng(0).random((7, 3))
    mean, sd = model.posterior(X)
    assert mean.shape == sd.shape == (7,) and (sd > 0).all()
    assert model.covariance(X, U).shape == (7, 20)
    assert np.allclose(np.sqrt(np.diagonal(model.covariance(X, X))), sd, atol=1e-5)
    assert model.importance().sum() == pytest.approx(1.0) and np.argmax(model.importance()) == 0
    assert (model.noise_at(X) > 0).all() and model.noise > 0
    assert np.array_equal(model.U, U) and np.allclose(model.z, z)
    left, spread = model.leave_one_out()
    assert np.corrcoef(left, z)[0, 1] > 0.5 and (spread > 0).all()
    believed = model.condition(X)
    assert len(believed.z) == 27 and (believed.posterior(X)[1] < sd + 1e-9).all()
    assert np.array_equal(
        model.posterior(X), choice.fit(name, "normal", U, z, variance, columns, 0).posterior(X)
    )
    if model.smooth:
        assert model.posterior_gradient(X, np.arange(2))[2].shape == (7, 2)


@pytest.mark.parametrize("noise", NOISES)
def test_every_noise_goes_with_a_process(noise: str) -> None:
    model = choice.fit("auto" if noise != "normal" else "gp", noise, *smooth(20), 0)
    assert model.smooth and model.posterior(model.U)[0].shape == (20,)


def test_names_that_there_are_not() -> None:
    with pytest.raises(ValueError, match="'kriging': wanted one of gp, saas, forest, trees or auto"):
        choice.fit("kriging", "normal", *smooth(5), 0)
    with pytest.raises(ValueError, match="'loud': wanted one of normal, robust, heteroscedastic"):
        choice.fit("gp", "loud", *smooth(5), 0)
    with pytest.raises(ValueError, match="'robust' goes with model gp, not forest"):
        choice.fit("forest", "robust", *smooth(5), 0)


def test_a_smooth_function_is_left_to_a_process() -> None:
    model = choice.fit("auto", "normal", *smooth(40), 0)
    assert isinstance(model, Wrapped) and isinstance(model.model, GP)
    assert re.fullmatch(r"gp\(.*\), chosen over (forest|trees) by \d+\.\d\d nats", model.name)


def test_plateaus_are_left_to_trees() -> None:
    model = choice.fit("auto", "normal", *jumps(80), 0)
    assert re.fullmatch(r"(forest|trees)\(.*\), chosen over \w+ by \d+\.\d\d nats", model.name)


def test_few_results_are_left_to_a_process() -> None:
    assert choice.fit("auto", "normal", *jumps(9), 0).name.endswith(", not chosen by 9 results")
    assert "chosen over" in choice.fit("auto", "normal", *smooth(10), 0).name


def test_sparse_models_are_looked_at_where_there_are_many_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def spy(name: str) -> choice.Factory:
        def factory(U: Array, z: Array, variance: Array, columns: Columns, seed: int) -> choice.Model:
            asked.append(name)
            return exact.fit(U, z, variance, columns, seed)

        return factory

    monkeypatch.setattr(choice, "MODELS", {name: spy(name) for name in MODELS})
    choice.choose(*smooth(12, d=14), 0)
    assert "saas" not in asked
    choice.choose(*smooth(12, d=15), 0)
    assert "saas" in asked


@pytest.mark.parametrize("held, wanted", [(0.9, True), (1.0, True), (0.5, False)])
def test_gate(held: float, wanted: bool) -> None:
    assert Score(np.zeros(40), held).calibrated is wanted


def test_a_model_that_is_not_calibrated_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = choice.score

    def doubtful(factory: choice.Factory, model: choice.Model, *rest: object) -> Score:
        found = real(factory, model, *rest)  # type: ignore[arg-type]
        return found if isinstance(model, GP) else Score(found.log_density, 0.4)

    monkeypatch.setattr(choice, "score", doubtful)
    assert choice.fit("auto", "normal", *jumps(80), 0).name.startswith("gp(")


def test_a_difference_within_its_error_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def score(factory: choice.Factory, model: choice.Model, *rest: object) -> Score:
        ahead = 0.0 if isinstance(model, GP) else 0.02 + np.resize([1.0, -1.0], 80)
        return Score(np.zeros(80) + ahead, 0.9)

    monkeypatch.setattr(choice, "score", score)
    assert "kept, forest not surely better by" in choice.fit("auto", "normal", *jumps(80), 0).name


def test_every_result_is_held_out_once() -> None:
    U, z, variance, columns = smooth(31)
    held: list[float] = []

    def spy(U: Array, z_shown: Array, variance: Array, columns: Columns, seed: int) -> GP:
        held.extend(set(z) - set(z_shown))
        return exact.fit(U, z_shown, variance, columns, seed)

    choice.score(spy, exact.fit(U, z, variance, columns, 0), variance, columns, 0)
    assert sorted(held) == sorted(z)


@pytest.mark.parametrize("name, n", [("gp", choice.MOST_REFITTED + 1), ("forest", 30), ("trees", 30)])
def test_scores_that_need_no_refit(name: str, n: int) -> None:
    """Of many results, and of trees, most of which have not seen a result."""
    U, z, variance, columns = smooth(n)

    def never(*_: object) -> GP:
        raise AssertionError("fitted again")

    model = MODELS[name](U, z, variance, columns, 0)
    assert len(choice.score(never, model, variance, columns, 0).log_density) == n
