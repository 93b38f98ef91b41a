"""The command line as a stable interface: exit codes, JSON, what is refused and how, and what is never loaded."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import main as cli
from tests.orchestrator.laboratory import (
    CAMPAIGN,
    FINISHED,
    REFUSED,
    Bench,
    alquimia,
    command,
    ended,
    environment,
)

COMMANDS = (
    "validate", "run", "resume", "status", "pause", "continue", "abort", "doubts", "settle", "report", "export",
    "log", "drivers", "library", "schema", "backtest", "stop", "release", "device",
)  # fmt: skip
HEAVY = ("torch", "botorch", "gpytorch", "plotly", "pandas", "scipy", "pyarrow")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A short campaign that has ended."""
    campaign = CAMPAIGN.replace("  - {optimise: ucb}\n", "").replace("experiments: 7", "experiments: 4")
    one = Bench(tmp_path_factory.mktemp("cli"), campaign=campaign)
    assert ended(one.run(lab=False)) == FINISHED, one.output()
    return one


def refused(done: subprocess.CompletedProcess[str], code: str) -> str:
    """The refusal, which is one for people and no traceback."""
    assert done.returncode == REFUSED, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr and done.stdout == "", done.stderr
    assert re.search(rf"\b{code}\b", done.stderr) and done.stderr.count("\n") <= 2, done.stderr
    assert "No action was sent." in done.stderr or "No device was touched." in done.stderr
    return done.stderr


# -- what is shown --------------------------------------------------------------------------------------------
def test_help_names_every_command(tmp_path: Path) -> None:
    done = alquimia("--help", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout, name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = CliRunner().invoke(cli.app, [name, "--help"])
    assert done.exit_code == 0 and "Usage:" in done.output


def test_validate_says_what_it_understood(tmp_path: Path) -> None:
    (tmp_path / "film.yaml").write_text(CAMPAIGN)
    done = alquimia("validate", "film.yaml", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    assert (
        "film.yaml: valid. film: 4 parameters, 4 steps, 7 experiments at most, simulated laboratory"
        in done.stdout
    )
    assert "fingerprint " in done.stdout and not (tmp_path / "runs").exists()


def test_validate_says_every_fault_at_once_with_its_place(tmp_path: Path) -> None:
    broken = (
        CAMPAIGN.replace("unit: K}", "unit: Kelvins}").replace("ucb", "uxb").replace("budget:", "bugdet:")
    )
    (tmp_path / "film.yaml").write_text(broken)
    done = alquimia("validate", "film.yaml", cwd=tmp_path)
    assert done.returncode == REFUSED and done.stdout == "" and "Traceback" not in done.stderr
    *faults, last = done.stderr.splitlines()
    assert last == f"{len(faults)} faults. No device was touched." and len(faults) >= 3
    for fault in faults:
        file, line, column, *_ = fault.split(":")
        assert file == "film.yaml" and int(line) and int(column.split()[0]), fault
    assert {fault.split()[1] for fault in faults} >= {"E214", "E250", "E201"}


def test_validate_says_every_fault_against_the_laboratory(tmp_path: Path) -> None:
    broken = (
        CAMPAIGN.replace("coater.spin", "coatr.spin").replace("2000 rpm", "2000 m").replace("480]", "5000]")
    )
    (tmp_path / "film.yaml").write_text(broken)
    done = alquimia("validate", "film.yaml", cwd=tmp_path)
    assert done.returncode == REFUSED
    assert "E302" in done.stderr and "did you mean 'coater'?" in done.stderr and "E308" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_schema_is_a_json_schema(tmp_path: Path) -> None:
    done = alquimia("schema", cwd=tmp_path)
    schema = json.loads(done.stdout)
    assert done.returncode == 0 and "2020-12" in schema["$schema"] and schema["type"] == "object"


def test_library_and_drivers_list_and_tell(tmp_path: Path) -> None:
    listed = alquimia("library", cwd=tmp_path).stdout
    assert "thin_film" in listed and "p3ht_cnt" in listed
    assert alquimia("library", "thin_film", cwd=tmp_path).stdout.startswith("# Thin-film mobility")
    assert "sim.furnace" in alquimia("drivers", cwd=tmp_path).stdout
    told = alquimia("drivers", "show", "sim.furnace", cwd=tmp_path).stdout
    assert "heat" in told and "temperature: number K" in told and "(simulated)" in told


# -- looking at a campaign ------------------------------------------------------------------------------------
STATUS_KEYS = {
    "format", "campaign", "fingerprint", "lab", "simulated", "state", "reason", "seed", "objectives",
    "experiments", "failures", "best", "phase", "phases", "coverage", "actions", "doubts", "running",
    "lab_elapsed_s", "lab_budget_s", "proposed_first_at", "ended_last_at", "versions",
}  # fmt: skip


def test_status_is_json_with_its_keys_and_a_panel_for_people(bench: Bench) -> None:
    done = bench.say("status", "--json")
    status = json.loads(done.stdout, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert done.returncode == 0 and set(status) >= STATUS_KEYS
    assert status["simulated"] is True and status["state"] == "finished"
    counted = status["experiments"]
    assert (counted["planned"], counted["measured"], counted["open"]) == (4, 4, 0)
    assert status["best"][0]["objective"] == "hole_mobility" and not status["doubts"]
    told = bench.say("status").stdout
    assert "SIMULATED" in told and "4 of 4 done" in told


def test_log_lines_are_json_and_can_be_chosen(bench: Bench) -> None:
    lines = bench.say("log", "--json").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["kind"] == "campaign.opened" and set(events[0]) == {
        "seq", "event_id", "stream", "version", "kind", "schema", "epoch", "at", "actor", "cause", "body",
    }  # fmt: skip
    chosen = bench.say("log", "--kind", "action.", "--after", "10", "--json").stdout.splitlines()
    assert [json.loads(line) for line in chosen] == [
        e for e in events if e["kind"].startswith("action.") and e["seq"] > 10
    ]
    assert len(bench.say("log").stdout.splitlines()) == len(events)


def test_export_writes_tables_that_can_be_read(bench: Bench) -> None:
    done = bench.say("export", "--out", str(bench.folder / "out"))
    written = [Path(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and all(path.exists() for path in written), done.stderr
    names = {path.name for path in written}
    assert {"experiments.csv", "experiments.parquet", "measurements.csv", "events.jsonl"} <= names
    rows = list(csv.DictReader(io.StringIO((bench.folder / "out" / "experiments.csv").read_text())))
    assert len(rows) == 4
    lines = (bench.folder / "out" / "events.jsonl").read_text().splitlines()
    assert len(lines) == len(bench.events()) and json.loads(lines[0])["kind"] == "campaign.opened"


def test_report_is_one_page_that_says_it_is_simulated(bench: Bench) -> None:
    out = bench.folder / "page.html"
    done = bench.say("report", "--no-model", "--out", str(out))
    assert done.returncode == 0 and done.stdout == f"{out}\n", done.stderr
    assert "simulated" in out.read_text().lower()


def test_the_newest_run_is_meant_where_none_is_named(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "one").symlink_to(bench.log.parent)
    assert json.loads(alquimia("status", "--json", cwd=tmp_path).stdout)["campaign"] == "film"
    assert alquimia("doubts", cwd=tmp_path).stdout == "no doubts\n"


# -- refusals -------------------------------------------------------------------------------------------------
REFUSALS: dict[str, tuple[str, tuple[str, ...]]] = {
    "no such campaign": ("E100", ("validate", "nothing.yaml")),
    "a folder": ("E100", ("validate", ".")),
    "no such laboratory file": ("E401", ("validate", "film.yaml", "--lab", "nothing.yaml")),
    "an override that cannot be read": ("E290", ("validate", "film.yaml", "--set", "budget")),
    "an override of nothing": ("E291", ("validate", "film.yaml", "--set", "plan.9.batch=3")),
    "a simulated laboratory that is armed": ("E313", ("run", "film.yaml", "--arm", "simulated/thin_film")),
    "a store of another kind": ("E501", ("run", "film.yaml", "--store", "postgresql://there")),
    "no run at all": ("E510", ("status",)),
    "no such log": ("E510", ("resume", "--store", "sqlite:///nothing/log.db")),
    "no log to look at": ("E510", ("doubts", "--store", "sqlite:///nothing/log.db")),
    "a file that is no log": ("E511", ("status", "--store", "sqlite:///film.yaml")),
    "a file that is no log to resume": ("E511", ("resume", "--store", "sqlite:///film.yaml")),
    "a file that is no log to command": ("E511", ("pause", "--store", "sqlite:///film.yaml")),
    "an unknown driver": ("E312", ("drivers", "show", "sim.furnance")),
    "an unknown library campaign": ("E301", ("library", "thin_flim")),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_has_its_code_and_no_traceback(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, args = REFUSALS[what]
    (tmp_path / "film.yaml").write_text(CAMPAIGN)
    monkeypatch.chdir(tmp_path)
    returned = main(monkeypatch, *args)
    out, err = capsys.readouterr()
    refused(subprocess.CompletedProcess(args, returned, out, err), code)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.yaml"], "nothing was made"


def main(monkeypatch: pytest.MonkeyPatch, *args: str) -> Any:
    """The command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["alquimia", *args])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code or 0


def test_a_store_that_holds_a_campaign_is_not_begun_again(bench: Bench) -> None:
    n = len(bench.events())
    assert "alquimia resume" in refused(bench.say("run", "film.yaml"), "E502")
    assert len(bench.events()) == n


def test_what_has_finished_cannot_be_told_anything(bench: Bench) -> None:
    for args in (
        ("pause",),
        ("continue",),
        ("abort",),
        ("settle", "x0001.mix.1", "--verdict", "done", "--note", ""),
    ):
        assert bench.say(*args).returncode == REFUSED, args
    assert ended(bench.start("resume")) == FINISHED, "resuming what has finished is no fault"


def test_a_usage_fault_is_2_as_well(tmp_path: Path) -> None:
    for args in (("run",), ("dance",), ("settle", "x"), ("validate", "a", "--colour", "red")):
        done = alquimia(*args, cwd=tmp_path)
        assert done.returncode == 2 and "Traceback" not in done.stderr, args


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program is not dressed up as one of its user."""

    def broken(*args: object) -> object:
        raise RuntimeError("a bug")

    monkeypatch.setattr("campaigns.schema.json_schema", broken)
    monkeypatch.setattr(sys, "argv", ["alquimia", "schema"])
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()
    code = (
        "import sys, campaigns.schema as s\n"
        "def broken(): raise RuntimeError('a bug')\n"
        "s.json_schema = broken\nsys.argv = ['alquimia', 'schema']\n"
        "from orchestrator.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" in done.stderr and "RuntimeError: a bug" in done.stderr


def test_a_reader_who_leaves_does_not_end_the_campaign(tmp_path: Path) -> None:
    """`alquimia run … | head -1`: the laboratory is no less at work for it."""
    campaign = CAMPAIGN.replace("  - {optimise: ucb}\n", "").replace("experiments: 7", "experiments: 4")
    one = Bench(tmp_path, campaign=campaign)
    process = subprocess.Popen(
        command("run", "film.yaml", *one.store), cwd=tmp_path, env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert ended(process) == FINISHED, said
    assert len(one.state().measured()) == 4 and "Traceback" not in said


# -- what is loaded -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "args", [["--help"], ["validate", "thin_film"], ["library"], ["schema"], ["validate", "nothing.yaml"]]
)
def test_looking_and_checking_load_nothing_heavy(args: list[str], tmp_path: Path) -> None:
    assert loaded_by(args, tmp_path) == set()


def test_the_look_at_what_is_loaded_finds_what_is(tmp_path: Path) -> None:
    """Control: with pandas imported on the way, the same look sees it."""
    assert "pandas" in loaded_by(["--help"], tmp_path, before="import pandas\n")


def loaded_by(args: list[str], tmp_path: Path, before: str = "") -> set[str]:
    code = (
        f"{before}import sys, atexit\nfrom orchestrator.cli.main import main\nsys.argv = ['alquimia', *{args!r}]\n"
        f"atexit.register(lambda: open('loaded', 'w').write(' '.join(sys.modules)))\nmain()"
    )
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, check=False)
    modules = {name.partition(".")[0] for name in (tmp_path / "loaded").read_text().split()}
    assert "orchestrator" in modules
    return modules & set(HEAVY)
