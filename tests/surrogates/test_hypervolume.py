"""Expected hypervolume improvement: against brute force, against botorch's own, and through the search."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.acquisition.hypervolume import (
    LogHypervolumeImprovement,
    LogNoisyHypervolumeImprovement,
    _candidates_for_front,
)
from surrogates.acquisition.improvement import LogExpectedImprovement
from surrogates.encode import Array
from surrogates.goals.outputs import Outputs
from surrogates.goals.pareto import hypervolume
from surrogates.sampling import Sampler
from surrogates.search import Search
from tests.surrogates.sought import fitted
from tests.surrogates.spaces import box, mixed, mixture, pool

UP = ("maximise",) * 4


def outputs(k: int = 2, n: int = 16, noise: float = 0.0) -> Outputs:
    rng = np.random.default_rng(6)
    U = rng.random((n, 2))
    centres = np.array([[0.2, 0.3], [0.8, 0.6], [0.4, 0.9], [0.9, 0.1]])[:k]
    Y = -((U[:, None] - centres) ** 2).sum(axis=2)
    return fitted(U, Y + noise * rng.standard_normal(Y.shape))[0]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_closed_form_is_the_mean_of_brute_force(k: int) -> None:
    belief, reference = outputs(k, 10), np.full(k, -0.6)
    X = np.random.default_rng(0).random((4, 2))
    measured = belief.posterior(belief.U)[0]
    before = hypervolume(measured, reference, UP[:k])
    mean, sd = belief.posterior(X)
    log_values = LogHypervolumeImprovement(reference).value(belief, X)
    for i, got in enumerate(np.exp(log_values)):
        draws = mean[i] + sd[i] * np.random.default_rng(i).standard_normal((1500, k))
        won = np.array([hypervolume(np.vstack([measured, row]), reference, UP[:k]) for row in draws]) - before
        assert got == pytest.approx(won.mean(), abs=4 * won.std() / np.sqrt(len(won)) + 1e-4)
    assert np.exp(log_values).max() > 1e-2


def test_with_one_objective_it_is_the_log_expected_improvement() -> None:
    belief = outputs(1)
    best = float(belief.posterior(belief.U)[0].max())
    X = np.random.default_rng(1).random((50, 2))
    wanted = LogExpectedImprovement(best).value(belief.parts[0], X)
    assert LogHypervolumeImprovement(np.array([-2.0])).value(belief, X) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(("k", "noise"), [(2, 0.0), (2, 0.1), (3, 0.1)])
def test_botorch_agrees(k: int, noise: float) -> None:
    import torch
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.models import ModelListGP
    from botorch.sampling import SobolQMCNormalSampler

    from surrogates.models.botorch_model import load

    belief, reference = outputs(k, noise=noise), np.full(k, -0.5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = qLogNoisyExpectedHypervolumeImprovement(
            ModelListGP(*[load(part) for part in belief.parts]),
            reference.tolist(),
            torch.as_tensor(belief.U),
            sampler=SobolQMCNormalSampler(torch.Size([256]), seed=0),
            prune_baseline=True,
        )
    X = np.random.default_rng(2).random((30, 2))
    with torch.no_grad():
        wanted = theirs(torch.as_tensor(X)[:, None]).exp().numpy()
    got = np.exp(LogNoisyHypervolumeImprovement(0, reference, samples=256).value(belief, X))
    # botorch's smoothed maxima leave a little where there is next to nothing
    assert np.abs(got - wanted).max() < 0.05 * wanted.max()
    few = np.exp(LogNoisyHypervolumeImprovement(0, reference).value(belief, X))
    assert np.corrcoef(few, wanted)[0, 1] > 0.95


def test_noise_hides_the_front() -> None:
    """At a measured point there is nothing left to win; noise that was believed a result would leave some."""
    belief, reference = outputs(noise=0.15), np.full(2, -0.5)
    noisy = LogNoisyHypervolumeImprovement(0, reference)
    elsewhere = np.random.default_rng(3).random((50, 2))
    assert noisy.value(belief, belief.U).max() < noisy.value(belief, elsewhere).max() - 3.0


def test_the_gradient_is_that_of_the_value() -> None:
    belief, acquisition = outputs(noise=0.05), LogNoisyHypervolumeImprovement(1, np.full(2, -0.5))
    X, along = np.array([[0.31, 0.45], [0.7, 0.8]]), np.array([0, 1])
    value, slope = acquisition.gradient(belief, X, along)
    assert value == pytest.approx(acquisition.value(belief, X))
    for k in along:
        step = np.zeros(2)
        step[k] = 1e-4
        numeric = (acquisition.value(belief, X + step) - acquisition.value(belief, X - step)) / 2e-4
        assert slope[:, k] == pytest.approx(numeric, rel=1e-2, abs=1e-3)


def test_far_from_hope_it_still_has_a_slope() -> None:
    belief = outputs()
    values = LogNoisyHypervolumeImprovement(0, np.full(2, 40.0)).value(
        belief, np.random.default_rng(0).random((30, 2))
    )
    assert np.isfinite(values).all() and len(np.unique(values)) == 30


def test_the_rough_one_ranks_nearly_alike() -> None:
    belief, reference = outputs(noise=0.1), np.full(2, -0.8)
    fine = LogNoisyHypervolumeImprovement(0, reference, samples=64)
    X = np.random.default_rng(4).random((300, 2))
    exact, rough = fine.value(belief, X), fine.coarse().value(belief, X)
    assert np.isin(np.argmax(exact), np.argsort(-rough)[:30])


@pytest.mark.parametrize(
    "space", [box(2), mixed(), mixture(), pool()], ids=["box", "mixed", "mixture", "pool"]
)
def test_the_search_finds_a_candidate_in_every_kind_of_space(space) -> None:  # type: ignore[no-untyped-def]
    sampler = Sampler(space)
    codes = sampler.encoder.codes(sampler.design(8, seed=0, index=0, method="sobol"))
    U = sampler.encoder.unit(codes)
    belief = fitted(U, np.column_stack([U.sum(axis=1), np.cos(3 * U[:, 0])]))[0]
    belief = belief.condition(U[:1])  # a pending point
    found = [
        Search(sampler).best(
            LogNoisyHypervolumeImprovement(3, np.full(2, -1.0)),
            belief,
            codes[:2],
            codes,
            np.random.default_rng(0),
            None,
        )
        for _ in range(2)
    ]
    assert space.violations(found[0].candidate) == [] and np.isfinite(found[0].value)
    assert found[0].candidate == found[1].candidate and found[0].value == found[1].value


class _West:
    """A chance: only the left half is feasible."""

    def log_probability(self, X: Array) -> Array:
        return np.where(X[:, 0] < 0.5, 0.0, -20.0)

    def log_probability_gradient(self, X: Array, along: Array) -> tuple[Array, Array]:
        return self.log_probability(X), np.zeros((len(X), len(along)))


def test_infeasible_results_make_no_front() -> None:
    belief, reference = outputs(), np.full(2, -0.5)
    X = belief.U[belief.U[:, 0] > 0.5]
    plain = LogNoisyHypervolumeImprovement(0, reference)
    only_west = LogNoisyHypervolumeImprovement(0, reference, feasible=_West())
    assert (only_west.value(belief, X) >= plain.value(belief, X)).all()
    assert only_west.value(belief, X).max() > plain.value(belief, X).max() + 5.0
    assert only_west.coarse().feasible is only_west.feasible


class _Known:
    """A part with stated beliefs at its four points."""

    smooth, U = True, np.arange(4.0)[:, None]

    def __init__(self, mean: list[float], sd: list[float]) -> None:
        self.mean, self.sd = np.array(mean), np.array(sd)

    def posterior(self, X: Array) -> tuple[Array, Array]:
        at = X[:, 0].astype(int)
        return self.mean[at], self.sd[at]


def test_only_hopeless_points_are_left_out_of_the_front() -> None:
    sd = [0.1, 0.1, 2.0, 0.1]
    parts = _Known([2.0, 0.0, 0.0, 1.9], sd), _Known([2.0, 0.0, 0.0, 1.9], sd)
    kept = _candidates_for_front(Outputs(("a", "b"), parts), None)  # type: ignore[arg-type]
    assert kept.ravel().tolist() == [0.0, 2.0, 3.0]


def test_four_objectives_take_fewer_samples() -> None:
    belief = outputs(4, 30)
    acquisition = LogNoisyHypervolumeImprovement(0, np.full(4, -2.0))
    assert np.isfinite(acquisition.value(belief, belief.U + 0.01)).all()
    boxes = acquisition._of(belief).boxes
    assert boxes.samples < 16 and boxes.count < 6000


def test_what_it_is_asked_of_is_checked() -> None:
    belief = outputs()
    with pytest.raises(TypeError, match="wanted Outputs"):
        LogNoisyHypervolumeImprovement(0, np.zeros(2)).value(belief.parts[0], belief.U)
    with pytest.raises(ValueError, match="reference point"):
        LogNoisyHypervolumeImprovement(0, np.zeros(3)).value(belief, belief.U)
