"""Slices and planes: inside the space, through the best candidate, with the model's own numbers."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from campaigns.space import Categorical, Continuous, LinearConstraint, Space
from orchestrator.report.belief import belief_sections
from orchestrator.report.findings import Z90, best
from orchestrator.report.geometry import line, moved, plane, separation, table_rows
from tests.orchestrator import records_fake as fake


def section(records: Any, model: Any) -> tuple[Any, dict[str, dict[str, Any]]]:
    (found,) = belief_sections(records, model, no_model="none")
    return found, {panel.key: json.loads(panel.json) for panel in found.panels}


def test_a_cox_direction_keeps_sum_and_proportions() -> None:
    space = fake.mixture()
    anchor = {"polymer": 50.0, "nanotube": 30.0, "additive": 20.0, "anneal_temperature": 400.0}
    along = line(space, anchor, space.parameter("polymer"))
    assert along.positions[0] == 0 and along.positions[-1] == 100
    for candidate in along.candidates:
        assert sum(candidate[name] for name in ("polymer", "nanotube", "additive")) == pytest.approx(100)
        assert candidate["nanotube"] * 20 == pytest.approx(candidate["additive"] * 30)
        assert candidate["anneal_temperature"] == 400
        assert space.violations(candidate) == []
    assert anchor in along.candidates


def test_a_pure_component_shares_the_rest_equally() -> None:
    space = fake.mixture()
    pure = {"polymer": 100.0, "nanotube": 0.0, "additive": 0.0, "anneal_temperature": 400.0}
    found = moved(space, pure, {"polymer": 40.0})
    assert found is not None and found["nanotube"] == found["additive"] == pytest.approx(30)


def test_a_line_stops_where_the_space_does() -> None:
    space = Space(
        parameters=(Continuous(name="a", low=0.0, high=1.0), Continuous(name="b", low=0.0, high=1.0)),
        constraints=(LinearConstraint(terms=(("a", 1.0), ("b", 1.0)), at_most=1.0),),
    )
    along = line(space, {"a": 0.2, "b": 0.6}, space.parameter("a"))
    assert max(along.positions) == pytest.approx(0.4, abs=1 / 60) and min(along.positions) == 0
    surface = plane(space, {"a": 0.2, "b": 0.6}, space.parameter("a"), space.parameter("b"), n=11)
    inside = [[candidate is not None for candidate in row] for row in surface.candidates]
    assert inside == [[x + y <= 1 + 1e-9 for x in surface.xs] for y in surface.ys]


def test_a_table_is_sliced_over_its_nearest_rows() -> None:
    space = fake.table()
    anchor = {"dopant_fraction": 0.2, "anneal_temperature": 450.0, "solvent": "toluene"}
    along = line(space, anchor, space.parameter("dopant_fraction"))
    assert not along.continuous
    assert along.positions == [0.0, 0.1, 0.2, 0.3, 0.4]
    rows = table_rows(space)
    for candidate in along.candidates:
        assert candidate in rows
        assert candidate["solvent"] == "toluene" and candidate["anneal_temperature"] == 450
    solvents = line(space, anchor, space.parameter("solvent"))
    assert sorted(solvents.positions) == sorted(fake.SOLVENTS)


def test_a_huge_table_is_sampled_and_keeps_the_best_candidate() -> None:
    space = fake.table()
    assert len(table_rows(space, at_most=10)) == 10
    anchor = {"dopant_fraction": 0.2, "anneal_temperature": 450.0, "solvent": "toluene"}
    assert anchor in line(space, anchor, space.parameter("solvent")).candidates


def test_log_parameters_are_spaced_and_measured_in_ratios() -> None:
    space = fake.film()
    anchor = fake.records(5).experiments[0].candidate
    values = line(space, anchor, space.parameter("anneal_time"), n=5).positions
    without = [v for v in values if v != anchor["anneal_time"]]
    ratios = [b / a for a, b in pairwise(without)]
    assert ratios == pytest.approx([math.sqrt(math.sqrt(30))] * len(ratios))
    low, high = ({**anchor, "anneal_time": t} for t in (10.0, 300.0))
    assert separation(space, low, high) == pytest.approx(math.sqrt(1 / 6))


def test_shares_are_spaced_and_measured_in_odds() -> None:
    share = Continuous(name="share", low=0.01, high=0.99, scale="logit")
    space = Space(parameters=(share,))
    values = line(space, {"share": 0.01}, share, n=5).positions
    assert values == pytest.approx([0.01, 1 / (1 + math.sqrt(99)), 0.5, 1 / (1 + 1 / math.sqrt(99)), 0.99])
    assert separation(space, {"share": 0.01}, {"share": 0.5}) == pytest.approx(0.5)


def test_what_does_not_apply_is_no_line_to_move_along() -> None:
    gas = Categorical(name="gas", choices=("argon", "air"))
    flow = Continuous(name="flow", low=1.0, high=9.0, when=(("gas", ("argon",)),), otherwise=1.0)
    space = Space(parameters=(gas, flow))
    assert line(space, {"gas": "air", "flow": 1.0}, flow).positions == [1.0]
    assert line(space, {"gas": "argon", "flow": 4.0}, flow, n=3).positions == [1.0, 4.0, 5.0, 9.0]
    assert line(space, {"gas": "argon", "flow": 1.0}, gas).positions == ["argon", "air"]


@pytest.mark.parametrize(
    "space", [fake.film(), fake.mixture(), fake.table()], ids=["film", "mixture", "table"]
)
def test_slices_carry_the_model_s_numbers_and_never_leave_the_space(space: Space) -> None:
    records = fake.records(30, space=space)
    model = fake.TrueBelief(sd=0.05)
    found, figures = section(records, model)
    assert all(space.violations(candidate) == [] for candidate in model.asked)
    assert {f"slice-{p.name}" for p in space.free} | {"plane-mean", "plane-sd"} == set(figures)
    leader = best(records, records.campaign.objectives[0])
    assert leader is not None
    assert f"experiment {leader.number}, ringed" in found.lead
    for p in space.free:
        data = {trace["name"]: trace for trace in figures[f"slice-{p.name}"]["data"]}
        mean = data.get("posterior mean") or data["posterior mean, 90 %"]
        at = mean["x"].index(leader.candidate[p.name])
        assert mean["y"][at] == pytest.approx(fake.truth(leader.candidate))
        if "90 % of the belief" in data:
            band = data["90 % of the belief"]["y"]
            assert band[at] - mean["y"][at] == pytest.approx(Z90 * 0.05)
            assert band[-1 - at] - mean["y"][at] == pytest.approx(-Z90 * 0.05)
        else:
            assert mean["error_y"]["array"][at] == pytest.approx(Z90 * 0.05)
        measured = data["measured"]
        assert len(measured["x"]) == 30 and max(measured["marker"]["opacity"]) <= 0.9
        assert data["best"]["x"] == [leader.candidate[p.name]]


def test_the_plane_is_over_the_two_parameters_that_move_the_mean_most() -> None:
    records = fake.records(30)
    _, figures = section(records, Tilted())
    layout = figures["plane-mean"]["layout"]
    assert layout["xaxis"]["title"]["text"] == "anneal temperature (K)"
    assert layout["yaxis"]["title"]["text"] == "dopant fraction"
    contour = figures["plane-mean"]["data"][0]
    x, y = contour["x"][3], contour["y"][7]
    assert contour["z"][7][3] == pytest.approx(10 * x + 5 * y)


def test_a_plane_of_a_mixture_is_blank_where_the_sum_cannot_hold() -> None:
    records = fake.records(30, space=fake.mixture())
    _, figures = section(records, Simplex())
    contour = figures["plane-mean"]["data"][0]
    for y, row in zip(contour["y"], contour["z"], strict=True):
        for x, z in zip(contour["x"], row, strict=True):
            assert (z is None) == (x + y > 100 + 1e-6)


def test_a_model_that_fails_leaves_a_reason() -> None:
    found, figures = section(fake.records(10), fake.Broken("the fit diverged"))
    assert found.missing == "the fit diverged" and figures == {}


class Tilted:
    def predict(self, candidates: Any, reading: str) -> tuple[np.ndarray, np.ndarray]:
        mean = [10 * c["anneal_temperature"] + 5 * c["dopant_fraction"] for c in candidates]
        return np.array(mean), np.ones(len(candidates))


class Simplex:
    def predict(self, candidates: Any, reading: str) -> tuple[np.ndarray, np.ndarray]:
        mean = [c["polymer"] + 2 * c["nanotube"] for c in candidates]
        return np.array(mean), np.ones(len(candidates))
