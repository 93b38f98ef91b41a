"""Which result is best, under every goal, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from campaigns.campaign import Campaign, Objective
from campaigns.outcome_constraint import OutcomeConstraint
from orchestrator import standing
from orchestrator.records import MeasuredValue
from tests.orchestrator.builders import bound

CAMPAIGN = bound().campaign
UP = Objective(name="a", direction="maximise", worst=0.0, best=10.0)
DOWN = Objective(name="b", direction="minimise", worst=10.0, best=0.0)


@dataclass(frozen=True)
class Result:
    number: int
    values: Mapping[str, MeasuredValue]


def results(*rows: tuple[float, ...], names: str = "ab") -> list[Result]:
    return [
        Result(i, {name: MeasuredValue(v, "", None) for name, v in zip(names, row, strict=False)})
        for i, row in enumerate(rows, start=1)
    ]


def seeking(*objectives: Objective, **more: Any) -> Campaign:
    fields = {name: getattr(CAMPAIGN, name) for name in Campaign.model_fields}
    return Campaign.model_construct(**{**fields, "objectives": objectives, **more})


def numbers(found: list[Result]) -> list[int]:
    return [result.number for result in found]


def test_the_best_is_the_first_of_equals() -> None:
    measured = results((1.0,), (5.0,), (5.0,), (2.0,))
    best = standing.best_of(measured, seeking(UP))
    assert best is not None and best.number == 2
    assert standing.best_of([], seeking(UP)) is None
    assert standing.last_better(measured, seeking(UP)) == 2


def test_a_match_is_best_nearest_to_its_target() -> None:
    match = Objective(name="a", direction="match", target=4.0)
    best = standing.best_of(results((1.0,), (5.5,), (3.0,)), seeking(match))
    assert best is not None and best.number == 3


def test_what_breaks_a_constraint_comes_after_all_that_keep_it() -> None:
    campaign = seeking(UP, outcome_constraints=(OutcomeConstraint(name="b", at_most=1.0),))
    measured = results((9.0, 2.0), (3.0, 0.5), (5.0, 1.0))
    best = standing.best_of(measured, campaign)
    assert best is not None and best.number == 3
    only_broken = standing.best_of(measured[:1], campaign)
    assert only_broken is not None and not standing.keeps_constraints(only_broken, campaign)


def test_desirability_weighs_all_objectives() -> None:
    campaign = seeking(UP, DOWN, goal="desirability")
    measured = results((10.0, 9.9), (6.0, 4.0), (5.0, 5.0))
    best = standing.best_of(measured, campaign)
    assert best is not None and best.number == 2
    assert standing.scores(measured, campaign)[1] == pytest.approx(0.6)


def test_a_hierarchy_looks_at_the_second_objective_within_the_tolerance_of_the_first() -> None:
    first = Objective(name="a", direction="maximise", tolerance=0.3)
    second = Objective(name="b", direction="minimise")
    best = standing.best_of(
        results((10.0, 9.0), (8.0, 1.0), (0.0, 0.0)), seeking(first, second, goal="hierarchy")
    )
    assert best is not None and best.number == 2


def test_the_front_its_volume_and_what_made_it_better() -> None:
    up = Objective(name="a", direction="maximise", reference=0.0)
    down = Objective(name="b", direction="minimise", reference=10.0)
    campaign = seeking(up, down, goal="pareto")
    measured = results((5.0, 5.0), (4.0, 6.0), (8.0, 8.0), (8.0, 8.0), (1.0, 9.0))
    assert numbers(standing.front_of(measured, campaign)) == [1, 3]
    # 5 x 5, and beside it (8 - 5) x 2
    assert standing.hypervolume_of(measured, campaign) == pytest.approx(5 * 5 + 3 * 2)
    assert standing.last_better(measured, campaign) == 3
    assert standing.improves(measured[:2], measured[2], campaign)
    assert not standing.improves(measured[:3], measured[4], campaign)
    assert standing.best_of(measured, campaign) is None
    with pytest.raises(ValueError, match="single score"):
        standing.scores(measured, campaign)


def test_nothing_measured_has_neither_front_nor_volume() -> None:
    campaign = seeking(UP, DOWN, goal="pareto")
    assert standing.front_of([], campaign) == [] and standing.hypervolume_of([], campaign) is None
    assert standing.last_better([], campaign) == 0
