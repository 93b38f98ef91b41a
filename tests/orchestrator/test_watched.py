"""A watched laboratory as a user runs it: real hosts, a sensor behind them, values that go where they may not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.driver import Driver, Gives, Reading, Repeat, action
from tests.orchestrator.laboratory import FINISHED, Bench, at_last_ended, ended, wait_until

ROOT = Path(__file__).resolve().parents[2]
CAMPAIGN = """\
alquimia: 1
campaign: watched
space: {x: {continuous: [0, 1]}, y: {continuous: [0, 1]}}
objectives: [{maximise: score}]
recipe:
  - {id: a, do: bench.step_a, with: {x: $x, y: $y}}
  - {id: d, do: bench.step_d, gives: {score: score}}
plan: [{explore: random, experiments: 4}]
budget: {experiments: 4}
lab: watched
"""
LAB = """\
alquimia_lab: 1
name: watched
clock: virtual
devices:
  bench: {driver: sim.instant, settings: {dawdle_s: 0.1}}
  box: {driver: test.gauge, settings: {file: FILE}}
signals:
  temperature: {device: box, action: read, reading: temperature, every: 100 ms}
rules:
  - {when: temperature > 50 degC, forbid: bench.step_a, why: too hot to touch}
suspenders:
  - signal: o2
    source: {device: box, action: read, reading: o2, every: 100 ms}
    band: [0, 10 ppm]
    resume_after: 500 ms
"""


class Gauge(Driver):
    """Says what stands in a file: {"o2": ppm, "temperature": K}."""

    simulated = True
    version = "1"

    class Settings(Driver.Settings):
        file: str

    settings: Settings

    @action(Repeat.REPEATABLE, gives={"o2": Gives("ppm"), "temperature": Gives("K")})
    async def read(self) -> dict[str, Reading]:
        """Read both."""
        seen = json.loads(Path(self.settings.file).read_text())
        return {"o2": Reading(value=seen["o2"]), "temperature": Reading(value=seen["temperature"])}


class Box:
    """The gauge's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.says(2.0, 300.0)

    def says(self, o2: float, temperature: float) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"o2": o2, "temperature": temperature}))
        fresh.replace(self.path)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    info = tmp_path / "installed" / "gauge-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gauge\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[alquimia.drivers]\ntest.gauge = tests.orchestrator.test_watched:Gauge\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "installed"), str(ROOT)]))
    return Box(tmp_path / "gauge.json")


@pytest.fixture
def bench(tmp_path: Path, box: Box) -> Iterator[Bench]:
    yield Bench(tmp_path / "b", campaign=CAMPAIGN, laboratory=LAB.replace("FILE", str(box.path)))


def test_a_signal_out_of_its_band_and_a_rule_make_a_campaign_wait(bench: Bench, box: Box) -> None:
    box.says(25.0, 300.0)
    with at_last_ended(process := bench.run()):
        bench.wait_for(lambda s: "o2" in s.suspended, process)
        shown = json.loads(bench.say("status", "--json").stdout)
        assert shown["waits"] == ["suspended: o2 is 25 ppm, above 10"]
        assert not bench.state().actions, "nothing began before the signal was known"
        box.says(2.0, 400.0)
        bench.wait_for(lambda s: not s.suspended, process)
        wait_until(lambda: "too hot to touch" in bench.output())
        shown = json.loads(bench.say("status", "--json").stdout)
        assert [text.partition(": ")[0] for text in shown["waits"]] == ["x0001"] and "400 K" in shown[
            "waits"
        ][0]
        assert not bench.state().actions
        box.path.unlink()
        bench.wait_for(lambda s: "o2" in s.suspended, process)
        bench.wait_for(lambda s: s.signals["temperature"].value is None, process)
        box.says(2.0, 300.0)
        assert ended(process) == FINISHED, bench.output()[-3000:]
    state = bench.state()
    assert len(state.measured()) == 4 and not state.suspended
    kinds = [e.kind for e in bench.events() if e.kind.startswith(("suspender.", "signal."))]
    assert kinds.count("suspender.tripped") == kinds.count("suspender.cleared") == 2
    assert kinds.count("signal.read") == 4, "300 K, 400 K, unknown, 300 K: nothing else matters to the rule"
    assert "WAITS suspended: o2 is 25 ppm, above 10" in bench.output() and "goes on" in bench.output()
