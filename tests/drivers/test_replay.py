"""A table as an instrument: the right row, its replicates, its declaration, clear words for a bad one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.clock import VirtualClock
from drivers.driver import Attribution, LabContext
from drivers.errors import SettingsError
from drivers.protocol import Action, Outcome
from drivers.replay import Replay
from drivers.table import MeasuredTable

TABLE = """\ufefftemperature (K), solvent ,time (s),yield (%),note
300,water,10,1.0,
300,water,10,3.0,
400,water,10,5.0,x
400,acetone,20,7.0,
350,acetone,20,9.0,
"""
SETTINGS: dict[str, Any] = {
    "inputs": {"temperature": "temperature (K)", "solvent": "solvent", "time": "time (s)"},
    "outputs": {"yield": "yield (%)"},
    "units": {"temperature": "K", "time": "s", "yield": "%"},
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def replay(path: Path, *, seed: int = 0, **settings: Any) -> Replay:
    made = Replay.Settings.model_validate({"table": str(path), **SETTINGS, **settings})
    return Replay("table", made, LabContext(VirtualClock(), None, seed, path.parent))


async def ask(device: Replay, id: str = "a", **args: Any) -> Outcome:
    return await device.act(Action(id=id, device="table", verb="look_up", args=args, epoch=1))


def test_the_table_declares_the_instrument(table: Path) -> None:
    spec = replay(table).spec
    assert spec.simulated
    look_up = spec.actions["look_up"]
    temperature, solvent = look_up.parameters["temperature"], look_up.parameters["solvent"]
    assert (temperature.kind, temperature.unit) == ("number", "K")
    assert (temperature.at_least, temperature.at_most) == (300, 400)
    assert (solvent.kind, solvent.choices) == ("choice", ("water", "acetone"))
    assert look_up.results["yield"].unit == "%" and list(look_up.results) == ["yield", "row"]


def test_bounds_may_be_set_wider_than_the_table(table: Path) -> None:
    spec = replay(table, bounds={"temperature": [273.0, 500.0]}).spec
    assert spec.actions["look_up"].parameters["temperature"].at_least == 273


async def test_the_mean_of_replicates_comes_with_its_standard_error(table: Path) -> None:
    outcome = await ask(replay(table), temperature=300.0, solvent="water", time=10.0)
    assert outcome.readings["yield"].value == 2.0
    assert outcome.readings["yield"].sigma == pytest.approx(math.sqrt(2) / math.sqrt(2))
    assert outcome.readings["yield"].unit == "%"
    assert outcome.readings["row"].value == 1
    single = await ask(replay(table), temperature=350.0, solvent="acetone", time=20.0)
    assert single.readings["yield"].sigma is None and single.readings["row"].value == 5


async def test_a_drawn_replicate_is_fixed_by_seed_and_action(table: Path) -> None:
    device = replay(table, replicates="draw")
    asked = {"temperature": 300.0, "solvent": "water", "time": 10.0}
    drawn = [await ask(device, f"a{i}", **asked) for i in range(40)]
    assert {(o.readings["yield"].value, o.readings["row"].value) for o in drawn} == {(1.0, 1.0), (3.0, 2.0)}
    assert drawn[0].readings["yield"].sigma == pytest.approx(math.sqrt(2))
    assert [await ask(replay(table, replicates="draw"), f"a{i}", **asked) for i in range(40)] == drawn
    other = [await ask(replay(table, replicates="draw", seed=1), f"a{i}", **asked) for i in range(40)]
    assert other != drawn


async def test_the_nearest_row_is_nearest_in_ranges_of_the_columns(table: Path) -> None:
    device = replay(table)
    # 40 of 100 K off row 5 and 60 off row 4, both with the right solvent; water is nearer and does not count.
    near = await ask(device, temperature=390.0, solvent="acetone", time=11.0)
    assert near.readings["row"].value == 4
    tie = await ask(device, temperature=375.0, solvent="acetone", time=20.0)
    assert tie.readings["row"].value == 4  # of two rows equally far the first


async def test_too_far_is_an_infeasible_recipe(table: Path) -> None:
    device = replay(table, max_distance=0.1)
    outcome = await ask(device, temperature=330.0, solvent="water", time=10.0)
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.INFEASIBLE)
    assert "row 1 is nearest, 0.3 ranges off" in outcome.reason
    assert (await ask(device, temperature=309.0, solvent="water", time=10.0)).status == "succeeded"


async def test_exact_means_the_row_itself(table: Path) -> None:
    device = replay(table, match="exact")
    assert (await ask(device, temperature=400.0, solvent="acetone", time=20.0)).status == "succeeded"
    outcome = await ask(device, temperature=400.0, solvent="acetone", time=10.0)
    assert outcome.attribution is Attribution.INFEASIBLE
    nudged = await ask(device, temperature=400.0 * (1 - 1e-13), solvent="acetone", time=20.0)
    assert nudged.status == "succeeded"  # a decimal's way through text


async def test_looking_up_takes_lab_time_where_asked_for(table: Path) -> None:
    outcome = await ask(replay(table, takes_s=90.0), temperature=400.0, solvent="water", time=10.0)
    assert outcome.ended_s - outcome.began_s == 90


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("temperature (K),solvent,time (s),yield (%)\n", "a header and no rows"),
        (TABLE.replace("yield (%)", "conversion"), r"no column 'yield \(%\)'; it has 'temperature \(K\)'"),
        (TABLE.replace("7.0", "n/a"), r"column 'yield \(%\)', data row 4: .*'n/a'"),
        (TABLE.replace("7.0", "NaN").replace("9.0", ""), r"data row 4: .*'NaN', and 1 more"),
        (TABLE.replace("7.0", "inf"), r"data row 4: .*finite"),
        (TABLE.replace("7.0", ""), r"data row 4: .*got ''"),
        (TABLE.replace("350,", "warm,"), r"column 'temperature \(K\)', data row 5: .*'warm'"),
        (TABLE.replace("350,acetone", "350,"), r"column 'solvent', data row 5: the cell is empty"),
        (TABLE + "1,2,3,4,5,6,7\n", "is no CSV table"),
        (TABLE.replace(",note", ""), "is no CSV table"),  # every row is longer than the header
        (TABLE + "350\n", "data row 6"),  # a row cut short
    ],
)
def test_a_bad_table_is_told_with_its_row(table: Path, text: str, complaint: str) -> None:
    table.write_text(text)
    with pytest.raises(SettingsError, match=complaint):
        replay(table)


def test_a_missing_table_says_how_to_give_one(tmp_path: Path) -> None:
    unbound = Replay.Settings.model_validate(SETTINGS)
    with pytest.raises(SettingsError, match="--table PATH"):
        Replay.describe(unbound)
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        replay(tmp_path / "nowhere.csv")
    with pytest.raises(SettingsError, match="is no CSV table"):
        replay(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(SettingsError, match="is no CSV table"):
        replay(tmp_path / "binary")


@pytest.mark.parametrize(
    "change",
    [
        {"units": {"pressure": "Pa"}},
        {"bounds": {"yield": [0.0, 1.0]}},
        {"outputs": {"row": "yield (%)"}},
        {"inputs": {}},
        {"match": "closest"},
        {"max_distance": 0.0},
        {"tabel": "x.csv"},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Replay.Settings.model_validate({**SETTINGS, **change})


def test_a_changed_file_is_read_again(table: Path) -> None:
    assert replay(table).spec.actions["look_up"].parameters["temperature"].at_most == 400
    table.write_text(TABLE + "555,water,10,1.0,\n")
    assert replay(table).spec.actions["look_up"].parameters["temperature"].at_most == 555


decimals = st.integers(-(10**9), 10**9).map(lambda n: n / 1000)


def test_a_column_of_rounding_errors_counts_as_constant(table: Path) -> None:
    table.write_text(f"a,b,y\n0.1,{0.1 + 0.2!r},1\n0.9,0.3,2\n")
    match = MeasuredTable(table, ["a", "b"], ["y"]).match({"a": 0.8, "b": 0.3 + 1e-9})
    assert match is not None and match.rows == [2]
    assert match.distance == pytest.approx(0.125, rel=1e-6)


@given(
    st.lists(st.tuples(decimals, decimals), min_size=1, max_size=30),
    st.tuples(decimals, decimals),
)
def test_the_match_is_that_of_a_plain_loop(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float]], point: tuple[float, float]
) -> None:
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{a!r},{b!r},{i}\n" for i, (a, b) in enumerate(rows)))
    match = MeasuredTable(path, ["a", "b"], ["y"]).match({"a": point[0], "b": point[1]})
    assert match is not None

    def distance(row: tuple[float, float]) -> float:
        square = 0.0
        for i in range(2):
            column = [r[i] for r in rows]
            span = max(column) - min(column) or 1.0
            square += ((row[i] - point[i]) / span) ** 2
        return math.sqrt(square)

    assert match.distance == pytest.approx(min(map(distance, rows)), rel=1e-6, abs=1e-7)
    assert distance(rows[match.rows[0] - 1]) == pytest.approx(match.distance, rel=1e-6, abs=1e-7)


def test_a_million_rows_are_looked_up_without_a_loop(tmp_path: Path) -> None:
    n = 1_000_000
    table = MeasuredTable.__new__(MeasuredTable)
    values = np.random.default_rng(0).random((n, 5))
    table.path, table.categorical = tmp_path, {}
    table._numeric = tuple("abcde")
    table._values, table._low, table._spans = values, np.zeros(5), np.ones(5)
    table._scaled = values
    wanted = values[777_777] + 1e-9
    match = table.match(dict(zip("abcde", wanted, strict=True)))
    assert match is not None and match.rows == [777_778]
