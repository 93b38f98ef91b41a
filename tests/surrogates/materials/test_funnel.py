"""The funnel: capacities, what is learned between stages, and who goes up."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.materials.funnel import Belief, Rule, Stage, beliefs, believe, run

RNG = np.random.default_rng(5)
N = 600
FEATURES = RNG.normal(size=(N, 3))
LAST = FEATURES @ np.array([1.0, -0.5, 0.2]) + np.sin(2 * FEATURES[:, 0])
MIDDLE = 2.0 * LAST + 3.0 + FEATURES[:, 1]  # another scale, and wrong by what a feature says
SD = RNG.uniform(0.2, 1.5, N)
SCREENED = Belief(LAST + SD * RNG.standard_normal(N), SD)
STAGES = (Stage("quick", 60, 1.0), Stage("exact", 12, 50.0))


def truth(stage: int, asked: list[int]) -> np.ndarray:
    return (MIDDLE, LAST)[stage][asked]


def regret(rule: Rule, seed: int = 0, noise: int = 0) -> float:
    rng = np.random.default_rng(noise)
    screened = Belief(LAST + SD * rng.standard_normal(N), SD)
    found = run(screened, FEATURES, STAGES, truth, rule=rule, seed=seed)
    return float(LAST[found.finalists()[0]] - LAST.min())


def test_each_stage_takes_of_the_one_before_what_it_can() -> None:
    found = run(SCREENED, FEATURES, STAGES, truth)
    quick, exact = found.order
    assert len(quick) == len(set(quick)) == 60 and len(exact) == len(set(exact)) == 12
    assert set(exact) <= set(quick)
    assert found.costs == (60.0, 600.0)
    assert np.isfinite(found.labels).sum(axis=0).tolist() == [60, 12]
    first = found.finalists()
    assert found.labels[first, 1].tolist() == sorted(found.labels[list(exact), 1])
    assert (found.belief.sd[list(exact)] == 0).all() and found.belief.sd.max() > 0
    again = run(SCREENED, FEATURES, STAGES, truth)
    assert again.order == found.order


def test_a_label_that_failed_goes_no_further_and_is_paid_for() -> None:
    def broken(stage: int, asked: list[int]) -> np.ndarray:
        values = truth(stage, asked)
        return np.where(np.arange(len(asked)) % 3 == 0, np.nan, values) if stage == 0 else values

    found = run(SCREENED, FEATURES, STAGES, broken)
    lost = [i for i in found.order[0] if np.isnan(found.labels[i, 0])]
    assert lost and not set(lost) & set(found.order[1]) and found.costs[0] == 60.0
    assert len(run(SCREENED, FEATURES, STAGES, lambda s, asked: np.full(len(asked), np.nan)).order[1]) == 0


def test_a_stage_on_another_scale_is_learned() -> None:
    labels = np.full((N, 2), np.nan)
    labels[:80, 0] = MIDDLE[:80]
    labels[:25, 1] = LAST[:25]
    belief = believe(SCREENED, labels, FEATURES)
    rest = slice(25, 80)  # with a label of the middle stage only
    assert np.std(belief.mean[rest] - LAST[rest]) < 0.3 * np.std(SCREENED.mean[rest] - LAST[rest])
    inside = np.abs(belief.mean[rest] - LAST[rest]) < 2 * belief.sd[rest]
    assert inside.mean() > 0.8
    assert belief.mean[:25] == pytest.approx(LAST[:25])
    nothing = believe(SCREENED, np.full((N, 2), np.nan), FEATURES)
    assert nothing.mean == pytest.approx(SCREENED.mean) and nothing.sd == pytest.approx(SCREENED.sd)


def test_before_a_step_is_learned_it_is_doubted_as_far_as_it_was_seen_to_go() -> None:
    labels = np.full((N, 2), np.nan)
    labels[:80, 0] = LAST[:80]
    (_, before), last = beliefs(SCREENED, labels, FEATURES, doubt=0.5)
    assert before is last
    assert last.mean[:80] == pytest.approx(LAST[:80])
    step = 0.5 * LAST[:80].std()
    assert last.sd[0] == pytest.approx(step)
    labels[:4, 1] = LAST[:4] + 3.0
    surer = beliefs(SCREENED, labels, FEATURES, doubt=0.5)[1].sd
    assert surer[10] == pytest.approx(np.sqrt((step**2 + 36.0) / 5)) and surer[0] == 0


def test_the_uncertain_and_promising_go_up() -> None:
    mean, sd = np.array([0.0, 1.0, 1.0, 5.0]), np.array([0.1, 0.1, 2.0, 2.0])
    one = (Stage("only", 2, 1.0, rounds=1),)

    def asked(rule: Rule) -> set[int]:
        found = run(Belief(mean, sd), np.zeros((4, 1)), one, lambda s, a: mean[a], rule=rule)
        return set(found.order[0])

    assert asked("ucb") == {0, 2} and asked("greedy") == asked("rank") == {0, 1}


def test_what_is_learned_between_stages_finds_better_than_chance_and_than_ranks() -> None:
    means = {rule: np.mean([regret(rule, k, k) for k in range(6)]) for rule in ("ucb", "rank", "random")}
    assert means["ucb"] < 0.5 * means["random"] and means["ucb"] <= means["rank"]


def test_stages_that_widen_are_refused() -> None:
    with pytest.raises(ValueError, match="stage exact: wanted a capacity of at most 10, got 11"):
        run(SCREENED, FEATURES, (Stage("quick", 10, 1.0), Stage("exact", 11, 1.0)), truth)
    with pytest.raises(ValueError, match="stage none: wanted capacity and rounds from 1"):
        Stage("none", 0, 1.0)
    with pytest.raises(ValueError, match="wanted a rule of"):
        run(SCREENED, FEATURES, STAGES, truth, rule="best")  # type: ignore[arg-type]
