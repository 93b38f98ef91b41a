"""A rehearsal touches nothing, takes the laboratory's own time, and shows what faults would do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivers.clock import VirtualClock
from drivers.driver import LabContext
from drivers.sim.stand_in import StandIn
from orchestrator.prepare import prepare
from orchestrator.rehearsal.laboratory import HOST, rehearsal_of, replaced
from orchestrator.rehearsal.play import play
from orchestrator.rehearsal.table import lines
from tests.drivers.laboratory import request
from tests.orchestrator.laboratory import alquimia


def test_simulators_stay_and_everything_else_has_a_stand_in() -> None:
    bound = prepare("thin_film")
    file = rehearsal_of(bound.laboratory, {"busy": 0.1})
    assert replaced(bound.laboratory) == () and set(file.hosts) == {HOST} and file.world is not None
    assert all(device.settings["faults"] == {"busy": 0.1} for device in file.devices.values())
    assert file.devices["furnace"].limits == bound.laboratory.file.devices["furnace"].limits
    labelers = prepare("discover_cu_au_pd").laboratory
    file = rehearsal_of(labelers)
    assert replaced(labelers) == ("labeler_1", "labeler_2") and file.clock == "virtual"
    entry = file.devices["labeler_1"]
    assert entry.driver == "sim.stand_in" and entry.settings["driver"] == "labeler.emt"
    stood_in = StandIn.describe(StandIn.Settings.model_validate(dict(entry.settings)))
    own = labelers.devices["labeler_1"].spec
    assert stood_in.actions == own.actions and stood_in.simulated


async def test_a_stand_in_gives_each_atom_its_numbers() -> None:
    settings = StandIn.Settings(driver="labeler.emt")
    device = StandIn("labeler", settings, LabContext(VirtualClock(), None, 0, Path()))
    crystal = {
        "lattice": [[3.6, 0, 0], [0, 3.6, 0], [0, 0, 3.6]], "species": ["Cu", "Au"], "frac": [[0, 0, 0], [0.5, 0.5, 0]],
    }  # fmt: skip
    outcome = await device.act(request("labeler", "energy", structure=crystal))
    assert outcome.status == "succeeded", outcome.reason
    assert [len(row) for row in outcome.record["forces"]] == [3, 3]


def test_a_play_takes_the_laboratorys_time_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    bound = prepare("colours", overrides=["budget.experiments=12"])
    plain = play(bound)
    assert (
        plain.finished and plain.measured == 12 and plain.duration_s == pytest.approx(120.0)
    )  # three mixers, 30 s each
    assert [use.acts for use in plain.use] == [4, 4, 4] and all(
        use.share == pytest.approx(1.0) for use in plain.use
    )
    assert plain.traffic is None  # nothing is carried
    worst = play(bound, fault="infeasible", rate=1.0)
    assert worst.measured == 0 and worst.failed > 0
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_would_happen(tmp_path: Path) -> None:
    args = ("colours", "--set", "budget.experiments=12", "--rate", "0.3", "--json", "r.json")
    done = alquimia("rehearse", *args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "mixer_1" in done.stdout
        and "not_a_number" in done.stdout
        and "2 min of laboratory time" in done.stdout
    )
    told = json.loads((tmp_path / "r.json").read_text())
    assert [each["fault"] for each in told][:2] == ["", "instrument"] and told[0]["measured"] == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json"]


LAB = """
alquimia_lab: 1
name: bench with an arm
reality: real
devices:
  arm:
    driver: rest
    settings:
      url: https://192.0.2.1
      actions: {be_at: {doc: Carry., path: /to, parameters: {place: {kind: text}}, takes_s: 60}}
  oven:
    driver: rest
    settings:
      url: https://192.0.2.2
      actions:
        heat: {doc: Heat., path: /heat, parameters: {temperature: {unit: K, at_least: 300, at_most: 900}}, takes_s: 600}
  balance:
    driver: rest
    settings:
      url: https://192.0.2.3
      actions:
        weigh:
          {doc: Weigh., path: /, method: GET, results: {mass: {at: "", unit: g, at_least: 0, at_most: 2}}, takes_s: 30}
places: {rack: {slots: 2}, oven: {device: oven}, balance: {device: balance}, store: {slots: many}}
samples: {begin: rack, end: store}
transports: [{do: arm.be_at, between: [rack, oven, balance, store]}]
"""
CAMPAIGN = """
alquimia: 1
campaign: weighed
lab: bench
space: {temperature: {continuous: [400, 800], unit: K}}
objectives: [{minimise: mass, unit: g}]
recipe:
  - {id: heat, do: oven.heat, with: {temperature: $temperature}}
  - {id: weigh, do: balance.weigh, gives: {mass: mass}}
plan: [{explore: sobol, batch: 5}]
budget: {experiments: 5}
"""


def test_samples_are_carried_by_stand_ins_between_the_laboratorys_places(tmp_path: Path) -> None:
    campaign, lab = tmp_path / "c.yaml", tmp_path / "lab.yaml"
    campaign.write_text(CAMPAIGN)
    lab.write_text(LAB)
    bound = prepare(str(campaign), lab_file=lab)
    assert set(replaced(bound.laboratory)) == {"arm", "oven", "balance"}
    played = play(bound)
    assert played.finished and played.measured == 5 and played.traffic is not None, played
    (arm,) = played.traffic.carriers
    # To the oven, to the balance, to the store: three carriages a sample, and those that made room for another.
    assert (arm.action, arm.carriages - arm.back, arm.failed) == ("arm.be_at", 3 * 5, 0)
    assert arm.busy_s == pytest.approx(60.0 * arm.carriages)
    use = {each.device: each for each in played.use}
    assert use["arm"].acts == arm.carriages and use["oven"].busy_s == pytest.approx(5 * 600.0)
    most = {each.place: (each.most, each.slots) for each in played.traffic.places}
    assert most == {"rack": (2, 2), "oven": (1, 1), "balance": (1, 1), "store": (5, None)}
    # The oven waits for each carriage out of it and the next one into it.
    assert played.duration_s >= 5 * 600 + 4 * 2 * 60
    assert 0 < played.traffic.idle_share < 1 and played.traffic.foretold is not None
    assert any("arm.be_at: " in line for line in lines(bound, [played], ()))
    lost = play(bound, fault="dropped_sample", rate=1.0)
    assert not lost.finished and "a person must say where x0001" in lost.reason, lost
