"""Designs are feasible, spread out and fixed by (space, seed, index)."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.space import Continuous, Integer, LinearConstraint, Ordinal, Space
from surrogates.constant import propose
from surrogates.domain import Domain
from surrogates.errors import InfeasibleSpace, SpaceExhausted
from surrogates.planner import Method, Planner
from surrogates.polytope import Polytope
from surrogates.sampling import Sampler, design, herd
from surrogates.supports import Supports
from tests.surrogates.spaces import SCORE, blend, box, conditional, mixed, mixture, pool, random_space

SPACES = int(os.environ.get("ALQUIMIA_PROMISE_SPACES", "2000"))
EASY = settings(max_examples=SPACES, deadline=None, derandomize=True, database=None)


LIMIT = LinearConstraint(terms=(("a", 1.0), ("b", 1.0), ("c", 1.0), ("heat", 1.0)), at_most=106.0)


@EASY
@given(seed=st.integers(0, 2**32 - 1), index=st.integers(0, 600))
def test_no_design_leaves_its_space(seed: int, index: int) -> None:
    space = random_space(np.random.default_rng(seed))
    for candidate in design(space, 2, seed=seed, index=index % 64, method="random"):
        assert space.violations(candidate) == []


@settings(EASY, max_examples=max(SPACES // 25, 20), suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1))
def test_no_proposal_leaves_its_space(seed: int) -> None:
    rng = np.random.default_rng(seed)
    space = random_space(rng)
    planner = Planner(space, [SCORE], seed=seed)
    for candidate in Sampler(space).design(4, seed=seed):
        assert space.violations(candidate) == []
        planner.tell(candidate, float(rng.normal()))
    with contextlib.suppress(SpaceExhausted):  # some of these spaces hold a single candidate
        for proposal in planner.ask(2, Method("optimise", "ucb")):
            assert space.violations(proposal.candidate) == []


def test_the_feasibility_test_sees_a_sampler_that_forgets_constraints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Domain, "settle", lambda self, code: self.encoder.candidate(code))
    monkeypatch.setattr(Supports, "holds", lambda self, codes: np.ones(len(codes), bool))
    monkeypatch.setattr(Polytope, "holds", lambda self, codes, *a, **k: np.ones(len(codes), bool))
    spaces = [random_space(np.random.default_rng(seed)) for seed in range(100)]
    outside = [
        c for space in spaces for c in design(space, 1, seed=0, method="random") if space.violations(c)
    ]
    assert len(outside) > 3


@pytest.mark.parametrize("space", [box(3), mixed(), mixture(), pool()])
@pytest.mark.parametrize("method", ["sobol", "random"])
def test_a_design_is_fixed_by_seed_and_index(space: Space, method: str) -> None:
    whole = design(space, 8, seed=3, method=method)  # type: ignore[arg-type]
    assert whole[2:] == [design(space, 1, seed=3, index=i, method=method)[0] for i in range(2, 8)]  # type: ignore[arg-type]
    assert (method == "sobol" and space.allowed is not None) or whole != design(
        space, 8, seed=4, method=method
    )  # type: ignore[arg-type]


def test_sobol_goes_on_beyond_one_block() -> None:
    space = box(2)
    first = design(space, 4, seed=1, index=254)
    assert first == [design(space, 1, seed=1, index=i)[0] for i in range(254, 258)]
    points = np.array([[c["x0"], c["x1"]] for c in design(space, 512, seed=1)], float)
    cells = np.unique((points * 16).astype(int), axis=0)
    assert len(cells) == 256, "512 points of a Sobol sequence hit every cell of a 16 x 16 grid"


def test_a_mixture_sums_exactly() -> None:
    space = mixture()
    for candidate in design(space, 40, seed=0) + design(space, 40, seed=0, method="random"):
        assert sum(float(candidate[name]) for name in "abc") == 1.0


def test_a_bounded_mixture_is_sampled_uniformly() -> None:
    space = Space(parameters=mixture().parameters[:3], mixtures=mixture().mixtures)
    walked = Sampler(space).draw(4000, np.random.default_rng(0))
    dirichlet = np.random.default_rng(1).dirichlet(np.ones(3), 60_000)
    inside = dirichlet[(dirichlet[:, 1] >= 0.1) & (dirichlet[:, 1] <= 0.5) & (dirichlet[:, 2] <= 0.3)]
    assert np.allclose(walked.mean(axis=0), inside.mean(axis=0), atol=0.01)
    assert np.allclose(walked.std(axis=0), inside.std(axis=0), atol=0.01)


def test_a_log_parameter_is_uniform_in_its_logarithm() -> None:
    space = mixed()
    logs = np.log([float(c["time"]) for c in design(space, 256, seed=0)])
    share = (logs - math.log(10)) / (math.log(300) - math.log(10))
    assert np.allclose(np.quantile(share, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.02)


def test_choices_levels_and_integers_get_equal_shares() -> None:
    candidates = design(mixed(), 240, seed=0)
    for name, count in (("solvent", 3), ("speed", 4)):
        values = [c[name] for c in candidates]
        assert len(set(values)) == count
        assert max(values.count(v) for v in set(values)) <= 1.2 * 240 / count
    assert all(type(c["cycles"]) is int and type(c["speed"]) is float for c in candidates)
    assert all(c["gas"] == "argon" for c in candidates)


def test_a_table_is_walked_through_without_repeats() -> None:
    space = pool(30)
    rows = [tuple(c.values()) for c in design(space, 30, seed=0)]
    assert len(set(rows)) == 30


def test_constraints_narrow_a_table() -> None:
    whole = pool(60)
    constraint = LinearConstraint(terms=(("x0", 1.0), ("x1", 1.0)), at_most=1.0)
    narrow = Space(parameters=whole.parameters, allowed=whole.allowed, constraints=(constraint,))
    sampler = Sampler(narrow)
    assert sampler.pool is not None and 0 < len(sampler.pool) < 60
    assert all(narrow.violations(c) == [] for c in sampler.design(len(sampler.pool), seed=0))


def test_integers_bound_by_an_equality() -> None:
    space = Space(
        parameters=tuple(Integer(name=f"n{i}", low=0, high=500) for i in range(4))
        + (Ordinal(name="size", levels=(1.0, 2.5, 7.0)),),
        constraints=(
            LinearConstraint(
                terms=(("n0", 1.0), ("n1", 1.0), ("n2", 1.0), ("n3", 1.0), ("size", 2.0)),
                at_least=714.0,
                at_most=714.0,
            ),
        ),
    )
    for candidate in design(space, 12, seed=0):
        assert space.violations(candidate) == []
        assert candidate["size"] != 2.5 or sum(int(candidate[f"n{i}"]) for i in range(4)) == 709


def test_a_space_without_candidates_is_refused() -> None:
    space = Space(
        parameters=(Integer(name="n", low=0, high=10_000), Integer(name="m", low=0, high=10_000)),
        constraints=(LinearConstraint(terms=(("n", 2.0), ("m", 2.0)), at_least=7.0, at_most=7.0),),
    )
    with pytest.raises(InfeasibleSpace):
        design(space, 1, seed=0)


def test_herding_covers_without_running_to_the_corners() -> None:
    points = np.random.default_rng(0).random((2000, 2))
    chosen = points[herd(points, 10)]
    away = np.sqrt(((points[:, None] - chosen) ** 2).sum(-1)).min(axis=1).mean()
    random = [
        np.sqrt(((points[:, None] - points[np.random.default_rng(s).choice(2000, 10)]) ** 2).sum(-1))
        .min(axis=1)
        .mean()
        for s in range(20)
    ]
    assert away < min(random)
    assert np.abs(chosen - 0.5).max() < 0.47
    assert all(len(a) < len(b) for a, b in pairwise([herd(points, n) for n in (1, 3, 9)]))


def test_the_light_modules_load_no_torch() -> None:
    light = "surrogates, surrogates.sampling, surrogates.constant, surrogates.planner, surrogates.service"
    code = f"import sys, {light}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_designs_of_different_seeds_differ() -> None:
    for space in (box(3), mixed(), mixture(), pool()):
        firsts = {tuple(design(space, 1, seed=seed)[0].items()) for seed in range(12)}
        assert len(firsts) >= 6, "a design that never differs cannot be averaged over"


@pytest.mark.parametrize("constraints", [(), (LIMIT,)], ids=["pure", "constrained"])
def test_every_support_of_a_mixture_is_drawn(constraints: tuple[LinearConstraint, ...]) -> None:
    """Two and three parts alike, every component as often, no amount below its threshold."""
    sampler = Sampler(blend(constraints))
    codes = sampler.draw(3000, np.random.default_rng(0))[:, :6]
    assert sampler.domain.holds(sampler.draw(500, np.random.default_rng(1))).all()
    supports, counts = np.unique(codes != 0, axis=0, return_counts=True)
    assert len(supports) == math.comb(6, 2) + math.comb(6, 3)
    pairs = counts[supports.sum(axis=1) == 2].sum() / 3000
    assert abs(pairs - 0.5) < 0.08
    assert codes[codes > 0].min() >= 5
    shares = (codes > 0).mean(axis=0)
    assert shares.max() < 1.15 * shares.min()


def test_the_amounts_of_a_support_are_uniform() -> None:
    codes = Sampler(blend()).draw(60_000, np.random.default_rng(0))[:, :6]
    three = codes[(codes[:, :3] > 0).all(axis=1), :3]
    dirichlet = 100 * np.random.default_rng(1).dirichlet(np.ones(3), 60_000)
    inside = dirichlet[(dirichlet >= 5).all(axis=1) & (dirichlet <= 80).all(axis=1)]
    assert np.allclose(three.mean(axis=0), inside.mean(axis=0), atol=1.5)
    assert np.allclose(three.std(axis=0), inside.std(axis=0), atol=1.0)


def test_a_logit_parameter_is_uniform_in_its_odds() -> None:
    tied = LinearConstraint(terms=(("x", 1.0), ("y", 0.001)), at_most=0.9985)
    parameters = (
        Continuous(name="x", low=0.001, high=0.999, scale="logit"),
        Continuous(name="y", low=0, high=1),
    )
    open_, walked = Space(parameters=parameters), Space(parameters=parameters, constraints=(tied,))
    interior = Sampler(walked).polytope.hit_and_run(
        *Sampler(walked).polytope.interior(), 4000, np.random.default_rng(0)
    )
    for x in (Sampler(open_).draw(4000, np.random.default_rng(0))[:, 0], interior[:, 0]):
        share = np.quantile(0.5 + np.log(x / (1 - x)) / (2 * np.log(999)), [0.25, 0.5, 0.75])
        assert np.allclose(share, [0.25, 0.5, 0.75], atol=0.03)


def test_conditions_and_contexts_in_a_design() -> None:
    candidates = design(conditional(), 60, seed=0) + design(conditional(), 60, seed=0, method="random")
    assert {c["humidity"] for c in candidates} == {40.0}
    assert {c["flow"] for c in candidates if c["gas"] == "air"} == {1.0}
    assert len({c["flow"] for c in candidates if c["gas"] != "air"}) > 60
    listed = Space(
        parameters=(
            Ordinal(name="speed", levels=(1.0, 2.0, 3.0)),
            Integer(name="cycles", low=1, high=4, when=(("speed", (3.0,)),), otherwise=2),
            Continuous(name="humidity", low=20.0, high=60.0, role="context"),
        )
    )
    sampler = Sampler(listed)
    assert sampler.pool is not None and len(sampler.pool) == 6, (
        "two speeds alone, one with four numbers of cycles"
    )
    proposed = propose(sampler, 6, seed=0, index=0, avoid=[])
    told = [{**p.candidate, "humidity": 55.5} for p in proposed[:5]]
    assert propose(sampler, 1, seed=0, index=0, avoid=told)[0].candidate == proposed[5].candidate
