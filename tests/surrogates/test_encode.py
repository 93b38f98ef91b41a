"""Columns: what a kernel sees of each kind of parameter, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.space import Categorical, Continuous, Descriptors, Space
from surrogates.encode import Encoder
from surrogates.sampling import Sampler
from tests.surrogates.spaces import conditional, random_space

SOLVENTS = ("toluene", "anisole", "water")


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_codes_and_candidates_are_the_same_thing(seed: int) -> None:
    sampler = Sampler(random_space(np.random.default_rng(seed)))
    encoder = sampler.encoder
    candidates = sampler.design(3, seed=seed, method="random")
    codes = encoder.codes(candidates)
    assert encoder.candidates(codes) == candidates
    assert np.array_equal(
        encoder.move(codes, encoder.unit(codes)[:, encoder.continuous_columns]).shape, codes.shape
    )
    assert np.isfinite(encoder.unit(codes)).all()


def test_a_logit_scale_gives_the_ends_the_same_room() -> None:
    encoder = Encoder(Space(parameters=(Continuous(name="x", low=0.001, high=0.999, scale="logit"),)))
    at = encoder.unit(np.array([[0.001], [0.01], [0.5], [0.99], [0.999]]))[:, 0]
    assert at == pytest.approx([0, 0.1673, 0.5, 0.8327, 1], abs=1e-3)
    assert encoder.move(np.zeros((1, 1)), at[None, 3:4])[0, 0] == pytest.approx(0.99)
    shares = encoder.spread(np.linspace(0, 0.999, 11)[:, None])[:, 0]
    assert (np.abs(shares - 0.5) > 0.4).sum() >= 7, "most of it lies near the ends"
    step = 1e-6
    moved = encoder.move(np.zeros((1, 1)), at[None, 1:2] + step)[0, 0]
    assert encoder.slope(np.array([[0.01]]))[0, 0] == pytest.approx((moved - 0.01) / step, rel=1e-3)


def test_a_learned_kernel_has_a_length_scale_for_every_choice() -> None:
    learned = Categorical(name="s", choices=SOLVENTS, kernel="learned")
    encoder = Encoder(Space(parameters=(Continuous(name="x", low=0, high=1), learned)))
    assert encoder.group.tolist() == [0, 1, 2, 3]
    assert encoder.group_parameter.tolist() == [0, 1, 1, 1]
    plain = Encoder(
        Space(parameters=(Categorical(name="s", choices=SOLVENTS), Continuous(name="x", low=0, high=1)))
    )
    assert plain.group.tolist() == [0, 0, 0, 1] and plain.group_parameter.tolist() == [0, 1]


def test_described_choices_are_as_far_apart_as_their_descriptors() -> None:
    values = ((110.0, 2.4, 7.0), (154.0, 4.3, 7.0), (100.0, 80.0, 7.0))
    about = Descriptors(names=("bp", "eps", "same"), values=values)
    encoder = Encoder(Space(parameters=(Categorical(name="s", choices=SOLVENTS, descriptors=about),)))
    assert encoder.n_columns == 2 and encoder.numeric_columns.all(), "one that never differs says nothing"
    assert encoder.group.tolist() == [0, 1] and encoder.group_parameter.tolist() == [0, 0]
    U = encoder.unit(encoder.codes([{"s": name} for name in SOLVENTS]))
    assert U.min(axis=0).tolist() == [0, 0] and U.max(axis=0).tolist() == [1, 1]
    assert U[:, 0] == pytest.approx([10 / 54, 1, 0])


def test_inactive_parameters_have_no_distance() -> None:
    encoder = Encoder(conditional())
    base = {"gas": "air", "heat": 0.3, "humidity": 40.0}
    codes = encoder.codes([base, {**base, "flow": 7.0}, {**base, "gas": "argon", "flow": 7.0}])
    assert codes[:, 1].tolist() == [1.0, 1.0, 7.0], "what an inactive parameter is said to be does not matter"
    U = encoder.unit(codes)
    assert U[0].tolist() == U[1].tolist()
    column = encoder.columns[1].start
    assert U[0, column] == 0.5 and U[2, column] == pytest.approx(2 / 3)
    assert encoder.active(codes)[:, 1].tolist() == [False, False, True]


def test_a_context_may_lie_outside_its_range() -> None:
    encoder = Encoder(conditional())
    (code,) = encoder.codes([{"gas": "air", "heat": 0.3, "humidity": 80.0}])
    assert code[3] == 80.0 and encoder.snap(code[None])[0, 3] == 80.0
    assert encoder.unit(code[None])[0, -1] == pytest.approx(1.5)
    assert encoder.candidate(code)["humidity"] == 80.0
    assert encoder.assumed[3] == 40.0
