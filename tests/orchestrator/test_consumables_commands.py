"""Consumables as a user meets them: a campaign on real hosts that runs short, is killed, looked at and filled."""

from __future__ import annotations

import csv
import json
import re
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator import supply
from orchestrator.cli.main import app
from orchestrator.errors import Refused
from orchestrator.history import read_records
from orchestrator.labfile import bind_lab, read_lab
from orchestrator.opening import open_campaign
from orchestrator.places import store_url
from orchestrator.prepare import prepare
from orchestrator.rehearsal.play import play
from orchestrator.rehearsal.table import lines
from orchestrator.report.consumables import consumables_section
from orchestrator.report.page import page
from tests.orchestrator.laboratory import FINISHED, STOPPED, Bench, at_last_ended, ended, lab

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "consumables.md").read_text()
COUNTED = """\
consumables:
  toluene: {amount: 5 mL, low: 3 mL, uses: {dispenser.mix: {takes: 2 mL, when: {solvent: toluene}}}}
  argon: {amount: 50 L, uses: {furnace.heat: {takes: 2 L/min, per: $hold}}}
"""
CAMPAIGN = """\
alquimia: 1
campaign: film
space:
  dopant_fraction: {continuous: [0.0, 0.4]}
  solvent: {categorical: [chlorobenzene, toluene]}
objectives:
  - {maximise: hole_mobility, unit: cm^2/V/s}
recipe:
  - {id: mix,    do: dispenser.mix, with: {dopant_fraction: $dopant_fraction, solvent: $solvent}}
  - {id: coat,   do: coater.spin,   with: {speed: 2000 rpm, duration: 30 s}}
  - {id: anneal, do: furnace.heat,  with: {temperature: 400 K, hold: 60 s}}
  - {id: probe,  do: probe.measure, gives: {hole_mobility: mobility}}
plan: [{explore: sobol, experiments: 8, batch: 8}]
budget: {experiments: 8}
lab: simulated/film
seed: 3
"""


def in_toluene(bench: Bench) -> list[str]:
    experiments = bench.state().experiments.values()
    return [str(e.state) for e in experiments if e.candidate["solvent"] == "toluene"]


@pytest.fixture(scope="module")
def run_short(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The whole story, once for all tests that look at it."""
    folder = tmp_path_factory.mktemp("short")
    bench = Bench(folder, campaign=CAMPAIGN, laboratory=lab(furnace="dawdle_s: 0.3") + COUNTED)
    with at_last_ended(process := bench.run()):  # killed while the furnace has argon reserved
        bench.wait_for(lambda s: bool(s.stock) and bool(s.stock["argon"].reserved), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = bench.state().stock["argon"].reserved
    assert len(left) == 1 and left == pytest.approx({next(iter(left)): 2.0})
    with at_last_ended(process := bench.start("resume")):
        bench.wait_for(supply.stalled, process)
        shown = bench.say("consumables").stdout
        assert re.search(r"toluene +1 mL +0 mL +3 mL +4 mL +\d+ experiments  OUT", shown), shown
        assert "WAITS toluene: 1 mL on hand" in shown
        told = json.loads(bench.say("status", "--json").stdout)
        assert told["waits"] and told["waits"][0].startswith("toluene: 1 mL on hand") and told["low"]
        refused = bench.say("refill", "toluen", "+250 mL", "--by", "ada")
        assert refused.returncode == 2 and "did you mean 'toluene'" in refused.stderr
        assert bench.say("refill", "toluene", "+1 mL", "--by", "ada", "--note", "lot 7").returncode == 0
        bench.wait_for(lambda s: supply.stalled(s) and s.stock["toluene"].used == pytest.approx(6.0), process)
        process.send_signal(signal.SIGINT)
        assert ended(process) == STOPPED
    with at_last_ended(process := bench.start("resume", "--no-wait")):
        assert ended(process) == STOPPED, bench.output()[-2000:]
    said = bench.output().rpartition("going on after")[2]
    assert said.count("toluene: 0 mL on hand") >= 1 and "stopped; go on with" in said
    refilled = bench.say("refill", "toluene", "100 mL", "--by", "ada", "--note", "a new bottle")
    assert "no engine is running" in refilled.stdout
    with at_last_ended(process := bench.start("resume", "--no-wait")):
        assert ended(process) == FINISHED, bench.output()[-2000:]
    return bench


def test_it_ends_with_every_film_and_every_drop_accounted_for(run_short: Bench) -> None:
    state = run_short.state()
    assert len(state.measured()) == 8
    n = len(in_toluene(run_short))
    assert n > 3, "else nothing ran short the second time"
    toluene, argon = state.stock["toluene"], state.stock["argon"]
    assert toluene.used == pytest.approx(2.0 * n) and argon.used == pytest.approx(2.0 * 8)
    assert toluene.on_hand == pytest.approx(100.0 - 2.0 * (n - 3)) and argon.on_hand == pytest.approx(34.0)
    assert not toluene.reserved and not argon.reserved and toluene.unaccounted == argon.unaccounted == 0
    kinds = [(e.kind, e.body["consumable"]) for e in run_short.events() if e.kind.startswith("consumable.")]
    low, out, full = (("consumable." + kind, "toluene") for kind in ("low", "out", "filled"))
    assert kinds == [low, out, full, low, out, full], (
        "each once until it is filled: +1 mL is still below the mark"
    )
    assert run_short.output().count("LOW toluene: 3 mL on hand") == 1, "low is said once, by whatever engine"


def test_the_report_and_the_export_tell_it(run_short: Bench) -> None:
    records = read_records(run_short.log)
    section = consumables_section(records)
    assert section is not None and section.listing is not None
    rows = {row[0]: row for row in section.listing.rows}
    assert rows["toluene"][1:4] == ("5 mL", "101 mL", f"{2 * len(in_toluene(run_short))} mL")
    assert rows["argon"][1:4] == ("50 L", "0 L", "16 L")
    assert len(section.notes) == 2 and "+1 mL, 2 mL then (ada: lot 7)" in section.notes[0]
    text = page(records, model=None)
    assert "<h2>Consumables</h2>" in text and "a new bottle" in text
    assert run_short.say("export").returncode == 0
    folder = run_short.log.parent / "export"
    with (folder / "consumables.csv").open(newline="") as file:
        table = {row["consumable"]: row for row in csv.DictReader(file)}
    assert float(table["argon"]["used"]) == pytest.approx(16.0) and table["argon"]["unit"] == "L"
    with (folder / "actions.csv").open(newline="") as file:
        used = [json.loads(row["used"]) for row in csv.DictReader(file)]
    assert sum(each.get("argon", 0.0) for each in used) == pytest.approx(16.0)
    assert "a consumable of the laboratory" in (folder / "README.txt").read_text()


def test_a_rehearsal_says_what_is_used_and_when_it_would_run_out(tmp_path: Path) -> None:
    (tmp_path / "film.yaml").write_text(CAMPAIGN)
    (tmp_path / "lab.yaml").write_text(lab() + COUNTED)
    bound = prepare(str(tmp_path / "film.yaml"), lab_file=tmp_path / "lab.yaml")
    played = play(bound)
    assert played.finished and played.measured == 8, "what is short does not hide what else is"
    toluene, argon = played.consumables
    assert (argon.used, argon.amount, argon.out_at_s) == (pytest.approx(16.0), 50.0, None)
    n = round(toluene.used / 2)
    assert n > 2 and toluene.amount == 5.0 and toluene.out_at.endswith(".mix.1")
    assert toluene.low_at_s is not None and toluene.out_at_s is not None
    assert 0 <= toluene.low_at_s < toluene.out_at_s < played.duration_s
    said = "\n".join(lines(bound, [played], ()))
    assert re.search(r"toluene +5 mL +\d+ mL  no: runs out after .*, at x\d+\.mix\.1", said), said
    assert re.search(r"argon +50 L +16 L  yes\n", said)


# -- the page -------------------------------------------------------------------------------------------------
def test_the_laboratory_of_the_page_binds_as_it_is_printed(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "lab.yaml").write_text(text)
    bound = bind_lab(*read_lab("whatever", tmp_path / "lab.yaml")).consumption
    assert bound.units == {"toluene": "mL", "tips": "", "argon": "L"}
    assert ("oven_1", "heat") in bound.uses and ("oven_2", "heat") in bound.uses


def test_every_command_of_the_page_has_its_options() -> None:
    for name, rest in re.findall(r"alquimia (\w+)([^`\n]*)", PAGE):
        help_ = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).output
        assert "Usage:" in help_, name
        for option in re.findall(r"--[a-z]+", rest):
            assert option in help_, (name, option)


def test_a_laboratory_that_counts_nothing_says_so(tmp_path: Path) -> None:
    open_campaign(tmp_path / "log.db", prepare("instant"))
    store = ("--store", store_url(tmp_path / "log.db"))
    shown = CliRunner().invoke(app, ["consumables", *store])
    assert shown.output == "this laboratory counts no consumables\n"
    refused = CliRunner().invoke(app, ["refill", "ink", "5", *store])
    assert isinstance(refused.exception, Refused) and "names none" in refused.exception.cure
