"""What a device gives for each atom: from its record to the log, to the planner's question and to who reads the log."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from campaigns.campaign import Campaign, Step
from campaigns.errors import CampaignError
from drivers.protocol import ArraySpec, Outcome, Reading
from orchestrator.advice import question
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.decision import Ask
from orchestrator.hands import Fate
from orchestrator.history import read_records
from orchestrator.lab import fold
from orchestrator.log.sqlite import LogReader
from orchestrator.outcomes import learn
from surrogates.joint.labels import per_atom
from tests.orchestrator.builders import BENCH, RECIPE, campaign, laboratory
from tests.orchestrator.laboratory import alquimia
from tests.orchestrator.test_outcomes import at_the_probe

LIBRARY = Path(__file__).resolve().parents[2] / "campaigns/library"
CELL = {"lattice": [[3.6, 0.0, 0.0], [0.0, 3.6, 0.0], [0.0, 0.0, 3.6]]}
SITES = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]


def pool(path: Path) -> Path:
    """Three cells of copper and gold, one atom off its place."""
    rows = []
    for n, shift in enumerate((0.01, 0.02, 0.03)):
        sites = [[shift, 0.0, 0.0], *SITES[1:]]
        rows.append({"id": f"c{n}", **CELL, "species": ["Cu", "Cu", "Cu", "Au"], "frac": sites})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forces")
    text = (LIBRARY / "attacked_cells.yaml").read_text()
    (folder / "forces.yaml").write_text(
        text.replace("gives: {energy: energy, forces: forces", "gives: {energy: energy, pushes: forces")
    )
    done = alquimia(
        "run", "forces.yaml", "--materials", f"cu3au_vacancy={pool(folder / 'cells.jsonl')}",
        "--set", "budget.experiments=3", "--store", f"sqlite:///{folder}/log.db", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "log.db"


def test_forces_of_each_atom_are_measurements(run: Path) -> None:
    with LogReader(run) as log:
        events = tuple(log.events())
    arrays = [e for e in events if e.kind == "measurement.array"]
    labels = [e for e in events if e.kind == "action.succeeded"]
    assert len(arrays) == len(labels) >= 2
    for array, label in zip(arrays, labels, strict=True):
        body = array.body
        assert (body["name"], body["unit"], body["action"]) == ("pushes", "eV/angstrom", label.stream)
        assert body["driver"].endswith("EMTLabeler") and body["reality"] == "simulated"
        assert "forces" not in label.body["record"] and "stress" in label.body["record"]  # not written twice
        forces = np.array(body["values"])
        assert (
            forces.shape == (4, 3) and np.abs(forces.sum(axis=0)).max() < 1e-9 and np.abs(forces).max() > 0.01
        )


def test_who_learns_is_told_and_who_reads_the_log_as_well(run: Path) -> None:
    with LogReader(run) as log:
        state = fold(log.events())
    the_campaign = Campaign.from_json(state.opened["campaign"])
    ask = Ask(0, 1, "", 0, len(state.experiments), False)
    asked = question(ask, state, the_campaign)
    found = per_atom("cell", "pushes", json.loads(json.dumps(asked))["observations"])
    kept = {str(e.candidate["cell"]): e.arrays["pushes"] for e in read_records(run).experiments}
    assert set(found) == set(kept) and len(found) >= 2
    for name, forces in found.items():
        assert forces.shape == (4, 3) and kept[name].unit == "eV/angstrom"
        assert np.array_equal(forces, np.array(kept[name].values))


def test_numbers_of_other_atoms_are_no_measurement() -> None:
    """A host of another make is not checked by a driver of ours. The objective is measured all the same."""
    look = Step(
        id="look", device="probe", verb="measure", gives={"conductance": "signal", "arrows": "arrows"}
    )
    the_bound = with_arrows(look)
    log = at_the_probe(the_bound)
    outcome = Outcome(
        status="succeeded",
        readings={"signal": Reading(value=0.004, unit="S")},
        record={"arrows": [1.0, 2.0], "at": 3},
    )
    events = learn(Fate("x0001.look.1", "ended", outcome=outcome), log.state, the_bound)
    assert [e.kind for e in events] == ["action.succeeded", "measurement.recorded", "measurement.rejected"]
    assert "arrows: wanted 0 finite numbers, one for each atom, got 2" in events[2].body["reason"]
    log.apply(*events)
    assert log.state.experiments["x0001"].arrays == {}


def test_an_objective_is_one_number() -> None:
    look = Step(id="look", device="probe", verb="measure", gives={"conductance": "arrows"})
    with pytest.raises(CampaignError, match=r"E320.*arrows is 1 for each atom, conductance one number"):
        with_arrows(look)


def with_arrows(look: Step) -> BoundCampaign:
    """The bench, whose probe gives numbers for each atom as well."""
    measure = BENCH["probe"]["measure"].model_copy(update={"arrays": {"arrows": ArraySpec(unit="nm")}})
    bench = {**BENCH, "probe": {"measure": measure}}
    return bind_campaign(campaign(recipe=(*RECIPE[:-1], look)), laboratory(bench=bench))
