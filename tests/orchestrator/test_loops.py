"""Two loops over one log: labels of crystals beside films that are made of them, each with its own plan and budget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from campaigns.campaign import Budget, Loop, Objective, Phase, Reference, Step
from campaigns.errors import CampaignError
from campaigns.pool import shipped_pool
from campaigns.space import Continuous, Material, Space
from drivers.protocol import Action, ActionSpec, Outcome, ParameterSpec, Reading, Repeat, ResultSpec
from orchestrator.advice import Adviser, question
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.brain.client import BrainFailed
from orchestrator.crystals import Crystals
from orchestrator.decision import Ask
from orchestrator.engine import Engine
from orchestrator.errors import Refused
from orchestrator.hands import Fate
from orchestrator.history import records
from orchestrator.lab import fold
from orchestrator.lifecycle import Experiment
from orchestrator.status import summarise
from tests.orchestrator.builders import campaign, laboratory, proposal
from tests.orchestrator.rig import Rig

POOL = shipped_pool("fcc_metals")
METALS = Material(name="metal", pool="fcc_metals", digest=POOL.digest, n=POOL.n)
COPPER = {
    "lattice": [[0.0, 1.8, 1.8], [1.8, 0.0, 1.8], [1.8, 1.8, 0.0]],
    "species": ["Cu"],
    "frac": [[0.0, 0.0, 0.0]],
}
BENCH = {
    "labeler": {
        "energy": ActionSpec(
            parameters={"structure": ParameterSpec(kind="structure")},
            results={"energy": ResultSpec(unit="eV")},
            repeat=Repeat.REPEATABLE,
        )
    },
    "coater": {
        "coat": ActionSpec(
            parameters={
                "metal": ParameterSpec(kind="text"),
                "temperature": ParameterSpec(kind="number", unit="K", at_least=200, at_most=600),
            },
            results={"quality": ResultSpec()},
            repeat=Repeat.OPAQUE,
        )
    },
}
LABELS = Loop(
    name="labels",
    chooses=("metal",),
    learns=(("energy", "eV"),),
    recipe=(
        Step(
            id="label",
            device="labeler",
            verb="energy",
            arguments={"structure": Reference(parameter="metal")},
            gives={"energy": "energy"},
        ),
    ),
    plan=(
        Phase(mode="explore", method="random", experiments=2),
        Phase(mode="learn", method="variance", batch=2),
    ),
    budget=Budget(experiments=5),
)


def the_bound(**changes: Any) -> BoundCampaign:
    made = campaign(
        **{
            "space": Space(parameters=(METALS, Continuous(name="temperature", low=300, high=500, unit="K"))),
            "objectives": (Objective(name="quality", direction="maximise"),),
            "recipe": (
                Step(
                    id="coat",
                    device="coater",
                    verb="coat",
                    arguments={
                        "metal": Reference(parameter="metal"),
                        "temperature": Reference(parameter="temperature"),
                    },
                    gives={"quality": "quality"},
                ),
            ),
            "plan": (
                Phase(mode="explore", method="random", experiments=3),
                Phase(mode="optimise", method="ucb"),
            ),
            "budget": Budget(experiments=6),
            "limits": (),
            "loops": (LABELS,),
            **changes,
        }
    )
    return bind_campaign(made, laboratory(bench=BENCH))


def reading(action: Action) -> Fate:
    name = "energy" if action.verb == "energy" else "quality"
    unit = "eV" if action.verb == "energy" else ""
    record = {"code": "test"} if action.verb == "energy" else {}
    value = Reading(value=float(len(action.id)), unit=unit)
    return Fate(
        action.id, "ended", outcome=Outcome(status="succeeded", readings={name: value}, record=record)
    )


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a brain might say: copper, under a new name each time."""
    made = []
    for i in range(request["n"]):
        name = f"g{request['index'] + i}"
        candidate = {"metal": name} if request["loop"] else {"metal": name, "temperature": 400.0}
        why = proposal(mode=request["method"]["mode"])
        made.append({**why, "candidate": candidate, "structures": {name: COPPER}})
    return {"proposals": made, "diagnostics": None}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    bound = the_bound()
    made = Rig(tmp_path / "log.db", bound)
    crystals = Crystals(tmp_path)
    crystals.keep([POOL])
    adviser = Adviser(made.planner, crystals=crystals)  # type: ignore[arg-type]
    made.planner.reply = answer
    made.hands.act = reading
    made.engine = Engine(made.store, made.state, bound, made.hands, adviser)  # type: ignore[arg-type]
    return made


async def test_both_loops_go_to_the_ends_of_their_own_budgets(rig: Rig) -> None:
    await rig.engine.run()
    state = fold(rig.store.events())
    films, labels = state.of(""), state.of("labels")
    assert len(films.measured()) == 6 and len(labels.measured()) == 5
    assert all(set(e.candidate) == {"metal", "temperature"} for e in films.experiments.values())
    assert all(set(e.candidate) == {"metal"} for e in labels.experiments.values())
    assert [p.mode for p in films.phases] == ["explore", "optimise"]
    assert [p.mode for p in labels.phases] == ["explore", "learn"]
    assert "5 experiments (budget.experiments: 5)" in state.loops_ended["labels"]
    assert state.reason.startswith("budget: 6 experiments")
    numbers = [e.number for e in state.experiments.values()]
    assert numbers == list(range(1, 12)), "one numbering for the whole log"


async def test_a_labeler_gets_the_crystal_and_the_coater_its_name(rig: Rig) -> None:
    await rig.engine.run()
    asked = {e.body["verb"]: e.body["args"] for e in rig.store.events() if e.kind == "action.intended"}
    assert set(asked["energy"]["structure"]) == {"lattice", "species", "frac"}
    assert isinstance(asked["coat"]["metal"], str)
    told = [e.body for e in rig.store.events() if e.kind == "action.succeeded"]
    assert {"code": "test"} in [body.get("record") for body in told]


async def test_each_loop_is_told_what_the_other_measured(rig: Rig) -> None:
    await rig.engine.run()
    last = {request["loop"]: request for request in rig.planner.requests}
    assert len(last[""]["observations"]) >= 3
    assert all("energy" in row["values"] for row in last[""]["others"]["labels"])
    assert all("quality" in row["values"] for row in last["labels"]["others"][""])
    assert [p["name"] for p in last["labels"]["aim"]["space"]["parameters"]] == ["metal"]
    assert last[""]["materials"]["pool"].endswith(f"{POOL.digest}.jsonl")
    assert last[""]["materials"]["structures"].keys() >= {
        row["candidate"]["metal"] for row in last[""]["others"]["labels"]
    }


async def test_a_question_is_the_same_after_a_restart(rig: Rig) -> None:
    await rig.engine.run()
    events = list(rig.store.events())
    ask = Ask(1, 1, "", len(events), 5, False, loop="labels")
    here = json.dumps(question(ask, rig.state, the_bound().campaign))
    assert here == json.dumps(question(ask, fold(events), the_bound().campaign))


async def test_explored_crystals_come_from_the_pool_with_their_structures(rig: Rig) -> None:
    await rig.engine.run()
    first = [e for e in rig.state.experiments.values() if e.proposal["mode"] == "explore"]
    ids = {row for row in Crystals(rig.store.path.parent).rows(METALS)}
    assert len(first) == 5
    for experiment in first:
        name = experiment.candidate["metal"]
        assert name in ids and experiment.structures[name]["species"] == [name[:2]]


async def test_a_brain_that_fails_is_replaced_by_the_pool(rig: Rig) -> None:
    rig.planner.reply = lambda request: BrainFailed("it is gone")
    await rig.engine.run()
    assert len(rig.state.of("").measured()) == 6
    fallen = [e for e in rig.state.experiments.values() if e.proposal["fallback"]]
    assert len(fallen) == 3 + 3 and all(e.structures for e in fallen)


async def test_a_loop_whose_crystals_are_used_up_ends_by_itself(tmp_path: Path) -> None:
    many = LABELS.model_copy(
        update={"plan": (Phase(mode="explore", method="random"),), "budget": Budget(experiments=50)}
    )
    films = (Phase(mode="explore", method="random", batch=2),)
    bound = the_bound(loops=(many,), plan=films, budget=Budget(experiments=30))
    rig = Rig(tmp_path / "log.db", bound)
    crystals = Crystals(tmp_path)
    crystals.keep([POOL])
    adviser = Adviser(rig.planner, crystals=crystals)  # type: ignore[arg-type]
    rig.planner.reply, rig.hands.act = answer, reading
    await Engine(rig.store, rig.state, bound, rig.hands, adviser).run()  # type: ignore[arg-type]
    assert "crystals of the pool" in rig.state.loops_ended["labels"]
    assert len(rig.state.of("").measured()) == 30


async def test_a_crystal_without_a_record_is_refused_before_any_action(rig: Rig) -> None:
    def bare(request: Mapping[str, Any]) -> dict[str, Any]:
        reply = answer(request)
        for each in reply["proposals"]:
            each["structures"] = {}
        return reply

    rig.planner.reply = bare
    await rig.engine.run()
    rejected = [e for e in rig.state.of("labels").experiments.values() if e.state is Experiment.REJECTED]
    assert rejected
    assert not any(a.experiment in {e.id for e in rejected} for a in rig.state.actions.values())


async def test_records_and_status_tell_the_loops_apart(rig: Rig) -> None:
    await rig.engine.run()
    found = records(fold(rig.store.events()), tuple(rig.store.events()))
    (labels,) = found.loops
    assert len(found.experiments) == 6 and len(labels.experiments) == 5 and labels.ended
    summary = summarise(found)
    assert summary["experiments"]["measured"] == 6
    (loop,) = summary["loops"]
    assert (loop["name"], loop["measured"], loop["planned"], loop["learns"]) == ("labels", 5, 5, ["energy"])


def test_a_pool_that_was_changed_is_refused(tmp_path: Path) -> None:
    crystals = Crystals(tmp_path)
    with pytest.raises(Refused, match="E515"):
        crystals.rows(METALS)
    crystals.keep([POOL])
    assert len(crystals.rows(METALS)) == 7
    path = crystals.path(METALS)
    path.write_bytes(path.read_bytes().replace(b"Cu", b"Ag"))
    with pytest.raises(Refused, match="is not the pool"):
        Crystals(tmp_path).rows(METALS)


def test_a_recipe_of_a_loop_is_bound_to_the_laboratory() -> None:
    broken = LABELS.model_copy(update={"recipe": (LABELS.recipe[0].model_copy(update={"verb": "enthalpy"}),)})
    with pytest.raises(CampaignError, match=r"loops\.labels\.recipe\[label\]\.do"):
        the_bound(loops=(broken,))


def test_a_crystal_cannot_be_a_number() -> None:
    step = the_bound().campaign.recipe[0]
    wrong = step.model_copy(
        update={"arguments": {"temperature": Reference(parameter="metal"), "metal": "Cu"}}
    )
    with pytest.raises(CampaignError, match=r"wants a number and \$metal is a crystal"):
        the_bound(recipe=(wrong,), space=Space(parameters=(METALS,)))
