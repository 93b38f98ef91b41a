"""Goals over several objectives: the numbers of the front, the scores, the bounds, in page, status and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest

from orchestrator import standing, status
from orchestrator.export import export
from orchestrator.records import Records
from orchestrator.report.belief import belief_sections
from orchestrator.report.figures.front import border
from orchestrator.report.goals import goal_section
from orchestrator.report.overview import cards, facts
from orchestrator.report.page import page
from orchestrator.report.sections import Section, calibration_section, parallel_section, progress_section
from orchestrator.report.standings import leaders, scored, stand, volumes
from tests.orchestrator import records_fake as fake

MOBILITY = {"name": "hole_mobility", "direction": "maximise", "unit": fake.UNIT}
THICKNESS = {"name": "thickness", "direction": "minimise", "unit": "nm"}
LAST = [
    {"mode": "explore", "method": "sobol", "experiments": 2},
    {"mode": "optimise", "method": "log_nehvi", "at_most": 20},
]
# Mobility (more is better) and thickness (less is better): 1, 3 and 5 are the front; 2 and 4 are dominated.
VALUES = [(1.0, 10.0), (0.9, 12.0), (2.0, 20.0), (1.5, 40.0), (3.0, 30.0)]


def rows(values: list[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"hole_mobility": m, "thickness": t} for m, t in values]


def tradeoff(**more: Any) -> Records:
    objectives = [MOBILITY | {"reference": 0.0}, THICKNESS | {"reference": 50.0}]
    aim = {"objectives": objectives, "goal": "pareto", "plan": LAST} | more
    return fake.aimed(fake.records(5), rows(VALUES), **aim)


def figures(section: Section | None) -> dict[str, dict[str, Any]]:
    assert section is not None
    return {panel.key: json.loads(panel.json) for panel in section.panels}


def traces(figure: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in figure["data"]}


def test_the_front_is_ringed_bordered_and_listed() -> None:
    records = tradeoff()
    section = goal_section(records)
    shown = traces(figures(section)["front-0-1"])
    assert (shown["explore"]["x"], shown["explore"]["y"]) == tuple(map(list, zip(*VALUES, strict=True)))
    assert shown["explore"]["marker"]["color"] == [1, 2, 3, 4, 5]
    assert (shown["on the front"]["x"], shown["on the front"]["y"]) == ([1.0, 2.0, 3.0], [10.0, 20.0, 30.0])
    assert (shown["reference point"]["x"], shown["reference point"]["y"]) == ([0.0], [50.0])
    corners = list(zip(shown["front"]["x"], shown["front"]["y"], strict=True))
    assert corners == [(0, 10), (1, 10), (1, 20), (2, 20), (2, 30), (3, 30), (3, 50)]
    assert section is not None and section.listing is not None
    assert [row[0] for row in section.listing.rows] == ["1", "3", "5"]
    assert "the 3 of 5 measured experiments" in section.lead


def test_hypervolume_is_what_is_dominated_alone_and_so_far() -> None:
    records = tradeoff()
    shown = traces(figures(goal_section(records))["hypervolume"])
    # Alone: mobility times (50 - thickness). So far: the area under the staircase.
    assert shown["explore"]["y"] == pytest.approx([40.0, 34.2, 60.0, 15.0, 60.0])
    assert shown["front so far"]["x"] == [1, 2, 3, 4, 5]
    assert shown["front so far"]["y"] == pytest.approx([40.0, 40.0, 70.0, 70.0, 90.0])
    assert shown["on the front"]["x"] == [1, 3, 5]
    assert standing.hypervolume_of(stand(records), records.campaign) == pytest.approx(90.0)


def test_the_reference_point_is_inferred_as_the_plan_infers_it() -> None:
    records = tradeoff(objectives=[MOBILITY, THICKNESS])
    found = volumes(records)
    assert found is not None
    assert found.reference == pytest.approx(
        (1.0 - 0.2, 30.0 + 2.0)
    )  # the front's worst and a tenth of its range
    assert found.path[-1][1] == pytest.approx(standing.hypervolume_of(stand(records), records.campaign))


def test_what_is_beyond_a_bound_is_on_no_front() -> None:
    bounds = [{"name": "thickness", "unit": "nm", "at_most": 25.0, "at_least": None}]
    records = tradeoff(outcome_constraints=bounds)
    assert [each.number for each in leaders(records)] == [1, 3]
    shown = traces(figures(goal_section(records))["front-0-1"])
    assert shown["beyond a bound"]["x"] == [1.5, 3.0]
    volume = volumes(records)
    assert volume is not None
    assert [(each.number, v) for each, v in volume.alone] == [(1, 40.0), (2, pytest.approx(34.2)), (3, 60.0)]
    assert volume.path[-1] == (5, pytest.approx(70.0))
    progress = traces(figures(progress_section(records))["progress-1"])
    assert progress["at most 25 nm"]["y"] == [25.0, 25.0]
    assert progress["beyond a bound"]["x"] == [4, 5]
    found = status.summarise(records)
    assert found["front"]["size"] == 2
    assert found["constraints"] == [
        {"reading": "thickness", "unit": "nm", "at_least": None, "at_most": 25.0, "measured": 5, "broken": 2}
    ]
    assert [entry["number"] for entry in found["best"]] == [3, 1] and found["best"][0]["kept"]


@pytest.mark.parametrize(
    ("lower", "corners"),
    [
        ((False, False), [(0, 3), (1, 3), (1, 1), (2, 1), (2, 0)]),
        ((True, True), [(5, 1), (2, 1), (2, 3), (1, 3), (1, 5)]),
    ],
)
def test_the_border_of_the_front_by_hand(lower: tuple[bool, bool], corners: list[tuple[int, int]]) -> None:
    reference = (5.0, 5.0) if lower[0] else (0.0, 0.0)
    assert border([(1.0, 3.0), (2.0, 1.0)], reference, lower) == corners
    assert border([(-1.0, 6.0)], reference, (False, False)) == []


def test_three_objectives_are_drawn_in_pairs_without_a_border() -> None:
    humidity = {"name": "humidity", "direction": "match", "target": 50.0, "unit": "percent"}
    base = fake.records(3)
    recipe = base.campaign.to_json()["recipe"]
    recipe[-1]["gives"] = recipe[-1]["gives"] | {"humidity": "humidity"}
    values = [{"hole_mobility": 1.0 + i, "thickness": 10.0 + i, "humidity": 47.0 + i} for i in range(3)]
    aim = {"objectives": [MOBILITY, THICKNESS, humidity], "goal": "pareto", "plan": LAST, "recipe": recipe}
    found = figures(goal_section(fake.aimed(base, values, **aim)))
    assert list(found) == ["front-0-1", "front-0-2", "front-1-2", "hypervolume"]
    assert "front" not in traces(found["front-0-1"])
    assert traces(found["front-0-2"])["explore"]["y"] == [3.0, 2.0, 1.0]  # the distance from 50 %
    assert "distance from 50" in found["front-0-2"]["layout"]["yaxis"]["title"]["text"]


def desirable(**more: Any) -> Records:
    objectives = [MOBILITY | {"worst": 0.0, "best": 4.0}, THICKNESS | {"worst": 50.0, "best": 10.0}]
    aim = {"objectives": objectives, "goal": "desirability"} | more
    return fake.aimed(fake.records(5), rows(VALUES), **aim)


def test_desirability_is_the_geometric_mean_and_its_best_is_ringed() -> None:
    records = desirable()
    wanted = [((m / 4) * ((50 - t) / 40)) ** 0.5 for m, t in VALUES]
    shown = traces(figures(goal_section(records))["score"])
    assert shown["explore"]["y"] == pytest.approx(wanted)
    assert shown["best so far"]["y"] == pytest.approx([max(wanted[: i + 1]) for i in range(5)])
    assert shown["best"]["x"] == [3]  # as good as 5, and earlier
    assert set(figures(progress_section(records))) == {"progress-0", "progress-1"}
    found = status.summarise(records)["score"]
    assert (found["number"], found["values"]) == (3, {"hole_mobility": 2.0, "thickness": 20.0})
    assert found["score"] == pytest.approx(max(wanted)) and found["kept"]
    card = cards(records)[0]
    assert card.title == "Highest desirability" and card.value == "0.612"
    assert ("thickness", "20 nm") in card.more


def test_a_hierarchy_ranks_as_the_plan_does() -> None:
    # Mobility first, half of its range may be given up: of 2, 3 and 5 the thinnest is 3.
    records = fake.aimed(
        fake.records(5),
        rows(VALUES),
        objectives=[MOBILITY | {"tolerance": 0.6}, THICKNESS],
        goal="hierarchy",
    )
    best = standing.best_of(stand(records), records.campaign)
    assert best is not None and best.number == 3
    shown = traces(figures(goal_section(records))["score"])
    assert shown["best"]["x"] == [3]
    assert max(shown["explore"]["y"]) == shown["best"]["y"][0]
    assert dict(facts(records))["Goal"] == "hierarchy: hole mobility, then thickness"


def test_a_match_shows_its_target_and_the_distance_from_it() -> None:
    match = MOBILITY | {"direction": "match", "target": 1.8}
    records = fake.aimed(fake.records(5), rows(VALUES), objectives=[match])
    found = figures(progress_section(records))
    value, away = traces(found["progress-0"]), traces(found["distance-0"])
    assert value["target 1.8 cm²/V/s"]["y"] == [1.8, 1.8]
    assert value["best so far"]["y"] == [1.0, 1.0, 2.0, 2.0, 2.0]
    assert value["best"]["x"] == away["best"]["x"] == [3]
    assert away["explore"]["y"] == pytest.approx([0.8, 0.9, 0.2, 0.3, 1.2])
    assert away["best so far"]["y"] == pytest.approx([0.8, 0.8, 0.2, 0.2, 0.2])
    assert status.summarise(records)["best"][0]["number"] == 3
    assert "Nearest to 1.8" in page(records, model=None)


def test_one_that_breaks_a_bound_is_not_the_best_but_where_all_do_the_best_of_them_is_told() -> None:
    bounds = [{"name": "thickness", "unit": "nm", "at_most": 25.0, "at_least": None}]
    records = fake.aimed(fake.records(5), rows(VALUES), outcome_constraints=bounds)
    found = figures(progress_section(records))
    assert set(found) == {"progress-0", "bounded-0"}
    shown, bounded = traces(found["progress-0"]), traces(found["bounded-0"])
    assert shown["best"]["x"] == [3] and shown["best so far"]["y"] == [1.0, 1.0, 2.0, 2.0, 2.0]
    assert bounded["explore"]["y"] == [t for _, t in VALUES]
    assert bounded["at most 25 nm"]["y"] == [25.0, 25.0] and bounded["beyond a bound"]["x"] == [4, 5]
    assert cards(records)[0].about.startswith("Experiment 3")
    bounds[0] = bounds[0] | {"at_most": None, "at_least": 11.0}  # broken by the first, better than the second
    first = fake.aimed(fake.records(2), rows(VALUES[:2]), outcome_constraints=bounds)
    assert [entry["number"] for entry in status.summarise(first)["best"]] == [2]
    bounds[0] = bounds[0] | {"at_most": 5.0, "at_least": None}
    none = fake.aimed(fake.records(5), rows(VALUES), outcome_constraints=bounds)
    assert "best so far" not in traces(figures(progress_section(none))["progress-0"])
    assert cards(none)[0].about.startswith("Experiment 5; like all others, it is beyond")
    assert not status.summarise(none)["best"][0]["kept"]


def test_lines_of_the_front_stand_out_and_scores_colour_the_others() -> None:
    (line,) = figures(parallel_section(tradeoff()))["parallel"]["data"]
    numbers = {d["label"]: d["values"] for d in line["dimensions"]}
    assert line["line"]["color"] == [0, 0, 1, 1, 1]
    assert numbers["thickness<br>(nm)"][-3:] == [10.0, 20.0, 30.0]
    records = desirable()
    (line,) = figures(parallel_section(records))["parallel"]["data"]
    assert line["line"]["color"] == pytest.approx(sorted(score for _, score in scored(records)))


def test_every_objective_has_its_own_calibration_and_belief() -> None:
    base = fake.records(20)
    objectives = [MOBILITY, THICKNESS]
    aim = {"objectives": objectives, "goal": "pareto", "plan": LAST}
    records = fake.aimed(base, **aim)
    records = fake.told(records, 20, predictions={"hole_mobility": (0.5, 0.1), "thickness": (41.0, 2.0)})
    found = figures(calibration_section(records))
    assert set(found) == {"parity", "residuals", "parity-1", "residuals-1"}
    known = traces(found["parity-1"])["optimise"]
    assert (known["x"], known["y"]) == ([records.experiments[19].values["thickness"].value], [41.0])
    model = Both()
    first, second = belief_sections(records, model, no_model="")
    middle = traces(figures(first)["slice-layers"])["best"]["x"]
    assert middle == traces(figures(second)["slice-layers-1"])["best"]["x"]
    assert model.readings == {"hole_mobility", "thickness"}
    alone = volumes(records)
    assert alone is not None
    leader = max(alone.alone, key=lambda pair: pair[1])[0]
    assert f"experiment {leader.number}, ringed" in first.lead and "thickness" in second.title
    assert traces(figures(second)["slice-layers-1"])["posterior mean, 90 %"]["y"] == [40.0] * 4


@pytest.mark.parametrize("records", [tradeoff(), desirable()], ids=["pareto", "desirability"])
def test_page_status_and_export_hold_together(records: Records, tmp_path: Path) -> None:
    text = page(records, model=Both())
    assert text.count('class="row measured best"') == len(leaders(records))
    summary = status.summarise(records)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["goal"] == records.campaign.goal
    export(records, tmp_path)
    table = parquet.read_table(tmp_path / "experiments.parquet").to_pylist()
    assert [row["objective.thickness"] for row in table] == [t for _, t in VALUES]


def test_nothing_measured_says_so() -> None:
    for more in ({"goal": "pareto", "plan": LAST}, {"goal": "hierarchy"}):
        objectives = [MOBILITY | ({"tolerance": 0.1} if more["goal"] == "hierarchy" else {}), THICKNESS]
        empty = fake.aimed(fake.records(0, state="open"), objectives=objectives, **more)
        section = goal_section(empty)
        assert section is not None and section.missing
        page(empty, model=None)
        summary = status.summarise(empty)
        assert summary["score"] is None
        if more["goal"] == "pareto":
            assert summary["front"] == {"size": 0, "hypervolume": None, "experiments": []}


class Both:
    """A model view that believes 40 of the thickness and 1 of all else."""

    def __init__(self) -> None:
        self.readings: set[str] = set()

    def predict(self, candidates: Any, reading: str) -> tuple[np.ndarray, np.ndarray]:
        self.readings.add(reading)
        return np.full(len(candidates), 40.0 if reading == "thickness" else 1.0), np.ones(len(candidates))
