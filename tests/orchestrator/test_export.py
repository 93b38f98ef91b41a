"""The exported files: stable names, equal to the records, safe to open, whole or not there."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from orchestrator.export import export
from orchestrator.export.columns import tables
from orchestrator.export.files import replacing
from orchestrator.export.tabular import safe
from orchestrator.records import Records
from tests.orchestrator import records_fake as fake

FILES = [
    "experiments.csv",
    "experiments.parquet",
    "proposals.csv",
    "proposals.parquet",
    "measurements.csv",
    "measurements.parquet",
    "actions.csv",
    "actions.parquet",
    "events.jsonl",
    "README.txt",
    "campaign.json",
]
PARAMETERS = [
    "parameter.dopant_fraction",
    "parameter.anneal_temperature",
    "parameter.anneal_time",
    "parameter.layers",
    "parameter.spin_speed",
    "parameter.solvent",
]
# Other people's scripts read these by name: a change here is a change of a promise.
COLUMNS = {
    "experiments": [
        "experiment_id",
        "number",
        "state",
        "reality",
        "phase",
        "mode",
        "proposed_at",
        "started_at",
        "ended_at",
        "lab_began_s",
        "lab_ended_s",
        "failure_attribution",
        "failure_reason",
        *PARAMETERS,
        "objective.hole_mobility",
        "objective.hole_mobility.sigma",
    ],
    "proposals": [
        "experiment_id",
        "number",
        "proposed_at",
        "phase",
        "mode",
        "acquisition",
        "acquisition_value",
        "predicted_mean",
        "predicted_sd",
        "model",
        "seed",
        "read_to",
        "rule",
        "fallback",
        *PARAMETERS,
        "predicted_noise_sd",
        "predicted.hole_mobility.mean",
        "predicted.hole_mobility.sd",
        *(name.replace("parameter.", "sensitivity.") for name in PARAMETERS),
        "nearest_distance",
        "nearest_value",
        "nearest_candidate",
        "feasible",
        "expected_cost",
        "reasons",
    ],
    "measurements": [
        "experiment_id",
        "number",
        "reality",
        "name",
        "value",
        "unit",
        "sigma",
        "direction",
        "ended_at",
    ],
    "actions": [
        "action_id",
        "experiment_id",
        "number",
        "reality",
        "step",
        "device",
        "verb",
        "args",
        "state",
        "repeat",
        "began_s",
        "ended_s",
        "reason",
    ],
}
TYPES = {
    "integer": "int64",
    "number": "double",
    "text": "string",
    "flag": "bool",
    "time": "timestamp[us, tz=UTC]",
}


@pytest.fixture
def records() -> Records:
    return fake.records(30, failing=(5, 12), fallback=(22,))


def rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        found: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return found
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_and_their_columns_are_pinned(records: Records, tmp_path: Path) -> None:
    written = export(records, tmp_path / "out")
    assert [path.name for path in written] == FILES
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    for name, columns in COLUMNS.items():
        assert parquet.read_schema(tmp_path / "out" / f"{name}.parquet").names == columns
        header = (tmp_path / "out" / f"{name}.csv").read_bytes().decode().split("\r\n", 1)[0]
        assert header.split(",") == columns


def test_parquet_gives_back_the_records(records: Records, tmp_path: Path) -> None:
    export(records, tmp_path)
    found = rows(tmp_path / "experiments.parquet")
    assert len(found) == 30
    for row, e in zip(found, records.experiments, strict=True):
        assert {p: row[f"parameter.{p}"] for p in e.candidate} == dict(e.candidate)
        value = e.values.get("hole_mobility")
        assert row["objective.hole_mobility"] == (value.value if value else None)
        assert row["objective.hole_mobility.sigma"] == (value.sigma if value else None)
        assert (row["failure_attribution"], row["failure_reason"]) == (e.failure or (None, None))
        assert row["proposed_at"] == datetime.fromisoformat(e.proposed_at)
        assert row["reality"] == "simulated"
    for row, e in zip(rows(tmp_path / "proposals.parquet"), records.experiments, strict=True):
        p = e.proposal
        told = (
            row["mode"],
            row["acquisition_value"],
            row["predicted_mean"],
            row["predicted_sd"],
            row["fallback"],
        )
        assert told == (p.mode, p.value, p.mean, p.sd, p.fallback)
        assert (row["model"], row["seed"], row["read_to"], row["rule"]) == (
            p.model,
            p.seed,
            p.read_to,
            p.rule,
        )
    values = [
        (e.id, name, v.value, v.unit, v.sigma) for e in records.experiments for name, v in e.values.items()
    ]
    measured = rows(tmp_path / "measurements.parquet")
    assert [(r["experiment_id"], r["name"], r["value"], r["unit"], r["sigma"]) for r in measured] == values
    for row, a in zip(rows(tmp_path / "actions.parquet"), records.actions, strict=True):
        assert (row["action_id"], row["began_s"], row["ended_s"]) == (a.id, a.began_s, a.ended_s)
        assert json.loads(row["args"]) == dict(a.args)


def test_csv_says_the_same_as_parquet_to_the_last_bit(records: Records, tmp_path: Path) -> None:
    export(records, tmp_path)
    for name in COLUMNS:
        schema = parquet.read_schema(tmp_path / f"{name}.parquet")
        for text, typed in zip(
            rows(tmp_path / f"{name}.csv"), rows(tmp_path / f"{name}.parquet"), strict=True
        ):
            for column, value in typed.items():
                cell, kind = text[column], str(schema.field(column).type)
                if value is None or value == "":
                    assert cell == ""
                elif kind == "double":
                    assert float(cell) == value
                elif kind.startswith("timestamp"):
                    assert cell.endswith("Z") and datetime.fromisoformat(cell) == value
                else:
                    assert cell == str(value)


def test_units_types_and_meanings_stand_in_the_schema_and_in_the_dictionary(
    records: Records, tmp_path: Path
) -> None:
    export(records, tmp_path)
    readme = (tmp_path / "README.txt").read_text(encoding="utf-8")
    for table in tables(records):
        schema = parquet.read_schema(tmp_path / f"{table.name}.parquet")
        assert schema.metadata[b"alquimia.fingerprint"].decode() == records.fingerprint
        assert schema.metadata[b"alquimia.reality"] == b"simulated"
        part = readme.split(f"\n{table.name}.csv, ")[1].split(".csv, ")[0]
        for column in table.columns:
            field = schema.field(column.name)
            assert str(field.type) == TYPES[column.kind]
            assert field.metadata[b"unit"].decode() == column.unit
            assert field.metadata[b"meaning"].decode() == column.meaning
            assert f"  {column.name} " in part
            assert column.meaning in " ".join(part.split())
            assert not column.unit or f"[{column.unit}]" in part
    assert "SIMULATED" in readme


def test_the_statement_comes_last_and_vouches_for_every_other_file(records: Records, tmp_path: Path) -> None:
    export(records, tmp_path)
    statement = json.loads((tmp_path / "campaign.json").read_text(encoding="utf-8"))
    assert statement["campaign"] == records.campaign.to_json()
    assert type(records.campaign).from_json(statement["campaign"]) == records.campaign
    assert statement["fingerprint"] == records.campaign.fingerprint
    assert [phase["mode"] for phase in statement["phases"]] == ["explore", "learn", "optimise"]
    assert statement["rows"] == {"experiments": 30, "proposals": 30, "measurements": 56, "actions": 118}
    assert sorted(statement["sha256"]) == sorted(set(FILES) - {"campaign.json"})
    for name, told in statement["sha256"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == told


def test_events_are_json_lines_in_order_and_read_once(records: Records, tmp_path: Path) -> None:
    events = list(records.events)
    export(fake.changed(records, events=iter(events)), tmp_path)
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [vars(event) for event in events]
    assert "µ ≤ ½" in lines[0]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\tx", "\rx", "\nx", "＝1", "'=1", "'"])
def test_a_spreadsheet_takes_no_text_for_a_formula(text: str, tmp_path: Path) -> None:
    records = fake.records(3, failing=(2,))
    experiments = tuple(
        fake.changed(e, failure=("infeasible", text)) if e.number == 2 else e for e in records.experiments
    )
    export(fake.changed(records, experiments=experiments), tmp_path)
    cell = rows(tmp_path / "experiments.csv")[1]["failure_reason"]
    assert cell == "'" + text
    assert rows(tmp_path / "experiments.parquet")[1]["failure_reason"] == text
    assert "apostrophe" in (tmp_path / "README.txt").read_text(encoding="utf-8")


def test_numbers_below_zero_and_plain_text_stay_as_they_are(tmp_path: Path) -> None:
    assert safe("toluene") == "toluene" and safe("") == "" and safe("2-propanol") == "2-propanol"
    export(fake.records(4, direction="minimise"), tmp_path)
    values = [row["objective.hole_mobility"] for row in rows(tmp_path / "experiments.csv")]
    assert any(value.startswith("-") for value in values)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused_by_name(number: float, tmp_path: Path) -> None:
    records = fake.records(2)
    first = records.experiments[0]
    broken = fake.changed(first, proposal=fake.changed(first.proposal, value=number))
    with pytest.raises(ValueError, match=r"proposals\.acquisition_value is (nan|inf)"):
        export(fake.changed(records, experiments=(broken,)), tmp_path)


def test_a_time_without_offset_is_refused(tmp_path: Path) -> None:
    records = fake.records(1)
    broken = fake.changed(records.experiments[0], proposed_at="2026-11-21T08:00:00")
    with pytest.raises(ValueError, match="no offset"):
        export(fake.changed(records, experiments=(broken,)), tmp_path)


def test_times_of_other_zones_become_utc(tmp_path: Path) -> None:
    records = fake.records(1)
    moved = fake.changed(records.experiments[0], proposed_at="2026-11-21T09:00:00.5+01:00")
    export(fake.changed(records, experiments=(moved,)), tmp_path)
    assert rows(tmp_path / "experiments.csv")[0]["proposed_at"] == "2026-11-21T08:00:00.500000Z"


def test_an_empty_campaign_exports_typed_empty_tables(tmp_path: Path) -> None:
    export(fake.records(0, state="open"), tmp_path)
    for name, columns in COLUMNS.items():
        table = parquet.read_table(tmp_path / f"{name}.parquet")
        assert (table.num_rows, table.column_names) == (0, columns)
    assert (tmp_path / "events.jsonl").read_bytes() == b""


def test_a_reading_in_another_unit_is_converted_for_the_objective_only(tmp_path: Path) -> None:
    records = fake.records(1)
    first = records.experiments[0]
    value = fake.changed(first.values["hole_mobility"], value=2e-4, unit="m^2/V/s", sigma=1e-5)
    export(
        fake.changed(records, experiments=(fake.changed(first, values={"hole_mobility": value}),)), tmp_path
    )
    (row,) = rows(tmp_path / "experiments.parquet")
    assert row["objective.hole_mobility"] == pytest.approx(2.0)
    assert row["objective.hole_mobility.sigma"] == pytest.approx(0.1)
    (row,) = rows(tmp_path / "measurements.parquet")
    assert (row["value"], row["unit"]) == (2e-4, "m^2/V/s")


def test_a_file_is_replaced_whole_or_left_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    class PowerCut(BaseException):
        pass

    with pytest.raises(PowerCut), replacing(target) as file:
        file.write(b"half of the n")
        file.flush()
        assert target.read_text() == "old"
        raise PowerCut
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    with replacing(target) as file:
        file.write(b"new")
    assert target.read_text() == "new"
