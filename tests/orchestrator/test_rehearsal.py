"""A rehearsal touches nothing, takes the laboratory's own time, and shows what faults would do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivers.sim.stand_in import StandIn
from orchestrator.prepare import prepare
from orchestrator.rehearsal.laboratory import HOST, rehearsal_of, replaced
from orchestrator.rehearsal.play import play
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
