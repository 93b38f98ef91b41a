"""Hardness and toughness in the report: places, lines, remarks, and where there is nothing to draw."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from campaigns.campaign import Budget, Campaign, Phase, Reference, Step
from campaigns.objective import Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.space import Space
from orchestrator.records import ExperimentRecord, MeasuredValue, Records
from orchestrator.report.ashby import ashby_section
from orchestrator.report.crystals import Known, named
from orchestrator.report.page import page
from orchestrator.report.sections import Section
from tests.orchestrator import discovery_fake as fake

# Formula: hardness (GPa), toughness (MPa m^(1/2)), Poisson's ratio, remark.
TESTED = {
    "BN": (69.8, 4.73, 0.119, ""),
    "TiN": (22.2, 3.85, 0.220, ""),
    "SiC": (30.2, 3.06, 0.160, "sensitive coefficients"),
    "CoW": (58.9, 3.1, 0.058, "all metal"),
    "CrH": (76.5, 3.3, -0.02, "outside the formulas' domain"),
}
ROWS = [{"id": f"mp-{k}", **fake.crystal(formula)} for k, formula in enumerate(TESTED, start=1)]
PARAMETER, CONTENT = fake.material(ROWS)


def campaign(toughness_unit: str = "MPa*m^0.5", hardness: str = "hardness") -> Campaign:
    gives = {name: name for name in (hardness, "toughness", "poisson_ratio")}
    return Campaign(
        name="superhard",
        space=Space(parameters=(PARAMETER,)),
        objectives=(
            Objective(name=hardness, direction="maximise", unit="GPa", reference=0.0),
            Objective(name="toughness", direction="maximise", unit=toughness_unit, reference=0.0),
        ),
        goal="pareto",
        outcome_constraints=(OutcomeConstraint(name="poisson_ratio", at_least=0.0),),
        recipe=(
            Step(
                id="tensor",
                device="calculator",
                verb="elastic",
                arguments={"material": Reference(parameter="crystal")},
                gives=gives,
            ),
        ),
        plan=(Phase(mode="explore", method="random", experiments=5),),
        budget=Budget(experiments=5),
        lab="simulated/elastic_table",
    )


def experiment(number: int, formula: str) -> ExperimentRecord:
    hard, tough, poisson, _ = TESTED[formula]
    made = fake.asked(number, f"mp-{number}", formula, 0.0, read_to=10, phase=0)
    values = {
        "hardness": MeasuredValue(hard, "GPa", None),
        "toughness": MeasuredValue(tough, "MPa*m^0.5", None),
        "poisson_ratio": MeasuredValue(poisson, "", None),
    }
    return dataclasses.replace(made, values=values)


def records(of: Campaign | None = None, n: int = 5) -> Records:
    found = of or campaign()
    told = [experiment(k, formula) for k, formula in enumerate(TESTED, start=1)][:n]
    if not told:
        empty = dataclasses.replace(fake.search(), experiments=(), actions=())
        return dataclasses.replace(empty, campaign=found, fingerprint=found.fingerprint)
    return fake.search_of(PARAMETER, told, campaign=found, fingerprint=found.fingerprint)


def section(whole: Records, folder: Path) -> Section | None:
    known = Known(whole, fake.kept(folder, (PARAMETER, CONTENT)))
    return ashby_section(named(whole, known), known)


def traces(found: Section) -> list[dict[str, Any]]:
    figure = json.loads(found.panels[0].json)
    assert figure["layout"]["xaxis"]["type"] == figure["layout"]["yaxis"]["type"] == "log"
    return list(figure["data"])


def test_materials_stand_at_their_numbers_and_carry_their_remarks(tmp_path: Path) -> None:
    found = section(records(), tmp_path)
    assert found is not None and found.listing is not None
    by_name = {trace["name"]: trace for trace in traces(found)}
    assert by_name["explore"]["x"] == [row[0] for row in TESTED.values()]
    assert by_name["explore"]["y"] == [row[1] for row in TESTED.values()]
    for _, (hard, tough, _, remark) in TESTED.items():
        if remark:
            assert (by_name[remark]["x"], by_name[remark]["y"]) == ([hard], [tough])
    # CrH is harder than BN and keeps not to the constraint: it is not on the front.
    assert by_name["on the front"]["x"] == [69.8]
    assert "5 materials, 3 of them with a remark" in found.lead and len(found.notes) == 3
    assert found.listing.rows[0][1:3] == ("BN (mp-1)", "69.8")
    remarks = {row[1]: row[6] for row in found.listing.rows}
    assert remarks["CoW (mp-4)"] == "all metal" and remarks["TiN (mp-2)"] == "–"
    assert "brittleness H/K: 14.8" in by_name["explore"]["hovertext"][0]


def test_lines_are_those_of_constant_brittleness_and_merit(tmp_path: Path) -> None:
    found = section(records(), tmp_path)
    assert found is not None
    lines = [trace for trace in traces(found) if trace["mode"] == "lines+text"]
    assert {trace["name"] for trace in lines} == {"brittleness H/K", "merit K²/H"}
    figure = json.loads(found.panels[0].json)["layout"]
    low, high = figure["yaxis"]["range"]
    for trace in lines:
        said = float(next(text for text in trace["text"] if text).split()[0])
        for hard, tough in zip(trace["x"], trace["y"], strict=True):
            value = hard / tough if trace["name"].startswith("brittleness") else tough**2 / hard
            assert value == pytest.approx(said)
            assert low - 1e-9 <= math.log10(tough) <= high + 1e-9
    assert [trace["showlegend"] for trace in lines].count(True) == 2
    assert [trace["name"] for trace in lines].count("merit K²/H") >= 2


def test_other_campaigns_have_no_such_section(tmp_path: Path) -> None:
    assert ashby_section(fake.search(), Known(fake.search())) is None
    assert section(records(campaign(toughness_unit="GPa")), tmp_path) is None
    assert section(records(campaign(hardness="stiffness")), tmp_path) is None


def test_before_anything_is_measured_it_says_so(tmp_path: Path) -> None:
    found = section(records(n=0), tmp_path)
    assert found is not None and not found.panels and "Nothing has been measured" in found.missing


def test_numbers_are_drawn_in_one_unit(tmp_path: Path) -> None:
    whole = records()
    values = {**whole.experiments[0].values, "hardness": MeasuredValue(69_800.0, "MPa", None)}
    first = dataclasses.replace(whole.experiments[0], values=values)
    found = section(dataclasses.replace(whole, experiments=(first, *whole.experiments[1:])), tmp_path)
    assert found is not None
    assert next(t for t in traces(found) if t["name"] == "explore")["x"][0] == pytest.approx(69.8)


def test_a_page_holds_it_and_no_slices_of_crystals(tmp_path: Path) -> None:
    text = page(records(), model=None, crystals=fake.kept(tmp_path, (PARAMETER, CONTENT)))
    assert "Hardness and toughness" in text and "there is nothing beside it to look along" in text
