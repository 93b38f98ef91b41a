"""Tables of allowed rows: bound by the caller, checked cell by cell, small in memory and quick to ask."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from campaigns.campaign import Campaign
from campaigns.errors import CampaignError, Fault
from campaigns.load import load, loads

ALLOWED = "allowed: {table: measured, columns: {x: 'X content (%)'}}\n"
GOOD = "X content (%),t,y\n0.5,400,1\n0.25,350,2\n0.5,400,3\n"


def from_csv(
    base: str, folder: Path, text: str | bytes, allowed: str = ALLOWED, **options: object
) -> Campaign:
    path = folder / "measured.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return loads(base + allowed, file="f.yaml", tables={"measured": path}, **options)  # type: ignore[arg-type]


def refused(base: str, folder: Path, text: str | bytes, allowed: str = ALLOWED) -> tuple[Fault, ...]:
    with pytest.raises(CampaignError) as error:
        from_csv(base, folder, text, allowed)
    return error.value.faults


def test_rows_are_distinct_sorted_and_typed(base: str, tmp_path: Path) -> None:
    table = from_csv(base, tmp_path, GOOD).space.allowed
    assert table is not None
    assert table.columns == ("x", "t")
    assert table.rows == ((0.25, 350.0), (0.5, 400.0))


def test_the_fingerprint_is_that_of_the_rows_not_of_the_file(base: str, tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    shuffled = "\r\n".join([lines[0], lines[3], lines[2].replace("350", "350.0"), lines[1], ""])
    other = GOOD.replace("350", "351")
    prints = [from_csv(base, tmp_path, text).fingerprint for text in (GOOD, "\ufeff" + shuffled, other)]
    assert prints[0] == prints[1] != prints[2]


def test_inline_rows(base: str) -> None:
    campaign = loads(base + "allowed: {rows: [{x: 0.5, t: 400}, {t: 77 degC, x: 0}, {x: 0.5, t: 400}]}\n")
    assert campaign.space.allowed is not None
    assert campaign.space.allowed.rows == ((0.0, pytest.approx(350.15)), (0.5, 400.0))


def test_constraints_take_part_of_a_table(base: str, tmp_path: Path) -> None:
    narrow = ALLOWED + "constraints: [{linear: {x: 1}, at_most: 0.3}]\n"
    table = from_csv(base, tmp_path, GOOD, narrow).space.allowed
    assert table is not None and table.rows == ((0.25, 350.0),)
    assert refused(base, tmp_path, GOOD, narrow.replace("0.3", "0.1"))[0].code == "E234"


def test_an_unbound_table_says_how_to_bind_it(base: str) -> None:
    with pytest.raises(CampaignError, match="--table measured=PATH") as error:
        loads(base + ALLOWED, tables={"other": Path("o.csv")})
    assert [fault.code for fault in error.value.faults] == ["E231"]


@pytest.mark.parametrize("name", ["measured.csv", "/etc/passwd", "../x", "C:x", "", "a b", "~"])
def test_a_campaign_cannot_name_a_file(
    base: str, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "measured.csv").write_text(GOOD)
    with pytest.raises(CampaignError) as error:
        loads(base + f"allowed: {{table: '{name}', columns: {{x: 'X content (%)'}}}}\n")
    assert error.value.faults[0].code == "E204"


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        (GOOD.replace("350", "much"), "E233", 3, 2),
        (GOOD.replace("350", ""), "E233", 3, 2),
        (GOOD.replace("350", "nan"), "E233", 3, 2),
        (GOOD.replace("350", "inf"), "E233", 3, 2),
        (GOOD.replace("350", "3_5_0"), "E233", 3, 2),
        (GOOD.replace("350", "900"), "E233", 3, 2),
        (GOOD.replace("0.25,350,2", "0.25"), "E233", 3, 2),
        (GOOD.replace("X content (%)", "X contents (%)"), "E230", 1, 1),
        (GOOD.replace(",y", ",t"), "E230", 1, 1),
        ("X content (%),t\n", "E234", None, None),
        ("", "E230", 1, 1),
        (b"X content (%),t\n\xff,3\n", "E232", None, None),
        ('X content (%),t\n"0.5,400\n', "E232", None, None),
    ],
)
def test_tables_that_cannot_be_used(
    base: str, tmp_path: Path, text: str, code: str, line: int | None, column: int | None
) -> None:
    fault = refused(base, tmp_path, text)[0]
    assert (fault.code, fault.line, fault.column) == (code, line, column)
    assert fault.file == str(tmp_path / "measured.csv")


def test_a_table_file_that_is_not_there(base: str, tmp_path: Path) -> None:
    with pytest.raises(CampaignError) as error:
        loads(base + ALLOWED, tables={"measured": tmp_path / "gone.csv"})
    assert [fault.code for fault in error.value.faults] == ["E232"]


def test_faults_of_a_table_are_bounded(base: str, tmp_path: Path) -> None:
    text = "X content (%),t\n" + "".join(f"{i + 2},400\n" for i in range(1000))
    assert len(refused(base, tmp_path, text)) <= 25


def test_columns_of_a_mixture_must_add_up(base: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "P3HT content (%),D1 content (%),D2 content (%),D6 content (%),D8 content (%)\n45,0,5,0,0\n"
    )
    with pytest.raises(CampaignError, match="does not add up"):
        load("p3ht_cnt", tables={"table": path})


def test_categories_and_whole_numbers(bent: Callable[..., str], tmp_path: Path) -> None:
    text = bent(
        ("x: {continuous: [0, 1]}", "x: {categorical: [a, b]}"),
        ("t: {continuous: [300, 500], unit: K}", "t: {integer: [1, 9]}"),
    )
    table = from_csv(text, tmp_path, "X content (%),t\nb, 3.0 \na,4\n").space.allowed
    assert table is not None and table.rows == (("a", 4), ("b", 3))
    assert type(table.rows[0][1]) is int
    assert refused(text, tmp_path, "X content (%),t\nb,3.5\n")[0].code == "E233"
    assert refused(text, tmp_path, "X content (%),t\nc,3\n")[0].code == "E233"


def test_a_long_table_shares_its_cells_and_is_asked_without_a_walk(base: str, tmp_path: Path) -> None:
    draw = random.Random(0)
    xs = [i / 1000 for i in range(1000)]
    ts = [300 + i / 2 for i in range(400)]
    lines = [f"{x},{t}" for x in xs for t in draw.sample(ts, 60)]
    campaign = from_csv(base, tmp_path, "X content (%),t\n" + "\n".join(lines))
    table = campaign.space.allowed
    assert table is not None and len(table.rows) == 60_000
    assert len({id(cell) for row in table.rows for cell in row}) <= len(xs) + len(ts)
    assert table.members is table.members, "made once, not for every question"
    assert campaign.space.violations(dict(zip(table.columns, table.rows[777], strict=True))) == []
    assert campaign.space.violations({"x": 0.5005, "t": 300.0}) != []
