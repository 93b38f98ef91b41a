"""Stein novelty of predicted results."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from surrogates.acquisition.novelty import Novelty
from surrogates.encode import Array
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths

RECIPE = Recipe(Matern52(), shared_lengths, loose_noise)


def fitted(z: Array, U: Array) -> GP:
    return GP.fit(
        U, (z - z.mean()) / z.std(), np.zeros(len(z)), Columns(np.arange(2), np.ones(2, bool)), RECIPE
    )


@pytest.fixture(scope="module")
def two() -> tuple[GP, GP]:
    U = np.random.default_rng(0).random((14, 2))
    return fitted(np.sin(5 * U[:, 0]) + U[:, 1], U), fitted(U[:, 0] - U[:, 1] ** 2, U)


def stein(point: Array, measured: Array, width: float) -> float:
    """As in the paper, up to a factor: minus the sum of (k / w - d2 / w^2) exp(-d2 / 2 w)."""
    d2 = ((point - measured) ** 2).sum(axis=1)
    return float(-((len(point) / width - d2 / width**2) * np.exp(-d2 / (2 * width))).sum())


@pytest.mark.parametrize("k", [1, 2])
def test_values_are_the_paper_s_expected_less_a_constant(two: tuple[GP, GP], k: int) -> None:
    models = two[:k]
    measured = np.column_stack([m.z for m in models])
    X = np.random.default_rng(1).random((6, 2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    steps = np.stack(np.meshgrid(*[nodes] * k), axis=-1).reshape(-1, k)
    shares = np.prod(np.stack(np.meshgrid(*[weights] * k), axis=-1).reshape(-1, k), axis=1)
    mean, sd = (np.column_stack(part) for part in zip(*[m.posterior(X) for m in models], strict=True))
    for width in (0.3, 1.0):
        values = [
            [stein(point, measured, width) for point in m + s * steps] for m, s in zip(mean, sd, strict=True)
        ]
        wanted = np.array(values) @ (shares / shares.sum()) / len(measured)
        got = Novelty(models, measured, width).value(models[0], X)
        assert np.ptp(got - wanted) < 1e-6 < 0.1 * np.ptp(wanted)
        assert (got <= 0).all()


def test_a_result_not_seen_before_is_preferred() -> None:
    """Plenty of results near -1 and near 1 and the candidates that are predicted between them."""
    U = np.random.default_rng(3).random((24, 2))
    U = U[np.abs(U[:, 0] - 0.5) > 0.2]
    gp = fitted(np.tanh(8 * (U[:, 0] - 0.5)), U)
    X = np.column_stack([np.linspace(0, 1, 101), np.full(101, 0.5)])
    best = X[int(np.argmax(Novelty((gp,), gp.z[:, None], 0.1).value(gp, X)))]
    assert 0.35 < best[0] < 0.65


def test_pending_points_count_as_measured_and_no_value_rises(two: tuple[GP, GP]) -> None:
    measured = np.column_stack([m.z for m in two])
    X = np.random.default_rng(2).random((200, 2))
    acquisition = Novelty(two, measured)
    before = acquisition.value(two[0], X)
    best = X[[int(np.argmax(before))]]
    after = acquisition.value(two[0].condition(best), X)
    assert (after <= before).all()
    told = np.vstack([measured, np.column_stack([m.posterior(best)[0] for m in two])])
    ratio = len(told) / len(measured)
    assert np.allclose(after, ratio * Novelty(two, told).value(two[0], X))
    assert np.argmax(after) != np.argmax(before)


def test_gradient(two: tuple[GP, GP]) -> None:
    acquisition, x = Novelty(two, np.column_stack([m.z for m in two]), 1.0), np.array([0.3, 0.7])
    slope = acquisition.gradient(two[0], x[None], np.array([0, 1]))[1][0]
    numeric = approx_fprime(x, lambda v: float(acquisition.value(two[0], v[None])[0]), 1e-5)
    assert np.allclose(slope, numeric, rtol=1e-2, atol=1e-4)


def test_a_column_too_few_is_refused(two: tuple[GP, GP]) -> None:
    with pytest.raises(ValueError, match=r"wanted results \(n, 2\), one column per model; got \(14, 1\)"):
        Novelty(two, two[0].z[:, None])
