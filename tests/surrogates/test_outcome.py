"""The transform of the objective: monotone, invertible, blind to unit and direction, off where it is not needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogates.models.outcome import Outcome

FINITE = st.lists(st.floats(-1.7e308, 1.7e308, allow_nan=False), min_size=0, max_size=12)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(values=FINITE, maximise=st.booleans())
def test_any_finite_values_have_a_finite_transform_and_back(values: list[float], maximise: bool) -> None:
    y = np.array(values)
    outcome = Outcome.fit(y, maximise=maximise)
    z = outcome.forward(y)
    assert np.isfinite(z).all()
    mean, sd = outcome.moments(z, np.ones(len(z)))
    assert np.isfinite(mean).all() and np.isfinite(sd).all()
    order = np.argsort(y if maximise else -y, kind="stable")
    assert (np.diff(z[order]) >= -1e-9).all()


@pytest.mark.parametrize("maximise", [True, False])
def test_skewed_values_become_symmetric_and_come_back(maximise: bool) -> None:
    y = np.exp(np.random.default_rng(0).normal(size=60)) * (1 if maximise else -1)
    outcome = Outcome.fit(y, maximise=maximise)
    z = outcome.forward(y)
    assert abs(((z - z.mean()) ** 3).mean()) < 0.5 < 1.5 < abs((((y - y.mean()) / y.std()) ** 3).mean())
    assert outcome.moments(z, np.full(60, 1e-9))[0] == pytest.approx(y, rel=1e-6)


def test_unit_offset_and_direction_do_not_matter() -> None:
    y = np.random.default_rng(0).gamma(1.0, size=30)
    z = Outcome.fit(y, maximise=True).forward(y)
    other = 1e-9 * y + 3.0
    assert Outcome.fit(other, maximise=True).forward(other) == pytest.approx(z, abs=1e-3)
    assert Outcome.fit(-y, maximise=False).forward(-y) == pytest.approx(z, abs=1e-6)


def test_few_values_are_only_standardised() -> None:
    y = np.array([0.0, 1.0, 100.0])
    outcome = Outcome.fit(y, maximise=True)
    assert outcome.exponent == 1.0
    assert outcome.forward(y) == pytest.approx((y - y.mean()) / y.std(ddof=1))
    assert outcome.moments(np.zeros(1), np.ones(1))[1] == pytest.approx(y.std(ddof=1))


def test_moments_are_those_of_the_transformed_normal() -> None:
    y = np.random.default_rng(0).gamma(0.7, size=40)
    outcome = Outcome.fit(y, maximise=True)
    draws = np.random.default_rng(1).normal(0.3, 0.4, 200_000)
    grid = np.linspace(y.min() - 0.2, y.max() * 3, 20_001)
    back = np.interp(draws, outcome.forward(grid), grid)
    mean, sd = outcome.moments(np.array([0.3]), np.array([0.4]))
    assert mean[0] == pytest.approx(back.mean(), rel=0.01)
    assert sd[0] == pytest.approx(back.std(), rel=0.03)


def test_known_noise_is_carried_through_the_slope() -> None:
    y = np.random.default_rng(0).gamma(1.0, size=30)
    outcome = Outcome.fit(y, maximise=False)
    step = 1e-6
    slope = (outcome.forward(y + step) - outcome.forward(y - step)) / (2 * step)
    assert outcome.variance(y, np.full(30, 0.1)) == pytest.approx((0.1 * slope) ** 2, rel=1e-4)
