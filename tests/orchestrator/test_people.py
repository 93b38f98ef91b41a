"""A person in a campaign, from the lab file to the measurement: asked, answered in words, refused when wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

from tests.orchestrator.laboratory import LONG_S, alquimia, command, environment

LAB = """\
alquimia_lab: 1
name: weighing
devices:
  technician:
    driver: human
    settings:
      actions:
        weigh:
          instruction: "Weigh the film that was spun at {speed}."
          parameters: {speed: {unit: rpm, at_least: 100, at_most: 6000}}
          fields:
            mass: {unit: mg, at_least: 0, at_most: 500}
            look: {kind: choice, choices: {whole: 1, cracked: 0}}
          deadline_s: 600
"""
CAMPAIGN = """\
alquimia: 1
campaign: weighing
lab: weighing
seed: 1
space:
  speed: {continuous: [500, 5000], unit: rpm}
objectives:
  - {maximise: mass, unit: g}
recipe:
  - {id: weigh, do: technician.weigh, with: {speed: $speed}, gives: {mass: mass, look: look}}
plan:
  - {explore: sobol, experiments: 2}
budget: {experiments: 2}
"""


def asked(folder: Path, store: str) -> dict[str, object]:
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline:
        told = alquimia("tasks", "--store", store, "--json", cwd=folder)
        if told.returncode == 0 and told.stdout.strip():
            return json.loads(told.stdout.splitlines()[0])
        time.sleep(0.2)
    raise AssertionError("nobody was asked")


def test_a_person_is_asked_and_answers_at_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text(LAB)
    (tmp_path / "c.yaml").write_text(CAMPAIGN)
    store = f"sqlite:///{tmp_path}/log.db"
    run = subprocess.Popen(
        command("run", "c.yaml", "--lab", "lab.yaml", "--store", store), cwd=tmp_path, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        for mass in ("0.1 g", "123"):
            task = asked(tmp_path, store)
            wrong = alquimia("answer", task["action"], "mass=2 m", "--store", store, cwd=tmp_path)
            assert wrong.returncode == 2 and "look: it is missing" in wrong.stderr and "mass" in wrong.stderr
            words = ("answer", task["action"], f"mass={mass}", "look=whole", "--by", "Ada", "--store", store)
            assert alquimia(*words, cwd=tmp_path).stdout == f"{task['action']}: answered by Ada\n"
            again = alquimia(*words, cwd=tmp_path)
            assert again.returncode == 2 and "answered by Ada" in again.stderr
        out, _ = run.communicate(timeout=LONG_S)
        assert run.returncode == 0, out
    finally:
        if run.poll() is None:
            run.send_signal(signal.SIGINT)
            run.wait(LONG_S)
    told = json.loads(alquimia("status", "--store", store, "--json", cwd=tmp_path).stdout)
    assert told["best"][0]["value"] == 0.123 and told["experiments"]["measured"] == 2
    assert "Nobody is asked" in alquimia("tasks", "--store", store, cwd=tmp_path).stdout
