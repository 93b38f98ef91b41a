"""What was measured before: read from a bound table, checked cell by cell, part of the campaign from then on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from campaigns.campaign import Campaign
from campaigns.errors import CampaignError, Fault
from campaigns.load import loads

HISTORY = (
    "history: [{table: last_year, columns: {t: 'T (K)'}, gives: {y: 'Y (%)', z: Z}, related: true}]\n"
    "outcome_constraints: [{reading: z, at_most: 2}]\n"
)
GOOD = "T (K),x,Y (%),Z,note\n400,0.5,31,1,a\n350,0.25,,2,b\n\n400,0.5,30,,c\n300,0.1,,,nothing\n"


@pytest.fixture
def text(bent: Callable[..., str]) -> str:
    return bent(("gives: {y: reading}", "gives: {y: reading, z: other}")) + HISTORY


def read(text: str, folder: Path, table: str | bytes, **options: object) -> Campaign:
    path = folder / "old.csv"
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    return loads(text, file="f.yaml", tables={"last_year": path}, **options)  # type: ignore[arg-type]


def refused(text: str, folder: Path, table: str | bytes) -> tuple[Fault, ...]:
    with pytest.raises(CampaignError) as error:
        read(text, folder, table)
    return error.value.faults


def test_rows_in_the_order_of_the_table_with_what_was_measured(text: str, tmp_path: Path) -> None:
    (history,) = read(text, tmp_path, "\ufeff" + GOOD.replace("\n", "\r\n")).history
    assert (history.name, history.related) == ("last_year", True)
    assert (history.columns, history.results) == (("x", "t"), ("y", "z"))
    assert history.rows == ((0.5, 400.0), (0.25, 350.0), (0.5, 400.0)), (
        "replicates stay; a row without results goes"
    )
    assert history.values == ((31.0, 1.0), (None, 2.0), (30.0, None))


def test_round_trip_and_fingerprint(text: str, tmp_path: Path) -> None:
    campaign = read(text, tmp_path, GOOD)
    again = Campaign.from_json(campaign.to_json())
    assert again == campaign and repr(again.history) == repr(campaign.history)
    assert read(text, tmp_path, GOOD.replace(",31,", ",32,")).fingerprint != campaign.fingerprint
    same = GOOD.replace("note", "remark").replace("400", "400.0")
    assert read(text, tmp_path, same).fingerprint == campaign.fingerprint
    other = read(text, tmp_path, GOOD, overrides=["history.0.related=false"])
    assert other.fingerprint != campaign.fingerprint


@pytest.mark.parametrize(
    ("table", "code", "line", "column"),
    [
        (GOOD.replace("350", "much"), "E233", 3, 1),
        (GOOD.replace("350", ""), "E233", 3, 1),
        (GOOD.replace("0.25", "2.5"), "E233", 3, 2),
        (GOOD.replace("0.25", "nan"), "E233", 3, 2),
        (GOOD.replace("350,0.25,,2,b", "350"), "E233", 3, 2),
        (GOOD.replace(",31,", ",high,"), "E263", 2, 3),
        (GOOD.replace(",31,", ",inf,"), "E263", 2, 3),
        (GOOD.replace(",31,", ",3_1,"), "E263", 2, 3),
        (GOOD.replace("T (K)", "T (C)"), "E262", 1, 1),
        (GOOD.replace("Y (%)", "y"), "E262", 1, 1),
        (GOOD.replace("note", "Z"), "E262", 1, 1),
        ("T (K),x,Y (%),Z\n", "E234", None, None),
        ("T (K),x,Y (%),Z\n400,0.5,,\n", "E234", None, None),
        ("", "E262", 1, 1),
        (b"T (K),x,Y (%),Z\n\xff,3\n", "E232", None, None),
        ('T (K),x,Y (%),Z\n"0.5,400\n', "E232", None, None),
    ],
)
def test_tables_that_cannot_be_used(
    text: str, tmp_path: Path, table: str | bytes, code: str, line: int | None, column: int | None
) -> None:
    fault = refused(text, tmp_path, table)[0]
    assert (fault.code, fault.line, fault.column) == (code, line, column)
    assert fault.file == str(tmp_path / "old.csv")


def test_faults_are_bounded(text: str, tmp_path: Path) -> None:
    table = "T (K),x,Y (%),Z\n" + "9,0.5,1,1\n" * 1000
    assert len(refused(text, tmp_path, table)) <= 25


def test_a_table_that_is_not_there(text: str, tmp_path: Path) -> None:
    with pytest.raises(CampaignError) as error:
        loads(text, tables={"last_year": tmp_path / "gone.csv"})
    assert [fault.code for fault in error.value.faults] == ["E232"]


def test_results_that_nobody_seeks(text: str, tmp_path: Path) -> None:
    (fault,) = refused(
        text.replace("z: Z}", "z: Z, w: note}"), tmp_path, GOOD.replace("note", "9").replace("a", "1")
    )[:1]
    assert fault.code in ("E262", "E263")
    unsought = text[: text.index("outcome_constraints")]
    (fault,) = refused(unsought, tmp_path, GOOD)
    assert (fault.code, fault.path, fault.file) == ("E262", "history[0].gives.z", "f.yaml")


def test_only_what_the_space_lets_be_missing_may_be_empty(text: str, tmp_path: Path) -> None:
    text = text.replace(
        "objectives:",
        "  gas: {categorical: [none, argon]}\n"
        "  flow: {continuous: [1, 10], when: {gas: [argon]}, otherwise: 1}\n"
        "  rh: {context: [0, 100]}\n"
        "objectives:",
    )
    text = text.replace("x: $x,", "x: $x, gas: $gas, flow: $flow,").replace(
        "z: other}", "z: other, rh: humidity}"
    )
    header = "T (K),x,gas,flow,rh,Y (%),Z\n"
    (history,) = read(text, tmp_path, header + "400,0.5,none,,,31,1\n400,0.5,argon,7,130,31,1\n").history
    assert history.rows == ((0.5, 400.0, "none", 1.0, 50.0), (0.5, 400.0, "argon", 7.0, 130.0))
    fault = refused(text, tmp_path, header + "400,0.5,argon,,40,31,1\n")[0]
    assert (fault.code, fault.line, fault.column) == ("E233", 2, 4)
    fault = refused(text, tmp_path, header + "400,,none,,40,31,1\n")[0]
    assert (fault.code, fault.line, fault.column) == ("E233", 2, 2)


def test_compositions_must_add_up_but_for_rounding(bent: Callable[..., str], tmp_path: Path) -> None:
    text = bent(
        ("  x: {continuous: [0, 1]}\n", "  m: {mixture: {x: [0, 100], w: [0, 100]}, total: 100}\n"),
        ("x: $x,", "x: $x, w: $w,"),
    )
    text += "history: [{table: last_year, gives: {y: Y}}]\n"
    assert len(read(text, tmp_path, "x,w,t,Y\n40,59.9,400,3\n").history[0].rows) == 1
    fault = refused(text, tmp_path, "x,w,t,Y\n40,50,400,3\n")[0]
    assert (fault.code, fault.line, fault.column) == ("E233", 2, 1)


def test_a_history_of_other_parameters_is_no_campaign(text: str, tmp_path: Path) -> None:
    data = read(text, tmp_path, GOOD).to_json()
    for wrong in (
        {"columns": ["x", "q"]},
        {"rows": [[0.5, 400.0]]},
        {"rows": [[0.5], [0.5], [0.5]]},
        {"rows": [[5.0, 400.0]] * 3},
        {"results": ["y", "q"]},
        {"values": []},
    ):
        with pytest.raises(ValueError, match=r"E2(33|62)"):
            Campaign.from_json({**data, "history": [{**data["history"][0], **wrong}]})
