"""Ask and tell: determinism, pending, failures, pools, and that the answers are good."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from campaigns.space import Space, Value
from surrogates import pool as pool_search
from surrogates import search
from surrogates.errors import InvalidObservation, SpaceExhausted
from surrogates.models import gp
from surrogates.planner import Method, Planner
from surrogates.sampling import Sampler, design
from tests.surrogates.spaces import LOSS, SCORE, box, mixed, mixture, pool

SPACES = {"box": box(3), "mixed": mixed(), "mixture": mixture(), "pool": pool()}
METHODS = [
    Method("optimise", "ucb"),
    Method("optimise", "log_ei"),
    Method("learn", "variance"),
    Method("learn", "integrated_variance"),
    Method("explore", "random"),
]


def told(space: Space, n: int = 8, seed: int = 0, objective: object = SCORE) -> Planner:
    planner = Planner(space, [objective], seed=seed)  # type: ignore[list-item]
    rng = np.random.default_rng(seed)
    for candidate in design(space, n, seed=seed):
        planner.tell(candidate, float(rng.normal()))
    return planner


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_same_tells_and_seed_give_the_same_proposals_bit_for_bit(space: Space, method: Method) -> None:
    first, second = told(space).ask(3, method), told(space).ask(3, method)
    assert first == second
    assert all(space.violations(p.candidate) == [] for p in first)
    assert all(p.fallback is None for p in first)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_asking_early_or_predicting_changes_nothing(space: Space) -> None:
    plain, busy = told(space), Planner(space, [SCORE], seed=0)
    rng = np.random.default_rng(0)
    for candidate in design(space, 8, seed=0):
        busy.tell(candidate, float(rng.normal()))
        busy.predict([candidate])
        busy.diagnose()
    assert plain.ask(1) == busy.ask(1)


def test_a_planner_goes_on_where_another_stopped() -> None:
    space = box(3)
    one, other = told(space), told(space)
    first = one.ask(1)[0]
    second = one.ask(1)[0]
    continued = Planner(space, [SCORE], seed=0, index=1)
    for row in other.observations.rows:
        continued.tell(row.candidate, row.value("score"))
    continued.expect(first.candidate)
    assert continued.ask(1)[0] == second


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_batch_is_diverse_and_pending_until_told(space: Space, method: Method) -> None:
    planner = told(space)
    batch = planner.ask(4, method)
    assert [dict(c) for c in planner.pending] == [p.candidate for p in batch]
    encoder = planner._sampler.encoder
    points = encoder.unit(encoder.codes(p.candidate for p in batch))
    gaps = [np.abs(points[i] - points[j]).max() for i in range(4) for j in range(i)]
    assert min(gaps) >= 0.009 or (space.allowed is not None and min(gaps) > 0)
    planner.tell(batch[1].candidate, 0.3)
    planner.forget(batch[2].candidate)
    planner.forget(batch[2].candidate)
    assert [dict(c) for c in planner.pending] == [batch[0].candidate, batch[3].candidate]


@pytest.mark.parametrize("method", METHODS[:4], ids=lambda m: m.name)
def test_four_runs_at_once_never_get_near_duplicates(method: Method) -> None:
    """Results come back in any order; what is on its way is never proposed again, nor anything next to it."""
    planner, rng = told(box(3), 6), np.random.default_rng(4)
    running = [p.candidate for p in planner.ask(4, method)]
    for _ in range(16):
        done = running.pop(int(rng.integers(0, 4)))
        planner.tell(done, peak(done))
        running += [p.candidate for p in planner.ask(1, method)]
        points = np.array([list(candidate.values()) for candidate in running], float)
        gaps = [np.abs(points[i] - points[j]).max() for i in range(4) for j in range(i)]
        assert min(gaps) >= 0.009


def test_eight_cost_less_than_four_times_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: looks at the likelihood and the posterior, by call and rows; the fit is shared."""
    spent = 0
    for name in ("posterior", "posterior_gradient"):
        plain = getattr(gp.GP, name)

        def counted(
            self: object, X: np.ndarray, *rest: object, plain: Callable[..., object] = plain
        ) -> object:
            nonlocal spent
            spent += 1 + len(X) // 64
            return plain(self, X, *rest)

        monkeypatch.setattr(gp.GP, name, counted)
    likelihood = gp.Likelihood.__call__

    def fitted(self: gp.Likelihood, theta: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal spent
        spent += 1
        return likelihood(self, theta)

    monkeypatch.setattr(gp.Likelihood, "__call__", fitted)
    cost = {}
    for n in (1, 8):
        planner = told(box(6), 40)
        spent = 0
        planner.ask(n)
        cost[n] = spent
    assert cost[8] < 4 * cost[1], cost


@pytest.mark.filterwarnings("ignore:A not p.d.")  # botorch's own search tries coincident points
def test_a_greedy_batch_is_nearly_as_good_as_botorchs_joint_one() -> None:
    import torch
    from botorch.acquisition import qUpperConfidenceBound
    from botorch.optim import optimize_acqf
    from botorch.sampling import SobolQMCNormalSampler

    planner = told(box(2), 10)
    model = planner.botorch_model()
    assert model is not None
    sampler = SobolQMCNormalSampler(torch.Size([512]), seed=0)
    method = Method("optimise", "ucb", beta=2.0)
    joint = qUpperConfidenceBound(model, beta=4.0, sampler=sampler)
    batch = torch.tensor([list(p.candidate.values()) for p in planner.ask(3, method)], dtype=torch.float64)
    torch.manual_seed(0)
    bounds = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    _, best = optimize_acqf(joint, bounds, q=3, num_restarts=2, raw_samples=32)
    with torch.no_grad():
        random = joint(torch.rand(200, 3, 2, dtype=torch.float64)).max()
        ours = joint(batch[None])[0]
    assert ours > random
    assert ours > 0.9 * best
    assert Planner(box(2), [SCORE]).botorch_model() is None


def test_pending_candidates_move_the_next_proposal_away() -> None:
    planner = told(box(2), 6)
    first = planner.ask(1)[0].candidate
    again = told(box(2), 6)
    again.expect(first)
    assert math.dist(first.values(), again.ask(1)[0].candidate.values()) > 0.1  # type: ignore[arg-type]


def test_no_row_of_a_pool_is_proposed_twice_and_its_end_is_said() -> None:
    space = pool(20)
    planner, seen = Planner(space, [SCORE], seed=1), []
    for i in range(10):
        for proposal in planner.ask(2, METHODS[i % len(METHODS)]):
            seen.append(tuple(proposal.candidate.values()))
            planner.tell(proposal.candidate, float(i), failed=i % 3 == 2)
    assert len(set(seen)) == 20
    with pytest.raises(SpaceExhausted):
        planner.ask(1)
    with pytest.raises(SpaceExhausted):
        planner.ask(1, Method("explore", "sobol"))


@pytest.mark.parametrize("method", METHODS[:3], ids=lambda m: m.name)
def test_a_batch_from_a_large_pool_is_what_scoring_every_row_each_time_gives(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, looked = pool(20_000), 0
    value = gp.GP.posterior

    def counted(self: gp.GP, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal looked
        looked += len(X)
        return value(self, X)

    monkeypatch.setattr(gp.GP, "posterior", counted)
    lazy = told(space, 12)
    batch = lazy.ask(5, method)
    assert looked < 3 * 20_000
    exhaustive = told(space, 12)
    monkeypatch.setattr(search.Crowd, "values", property(lambda crowd: None, lambda crowd, values: None))
    assert [p.candidate for p in exhaustive.ask(5, method)] == [p.candidate for p in batch]


def test_screening_a_large_pool_finds_nearly_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    method = Method("learn", "integrated_variance")
    screened = told(pool(20_000), 12).ask(1, method)[0]
    monkeypatch.setattr(pool_search, "SCREENED", 100_000)
    exact = told(pool(20_000), 12).ask(1, method)[0]
    assert screened.value is not None and exact.value is not None
    assert screened.value > 0.98 * exact.value


def test_rows_are_found_again_in_a_pool() -> None:
    space = pool(500)
    listed = search.Search(Sampler(space)).pool
    assert listed is not None
    some = listed.codes[[3, 77, 499]]
    assert np.flatnonzero(listed.occupied(np.vstack([some, some[:1] + 1e-9]))).tolist() == [3, 77, 499]
    assert not listed.occupied(some[:0]).any()


def test_asking_for_more_than_a_pool_has_leaves_nothing_pending() -> None:
    planner = told(pool(20), 17)
    with pytest.raises(SpaceExhausted):
        planner.ask(4)
    assert planner.pending == ()
    assert len(planner.ask(3)) == 3


def test_failed_candidates_are_avoided_and_teach_no_value() -> None:
    space = pool(20)
    planner = told(space, 5)
    best = planner.ask(1)[0]
    mean, _ = planner.predict([best.candidate])
    planner.tell(best.candidate, None, failed=True)
    assert planner.predict([best.candidate])[0] == pytest.approx(mean)
    assert planner.ask(1)[0].candidate != best.candidate
    assert planner.diagnose().n == 5


def peak(candidate: Mapping[str, Value]) -> float:
    return -((float(candidate["x0"]) - 0.31) ** 2) - (float(candidate["x1"]) - 0.62) ** 2


@pytest.mark.parametrize("method", METHODS[:2], ids=lambda m: m.name)
@pytest.mark.parametrize("objective", [SCORE, LOSS], ids=lambda o: o.direction)
def test_optimising_beats_random(method: Method, objective: object) -> None:
    sign = 1.0 if objective is SCORE else -1.0
    ours, random = [], []
    for seed in range(5):
        planner = told(box(2), 0, seed, objective)
        for i in range(16):
            chosen = method if i >= 4 else Method("explore", "sobol")
            planner.tell((p := planner.ask(1, chosen)[0]).candidate, sign * peak(p.candidate))
        ours.append(max(sign * (row.value("score") or 0.0) for row in planner.observations.rows))
        random.append(max(peak(c) for c in design(box(2), 16, seed=seed, method="random")))
    assert np.median(ours) > -1e-4
    assert np.median(ours) > np.median(random) / 10


@pytest.mark.parametrize("name", ["mixed", "mixture"])
def test_optimising_beats_random_in_tied_and_mixed_spaces(name: str) -> None:
    space = SPACES[name]

    def truth(c: Mapping[str, Value]) -> float:
        if name == "mixture":
            return (
                -((float(c["a"]) - 0.45) ** 2)
                - (float(c["b"]) - 0.4) ** 2
                - (float(c["heat"]) / 10 - 0.6) ** 2
            )
        logs = math.log(float(c["time"]) / 55) ** 2 / 10
        return (
            (c["solvent"] == "toluene")
            - (float(c["dopant"]) - 0.1) ** 2 * 20
            - logs
            - abs(int(c["cycles"]) - 12) / 40
        )

    planner = told(space, 0)
    for i in range(26):
        planner.tell(
            (p := planner.ask(1, METHODS[0] if i >= 8 else METHODS[-1])[0]).candidate, truth(p.candidate)
        )
    best = max(row.value("score") or -math.inf for row in planner.observations.rows)
    random = sorted(truth(c) for c in design(space, 400, seed=1, method="random"))
    assert best > random[-3]


def test_predictions_are_in_the_objectives_own_unit_and_sign() -> None:
    for objective in (SCORE, LOSS):
        planner = Planner(box(2), [objective])
        for candidate in design(box(2), 30, seed=0):
            planner.tell(candidate, 5000.0 + 300.0 * peak(candidate))
        mean, sd = planner.predict([{"x0": 0.31, "x1": 0.62}, {"x0": 1.0, "x1": 0.0}])
        assert mean == pytest.approx([5000.0, 5000 + 300 * peak({"x0": 1.0, "x1": 0.0})], abs=8)
        assert (sd < 20).all()
        proposal = planner.ask(1)[0]
        assert proposal.mean == pytest.approx(planner.predict([proposal.candidate])[0][0])
        assert proposal.nearest is not None and proposal.nearest.distance > 0


def test_diagnostics_of_a_well_behaved_function() -> None:
    planner = Planner(box(2), [SCORE])
    rng = np.random.default_rng(0)
    for candidate in design(box(2), 60, seed=0):
        planner.tell(candidate, peak(candidate) + 0.02 * float(rng.normal()))
    found = planner.diagnose()
    assert found.n == 60
    assert found.coverage_90 is not None and 0.8 <= found.coverage_90 <= 1.0
    assert found.noise_sd == pytest.approx(0.02, rel=0.5)
    assert found.loo_nrmse is not None and found.loo_nrmse < 0.3
    assert found.length_scales is not None and set(found.length_scales) == {"x0", "x1"}
    few = told(box(2), 2).diagnose()
    assert few.coverage_90 is None and few.loo_rmse is None and few.max_sd is not None
    assert told(box(2), 0).diagnose().max_sd is None


ODD: dict[str, Callable[[Planner, list[dict[str, Value]]], None]] = {
    "nothing told": lambda p, cs: None,
    "one result": lambda p, cs: p.tell(cs[0], 1.0),
    "constant": lambda p, cs: [p.tell(c, 3.0) for c in cs] and None,
    "huge": lambda p, cs: [p.tell(c, 1e300 * (-1) ** i) for i, c in enumerate(cs)] and None,
    "one huge": lambda p, cs: [p.tell(c, 1e300 if i == 3 else 1.0 * i) for i, c in enumerate(cs)] and None,
    "largest": lambda p, cs: [p.tell(c, 1.7e308 * (-1) ** i) for i, c in enumerate(cs)] and None,
    "tiny": lambda p, cs: [p.tell(c, 1e-300 * i) for i, c in enumerate(cs)] and None,
    "duplicates": lambda p, cs: [p.tell(cs[0], float(i)) for i in range(30)] and None,
    "all failed": lambda p, cs: [p.tell(c, None, failed=True) for c in cs] and None,
    "certain": lambda p, cs: [p.tell(c, float(i), sigma=0.0) for i, c in enumerate(cs)] and None,
    "hopeless sigma": lambda p, cs: [p.tell(c, float(i), sigma=1e200) for i, c in enumerate(cs)] and None,
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("tell", ODD.values(), ids=ODD)
def test_never_fails(space: Space, tell: Callable[[Planner, list[dict[str, Value]]], None]) -> None:
    for method in METHODS:
        planner = Planner(space, [LOSS], seed=2)
        tell(planner, design(space, 9, seed=3))
        for proposal in planner.ask(3, method):
            assert space.violations(proposal.candidate) == []
            assert proposal.mean is None or (
                math.isfinite(proposal.mean) and math.isfinite(proposal.sd or 0.0)
            )
            unusable = method.mode != "explore" and not planner.observations.measured
            assert (proposal.fallback is not None) == unusable
        assert all(
            v is None or np.isfinite(v) for v in vars(planner.diagnose()).values() if not isinstance(v, dict)
        )
        assert np.isfinite(planner.predict(design(space, 5, seed=0))).all()


def test_a_broken_model_gives_a_marked_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    planner = told(box(2))

    def broken(*args: object, **kwargs: object) -> None:
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr(gp.GP, "fit", broken)
    proposal = planner.ask(1)[0]
    assert proposal.fallback == "LinAlgError: not positive definite"
    assert proposal.model == "constant" and proposal.acquisition == "sobol"
    assert np.isfinite(planner.predict([proposal.candidate])).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "3", True, 1.75e308])
def test_what_is_no_measurement_is_refused(value: object) -> None:
    planner = told(box(2), 3)
    with pytest.raises(InvalidObservation):
        planner.tell({"x0": 0.1, "x1": 0.2}, value)  # type: ignore[arg-type]
    with pytest.raises(InvalidObservation):
        planner.tell({"x0": math.nan, "x1": 0.2}, 1.0)
    with pytest.raises(InvalidObservation):
        planner.tell({"x0": 0.5}, 1.0)
    with pytest.raises(InvalidObservation):
        planner.tell({"x0": 0.5, "x1": 0.2}, 1.0, sigma=-1.0)
    assert len(planner.observations.rows) == 3


def test_values_may_be_named() -> None:
    planner = Planner(box(2), [SCORE])
    planner.tell({"x0": 0.1, "x1": 0.2}, {"score": 2.0, "thickness": 3.0})
    assert planner.observations.values("score").tolist() == [2.0]
    with pytest.raises(InvalidObservation, match="score"):
        planner.tell({"x0": 0.1, "x1": 0.2}, {"thickness": 3.0})


def test_several_objectives_need_a_goal() -> None:
    for objectives in ([], [SCORE, LOSS]):
        with pytest.raises(ValueError, match="objective"):
            Planner(box(2), objectives)


def test_many_results_are_thinned_not_refused() -> None:
    space = box(2)
    planner = Planner(space, [SCORE])
    rng = np.random.default_rng(0)
    for point in rng.random((2000, 2)).tolist():
        planner.tell({"x0": point[0], "x1": point[1]}, peak({"x0": point[0], "x1": point[1]}))
    proposal = planner.ask(1)[0]
    assert proposal.fallback is None and "of 2000 results" in proposal.model
    assert peak(proposal.candidate) > -0.01


def test_failures_steer_the_search_away_and_leave_the_predictions_alone() -> None:
    """A region of the space cannot be made: told so, the planner learns to keep out of it."""

    def fails(candidate: dict[str, Value]) -> bool:
        return float(candidate["x0"]) > 0.6

    asked = {True: 0, False: 0}
    for told in asked:
        planner = Planner(box(2), [SCORE], seed=3)
        for _ in range(24):
            candidate = planner.ask(1, Method("learn", "variance"))[0].candidate
            if not fails(candidate):
                planner.tell(candidate, float(candidate["x0"]) + float(candidate["x1"]))
                continue
            asked[told] += 1
            if told:
                before = planner.predict([{"x0": 0.3, "x1": 0.3}]) if planner.observations.measured else None
                planner.tell(candidate, None, failed=True)
                if before is not None:
                    assert planner.predict([{"x0": 0.3, "x1": 0.3}])[0] == pytest.approx(before[0])
            else:
                planner.forget(candidate)
    assert asked[True] < 0.7 * asked[False], asked
