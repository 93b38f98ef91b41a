"""The knowledge gradient against integration, brute force and botorch's fantasies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from surrogates.acquisition.improvement import log_improvement
from surrogates.acquisition.knowledge_gradient import NOTHING, KnowledgeGradient, log_rise
from surrogates.encode import Array
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths

RECIPE = Recipe(Matern52(), shared_lengths, loose_noise)


@pytest.fixture(scope="module")
def gp() -> GP:
    rng = np.random.default_rng(2)
    U = rng.random((20, 3))
    z = np.sin(6 * U[:, 0]) * U[:, 1] + 0.05 * rng.standard_normal(20)
    columns = Columns(np.arange(3), np.ones(3, bool))
    return GP.fit(U, (z - z.mean()) / z.std(ddof=1), np.zeros(20), columns, RECIPE)


@pytest.fixture(scope="module")
def reference(gp: GP) -> Array:
    rows = np.random.default_rng(3).random((60, 3))
    return rows[np.argsort(-gp.posterior(rows)[0])]


def test_expected_maximum_of_lines() -> None:
    rng = np.random.default_rng(0)
    means, slopes = rng.standard_normal((40, 30)), 0.7 * rng.standard_normal((40, 30))
    slopes[:10, 3:6] = slopes[:10, :1]  # parallels
    means[5:15, 8], slopes[5:15, 8] = means[5:15, 9], slopes[5:15, 9]  # the same line twice
    z = np.linspace(-9, 9, 40_001)
    weight = norm.pdf(z) * (z[1] - z[0])
    for a, b, got in zip(means, slopes, log_rise(means, slopes), strict=True):
        exact = ((a[:, None] + b[:, None] * z).max(axis=0) - a.max()) @ weight
        assert np.exp(got) == pytest.approx(exact, rel=1e-5)


def test_of_two_lines_of_least_slope_the_lower_one_is_never_highest() -> None:
    means, slopes = np.array([[-2.0, 0.0, 0.1]]), np.array([[-1.0, -1.0, 1.0]])
    assert log_rise(means, slopes)[0] == pytest.approx(log_rise(means[:, 1:], slopes[:, 1:])[0], rel=1e-12)


def test_hopeless_measurements_are_ranked_still() -> None:
    far = np.array([10.0, 40.0, 200.0])
    means = np.column_stack([np.zeros(3), -far])
    got = log_rise(means, np.column_stack([np.zeros(3), np.ones(3)]))
    assert np.allclose(got, log_improvement(-far)[0])
    assert (np.diff(got) < 0).all() and (got > NOTHING).all()


def test_what_changes_no_belief_is_worth_nothing_and_what_is_not_known_is_not_a_number() -> None:
    means, slopes = np.array([[1.0, 2.0]] * 3), np.array([[0.3, 0.3], [0.0, 0.0], [np.nan, 0.0]])
    got = log_rise(means, slopes)
    assert got[:2].tolist() == [NOTHING, NOTHING] and np.isnan(got[2])


def _told(gp: GP, x: Array, asked: Array, nodes: int = 600) -> float:
    """The rise by telling the process every quantile of the result at x; `asked` are the rows of the maximum."""
    mean, sd = gp.posterior(x[None])
    results = mean + np.sqrt(sd**2 + gp.noise) * norm.ppf((np.arange(nodes) + 0.5) / nodes)[:, None]
    after = [gp.condition(x[None], y).posterior(asked)[0].max() for y in results]
    return float(np.mean(after) - gp.posterior(asked)[0].max())


def test_brute_force_agrees(gp: GP, reference: Array) -> None:
    X = np.vstack([np.random.default_rng(1).random((6, 3)), reference[:2]])
    got = np.exp(KnowledgeGradient(reference, gp.noise).value(gp, X))
    wanted = [_told(gp, x, np.vstack([x, reference])) for x in X]
    # The quantiles miss a part of the tails: 1 % of the largest.
    assert np.allclose(got, wanted, rtol=0.03, atol=0.01 * max(wanted))


def test_where_it_counts_elsewhere(gp: GP, reference: Array) -> None:
    columns, values = np.array([2]), np.array([1.0])
    there = reference.copy()
    there[:, columns] = values
    X = np.random.default_rng(5).random((70, 3))
    X[:, 2] = 0.2
    got = np.exp(KnowledgeGradient(there, gp.noise, (columns, values)).value(gp, X))
    for i in (0, 1, 65):
        asked = np.vstack([X[i], there])
        asked[0, columns] = values
        assert got[i] == pytest.approx(_told(gp, X[i], asked), rel=0.05, abs=0.01 * got.max())


def test_fantasies_of_botorch_agree(gp: GP, reference: Array) -> None:
    import torch
    from botorch.sampling import SobolQMCNormalSampler

    from surrogates.models.botorch_model import load

    X = np.random.default_rng(6).random((5, 3))
    model, points = load(gp), torch.as_tensor(X)
    with torch.no_grad():
        sampler = SobolQMCNormalSampler(torch.Size([1024]), seed=1)
        fantasies = model.fantasize(points[:, None], sampler=sampler)
        asked = torch.cat([points[:, None], torch.as_tensor(reference).expand(5, -1, -1)], dim=1)
        after = fantasies.posterior(asked.expand(1024, -1, -1, -1)).mean.max(dim=-2).values.mean(dim=0)
        before = model.posterior(asked).mean.max(dim=-2).values
    wanted = (after - before)[:, 0].numpy()
    got = np.exp(KnowledgeGradient(reference, gp.noise).value(gp, X))
    assert np.allclose(got, wanted, rtol=0.03, atol=0.01 * wanted.max())


def test_gradient(gp: GP, reference: Array) -> None:
    acquisition, along = KnowledgeGradient(reference, gp.noise), np.array([0, 2])
    X = np.random.default_rng(7).random((5, 3))
    value, slope = acquisition.gradient(gp, X, along)
    assert np.allclose(value, acquisition.value(gp, X))
    for x, got in zip(X, slope, strict=True):
        shifts = np.eye(3)[along] * 1e-4
        numeric = (acquisition.value(gp, x + shifts) - acquisition.value(gp, x - shifts)) / 2e-4
        assert np.allclose(got, numeric, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("answer", [None, (np.array([2]), np.array([1.0]))])
def test_the_rough_one_keeps_the_best_in_sight(
    gp: GP, reference: Array, answer: tuple[Array, Array] | None
) -> None:
    asked = reference.copy()
    if answer is not None:
        asked[:, 2] = 1.0
        asked = asked[np.argsort(-gp.posterior(asked)[0])]
    exact = KnowledgeGradient(asked, gp.noise, answer)
    rough = exact.coarse()
    assert rough is not None and rough.coarse() is None
    X = np.random.default_rng(9).random((3000, 3))
    best = int(np.argmax(exact.value(gp, X)))
    assert best in np.argsort(-rough.value(gp, X))[:120]
