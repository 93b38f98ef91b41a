"""Acquisition per cost, and the cost of many candidates at once against that of each."""

from __future__ import annotations

import numpy as np
import pytest

from campaigns.cost import Cost
from surrogates.acquisition.base import Acquisition
from surrogates.acquisition.confidence_bound import UpperConfidenceBound
from surrogates.acquisition.cost import CostOfCandidates, PerCost
from surrogates.acquisition.improvement import LogExpectedImprovement
from surrogates.acquisition.knowledge_gradient import KnowledgeGradient
from surrogates.decode import decode
from surrogates.encode import Array, Encoder
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths
from surrogates.sampling import Sampler
from tests.surrogates.spaces import mixed, mixture, pool, random_space

COST = Cost(
    base=10.0,
    per=(("time", 0.5), ("cycles", 3.0)),
    of=(
        ("solvent", (("toluene", 1.0), ("anisole", 4.0))),
        ("speed", ((2000, 7.0),)),
        ("gas", (("argon", 2.0),)),
    ),
    changes=(("dopant", 5.0), ("speed", 25.0), ("solvent", 60.0), ("gas", 1000.0)),
)


@pytest.fixture(scope="module")
def gp() -> GP:
    rng = np.random.default_rng(2)
    U = rng.random((15, 2))
    columns, recipe = Columns(np.arange(2), np.ones(2, bool)), Recipe(Matern52(), shared_lengths, loose_noise)
    return GP.fit(U, np.sin(5 * U[:, 0]) + U[:, 1] - 0.5, np.zeros(15), columns, recipe)


def dear(X: Array) -> Array:
    """Log cost, dearer to the top, which is as dear as it gets."""
    return np.log(1.0 + 9.0 * np.clip(X[:, 1], 0.0, 1.0))


ALL: list[tuple[Acquisition, float | None]] = [
    (LogExpectedImprovement(0.8), None),
    (UpperConfidenceBound(1.0), 0.2),
    (UpperConfidenceBound(1.0), 5.0),
]


@pytest.mark.parametrize(("acquisition", "floor"), ALL)
def test_gradient(gp: GP, acquisition: Acquisition, floor: float | None) -> None:
    per, along = PerCost(acquisition, dear, floor), np.array([1, 0])
    X = np.vstack([np.random.default_rng(0).random((6, 2)), [[0.31, 1.0]]])
    value, slope = per.gradient(gp, X, along)
    assert np.allclose(value, per.value(gp, X))
    for x, got in zip(X[:-1], slope, strict=False):
        shifts = np.eye(2)[along] * 1e-5
        numeric = (per.value(gp, x + shifts) - per.value(gp, x - shifts)) / 2e-5
        assert np.allclose(got, numeric, rtol=1e-3, atol=1e-4)
    back = (per.value(gp, X[-1:]) - per.value(gp, X[-1:] - [0.0, 1e-5])) / 1e-5  # at the rim: from inside
    assert slope[-1, 0] == pytest.approx(back[0], rel=1e-3, abs=1e-4)


def test_gain_is_divided_and_loss_is_not(gp: GP) -> None:
    X = np.random.default_rng(1).random((200, 2))
    raw = UpperConfidenceBound(1.0).value(gp, X)
    floor = float(np.median(raw))
    got = PerCost(UpperConfidenceBound(1.0), dear, floor).value(gp, X)
    gain = raw > floor
    assert np.allclose(got[gain], (raw - floor)[gain] / np.exp(dear(X[gain])))
    assert np.allclose(got[~gain], (raw - floor)[~gain]) and got[gain].min() > got[~gain].max()
    logs = PerCost(LogExpectedImprovement(0.8), dear, None).value(gp, X)
    assert np.allclose(np.exp(logs), np.exp(LogExpectedImprovement(0.8).value(gp, X)) / np.exp(dear(X)))


def test_the_rough_one_is_per_cost_too(gp: GP) -> None:
    reference = np.random.default_rng(0).random((40, 2))
    rough = PerCost(KnowledgeGradient(reference, gp.noise), dear, None).coarse()
    assert rough is not None
    X = reference[:5] + 0.01
    plain = KnowledgeGradient(reference, gp.noise).coarse()
    assert plain is not None and np.allclose(rough.value(gp, X), plain.value(gp, X) - dear(X))
    assert PerCost(UpperConfidenceBound(), dear, 0.0).coarse() is None


@pytest.mark.parametrize("first", [True, False])
def test_many_candidates_cost_what_each_costs(first: bool) -> None:
    encoder = Encoder(mixed())
    rng = np.random.default_rng(0)
    codes = encoder.spread(rng.random((300, encoder.n_parameters)))
    before = None if first else encoder.candidate(codes[0])
    codes[1:100] = np.where(rng.random((99, codes.shape[1])) < 0.5, codes[0], codes[1:100])
    many = CostOfCandidates(COST, encoder, before)
    wanted = [COST.of_candidate(c, before) for c in encoder.candidates(codes)]
    assert np.allclose(many.of_codes(codes), wanted)
    assert np.allclose(np.exp(many(encoder.unit(codes))), wanted)


def test_a_row_of_a_table_that_changes_nothing_pays_for_no_change() -> None:
    encoder = Encoder(pool())
    assert encoder.table is not None
    cost = Cost(base=1.0, changes=(("x0", 10.0), ("x1", 100.0), ("x2", 1000.0)))
    for i, row in enumerate(encoder.table):
        many = CostOfCandidates(cost, encoder, encoder.candidate(row))
        got = np.exp(many(encoder.unit(encoder.table)))
        assert got[i] == pytest.approx(1.0) and got.max() == pytest.approx(1111.0)


def test_what_the_space_does_not_have_cannot_cost() -> None:
    encoder = Encoder(mixed())
    with pytest.raises(KeyError, match="tiem"):
        CostOfCandidates(Cost(per=(("tiem", 1.0),)), encoder, None)
    with pytest.raises(ValueError, match="solvent"):
        CostOfCandidates(Cost(per=(("solvent", 1.0),)), encoder, None)


def test_unit_columns_come_back_as_codes() -> None:
    spaces = [mixed(), mixture(), pool()] + [random_space(np.random.default_rng(i)) for i in range(60)]
    for i, space in enumerate(spaces):
        encoder = Encoder(space)
        if encoder.table is None:
            codes = encoder.spread(np.random.default_rng(i).random((40, encoder.n_parameters)))
        else:
            codes = Sampler(space).draw(40, np.random.default_rng(i))
        back = decode(encoder, encoder.unit(codes))
        assert np.abs(back - codes).max() <= 1e-9 * np.abs(encoder.high - encoder.low).max(), space
        assert np.array_equal(back[:, encoder.discrete], codes[:, encoder.discrete]), space
    assert decode(encoder, np.zeros((0, encoder.n_columns))).shape == (0, encoder.n_parameters)
