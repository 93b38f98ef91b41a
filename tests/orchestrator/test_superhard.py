"""Hard and tough crystals in the engine: real moduli, networks, a small pool; what was asked for, and the report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.log.sqlite import LogReader
from tests.orchestrator.laboratory import alquimia

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared/data/materials/mp_binary_elasticity"
SMALL = ("experiments=26", "plan.0.experiments=20", "plan.0.batch=20", "plan.1.batch=6")
NETWORKS = ("materials.members=2", "materials.width=8", "materials.epochs=4")

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"the calculated moduli are not at {DATA}")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pool") / "flagged.jsonl"
    script = ROOT / "benchmarks/science/flagged_pool.py"
    done = subprocess.run(
        [sys.executable, str(script), str(path), "--crystals", "120"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "120 crystals" in done.stdout
    return path


def proposals(folder: Path) -> list[dict[str, Any]]:
    with LogReader(folder / "log.db") as reader:
        return [e.body["proposal"] for e in reader.events() if e.kind == "experiment.proposed"]


@pytest.mark.parametrize("campaign", ["superhard", "superhard_makeable"])
def test_a_front_is_sought_by_few_labels(campaign: str, pool: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/log.db"
    settings = [f"budget.{SMALL[0]}", *SMALL[1:], *(f"surrogate.{each}" for each in NETWORKS)]
    if campaign == "superhard_makeable":
        settings.append("surrogate.materials.synthesizability.bags=3")
    told = [part for each in settings for part in ("--set", each)]
    done = alquimia(
        "run",
        campaign,
        "--materials",
        f"crystals={pool}",
        "--table",
        str(pool),
        "--store",
        store,
        *told,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = proposals(tmp_path)
    asked = [each for each in found if each["mode"] == "optimise"]
    assert len(found) == 26 and len(asked) == 6
    for each in asked:
        assert each["acquisition"] == "log_nehvi" and each["fallback"] is None
        assert {"bulk_modulus", "hardness", "young_modulus"} <= each["material"]["properties"].keys()
        assert ("synthesizability" in each["material"]) == (campaign == "superhard_makeable")
    report = alquimia("report", "--store", store, cwd=tmp_path)
    assert report.returncode == 0, report.stdout + report.stderr
    page = (tmp_path / "report.html").read_text()
    assert "Hardness and toughness" in page and "brittleness H/K" in page
