"""Intervals cover what they say, from finite samples too, and say where they cannot know."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri

from surrogates.materials.calibration import ASSUMED, FEWEST, Calibration, calibrate
from surrogates.materials.prediction import Prediction, centre_of, raw_parts


def drawn(n: int, seed: int, true=(3.0, 0.5), heavy: bool = False):
    """Errors of which the raw parts, spread over a decade, are wrong by the two factors."""
    rng = np.random.default_rng(seed)
    epistemic, aleatoric = np.exp(rng.uniform(-3.5, -1.0, (2, n)))
    sd = np.hypot(true[0] * epistemic, true[1] * aleatoric)
    noise = rng.standard_t(3, n) if heavy else rng.standard_normal(n)
    return sd * noise, epistemic, aleatoric


def covered(found: Calibration, error, epistemic, aleatoric, coverage: float) -> float:
    sd = np.hypot(found.epistemic * epistemic, found.aleatoric * aleatoric)
    return float((np.abs(error) <= found.quantile(coverage) * sd).mean())


@pytest.mark.parametrize("heavy", [False, True])
def test_intervals_cover_what_they_say(heavy) -> None:
    found = calibrate(*drawn(3000, 1, heavy=heavy))
    assert found.source == "held-out" and found.n == 3000
    for coverage in (0.5, 0.8, 0.9, 0.95):
        assert found.exact(coverage)
        assert covered(found, *drawn(20000, 2, heavy=heavy), coverage) == pytest.approx(coverage, abs=0.03)
    assert covered(found, *drawn(20000, 2, heavy=heavy), 0.6827) == pytest.approx(0.6827, abs=0.04)
    assert found.quantile(0.6827) == pytest.approx(
        1.0, abs=1e-9
    )  # so that sd means what it does of normal errors


def test_the_two_parts_are_told_apart() -> None:
    """The factors that the errors were drawn with are found, each."""
    found = calibrate(*drawn(4000, 3))
    assert found.epistemic == pytest.approx(3.0, rel=0.15)
    assert found.aleatoric == pytest.approx(0.5, rel=0.25)


@pytest.mark.parametrize("n", [9, 12, 20, 40])
def test_few_labels_still_cover_on_average(n) -> None:
    """The finite-sample rank, and scores from factors that did not see their label: on average over draws no less
    than 90 %. Without the first it would be 82 % of 9 labels, without the second 87 %."""
    shares = [covered(calibrate(*drawn(n, s)), *drawn(400, 1000 + s), 0.9) for s in range(150)]
    assert 0.885 <= np.mean(shares) <= 0.96


def test_the_rank_is_that_of_split_conformal() -> None:
    scores = tuple(float(k) for k in range(1, 20))  # n = 19
    found = Calibration(1.0, 1.0, scores, "held-out", 19)
    assert [found.quantile(c) for c in (0.05, 0.5, 0.9, 0.95)] == [1.0, 10.0, 18.0, 19.0]
    assert found.exact(0.95) and not found.exact(0.96)
    wider = found.quantile(0.99)
    assert wider == pytest.approx(19.0 * ndtri(0.995) / ndtri(0.975))
    assert found.quantile(0.95 + 1e-6) == pytest.approx(19.0, rel=1e-3)  # no step where the scores end


def test_too_few_labels_are_never_silent() -> None:
    few = drawn(FEWEST - 1, 4)
    assumed = calibrate(*few)
    assert (assumed.epistemic, assumed.aleatoric, assumed.source) == (ASSUMED, ASSUMED, "assumed")
    assert assumed.quantile(0.9) == pytest.approx(1.645, abs=1e-3) and not assumed.exact(0.5)
    assert "only 8 labels were held out (wanted 9)" in assumed.said() and "assumed" in assumed.said()
    earlier = calibrate(*drawn(300, 5))
    carried = calibrate(*few, earlier)
    assert carried.source == "carried over" and carried.scores == earlier.scores and carried.n == 8
    assert not carried.exact(0.5) and "carried over" in carried.said()
    assert calibrate(*few, assumed).source == "assumed"  # what was never measured does not become so
    assert calibrate(*drawn(FEWEST, 4)).source == "held-out"


def test_few_new_labels_are_read_in_the_light_of_the_earlier_ones() -> None:
    """With ten labels the balance of the parts stays near the earlier one's."""
    earlier = calibrate(*drawn(2000, 6))
    ratios = [
        (found.epistemic / found.aleatoric) / (earlier.epistemic / earlier.aleatoric)
        for found in (calibrate(*drawn(10, s), earlier) for s in range(20))
    ]
    alone = [
        found.epistemic / found.aleatoric / 6.0 for found in (calibrate(*drawn(10, s)) for s in range(20))
    ]
    assert np.abs(np.log(ratios)).mean() < 0.7 * np.abs(np.log(alone)).mean()


def test_missing_labels_do_not_count() -> None:
    error, epistemic, aleatoric = drawn(60, 7)
    error[:30] = np.nan
    assert calibrate(error, epistemic, aleatoric) == calibrate(error[30:], epistemic[30:], aleatoric[30:])


@pytest.mark.parametrize("error, spread", [(0.0, 0.1), (0.3, 0.0), (0.0, 0.0)])
def test_degenerate_members_give_numbers(error, spread) -> None:
    """One member has no spread; a target that is the same everywhere has no errors."""
    found = calibrate(np.full(20, error), np.full(20, spread), np.zeros(20))
    assert all(
        map(math.isfinite, (found.epistemic, found.aleatoric, found.quantile(0.9), found.quantile(0.99)))
    )


def test_calibration_goes_through_json() -> None:
    found = calibrate(*drawn(30, 8))
    assert Calibration.from_json(found.to_json()) == found


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90])
def test_a_coverage_is_a_share(coverage) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibrate(*drawn(30, 8)).quantile(coverage)


def test_total_variance() -> None:
    """The spread of a mixture of normals is the spread of the means plus the mean of the variances."""
    rng = np.random.default_rng(9)
    means, variances = rng.normal(size=(40, 3, 2)), rng.uniform(0.1, 2.0, (40, 3, 2))
    epistemic, aleatoric = raw_parts(means, variances)
    draws = means + np.sqrt(variances) * rng.standard_normal((20000, 1, 3, 2))[:, :, :, :]
    sampled = draws.reshape(-1, 3, 2).var(axis=0)
    assert np.allclose(epistemic**2 * 39 / 40 + aleatoric**2, sampled, rtol=0.02)
    assert not raw_parts(means[:1], variances[:1])[0].any()


def test_intervals_are_each_targets_own() -> None:
    wide, narrow = (
        Calibration(1.0, 1.0, (3.0,) * 30, "held-out", 30),
        Calibration(1.0, 1.0, (1.0,) * 30, "held-out", 30),
    )
    members = np.array([[[0.0, 5.0]], [[2.0, 6.0]], [[9.0, 7.0]]])
    said = Prediction(
        centre_of(members, "median"), np.full((1, 2), 3.0), np.full((1, 2), 4.0), members, ("a", "b"), (wide, narrow)
    )  # fmt: skip
    assert said.mean.tolist() == [[2.0, 6.0]] and said.sd == pytest.approx(5.0)
    low, high = said.interval(0.9)
    assert low.tolist() == [[-13.0, 1.0]] and high.tolist() == [[17.0, 11.0]]
    assert centre_of(members, "mean").tolist() == [[11 / 3, 6.0]]
