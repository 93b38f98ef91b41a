"""What is counted, against counts by hand and against chance itself."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from campaigns.objective import Objective
from campaigns.space import Continuous, Space
from orchestrator.backtest.comparison import judge
from orchestrator.backtest.measures import Course, course, half
from orchestrator.backtest.play import Played
from orchestrator.backtest.pool import Pool
from orchestrator.backtest.summary import cautions, cells, marks, sentences, summarise, table

SPACE = Space(parameters=(Continuous(name="x", low=0.0, high=1000.0),))


def pool(n: int = 40, direction: Any = "maximise", noise: float | None = None) -> Pool:
    """Row i has the value i, so that the best 5 % are the last ones (the first ones of a minimum)."""
    objective = Objective(name="y", direction=direction)
    return Pool(objective, SPACE, tuple({"x": float(i)} for i in range(n)), np.arange(float(n)), noise)


def made(rows: list[list[int]], of: Pool, budget: int, label: str = "a") -> Course:
    played = [
        Played(tuple({"x": float(i)} for i in run), tuple(float(i) for i in run), (0.5,), "") for run in rows
    ]
    return course(label, of, played, budget)


def test_shares_first_finds_and_best_so_far_by_hand() -> None:
    one = made([[3, 39, 7, 38], [38, 1, 2, 3]], pool(), 4)  # the best 5 % of 40 are rows 38 and 39
    assert one.found.tolist() == [[0, 0.5, 0.5, 1], [0.5, 0.5, 0.5, 0.5]]
    assert one.first.tolist() == [2, 1] and one.reached(2).tolist() == [4, 5]
    assert one.best.tolist() == [[3, 39, 39, 39], [38, 38, 38, 38]]
    assert one.area.tolist() == [0.5, 0.5]


def test_of_a_minimum_the_lowest_are_the_best() -> None:
    one = made([[3, 39, 1, 0]], pool(direction="minimise"), 4)
    assert one.first.tolist() == [3] and one.best.tolist() == [[3, 3, 1, 0]]


def test_of_a_match_the_nearest_are_the_best_and_the_best_so_far_keeps_its_side() -> None:
    target = Objective(name="yield", direction="match", target=20.2, unit="%")
    rows = replace(pool(), objective=target)
    one = made([[3, 22, 19, 20]], rows, 4)
    assert one.best.tolist() == [[3.0, 22.0, 19.0, 20.0]]
    assert rows.top[20] and rows.top[21] and not rows.top[0]


def test_what_failed_or_never_came_finds_nothing_and_loses_nothing() -> None:
    run = Played(({"x": 39.0}, {"x": 38.0}), (None, 38.0), (0.1,), "")
    one = course("a", pool(), [run], 4)
    assert one.found.tolist() == [[0, 0.5, 0.5, 0.5]]
    assert np.isnan(one.best[0, 0]) and one.best[0, 1:].tolist() == [38, 38, 38]


def test_ties_at_the_threshold_all_count() -> None:
    tied = Pool(pool().objective, SPACE, pool().candidates, np.minimum(np.arange(40.0), 37), None)
    assert tied.top.sum() == 3


def test_enhancement_and_acceleration_by_hand() -> None:
    one = made([[39, 0, 38, 1]], pool(), 4)
    assert one.enhancement == pytest.approx([0.5 * 40, 0.5 * 40 / 2, 40 / 3, 10])
    assert one.acceleration(1) == pytest.approx(41 / 3)  # the first of 2 among 40 is expected at draw 41 / 3
    assert one.acceleration(2) == pytest.approx(2 * 41 / 3 / 3)
    assert made([[39, 0, 1, 2], [39, 0, 1, 2], [39, 38, 0, 1]], pool(), 4).acceleration(2) is None
    assert half(pool(40)) == 1 and half(pool(180)) == 5


def test_random_draws_neither_enhance_nor_accelerate() -> None:
    rng = np.random.default_rng(5)
    of = pool(100)
    one = made([rng.permutation(100).tolist() for _ in range(2000)], of, 100)
    assert one.enhancement[9:] == pytest.approx(np.ones(91), abs=0.1)
    for count in (1, 3, 5):
        expected = count * 101 / 6
        assert one.reached(count).mean() == pytest.approx(expected, rel=0.05)
        factor = one.acceleration(count)
        assert factor is not None and factor * np.median(one.reached(count)) == pytest.approx(expected)


# -- the verdict ----------------------------------------------------------------------------------------------
def finder(at: list[int], label: str) -> Course:
    """Found row 39 at these experiments, one per seed."""
    return made([[*range(n - 1), 39, *range(n - 1, 20)][:20] for n in at], pool(), 20, label)


def test_a_difference_that_every_seed_shows_is_beyond_noise_and_one_by_luck_is_not() -> None:
    fast, slow = finder([2, 3, 4, 2, 3, 4, 5, 2], "fast"), finder([12, 10, 14, 15, 9, 12, 11, 13], "slow")
    near = finder([3, 2, 5, 2, 4, 3, 5, 3], "near")
    verdict = judge([slow, near, fast])
    assert verdict.best == "fast" and [d.label for d in verdict.differences] == ["near", "slow"]
    luck, merit = verdict.differences
    assert not luck.beyond_luck and merit.beyond_luck
    assert merit.p == pytest.approx(2 * 2 / 2**8), "the smallest p of 8 pairs, twice, for two comparisons"
    said = sentences(verdict, 8, 20)
    assert said[0].startswith("Best: fast.") and "Within noise: near" in said[1] and "slow" in said[2]


def test_few_seeds_and_equal_runs_claim_nothing() -> None:
    fast, slow = finder([2, 2, 2, 2, 2], "fast"), finder([9, 9, 9, 9, 9], "slow")
    verdict = judge([fast, slow])
    assert verdict.differences[0].p is None and "Fewer than 6 seeds" in sentences(verdict, 5, 20)[-1]
    same = judge([finder([4] * 9, "a"), finder([4] * 9, "b")])
    assert same.best == "a" and same.differences[0].p == 1.0


# -- the table ------------------------------------------------------------------------------------------------
def test_the_table_says_what_was_not_found() -> None:
    never = made([[1, 2, 3, 4], [5, 6, 7, 8]], pool(), 4, "never")
    assert cells(summarise(never), 4) == ["never", ">4 [>4, >4]", "0 %", "0.0 %", "0.0", "–", "6", "0.5"]
    text = table(pool(), [summarise(never)], 4)
    assert len({len(line) for line in text.splitlines()}) == 1 and "found at 4" in text
    assert marks(60) == (10, 20, 40, 60) and marks(20) == (10, 20) and marks(7) == (7,)


def test_cautions_say_what_the_table_cannot() -> None:
    bound: Any = SimpleNamespace(
        campaign=SimpleNamespace(plan=(SimpleNamespace(timeout_s=60.0),)),
        steps=(SimpleNamespace(devices=("table",)),),
        laboratory=SimpleNamespace(file=SimpleNamespace(devices={"table": SimpleNamespace(settings={})})),
    )
    small, single, timeout = cautions(pool(40), bound)
    assert "are 2" in small and "measured once" in single and "timeout" in timeout
    assert any("standard deviation of 0.25" in said for said in cautions(pool(400, noise=0.25), bound))
    bound.laboratory.file.devices["table"].settings["replicates"] = "draw"
    assert not any("deviation" in said for said in cautions(pool(400, noise=0.25), bound))
