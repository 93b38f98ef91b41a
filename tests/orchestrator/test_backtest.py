"""`alquimia backtest` as a user types it: table, JSON, files, refusals."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator.backtest.choosers import OwnPlanner
from orchestrator.backtest.play import play
from orchestrator.backtest.variants import Setup
from orchestrator.cli.main import app
from tests.orchestrator.backtesting import CAMPAIGN, own, shipped
from tests.orchestrator.laboratory import REFUSED, alquimia


def words(setup: Setup, *more: str) -> list[str]:
    [(_, table)] = setup.tables
    lab = () if setup.lab is None else ("--lab", str(setup.lab))
    overrides = [word for text in setup.overrides for word in ("--set", text)]
    return ["backtest", setup.source, "--table", str(table), *lab, *overrides, *more]


def backtest(setup: Setup, *more: str) -> Result:
    return CliRunner().invoke(app, words(setup, *more), catch_exceptions=False)


def runs(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_a_verdict_and_cautions_are_printed(tmp_path: Path) -> None:
    done = backtest(
        shipped(tmp_path), "--seeds", "2", "--budget", "12", "--settings", "log_ei", "--against", "sobol"
    )
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "p3ht-cnt-conductivity: 37 rows, 2 of them the top 5 %, 12 experiments, 2 seeds"
    assert [line.split("  ")[0] for line in lines[4:8]] == ["as written", "log_ei", "random", "sobol"]
    assert lines[2].split()[-1] == "s/ask" and "found at 10" in lines[2] and "best (S/cm)" in lines[2]
    for said in (
        "Best: ",
        "Fewer than 6 seeds",
        "Caution: The table is small",
        "Caution: A look-up gives the mean",
    ):
        assert said in done.stdout
    assert done.stderr.splitlines() == [
        "as written: 2 runs",
        "log_ei: 2 runs",
        "random: 2 runs",
        "sobol: 2 runs",
    ]


def test_json_is_the_table_and_nothing_else(tmp_path: Path) -> None:
    done = backtest(
        shipped(tmp_path), "--seeds", "2", "--budget", "8", "--json", "--out", str(tmp_path / "out")
    )
    told = json.loads(done.stdout, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert (told["format"], told["rows"], told["seeds"], told["budget"]) == (1, 37, 2, 8)
    assert [v["variant"] for v in told["variants"]] == ["as written", "random"]
    assert set(told["variants"][0]) == {
        "variant", "first_top_row", "share_of_top", "mean_share_of_top", "enhancement", "acceleration_to_half",
        "best_median", "seconds_per_ask",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "backtest.json").read_text()) == told


@pytest.mark.slow
def test_several_processes_give_the_same_bytes_as_one(tmp_path: Path) -> None:
    setup = own(tmp_path)
    for jobs in ("1", "2"):
        done = backtest(
            setup, "--seeds", "2", "--jobs", jobs, "--settings", "log_ei", "--out", str(tmp_path / jobs)
        )
        assert done.exit_code == 0
    one, two = ((tmp_path / jobs / "runs.csv").read_bytes() for jobs in ("1", "2"))
    assert one == two and one.count(b"\n") == 1 + 3 * 2 * 18


def test_the_raw_results_hold_every_experiment_with_its_truth(tmp_path: Path) -> None:
    setup = own(tmp_path)
    backtest(setup, "--seeds", "2", "--budget", "7", "--out", str(tmp_path / "out"))
    rows = runs(tmp_path / "out" / "runs.csv")
    assert len(rows) == 2 * 2 * 7
    assert {(r["variant"], r["seed"]) for r in rows} == {
        (v, s) for v in ("as written", "random") for s in "01"
    }
    assert {"T", "k", "solvent"} <= set(rows[0])
    for row in rows:
        assert row["measured"] != row["truth"], "a drawn replicate is not the mean"
    for seed in (0, 1):
        played = play(setup.bound(("budget.experiments=7",)), seed, OwnPlanner())
        assert [r["measured"] for r in rows[7 * seed : 7 * seed + 7]] == [
            repr(value) for value in played.values
        ]
    first = rows[:7]
    assert [int(r["n"]) for r in first] == list(range(1, 8))
    best = [max(float(r["truth"]) for r in first[: n + 1]) for n in range(7)]
    assert [float(r["best_so_far"]) for r in first] == best
    found = [sum(int(r["top"]) for r in first[: n + 1]) / 3 for n in range(7)]
    assert [float(r["share_of_top_found"]) for r in first] == pytest.approx(found)


def test_the_page_is_one_file_that_asks_for_nothing_and_draws_everything(tmp_path: Path) -> None:
    setup = own(tmp_path)
    backtest(
        setup,
        "--seeds",
        "2",
        "--budget",
        "9",
        "--vary",
        "plan[0].experiments=3",
        "--out",
        str(tmp_path / "out"),
    )
    page = (tmp_path / "out" / "backtest.html").read_text()
    own_text = page[: page.index("<script>")]
    assert "A &lt;b&gt;bold&lt;/b&gt; campaign." in own_text and "<b>bold" not in own_text
    assert not re.search(r"(src|href)\s*=", own_text) and "default-src 'none'" in own_text
    figures: dict[str, Any] = {
        name: json.loads(text)
        for name, text in re.findall(
            r'<script type="application/json" data-for="plot-(\w+)">(.*?)</script>', page
        )
    }
    assert set(figures) == {"best", "share", "enhancement", "acceleration", "first"}
    labels = ["as written", "plan[0].experiments=3", "random"]
    for name in ("best", "share", "enhancement"):
        drawn = [trace for trace in figures[name]["data"] if "name" in trace]
        assert [trace["name"] for trace in drawn] == labels and all(len(trace["x"]) == 9 for trace in drawn)
    boxes = figures["first"]["data"]
    assert [box["name"] for box in boxes] == labels and all(len(box["x"]) == 2 for box in boxes)
    assert page.count("<tr") == 4 and 'class="best"' in page


def test_refusals_come_before_anything_is_played_and_end_with_2(tmp_path: Path) -> None:
    setup = own(tmp_path, campaign=CAMPAIGN)
    done = alquimia(*words(setup, "--settings", "uxb"), cwd=tmp_path)
    assert done.returncode == REFUSED and done.stdout == "" and "E523" in done.stderr
    assert "runs" not in done.stderr and "Traceback" not in done.stderr
    (tmp_path / "taken").write_text("")
    done = alquimia(*words(setup, "--out", str(tmp_path / "taken" / "out")), cwd=tmp_path)
    assert done.returncode == REFUSED and done.stdout == "" and "E514" in done.stderr
