"""The trust region as a fold over results, against histories made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from campaigns.space import Categorical, Continuous, Integer, Ordinal, Space
from surrogates.encode import Array, Encoder
from surrogates.models.gp import Columns
from surrogates.region import Region
from surrogates.trust_region import LENGTH, LONGEST, SHORTEST, as_region, trust_region, wanted
from tests.surrogates.spaces import mixed, random_space


def columns(d: int) -> Columns:
    return Columns(np.arange(d), np.ones(d, bool))


def units(n: int, d: int) -> Array:
    return np.random.default_rng(0).random((n, d))


def length_after(changes: str, d: int = 4, batch: int = 1) -> float:
    """After two first results and then + (better) or - (worse) per batch."""
    z, best = [0.0, 1.0], 1.0
    for change in changes:
        best += change == "+"
        z += [-1.0] * (batch - 1) + [best if change == "+" else 0.5]
    return trust_region(units(len(z), d), np.array(z), columns(d), batch=batch, initial=2).length


def test_three_successes_double_and_four_failures_halve() -> None:
    assert length_after("") == length_after("++") == length_after("---") == LENGTH
    assert length_after("+++") == 2 * LENGTH
    assert length_after("----") == LENGTH / 2
    assert length_after("---+---") == LENGTH and length_after("++-++") == LENGTH
    assert length_after("----+++") == LENGTH
    assert length_after("+" * 12) == LONGEST
    assert length_after("--------") == LENGTH / 4


def test_patience_grows_with_dimensions_and_shrinks_with_the_batch() -> None:
    assert length_after("-" * 5, d=6) == LENGTH and length_after("-" * 6, d=6) == LENGTH / 2
    assert length_after("-", batch=2) == LENGTH and length_after("--", batch=2) == LENGTH / 2
    assert length_after("-", d=20, batch=20) == LENGTH / 2
    assert length_after("+++", batch=3) == 2 * LENGTH


def test_an_unfinished_batch_moves_the_centre_only() -> None:
    z = np.array([0.0, 1.0, 0.5, 0.5, 9.0])
    trust = trust_region(units(5, 2), z, columns(2), batch=2, initial=2)
    assert (trust.centre, trust.length, trust.missing) == (4, LENGTH, 0)


def test_a_success_is_better_by_a_share_of_the_range_in_any_unit() -> None:
    z = np.cumsum(np.r_[0.0, 1.0, np.full(9, 5e-4)])
    assert trust_region(units(11, 2), z, columns(2), initial=2).length == LENGTH / 4
    rng = np.random.default_rng(1)
    z = rng.standard_normal(60)
    one = trust_region(units(60, 3), z, columns(3), initial=2)
    other = trust_region(units(60, 3), 1e4 + 250.0 * z, columns(3), initial=2)
    assert (one.length, one.centre, one.restarts) == (other.length, other.centre, other.restarts)


def test_too_small_a_region_starts_anew_and_forgets() -> None:
    halvings = int(np.ceil(np.log2(LENGTH / SHORTEST)))
    stuck = 2 + 4 * halvings
    z = np.r_[0.0, 100.0, np.zeros(4 * halvings)]
    U = units(stuck + 3, 4)
    one_less = trust_region(U[: stuck - 1], z[:-1], columns(4), initial=2)
    assert one_less.restarts == 0 and one_less.centre == 1 and one_less.length >= SHORTEST
    trust = trust_region(U[:stuck], z, columns(4), initial=2)
    assert (trust.restarts, trust.since, trust.centre, trust.missing) == (1, stuck, -1, 2)
    assert trust.length == LENGTH and not trust.low.any() and (trust.high == 1).all()
    trust = trust_region(U, np.r_[z, 1.0, 3.0, 2.0], columns(4), initial=2)
    assert (trust.centre, trust.missing, trust.restarts) == (stuck + 1, 0, 1)
    assert np.allclose(trust.low, np.clip(U[stuck + 1] - LENGTH / 2, 0, 1))
    # What was found before the restart is no longer what must be beaten.
    again = trust_region(units(stuck + 5, 4), np.r_[z, 1.0, 3.0, 4.0, 5.0, 6.0], columns(4), initial=2)
    assert again.length == 2 * LENGTH


def test_before_the_first_design_there_is_no_region() -> None:
    assert trust_region(units(0, 3), np.zeros(0), columns(3)).centre == -1
    trust = trust_region(units(5, 3), np.arange(5.0), columns(3))
    assert trust.missing == 1 and not trust.low.any() and (trust.high == 1).all()
    assert trust_region(units(6, 3), np.arange(6.0), columns(3)).missing == 0


def test_sides_follow_the_length_scales() -> None:
    U = np.full((3, 3), 0.5)
    lengths = np.array([0.1, 0.4, 1.6])
    trust = trust_region(U, np.arange(3.0), columns(3), 0.5 * lengths, initial=2)
    side = LENGTH * lengths / 0.4
    assert np.allclose(trust.low, np.clip(0.5 - side / 2, 0, 1))
    assert np.allclose(trust.high, np.clip(0.5 + side / 2, 0, 1))
    # A parameter that does not matter at all counts as one of length scale 2, or the others would be squeezed.
    flat = trust_region(U, np.arange(3.0), columns(3), np.array([0.2, 0.2, 1e5]), initial=2)
    assert np.allclose(flat.high[0] - flat.low[0], LENGTH * 0.2 / (0.2 * 0.2 * 2.0) ** (1 / 3))


def test_choices_are_never_confined() -> None:
    encoder = Encoder(mixed())
    parts = Columns(encoder.group, encoder.numeric_columns)
    codes = encoder.spread(np.random.default_rng(0).random((40, encoder.n_parameters)))
    z = -np.arange(40.0)
    trust = trust_region(encoder.unit(codes), z, parts, np.full(5, 0.3), initial=2)
    assert trust.length < LENGTH
    assert not trust.low[~parts.numeric].any() and (trust.high[~parts.numeric] == 1).all()
    region = as_region(trust, encoder)
    assert (region.low[-1], region.high[-1]) == (0, 2)
    assert region.holds(codes[trust.centre][None])[0]


def test_region_in_codes() -> None:
    space = Space(
        parameters=(
            Continuous(name="x", low=-10.0, high=10.0),
            Continuous(name="t", low=1.0, high=100.0, scale="log"),
            Integer(name="n", low=0, high=9),
            Ordinal(name="level", levels=(1.0, 50.0, 60.0, 70.0)),
            Categorical(name="kind", choices=("a", "b")),
        )
    )
    encoder = Encoder(space)
    parts = Columns(encoder.group, encoder.numeric_columns)
    U = encoder.unit(np.array([[0.0, 10.0, 4.0, 50.0, 1.0]] * 10))
    U[:, :4] = 0.5
    trust = trust_region(U, np.arange(10.0), parts, initial=9)
    region = as_region(trust, encoder)  # 0.1 to 0.9 of the cube
    assert np.allclose(region.low, [-8.0, 10**0.2, 0.0, 1.0, 0.0])
    assert np.allclose(region.high, [8.0, 10**1.8, 9.0, 70.0, 1.0])
    small = trust_region(U, np.r_[np.arange(5.0), 9.0, np.zeros(4)], parts, initial=6)
    assert small.length == LENGTH / 2
    region = as_region(small, encoder)  # 0.3 to 0.7: 2.7 to 6.3 of the integers, 0.9 to 2.1 of the levels
    assert np.allclose(region.low, [-4.0, 10**0.6, 2.0, 1.0, 0.0])
    assert np.allclose(region.high, [4.0, 10**1.4, 7.0, 70.0, 1.0])


def test_the_centre_is_always_inside_and_the_region_inside_the_space() -> None:
    for i in range(60):
        encoder = Encoder(random_space(np.random.default_rng(i)))
        rng = np.random.default_rng(i)
        codes = encoder.spread(rng.random((40, encoder.n_parameters)))
        parts = Columns(encoder.group, encoder.numeric_columns)
        trust = trust_region(encoder.unit(codes), rng.standard_normal(40), parts, initial=3)
        region = as_region(trust, encoder)
        assert (region.low >= encoder.low).all() and (region.high <= encoder.high).all()
        if trust.centre >= 0:
            code = codes[trust.centre][None]
            apart = Region(np.minimum(region.low, code[0]), np.maximum(region.high, code[0]))
            moved = (apart.low < region.low - 1e-9) | (apart.high > region.high + 1e-9)
            assert not (moved & encoder.active(code)[0]).any(), (
                "of inactive parameters no region says anything"
            )


def test_when_it_is_wanted() -> None:
    assert not wanted(500, 15, "auto") and wanted(501, 2, "auto") and wanted(3, 16, "auto")
    assert wanted(0, 1, "on") and not wanted(10_000, 100, "off")


def test_results_and_units_must_go_together() -> None:
    with pytest.raises(ValueError, match="trust region"):
        trust_region(units(3, 2), np.zeros(4), columns(2))
    with pytest.raises(ValueError, match="batch"):
        trust_region(units(3, 2), np.zeros(3), columns(2), batch=0)
