"""The search: inside the space and the region whatever is sought, and near the best."""

from __future__ import annotations

import contextlib
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.space import Categorical, Continuous, LinearConstraint, Mixture, Space, Table
from surrogates import pool as pool_search
from surrogates import search as search_module
from surrogates.acquisition.base import Acquisition, Belief
from surrogates.acquisition.variance import IntegratedVariance
from surrogates.encode import Array
from surrogates.errors import SpaceExhausted
from surrogates.region import Region
from surrogates.sampling import Sampler
from surrogates.search import Search
from tests.surrogates.beliefs import Blank, Ridge
from tests.surrogates.spaces import blend, box, conditional, mixed, mixture, pool, random_space
from tests.surrogates.test_sampling import EASY, SPACES

NOTHING = np.zeros((0, 0))


class Towards(Ridge):
    """Minus the squared distance to a unit point."""

    def value(self, belief: Belief, X: Array) -> Array:
        return -((X - self.w) ** 2).sum(axis=1)

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        belief.posterior_gradient(X, along)
        return self.value(belief, X), -2 * (X - self.w)[:, along]


def none(search: Search) -> Array:
    return np.zeros((0, search.encoder.n_parameters))


def seek(
    search: Search, acquisition: Acquisition, *, smooth: bool = True, **options: object
) -> pool_search.Found:
    return search.best(
        acquisition,
        Blank(smooth),
        none(search),
        none(search),
        np.random.default_rng(0),
        **options,  # type: ignore[arg-type]
    )


@settings(EASY, max_examples=max(SPACES // 25, 20), suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), smooth=st.booleans(), confined=st.booleans())
def test_no_search_leaves_its_space(seed: int, smooth: bool, confined: bool) -> None:
    """Nor the region that it is told to stay in, whose middle is some candidate."""
    rng = np.random.default_rng(seed)
    space = random_space(rng)
    sampler = Sampler(space)
    e = sampler.encoder
    known = e.codes(sampler.design(2, seed=seed, method="random"))
    within = None
    if confined:
        room = 0.2 * (e.high - e.low)
        within = Region(known[0] - room, known[0] + room)
        pinned = e.context | (rng.random(e.n_parameters) < 0.2)
        within = Region(np.where(pinned, known[0], within.low), np.where(pinned, known[0], within.high))
    acquisition = Ridge(rng.normal(size=e.n_columns))
    with contextlib.suppress(SpaceExhausted):  # some of these spaces hold a single candidate
        found = Search(sampler).best(acquisition, Blank(smooth), known, known[:1], rng, within=within)
        assert space.violations(found.candidate) == []
        if within is not None:
            active = e.active(found.code[None])[0]
            assert within.holds(np.where(active, found.code, known[0])[None]).all()


@pytest.mark.parametrize("smooth", [True, False])
def test_the_best_of_a_box_is_found_with_and_without_gradients(smooth: bool) -> None:
    at = np.array([0.2, 0.9, 0.5, 0.0])
    found = seek(Search(Sampler(box(4))), Towards(at), smooth=smooth)
    assert np.abs(found.code - at).max() < (1e-4 if smooth else 0.03)


def test_an_acquisition_without_gradients_is_never_asked_for_one() -> None:
    class Rough(Towards):
        smooth = False

        def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
            raise AssertionError

    found = seek(Search(Sampler(mixed())), Rough(np.full(7, 0.5)))
    assert mixed().violations(found.candidate) == []


@pytest.mark.parametrize("smooth", [True, False])
def test_a_region_holds_the_search_and_its_edge_is_reached(smooth: bool) -> None:
    within = Region(np.array([0.4, 0.3, 0.25]), np.array([0.6, 0.5, 0.25]))
    found = seek(Search(Sampler(box(3))), Towards(np.array([0.0, 0.45, 0.9])), smooth=smooth, within=within)
    assert within.holds(found.code[None]).all()
    assert np.abs(found.code - [0.4, 0.45, 0.25]).max() < (1e-4 if smooth else 0.01)


def test_what_is_pinned_is_not_moved_by_rounding() -> None:
    search = Search(Sampler(mixed()))
    at = search.encoder.codes(Sampler(mixed()).design(1, seed=0))[0]
    for time in (11.3, 17.7, 33.1, 123.4):
        low, high = search.encoder.low.copy(), search.encoder.high.copy()
        low[1] = high[1] = time
        assert seek(search, Ridge(np.ones(7)), within=Region(low, high)).candidate["time"] == time
    assert seek(search, Ridge(np.ones(7)), within=Region(at, at)).code.tolist() == at.tolist()


@pytest.mark.parametrize("smooth", [True, False])
def test_a_region_of_a_constrained_space(smooth: bool) -> None:
    space = mixture()
    search = Search(Sampler(space))
    centre = search.encoder.codes(Sampler(space).design(1, seed=3))[0]
    within = Region(centre - 0.02, centre + 0.02)
    found = seek(search, Towards(np.zeros(4)), smooth=smooth, within=within)
    assert within.holds(found.code[None]).all() and space.violations(found.candidate) == []
    assert np.abs(found.code - centre).max() > 0.015, "the region is used to its edge"


def test_a_region_without_candidates_is_said() -> None:
    far = Region(np.full(3, 2.0), np.full(3, 3.0))
    with pytest.raises(SpaceExhausted, match="region"):
        seek(Search(Sampler(box(3))), Ridge(np.ones(3)), within=far)
    with pytest.raises(SpaceExhausted, match="region"):
        seek(Search(Sampler(pool())), Ridge(np.ones(3)), within=far)
    unmixable = Region(np.zeros(4), np.array([0.1, 0.2, 0.1, 9.0]))
    with pytest.raises(SpaceExhausted, match="region"):
        seek(Search(Sampler(mixture())), Ridge(np.ones(4)), within=unmixable)


def test_a_region_masks_the_rows_of_a_pool() -> None:
    search = Search(Sampler(pool(400)))
    assert search.pool is not None
    within = Region(np.array([0.2, 0.0, 0.0]), np.array([0.5, 1.0, 1.0]))
    found = seek(search, Ridge(np.ones(3)), within=within)
    inside = within.holds(search.pool.codes)
    values = Ridge(np.ones(3)).value(Blank(), search.pool.unit)
    assert found.value == values[inside].max() < values.max()


def with_humidity(space: Space) -> Space:
    humidity = Continuous(name="humidity", low=20.0, high=60.0, role="context")
    return Space(parameters=(*space.parameters, humidity), allowed=space.allowed)


class Bend(Ridge):
    """Best where x0 equals the last column: what is best depends on the context."""

    def value(self, belief: Belief, X: Array) -> Array:
        return -((X[:, 0] - X[:, -1]) ** 2)

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        away, slope = X[:, 0] - X[:, -1], np.zeros((len(X), len(along)))
        slope[:, along == 0] = -2 * away[:, None]
        return self.value(belief, X), slope


@pytest.mark.parametrize("space", [box(3), pool(3000)], ids=["box", "pool"])
def test_the_context_is_taken_as_it_is(space: Space) -> None:
    search = Search(Sampler(with_humidity(space)))
    for humidity, share in ((30.0, 0.25), (50.0, 0.75), (64.0, 1.1)):
        low, high = np.array([0, 0, 0, humidity]), np.array([1, 1, 1, humidity])
        found = seek(search, Bend(NOTHING), within=Region(low, high))
        assert found.candidate["humidity"] == humidity
        assert found.code[0] == pytest.approx(min(share, 1.0), abs=0.01)
    assert seek(search, Bend(NOTHING)).candidate["humidity"] == 40.0, "else as assumed"
    told = seek(search, Bend(NOTHING)).code[None]
    again = search.best(Bend(NOTHING), Blank(), told[:0], told, np.random.default_rng(0))
    assert again.code.tolist() != told[0].tolist(), "what was measured under it is not proposed again"


def test_an_exhausted_pool_is_not_exhausted_in_another_context() -> None:
    search = Search(Sampler(with_humidity(pool(5))))
    assert search.pool is not None
    every = search.pool.codes.copy()
    with pytest.raises(SpaceExhausted):
        search.best(Bend(NOTHING), Blank(), every, every, np.random.default_rng(0))
    elsewhere = np.array([0.0, 0, 0, 33.0]), np.array([1.0, 1, 1, 33.0])
    found = search.best(
        Bend(NOTHING), Blank(), every, every, np.random.default_rng(0), within=Region(*elsewhere)
    )
    assert found.candidate["humidity"] == 33.0


@pytest.mark.parametrize("smooth", [True, False])
def test_both_sides_of_a_condition_are_searched(smooth: bool) -> None:
    space = conditional()
    search = Search(Sampler(space))
    e = search.encoder
    for wanted in ({"gas": "n2", "flow": 8.0, "heat": 0.2}, {"gas": "air", "flow": 1.0, "heat": 0.7}):
        target = e.unit(e.codes([wanted]))[0]
        found = seek(search, Towards(target), smooth=smooth)
        assert space.violations(found.candidate) == []
        assert found.candidate["gas"] == wanted["gas"]
        assert found.candidate["flow"] == pytest.approx(wanted["flow"], abs=0.3)
        assert found.candidate["heat"] == pytest.approx(wanted["heat"], abs=0.05)
        if wanted["gas"] == "air":
            assert found.candidate["flow"] == 1.0


HALF = LinearConstraint(terms=(("a", 1.0), ("b", 1.0), ("heat", 5.0)), at_most=60.0)


@pytest.mark.parametrize("constraints", [(), (HALF,)], ids=["pure", "constrained"])
@pytest.mark.parametrize("smooth", [True, False])
def test_the_best_support_of_a_mixture_is_found(
    constraints: tuple[LinearConstraint, ...], smooth: bool
) -> None:
    """Against the best over all supports, each searched by itself as a plain mixture."""
    space = blend(constraints)
    names = "abcdef"
    search = Search(Sampler(space))
    rng = np.random.default_rng(5)
    w = np.array([0.55, 0.05, 0.3, 0.2, 0.5, 0.1, 0.4]) + 0.05 * rng.random(7)
    best = -np.inf
    for count in (2, 3):
        for some in combinations(range(6), count):
            low, high = np.zeros(7), np.zeros(7)
            low[list(some)], high[list(some)] = 5.0, 80.0
            low[6], high[6] = 1.0, 9.0
            plain = Space(
                parameters=space.parameters,
                mixtures=(Mixture(name="ink", components=tuple(names), total=100.0),),
                constraints=constraints,
            )
            with contextlib.suppress(SpaceExhausted):
                best = max(best, seek(Search(Sampler(plain)), Towards(w), within=Region(low, high)).value)
    found = seek(search, Towards(w), smooth=smooth)
    assert space.violations(found.candidate) == []
    assert found.value > best - (1e-3 if smooth else 0.01)


def test_a_support_that_was_never_drawn_is_reached_by_exchanges() -> None:
    names = tuple("abcdefghijkl")
    space = Space(
        parameters=tuple(Continuous(name=n, low=0.0, high=80.0) for n in names),
        mixtures=(Mixture(name="ink", components=names, total=100.0, parts=(4, 4)),),
    )
    reached = 0
    for wanted in ([0, 3, 7, 11], [1, 2, 5, 8], [4, 6, 9, 10], [0, 1, 2, 3], [8, 9, 10, 11]):
        target = np.zeros(12)
        target[wanted] = 25 / 80
        found = seek(Search(Sampler(space)), Towards(target))
        reached += found.value > -1e-6
    assert reached == 5


class Steps(Ridge):
    """Values by row of a pool, one for each."""

    def value(self, belief: Belief, X: Array) -> Array:
        assert isinstance(belief, Told)
        return belief.values[np.searchsorted(belief.keys, X[:, 0])]


class Told(Blank):
    def __init__(self, keys: Array, values: Array) -> None:
        super().__init__()
        self.keys, self.values = keys, values


def test_a_lazy_look_goes_on_beyond_its_first_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stood highest has fallen below what stood far behind: that must be found all the same."""
    monkeypatch.setattr(pool_search, "SCREENED", 64)
    rows = tuple((i / 1000,) for i in range(1000))
    space = Space(parameters=(Continuous(name="x", low=0, high=1),), allowed=Table(columns=("x",), rows=rows))
    search = Search(Sampler(space))
    assert search.pool is not None
    keys, before = np.sort(search.pool.unit[:, 0]), np.linspace(2, 1, 1000)
    crowd = search.crowd(none(search), np.random.default_rng(0))
    first = search.best(
        Steps(NOTHING), Told(keys, before), none(search), none(search), np.random.default_rng(0), crowd=crowd
    )
    assert first.code[0] == 0.0
    after = before.copy()
    after[:500] -= 1.6  # the first eight chunks have fallen, to below the 501st
    second = search.best(
        Steps(NOTHING), Told(keys, after), none(search), none(search), np.random.default_rng(0), crowd=crowd
    )
    assert second.code[0] == pytest.approx(0.5) and second.value == after.max()


class Hill(Towards):
    """So narrow a best that what is next to it beats all else."""

    def value(self, belief: Belief, X: Array) -> Array:
        return np.exp(super().value(belief, X) / 1e-3)

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        value = self.value(belief, X)
        return value, value[:, None] * -2e3 * (X - self.w)[:, along]


@pytest.mark.parametrize("space", [box(3), mixture(), blend()], ids=["box", "mixture", "blend"])
@pytest.mark.parametrize("smooth", [True, False])
def test_parallel_proposals_keep_a_hundredth_apart(space: Space, smooth: bool) -> None:
    search = Search(Sampler(space))
    e = search.encoder
    centre = e.unit(e.codes(Sampler(space).design(1, seed=1)))[0]
    pending = none(search)
    for k in range(4):
        found = search.best(
            Hill(centre), Blank(smooth), e.codes([e.candidate(p) for p in pending]), pending,
            np.random.default_rng(k), pending,
        )  # fmt: skip
        if len(pending):
            assert np.abs(e.unit(pending) - e.unit(found.code[None])).max(axis=1).min() >= 0.01
        pending = np.vstack([pending, found.code])


def test_a_screened_row_is_among_the_very_best_of_a_hundred_thousand() -> None:
    from surrogates.planner import Planner
    from tests.surrogates.spaces import SCORE

    space = pool(100_000, 4, seed=2)
    planner = Planner(space, [SCORE], seed=0)
    rng = np.random.default_rng(0)
    for candidate in Sampler(space).design(12, seed=0):
        planner.tell(candidate, float(rng.normal()))
    knowledge = planner._believe()
    assert not isinstance(knowledge, str)
    belief, reference = knowledge.sought, Sampler(space).stand_in(256, rng)
    exact = IntegratedVariance(planner._sampler.encoder.unit(reference), belief.noise)
    assert exact.coarse() is not None, "else nothing is screened"
    search = planner._search
    assert search.pool is not None and len(search.pool.codes) > 90_000
    found = search.best(exact, belief, none(search), none(search), np.random.default_rng(0))
    values = search_module.score(exact, belief, search.pool.unit)
    assert (values > found.value).sum() < 5, "of 4096 rows at random the best would be about the 25th"


def test_described_and_learned_choices_are_searched_choice_by_choice() -> None:
    space = Space(
        parameters=(
            Categorical(name="s", choices=tuple("abcdefgh"), kernel="learned"),
            Continuous(name="x", low=0.0, high=1.0),
        )
    )
    target = np.zeros(9)
    target[3], target[8] = 1.0, 0.4
    found = seek(Search(Sampler(space)), Towards(target))
    assert found.candidate == {"s": "d", "x": pytest.approx(0.4, abs=1e-4)}
