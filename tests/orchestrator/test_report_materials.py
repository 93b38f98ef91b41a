"""Campaigns over material and process in the report, and their loops: ten thousand crystals, and only those met."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from campaigns.pretraining import Lesson, Pretraining
from campaigns.surrogate_choice import MaterialsChoice, SurrogateChoice
from orchestrator.records import GateRecord, NearestRecord, Records
from orchestrator.report.belief import belief_sections
from orchestrator.report.crystals import Known, named
from orchestrator.report.figures.axes import dimension
from orchestrator.report.gates import stretches
from orchestrator.report.geometry import grid
from orchestrator.report.listing import rows
from orchestrator.report.loops import loop_sections
from orchestrator.report.model import ModelUnavailable, PlannerView
from orchestrator.report.overview import cards, facts
from orchestrator.report.page import page
from orchestrator.report.phases import phase_rows
from orchestrator.report.sections import Section, parallel_section, progress_section, timeline_section
from tests.orchestrator import discovery_fake as fake
from tests.orchestrator import records_fake
from tests.orchestrator.co_search_fake import co_search
from tests.orchestrator.test_report_page import Reader


def figures(section: Section) -> dict[str, dict[str, Any]]:
    return {panel.key: json.loads(panel.json) for panel in section.panels}


def traces(figure: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in figure["data"]}


class Seen(records_fake.Flat):
    """A model view that remembers which crystals it was asked about."""

    def __init__(self) -> None:
        self.crystals: set[Any] = set()

    def predict(self, candidates: Any, reading: str) -> Any:
        self.crystals |= {candidate["crystal"] for candidate in candidates}
        return super().predict(candidates, reading)


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, Any]:
    records, pool = co_search()
    return records, fake.kept(tmp_path_factory.mktemp("run"), pool)


def test_a_page_holds_the_crystals_that_were_met_and_no_others(search: tuple[Records, Any]) -> None:
    records, crystals = search
    model = Seen()
    text = page(records, model=model, crystals=crystals)
    assert model.crystals <= {e.candidate["crystal"] for e in records.experiments}  # by their ids
    reader = Reader()
    reader.feed(text)
    reader.close()
    met = {str(e.candidate["crystal"]) for e in (*records.experiments, *records.loops[0].experiments)}
    named_here = set(re.findall(r"\bm\d{5}\b", text))
    assert named_here and named_here <= met
    assert len(set(reader.plots)) == len(reader.plots) == len(reader.figures)
    assert "nan" not in reader.text.lower().split() and "None" not in reader.text
    assert [load for load in reader.loads if not load[1].startswith("#")] == []


def test_formulas_stand_beside_ids_everywhere(search: tuple[Records, Any]) -> None:
    records, crystals = search
    first, third = records.experiments[0], records.experiments[2]
    near = NearestRecord({**first.candidate, "crystal": first.candidate["crystal"]}, 1.0, 0.5)
    records = records_fake.told(records, third.number, nearest=near)
    known = Known(records, crystals)
    shown = named(records, known)
    id = str(first.candidate["crystal"])
    formula = known.formula(id)
    assert formula and shown.experiments[0].candidate["crystal"] == f"{formula} ({id})"
    listed = rows(shown)
    assert listed[0].cells[3].text == f"{formula} ({id})" and not listed[0].cells[3].numeric
    assert f"crystal {formula} ({id})" in dict(listed[2].why)["Nearest measured"]
    best = dict(cards(shown)[0].more)["crystal"]
    assert best.endswith(")") and "(m0" in best
    hover = traces(figures(progress_section(shown))["progress-0"])["explore"]["hovertext"][0]
    assert f"crystal: {formula} ({id})" in hover
    # The log alone has the structures of what it met.
    assert Known(records).formula(id) == formula and Known(records).formula("m-unknown") == ""
    assert Known(records).named("m-unknown") == "m-unknown"


def test_parallel_coordinates_name_the_best_crystals_only(search: tuple[Records, Any]) -> None:
    records, crystals = search
    shown = named(records, Known(records, crystals))
    (line,) = figures(parallel_section(shown))["parallel"]["data"]
    axis = line["dimensions"][0]
    assert len(axis["values"]) == 30 and len(axis["ticktext"]) <= 20
    top = axis["ticktext"][axis["tickvals"].index(max(axis["tickvals"]))]
    assert top == dict(cards(shown)[0].more)["crystal"]
    parameter = records.campaign.space.materials[0]
    # The last of a crystal's lines is its best: they are drawn in that order.
    assert dimension(parameter, ["a", "b", "a", "c"])["values"] == [1, 0, 1, 2]
    many = dimension(parameter, [str(n) for n in range(1000)])
    assert len(many["ticktext"]) == 20 and many["ticktext"][0] == "999"


def test_slices_move_the_process_and_hold_the_crystal(search: tuple[Records, Any]) -> None:
    records, _ = search
    (section,) = belief_sections(records, model := Seen(), no_model="")
    assert [panel.key for panel in section.panels] == ["slice-anneal", "slice-time", "plane-mean", "plane-sd"]
    best = max(records.experiments, key=lambda e: e.values["yield"].value)
    assert model.crystals == {best.candidate["crystal"]}  # by its id, which a model knows it by
    assert any("All of it is for the same crystal" in note for note in section.notes)
    with pytest.raises(TypeError, match="material"):
        grid(records.campaign.space.materials[0], 10)


def test_a_loop_has_a_section_of_its_own(search: tuple[Records, Any]) -> None:
    records, crystals = search
    (section,) = loop_sections(named(records, Known(records, crystals)))
    assert (section.key, section.title) == ("loop-labels", "Loop: labels")
    assert "Learns gap (eV) and heat (eV) by choosing crystal" in section.lead
    assert "19 measured and 1 failed of 20 planned" in section.lead
    assert "It has ended: budget: 20 experiments." in section.lead
    found = figures(section)
    assert list(found) == [
        "parity-loop-labels-0",
        "residuals-loop-labels-0",
        "parity-loop-labels-1",
        "residuals-loop-labels-1",
    ]
    own = [e for e in records.loops[0].experiments if e.proposal.predictions and e.values]
    for k, name in enumerate(("gap", "heat")):
        parity = traces(found[f"parity-loop-labels-{k}"])["learn"]
        assert parity["x"] == [e.values[name].value for e in own]
        assert parity["y"] == [e.proposal.predictions[name][0] for e in own]
    assert section.notes == ("Failed: 1 × no self-consistent field in 60 steps.",)
    assert section.listing is not None
    assert section.listing.rows == (
        ("explore · random", "5", "2 to 10", "the plan begins"),
        ("learn · variance", "15", "12 to 40", "explore has had its 5 experiments"),
    )


def test_a_loop_without_predictions_says_so() -> None:
    records, _ = co_search(n=6, n_labels=4, n_pool=50)
    (section,) = loop_sections(records)
    assert section.panels == () and section.notes[-1].startswith(
        "None of what it measured had been predicted"
    )


def test_numbers_are_shared_between_loops(search: tuple[Records, Any]) -> None:
    records, _ = search
    numbers = [e.number for e in records.experiments]
    assert numbers[:3] == [1, 3, 5]
    # Eight films were explored; the eighth is experiment 15.
    assert [row.after for row in phase_rows(records)] == [0, 15]
    assert [row.n for row in phase_rows(records)] == [8, 22]
    figure = figures(progress_section(records))["progress-0"]
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [15.5]
    assert "numbered over all loops" in progress_section(records).lead
    bars = traces(figures(timeline_section(records))["timeline"])
    assert set(bars) == {"explore", "learn", "optimise", "failed"}  # the loop's modes are known as well
    shut = GateRecord(1, 47, 28, "90 % intervals cover half", "learn", "2026-11-21T09:00:00+00:00")
    plan = records.campaign.plan
    held = records_fake.changed(
        records,
        gates=(shut,),
        experiments=(*records.experiments[:-3], *(told(e, 900) for e in records.experiments[-3:])),
        campaign=records.campaign.model_copy(update={"plan": plan}),
    )
    (stretch,) = stretches(held)
    assert stretch.now and [e.number for e in stretch.experiments] == [48, 49, 50]


def told(experiment: Any, read_to: int) -> Any:
    return records_fake.changed(
        experiment, proposal=records_fake.changed(experiment.proposal, read_to=read_to)
    )


def test_why_tells_what_was_believed_of_the_crystal(search: tuple[Records, Any]) -> None:
    records, _ = search
    said = {
        "formula": "CaTiO3",
        "properties": {
            "gap": {"mean": 1.5, "epistemic": 0.3, "aleatoric": 0.4, "labelled": False},
            "heat": {"mean": 0.2, "epistemic": 0.0, "aleatoric": 0.0, "labelled": True},
        },
        "sd": {"material": 3.0, "process": 4.0},
        "chance": 0.25,
    }
    records = records_fake.told(records, 49, material=said)
    why = dict(next(row for row in rows(records) if row.number == 49).why)
    assert why["Its gap"] == "1.50 ± 0.50 eV, predicted"
    assert why["Its heat"] == "0.2 eV, labelled"
    assert why["Doubt"] == "3 from the material, 4 from the process (%)"
    assert why["Chance that the material will do"] == "25\u00a0%"


def test_the_planners_own_belief_over_material_and_process(tmp_path: Path) -> None:
    pytest.importorskip("torch_geometric", reason="graph networks are not installed")
    records, pool = co_search(n=12, n_labels=6, n_pool=20)
    crystals = fake.kept(tmp_path, pool)
    view = PlannerView(records, crystals)
    experiment = records.experiments[-1]
    mean, sd = view.predict([dict(experiment.candidate)], "yield")
    measured = [e.values["yield"].value for e in records.experiments]
    assert min(measured) - 20 < mean[0] < max(measured) + 20 and sd[0] > 0
    other = next(e for e in records.experiments if e.candidate["crystal"] != experiment.candidate["crystal"])
    apart, _ = view.predict([{**experiment.candidate, "crystal": other.candidate["crystal"]}], "yield")
    assert apart[0] != pytest.approx(mean[0], abs=1e-9)  # it knows crystals apart


def test_a_belief_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    records, _ = co_search(n=6, n_labels=4, n_pool=50)
    with pytest.raises(ModelUnavailable, match="needs the pool of crystals"):
        PlannerView(records).predict([], "yield")
    pytest.importorskip("torch_geometric", reason="graph networks are not installed")
    with pytest.raises(ModelUnavailable, match="could not be represented"):
        PlannerView(records, fake.kept(tmp_path)).predict([], "yield")


def test_what_the_networks_learned_first_is_said(search: tuple[Records, Any]) -> None:
    records, _ = search
    assert "Networks learned first" not in dict(facts(records))
    lesson = Lesson(pool="moduli", digest="ab" * 32, n=3953, values=("bulk_modulus", "shear_modulus"))
    choice = SurrogateChoice(materials=MaterialsChoice(pretrained=Pretraining(lessons=(lesson,))))
    campaign = records.campaign.model_copy(update={"surrogate": choice})
    said = dict(facts(replace(records, campaign=campaign)))["Networks learned first"]
    assert said == "bulk modulus, shear modulus of the pool moduli, 3953 crystals, SHA-256 abababababababab"
