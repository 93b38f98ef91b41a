"""Films of any mixture, with the truth of a model fitted to a table; bad tables, sums and empty bottles in words."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from drivers.clock import VirtualClock
from drivers.driver import Attribution, LabContext
from drivers.errors import SettingsError
from drivers.lab import shipped
from drivers.protocol import Action, Outcome
from drivers.sim.mixing_robot import MixingRobot
from drivers.sim.table_model import table_model

MEASURED = Path(__file__).resolve().parents[2].parent / "shared/data/bo/p3ht_cnt"
SETTINGS = {
    "components": {"a": "A", "b": "B", "c": "C"},
    "output": "y",
    "reading": "y",
    "output_unit": "S/cm",
}


def law(a: float, b: float, c: float) -> float:
    return 100 * math.exp(-(((a - 60) / 40) ** 2) - ((b - 25) / 30) ** 2)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    rows = [100 * rng.dirichlet((1, 1, 1)) for _ in range(80)]
    path = tmp_path / "t.csv"
    path.write_text("A,B,C,y\n" + "\n".join(",".join(map(str, (*row, law(*row)))) for row in rows))
    return path


def device(table: Path, **settings: Any) -> MixingRobot:
    made = MixingRobot.Settings.model_validate({"table": str(table), **SETTINGS, **settings})
    return MixingRobot("robot", made, LabContext(VirtualClock(), None, 0, table.parent))


async def make(robot: MixingRobot, id: str = "x", **parts: float) -> Outcome:
    args = {"a": 60.0, "b": 25.0, "c": 15.0, **parts}
    return await robot.act(Action(id=id, device="robot", verb="make_and_measure", args=args, epoch=1))


async def test_films_are_as_the_table_says_between_its_rows_too(table: Path) -> None:
    exact = device(table, dose=0.0, meter=0.0)
    for a, b in ((60.0, 25.0), (40.0, 30.0), (33.0, 33.0), (70.0, 10.0)):
        read = (await make(exact, a=a, b=b, c=100 - a - b)).readings["y"]
        assert read.value == pytest.approx(law(a, b, 0), rel=0.05) and read.unit == "S/cm"
    robot = device(table)
    reads = [(await make(robot, str(k))).readings["y"] for k in range(50)]
    assert len({read.value for read in reads}) == 50
    assert np.std([math.log(read.value) for read in reads]) == pytest.approx(0.05, rel=0.35)
    assert (await make(device(table), "7")).readings["y"] == reads[7]


async def test_parts_that_do_not_add_up_are_infeasible(table: Path) -> None:
    refused = await make(device(table), a=80.0)
    assert refused.attribution is Attribution.INFEASIBLE and "add up to 100 %, got 120" in refused.reason


async def test_a_bottle_runs_out_and_says_which(table: Path) -> None:
    robot = device(table, stock_ml=1.5)
    assert (await make(robot, "1")).status == (await make(robot, "2")).status == "succeeded"
    assert (await make(robot, "2")).status == "succeeded", "the same film again takes nothing"
    empty = await make(robot, "3")
    assert (
        empty.attribution is Attribution.LOGISTICS and "a has run out: wanted 0.6 mL, 0.3 mL" in empty.reason
    )
    assert (await make(robot, "4", a=0.0, b=50.0, c=50.0)).status == "succeeded", (
        "another recipe needs none of it"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("A,B,C,y\n" + "1,2,3,4\n" * 9, "at least 10 rows"),
        ("A,B,C,y\n" + "1,2,3,4\n" * 9 + "1,2,3,0\n", "data row 10: wanted a number above 0"),
        ("A,B,C,y\n" + "w,2,3,4\n" * 10, "wanted numbers in 'A'"),
        ("A,B,y\n1,2,3\n", "no column 'C'"),
    ],
)
def test_a_bad_table_is_refused_in_words(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(SettingsError, match=words):
        device(path)


def test_no_table_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match="--table PATH"):
        MixingRobot.describe(MixingRobot.Settings.model_validate(SETTINGS))


@pytest.mark.skipif(not MEASURED.exists(), reason=f"the measured films are not at {MEASURED}")
def test_of_measured_films_the_model_predicts_what_it_was_not_shown() -> None:
    (path,) = MEASURED.glob("*.csv")
    device = YAML(typ="safe").load(shipped("simulated/composite_film"))["devices"]["robot"]["settings"]
    model = table_model(path, tuple(device["components"].values()), device["output"])
    assert model.r2 > 0.6
    with path.open(encoding="utf-8-sig") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: -float(row[device["output"]]))
    for part, low, high in (
        (rows[:20], 300, 1000),
        (rows[-20:], 0, 30),
    ):  # S/cm: the best and the poorest films
        said = [model.at([float(row[column]) for column in device["components"].values()]) for row in part]
        assert low < np.median(said) < high
