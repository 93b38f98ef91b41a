"""Campaigns of the library on their simulated laboratories, as they are run: they end, and they find what there is."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from campaigns.campaign import Campaign
from orchestrator.advice import question
from orchestrator.brain.child import answer
from orchestrator.decision import Ask
from orchestrator.history import read_records
from orchestrator.lab import fold
from orchestrator.log.sqlite import LogReader
from orchestrator.routes import Routes
from tests.orchestrator.laboratory import alquimia

ENTRIES = (
    Path(__file__).resolve().parents[2].parent
    / "shared/data/materials/mp_chemsys_entries/cl_mn_na_o_y.jsonl.gz"
)
PHOSPHATES = ENTRIES.with_name("fe_li_o_p.jsonl.gz")
FILMS = Path(__file__).resolve().parents[2].parent / "shared/data/bo/p3ht_cnt"


def best(folder: Path, reading: str, *args: str) -> float:
    store = f"sqlite:///{folder}/log.db"
    done = alquimia("run", *args, "--store", store, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(alquimia("status", "--store", store, "--json", cwd=folder).stdout)
    assert told["state"] == "finished"
    (found,) = told["best"]
    assert found["objective"] == reading
    return float(found["value"])


def test_a_colour_is_matched_by_three_mixers(tmp_path: Path) -> None:
    assert best(tmp_path, "delta_e", "colours", "--set", "budget.experiments=30") < 5


def test_a_film_with_mobile_holes_is_found_that_is_whole_and_its_pictures_are_kept(tmp_path: Path) -> None:
    args = ("ada", "--set", "budget.experiments=24", "--set", "plan.0.experiments=8")
    assert (
        best(tmp_path, "hole_mobility", *args) > 6e-4
    )  # cm^2/V/s; of random whole films 90 % are below 3.6e-4
    with LogReader(tmp_path / "log.db") as reader:
        outcomes = [event.body for event in reader.events() if event.kind == "action.succeeded"]
    pictures = [body["record"]["image"] for body in outcomes if "image" in body.get("record", {})]
    maps = [
        body["record"]["mobility_cm2_per_v_s"] for body in outcomes if "mobility_cm2_per_v_s" in str(body)
    ]
    assert len(pictures) >= 24 and len(maps) >= 12 and all(len(one) == 21 for one in maps)
    for picture in pictures:
        file = tmp_path / "hosts" / "ada" / picture["path"]
        assert sha256(file.read_bytes()).hexdigest() == picture["sha256"]


@pytest.mark.skipif(not FILMS.exists(), reason=f"the measured films are not at {FILMS}")
def test_a_conducting_film_is_found_among_all_mixtures(tmp_path: Path) -> None:
    (table,) = FILMS.glob("*.csv")
    args = ("composite_film", "--table", str(table), "--set", "budget.experiments=25")
    assert best(tmp_path, "conductivity", *args) > 400  # S/cm; the median of the table is 40


@pytest.mark.skipif(not ENTRIES.exists(), reason=f"the calculated entries are not at {ENTRIES}")
def test_a_compound_is_made_by_a_route_that_does_not_get_stuck(tmp_path: Path) -> None:
    args = ("solid_state", "--table", str(ENTRIES), "--set", "budget.experiments=16")
    assert best(tmp_path, "purity", *args) > 0.8  # of weight; the route of most driving force stays below 0.5


@pytest.mark.skipif(not PHOSPHATES.exists(), reason=f"the calculated entries are not at {PHOSPHATES}")
def test_a_compound_is_made_by_learning_what_reacts_with_what(tmp_path: Path) -> None:
    """Of 224 recipes six make it. One at a time, so that each is chosen after all that was seen before."""
    args = ("solid_state_routes", "--table", str(PHOSPHATES), "--set", "plan.0.batch=1")
    assert best(tmp_path, "purity", *args, "--set", "budget.experiments=20") >= 0.5
    experiments = read_records(tmp_path / "log.db").experiments
    assert len(experiments) <= 20 and all(e.proposal.fallback is None for e in experiments)
    assert experiments[0].proposal.reasons[0].endswith("nothing known")
    # What was seen in one recipe is the reason for another.
    later = [reason for e in experiments[1:] for reason in e.proposal.reasons]
    assert any(reason.startswith("known: ") or " after " in reason for reason in later)
    assert any(reason == "Li4Fe(PO4)2 has begun to form" for reason in later)
    tried = [(e.candidate["precursors"], e.candidate["temperature"]) for e in experiments]
    assert len(set(tried)) == len(tried)
    _the_same_again(tmp_path / "log.db")


def _the_same_again(path: Path) -> None:
    """Asked again with what the log held then, the brain proposes what it proposed, for the same reasons."""
    with LogReader(path) as log:
        events = list(log.events())
    campaign = Campaign.from_json(events[0].body["campaign"])
    for event in events:
        if event.kind != "experiment.proposed":
            continue
        why = event.body["proposal"]
        state = fold(events[: why["read_to"]])
        asked = question(Ask(why["phase"], 1, "", state.seq, state.n_told, False), state, campaign)
        reply = answer(json.dumps(asked | Routes(path, str(PHOSPHATES)).told(state.seq)))
        (again,) = reply["proposals"]
        assert again["candidate"] == event.body["candidate"]
        assert list(again["reasons"]) == list(why["reasons"])


def test_an_alloy_that_expands_little_is_found_through_a_funnel(tmp_path: Path) -> None:
    """Of the pool's 51, at 300 K: platinum 6.8e-6 1/K, the median 1.1e-05."""
    args = ("thermal_funnel", "--set", "funnel.stages.1.take=18", "--set", "funnel.stages.2.take=6")
    args = (*args, "--set", "surrogate.materials.epochs=20", "--set", "surrogate.materials.members=2")
    assert best(tmp_path, "expansion", *args) < 9e-6
    found = read_records(tmp_path / "log.db")
    (quick,) = found.loops
    passed = {e.candidate["crystal"] for e in quick.experiments if e.values["quick_share"].value <= 1}
    assert len(quick.experiments) == 18 and len(found.experiments) == 6
    assert {e.candidate["crystal"] for e in found.experiments} <= passed
    assert all(e.proposal.acquisition == "promote: ucb" and e.proposal.reasons for e in found.experiments)
    with LogReader(tmp_path / "log.db") as reader:
        asked = [event.body for event in reader.events() if event.kind == "action.succeeded"]
    tensors = [body for body in asked if "elastic" in body["record"]]
    assert len(tensors) == 6 and all(body["record"]["plausible"] for body in tensors)
