"""What a kernel sees of a material: members that agree with their calibration, labels in place of predictions,
distances that hold what is not known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from surrogates.errors import InvalidObservation
from surrogates.joint.axis import MaterialAxis
from surrogates.joint.chance import PropertyChance, probability
from surrogates.joint.representation import Representation, calibrated, principal
from tests.surrogates.joint.crystals import IDS, known


class Bound:
    def __init__(self, at_least: float | None = None, at_most: float | None = None) -> None:
        self.at_least, self.at_most = at_least, at_most


def test_members_are_moved_to_the_centre_and_to_the_calibrated_spread() -> None:
    rng = np.random.default_rng(0)
    members, centre, epistemic = rng.normal(size=(5, 7, 2)), rng.normal(size=(7, 2)), rng.random((7, 2))
    out = calibrated(members, centre, epistemic)
    assert np.allclose(out.mean(axis=0), centre) and np.allclose(out.std(axis=0), epistemic)
    order = np.argsort(members, axis=0)
    assert (np.argsort(out, axis=0) == order).all()
    alone = calibrated(members[:1], centre, epistemic)
    assert np.allclose(alone[0], centre)  # one member has no spread


def test_labels_take_the_place_of_predictions_with_all_their_uncertainty() -> None:
    labels = np.array([[1.0, np.nan], [np.nan, 2.0]])
    out = Representation.of(
        ("a", "b"),
        ("x", "y"),
        np.random.default_rng(1).normal(size=(3, 2, 2)),
        np.ones((2, 2)),
        np.eye(2),
        labels,
    )
    assert out.mean[0, 0] == 1.0 and out.mean[1, 1] == 2.0
    assert (
        out.epistemic[0, 0] == out.aleatoric[0, 0] == 0.0
        and out.epistemic[0, 1] > 0
        and out.aleatoric[0, 1] == 1
    )
    assert out.labelled.tolist() == [[True, False], [False, True]]


def test_components_do_not_depend_on_the_axes_that_each_member_has_for_itself() -> None:
    rng = np.random.default_rng(2)
    embeddings = rng.normal(size=(3, 40, 6)) * np.array([3.0, 2.0, 1.0, 0.5, 0.2, 0.1])
    turned = np.stack([e @ np.linalg.qr(rng.normal(size=(6, 6)))[0] for e in embeddings])
    turned[1] = 7.0 * turned[1] + 5.0
    a, b = principal(embeddings, 3), principal(turned, 3)
    assert a.shape == (40, 3) and np.allclose(np.abs(np.corrcoef(a.T, b.T)[:3, 3:]).diagonal(), 1.0)
    assert np.array_equal(principal(embeddings, 3), a)
    assert principal(np.zeros((2, 4, 3))).shape == (4, 0)


def test_most_of_the_pool_is_scaled_to_the_unit_interval_whatever_one_material_says() -> None:
    members = np.linspace(0, 1, 1000)[None, :, None].repeat(2, axis=0)
    members[:, 0] = -1e6
    whole = Representation(
        tuple(map(str, range(1000))), ("x",), members, members[0], members[0] > 9, np.zeros((1000, 0))
    )
    unit = whole.unit()[0, 1:, 0]
    assert unit.min() > -0.05 and 1.0 < unit.max() < 1.05
    flat = replace(whole, members=np.ones_like(members))
    assert np.isfinite(flat.unit()).all()


def test_the_distance_of_two_materials_is_the_mean_over_the_members() -> None:
    axis = MaterialAxis("crystal", known())
    codes = np.array([3.0, 17.0])
    columns = axis.unit(codes)
    assert columns.shape == (2, axis.width) and axis.width == 4 * 2 + 2 and len(axis.groups) == axis.width
    unit = axis.known.unit()
    for group in range(2):
        here = np.flatnonzero(axis.groups == group)
        square = ((columns[0, here] - columns[1, here]) ** 2).sum()
        assert square == pytest.approx(((unit[:, 3, group] - unit[:, 17, group]) ** 2).mean())
    # Mean distance and unknown difference add up.
    delta = unit[:, 3, 0] - unit[:, 17, 0]
    assert (delta**2).mean() == pytest.approx(delta.mean() ** 2 + delta.var())


def test_columns_lead_back_to_the_material_and_strangers_are_told() -> None:
    axis = MaterialAxis("crystal", known())
    codes = np.random.default_rng(0).permutation(len(IDS)).astype(float)
    assert np.array_equal(axis.found(axis.unit(codes)), codes.astype(int))
    assert axis.value(axis.read([IDS[5]])[0]) == IDS[5]
    rng = np.random.default_rng(1)
    mixed = np.where(rng.random((len(IDS), 1)) < 0.5, axis.unit(codes), axis.unit(codes) + 1e-7)
    assert np.array_equal(axis.code(mixed), codes)
    with pytest.raises(ValueError, match="crystal: wanted columns of materials"):
        axis.found(axis.unit(codes[:1]) + 1e-9)
    with pytest.raises(InvalidObservation, match="got 'UO2'"):
        axis.read(["UO2"])
    with pytest.raises(ValueError, match="at least one material"):
        MaterialAxis(
            "crystal",
            Representation(
                (), (), np.zeros((1, 0, 0)), np.zeros((0, 0)), np.zeros((0, 0), bool), np.zeros((0, 0))
            ),
        )


def test_the_chance_is_the_share_of_the_members_and_their_noise_within_the_bounds() -> None:
    whole = known()
    rng = np.random.default_rng(5)
    drawn = whole.members[rng.integers(0, 4, 20000)]
    drawn = drawn + whole.aleatoric * rng.standard_normal(drawn.shape)
    inside = ((drawn[:, :, 1] <= 0.2) & (drawn[:, :, 1] >= 0.0)).mean(axis=0)
    free = ~whole.labelled[:, 1]
    found = probability(whole, "heat", Bound(0.0, 0.2))
    assert np.allclose(found[free], inside[free], atol=0.02) and 0.1 < found[free].mean() < 0.9
    value = whole.mean[~free, 1]
    assert np.array_equal(found[~free], ((value >= 0.0) & (value <= 0.2)).astype(float))
    assert probability(whole, "heat", Bound()).min() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="density: wanted one of the properties gap, heat"):
        probability(whole, "density", Bound(0.0))


def test_a_chance_multiplies_over_properties_and_has_no_slope_along_the_process() -> None:
    axis = MaterialAxis("crystal", known())
    chance = PropertyChance(
        axis, slice(1, 1 + axis.width), [("heat", Bound(at_most=0.2)), ("gap", Bound(1.0))]
    )
    codes = np.arange(len(IDS)).astype(float)
    X = np.hstack([np.full((len(IDS), 1), 0.3), axis.unit(codes)])
    product = probability(axis.known, "heat", Bound(at_most=0.2)) * probability(axis.known, "gap", Bound(1.0))
    assert np.allclose(np.exp(chance.log_probability(X)), np.maximum(product, 1e-9))
    value, slope = chance.log_probability_gradient(X, np.array([0]))
    assert (
        np.array_equal(value, chance.log_probability(X)) and not slope.any() and slope.shape == (len(IDS), 1)
    )
