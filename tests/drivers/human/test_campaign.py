"""The measuring of a shipped campaign is given to a person by the lab file alone: the whole command, real processes."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from drivers.human.tasks import answer, open_tasks

ROOT = Path(__file__).parents[3]
LAB = """
alquimia_lab: 1
name: film with a person at the probe
reality: simulated
clock: virtual
world: {model: thin_film, seed: 1}
devices:
  dispenser: {driver: sim.dispenser, host: film_lab}
  coater: {driver: sim.coater, host: film_lab}
  furnace: {driver: sim.furnace, host: film_lab}
  probe:
    driver: human
    settings:
      actions:
        measure:
          instruction: "Measure the film on {sample}."
          fields:
            mobility: {unit: cm^2/V/s, at_least: 0, at_most: 1}
            conductance: {unit: S, at_least: 0}
            remark: {kind: text, optional: true}
          deadline_s: 120
"""


async def test_a_person_measures_what_the_laboratory_has_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "person-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: person\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[alquimia.drivers]\nhuman = drivers.human.person:Human\n")
    text = (ROOT / "campaigns" / "library" / "thin_film.yaml").read_text()
    text = re.sub(
        r"(?s)plan:.*?(?=\n# What may be used up)", "plan:\n  - {explore: sobol, experiments: 2}\n", text
    )
    (tmp_path / "film.yaml").write_text(text.replace("experiments: 40", "experiments: 2"))
    (tmp_path / "lab.yaml").write_text(LAB)
    run = tmp_path / "run"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator.cli.main", "run", "film.yaml", "--lab", "lab.yaml",
        "--store", f"sqlite:///{run}/log.db", cwd=tmp_path, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT))), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    said = asyncio.create_task(process.communicate())
    samples = []
    while not said.done():
        for task in open_tasks(run):
            samples.append(task.sample)
            answer(run, task.action, {"mobility": 0.01 * len(samples), "conductance": "1e-6"}, by="Ada")
        await asyncio.sleep(0.05)
    output = (await said)[0].decode()
    assert process.returncode == 0, output
    assert samples == ["x0001", "x0002"]
    assert "best: hole_mobility 0.02 cm^2/V/s" in output and "2 measured, 0 failed" in output
