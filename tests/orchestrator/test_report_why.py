"""Why each proposal, gates, turns and costs: what the log says of them, in page, status and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from campaigns.space import Categorical, Continuous, Space
from orchestrator import history, status
from orchestrator.contexts import as_made
from orchestrator.export import export
from orchestrator.records import EventRecord, MeasuredValue, NearestRecord, Records
from orchestrator.report.gates import stretches
from orchestrator.report.listing import rows
from orchestrator.report.overview import facts
from orchestrator.report.page import page
from orchestrator.report.phases import phase_rows
from orchestrator.report.sections import calibration_section, progress_section, timeline_section
from orchestrator.report.spending import spending
from tests.orchestrator import records_fake as fake


def said(records: Records, number: int = 20) -> Records:
    near = NearestRecord(dict(records.experiments[18].candidate), 0.75, 0.125)
    return fake.told(
        records,
        number,
        nearest=near,
        predictions={"hole_mobility": (0.5, 0.1)},
        sensitivity={"layers": 0.2, "solvent": 0.8, "anneal_time": 0.0},
        feasible=0.83,
        cost=120.0,
    )


def test_the_row_says_what_was_near_what_mattered_and_how_likely_it_was() -> None:
    row = rows(said(fake.records(20)))[19]
    why = dict(row.why)
    assert why["Predicted"].startswith("0.50 ± 0.10")
    assert why["Nearest measured"].startswith("0.75 cm²/V/s at distance 0.125, with ")
    assert why["Chance of feasibility"] == "83\u00a0% for a result"
    assert why["Cost expected"] == "120"
    assert row.matters == (
        ("solvent", "0.8 cm²/V/s", 100),
        ("layers", "0.2 cm²/V/s", 25),
        ("anneal time", "0 cm²/V/s", 0),
    )
    text = page(said(fake.records(20)), model=None)
    assert text.count('class="bar" style="width: 25%"') == 1
    assert rows(fake.records(20))[19].matters == ()


def test_the_export_has_all_that_a_proposal_says(tmp_path: Path) -> None:
    records = said(fake.records(20))
    export(records, tmp_path)
    before, row = parquet.read_table(tmp_path / "proposals.parquet").to_pylist()[18:]
    assert (row["predicted.hole_mobility.mean"], row["predicted.hole_mobility.sd"]) == (0.5, 0.1)
    assert (row["sensitivity.solvent"], row["sensitivity.layers"]) == (0.8, 0.2)
    assert row["sensitivity.dopant_fraction"] is None
    assert (row["nearest_distance"], row["nearest_value"]) == (0.125, 0.75)
    assert json.loads(row["nearest_candidate"]) == dict(records.experiments[18].candidate)
    assert (row["feasible"], row["expected_cost"]) == (0.83, 120.0)
    assert before["predicted.hole_mobility.mean"] == records.experiments[18].proposal.mean
    assert (before["nearest_distance"], before["feasible"], before["expected_cost"]) == (None, None, None)


def test_proposals_of_logs_old_and_new_are_read() -> None:
    old = {
        "mode": "optimise", "acquisition": "ucb", "value": 1.0, "mean": 0.5, "sd": 0.1, "model": "gp", "seed": 1,
        "read_to": 9, "rule": "r", "fallback": None, "phase": 1,
    }  # fmt: skip
    found = history._proposal(old)
    assert (found.nearest, found.predictions, found.sensitivity, found.feasible, found.cost) == (
        None,
        {},
        {},
        None,
        None,
    )
    near = {"candidate": {"x": 1.0}, "value": None, "distance": 0.5}
    found = history._proposal(
        old | {"nearest": near, "predictions": {"y": [1.0, 2.0]}, "cost": 3.0, "n_observed": 4}
    )
    assert found.nearest == NearestRecord({"x": 1.0}, None, 0.5)
    assert (found.predictions, found.cost) == ({"y": (1.0, 2.0)}, 3.0)


def event(seq: int, kind: str, **body: Any) -> EventRecord:
    return EventRecord(
        seq, str(seq), "s", 1, kind, 1, 1, f"2026-11-21T08:00:{seq:02d}Z", "engine", None, body
    )


def test_gates_and_diagnoses_know_their_place_among_the_proposals() -> None:
    events = (
        event(1, "phase.entered", index=0),
        event(2, "experiment.proposed", number=1),
        event(3, "phase.entered", index=1),
        event(4, "model.diagnosed", n_told=1, diagnostics={"n": 1, "coverage_90": None}),
        event(5, "experiment.proposed", number=2),
        event(6, "model.diagnosed", n_told=2, diagnostics={"n": 2, "coverage_90": 0.4}),
        event(7, "model.gated", n_told=2, reason="why", otherwise="learn"),
    )
    gates, diagnoses = history._of_the_model(events)
    assert [(g.phase, g.after, g.n_told, g.reason, g.otherwise, g.at[-3:]) for g in gates] == [
        (1, 2, 2, "why", "learn", "07Z")
    ]
    assert [(d.after, d.n_told, d.n, d.coverage) for d in diagnoses] == [(1, 1, 1, None), (2, 2, 2, 0.4)]


def test_a_gate_that_stays_shut_is_one_stretch() -> None:
    records = fake.gated(fake.records(30), (18, 1), (19, 2), (25, 1))
    found = stretches(records)
    assert [[e.number for e in shut.experiments] for shut in found] == [[19, 20, 21], [26]]
    assert [shut.first.after for shut in found] == [18, 25] and not any(shut.now for shut in found)


def test_the_gate_is_shut_now_only_while_nothing_was_let_through_after_it() -> None:
    for closures, state, now in (
        (((28, 1), (29, 1)), "open", True),
        (((28, 1),), "open", False),
        (((29, 1),), "finished", False),
    ):
        records = fake.gated(fake.records(30, state=state), *closures)
        gate = status.summarise(records)["gate"]
        assert gate["shut"] == now and gate["times"] == len(closures)
        assert (gate["after"], gate["reason"]) == ((28, "cover 29") if now else (None, None))
    waiting = fake.gated(fake.records(30, state="paused"), (30, 0), otherwise="approval")
    gate = status.summarise(waiting)["gate"]
    assert (gate["shut"], gate["after"], gate["otherwise"]) == (True, 30, "approval")
    assert "shut since experiment 31" in dict(facts(waiting))["Gate"]
    assert status.summarise(fake.records(5))["gate"] is None


def test_a_shut_gate_is_shaded_where_it_was() -> None:
    records = fake.gated(fake.records(30), (18, 1), (19, 2), (25, 1))
    (panel,) = progress_section(records).panels
    shapes = [s for s in json.loads(panel.json)["layout"]["shapes"] if s.get("name") == "gate shut"]
    assert [(s["x0"], s["x1"]) for s in shapes] == [(18.5, 21.5), (25.5, 26.5)]
    (panel,) = timeline_section(records).panels
    shapes = [s for s in json.loads(panel.json)["layout"]["shapes"] if s.get("name") == "gate shut"]
    began, ended = records.experiments[18].lab_began_s, records.experiments[20].lab_ended_s
    assert began is not None and ended is not None
    assert (shapes[0]["x0"], shapes[0]["x1"]) == pytest.approx((began / 3600, ended / 3600))
    notes = phase_rows(records)[2].notes
    assert notes[0] == "gate shut for experiments 19 to 21, which went to learning: cover 19"
    assert notes[1] == "gate shut for experiment 26, which went to learning: cover 25"


def test_the_gate_s_band_stands_behind_the_coverage() -> None:
    records = fake.gated(fake.records(30), (18, 1), (25, 1))
    panel = calibration_section(records).panels[-1]
    assert panel.key == "gate" and "found shut 2 times" in panel.caption
    shown = {trace["name"]: trace for trace in json.loads(panel.json)["data"]}
    assert shown["gate open: 75 to 100 %"]["y"] == [0.75, 0.75, 1.0, 1.0]
    at = dict(zip(shown["coverage"]["x"], shown["coverage"]["y"], strict=True))
    assert at[19] == at[26] == 0.5 and at[20] == 0.8
    assert (shown["found shut"]["x"], shown["found shut"]["y"]) == ([19, 26], [0.5, 0.5])
    assert [p.key for p in calibration_section(fake.records(30)).panels] == ["parity", "residuals"]


def test_an_alternating_phase_tells_whose_turns_it_had() -> None:
    records = fake.records(12)
    plan = [
        records.campaign.to_json()["plan"][0],
        {"mode": "alternate", "at_most": 20, "turns": [
            {"mode": "learn", "method": "variance", "experiments": 2},
            {"mode": "optimise", "method": "ucb", "experiments": 3},
        ]},
    ]  # fmt: skip
    records = fake.aimed(records, plan=plan)
    phases = list(records.phases)
    phases[1] = fake.changed(phases[1], mode="alternate", method="2 variance, 3 ucb")
    records = fake.told(fake.changed(records, phases=tuple(phases)), 12, mode="optimise")
    assert [(row.mode, row.own) for row in phase_rows(records)] == [
        ("explore", ""),
        ("alternate", "3 learn, 1 optimise"),
    ]
    (panel,) = timeline_section(records).panels
    lines = json.loads(panel.json)["layout"]["shapes"]
    assert [s["name"] for s in lines] == ["explore · sobol", "alternate · 2 variance, 3 ucb"]
    began = records.experiments[8].lab_began_s
    assert began is not None and lines[1]["x0"] == pytest.approx(began / 3600)
    assert "mark-alternate" in page(records, model=None)


COST = {"base": 10.0, "unit": "min", "per": [["layers", 2.0]], "of": [["solvent", [["toluene", 5.0]]]]}


def test_the_cost_counts_what_was_begun_and_every_change() -> None:
    records = fake.aimed(fake.records(20), cost=COST | {"changes": [["solvent", 7.0]]})
    experiments = list(records.experiments)
    experiments[4] = fake.changed(experiments[4], started_at=None)
    records = fake.changed(records, experiments=tuple(experiments))
    wanted, before = {}, None
    for e in records.experiments:
        if e.number != 5:
            c = e.candidate
            wanted[e.number] = 10 + 2 * c["layers"] + 5 * (c["solvent"] == "toluene")
            wanted[e.number] += 7 * (before is not None and before != c["solvent"])
            before = c["solvent"]
    found = spending(records)
    assert found is not None and found.experiments == pytest.approx(wanted)
    assert found.total == pytest.approx(sum(wanted.values()))
    first = sum(cost for n, cost in wanted.items() if n <= 8)
    told = status.summarise(records)["cost"]
    assert told["phases"][0] == {"index": 0, "spent": pytest.approx(first)}
    assert (told["unit"], told["spent"]) == ("min", pytest.approx(found.total))
    assert phase_rows(records)[0].cost == f"{first:.4g}"
    assert dict(facts(records))["Cost"].endswith("min for 19 experiments begun")
    assert status.summarise(fake.records(5))["cost"] is None and spending(fake.records(5)) is None


def test_costs_and_bounds_are_columns_at_the_end(tmp_path: Path) -> None:
    bounds = [{"name": "thickness", "unit": "nm", "at_most": 40.5, "at_least": None}]
    records = fake.aimed(fake.records(9, failing=(3,)), cost=COST, outcome_constraints=bounds)
    export(records, tmp_path)
    table = parquet.read_table(tmp_path / "experiments.parquet")
    assert table.column_names[-2:] == ["constraints_kept", "cost"]
    spent = spending(records)
    assert spent is not None
    for row, e in zip(table.to_pylist(), records.experiments, strict=True):
        assert row["cost"] == pytest.approx(spent.experiments[e.number])
        kept = e.values["thickness"].value <= 40.5 if e.number != 3 else None
        assert row["constraints_kept"] is kept


def weather() -> Records:
    space = Space(
        parameters=(
            Continuous(name="anneal_temperature", low=350.0, high=520.0, unit="K"),
            Continuous(name="humidity", low=0.0, high=1.0, role="context"),
            Categorical(name="lot", choices=("a", "b"), role="context"),
        )
    )
    base = fake.records(3)
    experiments = tuple(
        fake.changed(
            e,
            candidate={"anneal_temperature": 400.0 + e.number, "humidity": 0.5, "lot": "a"},
            values={
                **e.values,
                **(
                    {"humidity": MeasuredValue(0.2, "", None), "lot": MeasuredValue(1.0, "", None)}
                    if e.number == 2
                    else {}
                ),
            },
        )
        for e in base.experiments
    )
    made = fake.campaign(space)
    return fake.changed(base, experiments=experiments, campaign=made, fingerprint=made.fingerprint)


def test_contexts_are_shown_as_they_were_measured() -> None:
    records = weather()
    assert as_made(records.experiments[1], records.campaign)["lot"] == "b"
    assert as_made(records.experiments[0], records.campaign)["lot"] == "a"
    found = status.summarise(records)["context"]
    assert found == {
        "humidity": {"value": 0.2, "experiment": "x-0002", "number": 2},
        "lot": {"value": "b", "experiment": "x-0002", "number": 2},
    }
    cells = [cell.text for cell in rows(records)[1].cells]
    assert "0.200" in cells and "b" in cells
