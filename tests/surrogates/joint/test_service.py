"""Requests of both loops of one campaign: replies in JSON, the same whatever is kept, and every refusal in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from campaigns.aim import Aim
from campaigns.objective import Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.space import Space
from surrogates.errors import InvalidObservation, SpaceExhausted, UnsupportedObjectives
from surrogates.joint import service
from surrogates.materials.errors import ModelFileError
from tests.surrogates.joint.crystals import (
    CURRENT,
    IDS,
    POOL,
    STRUCTURES,
    FakeTrainer,
    gap,
    heat,
    perovskite,
    pool,
    space,
    truth,
)  # fmt: skip

GAP = dict(zip(IDS, gap(STRUCTURES).tolist(), strict=True))
HEAT = dict(zip(IDS, heat(STRUCTURES).tolist(), strict=True))
USABLE = [id for id in IDS if not id.startswith("Li")]


def row(candidate: dict[str, Any], failed: bool = False, **values: float) -> dict[str, Any]:
    found = {name: {"value": value, "sigma": 0.1} for name, value in values.items()}
    return {"candidate": candidate, "values": found, "failed": failed}


def films(n: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    out = []
    for _ in range(n):
        candidate = {
            "anneal": float(rng.uniform(300, 700)),
            "crystal": str(rng.choice(USABLE)),
            "time": float(rng.uniform(1, 5)),
        }
        out.append(row(candidate, current=truth(candidate)))
    return out


def labelled(n: int) -> list[dict[str, Any]]:
    order = np.random.default_rng(6).permutation(USABLE)[:n].tolist()
    return [row({"crystal": id}, gap=GAP[id], heat=HEAT[id]) for id in order]


def request(directory: Path, *, seeds: int = 20, only: bool = False, **changes: Any) -> dict[str, Any]:
    made = pool(directory / "pool", seeds)
    asked = space(made.digest, only=only)
    objectives = (Objective(name="gap", direction="maximise"), Objective(name="heat", direction="maximise"))
    fields: dict[str, Any] = (
        {"objectives": objectives, "goal": "pareto"} if only else {"objectives": (CURRENT,)}
    )
    fields |= changes.pop("aim", {})
    whole = {
        "op": "propose",
        "aim": Aim(space=asked, **fields).model_dump(mode="json"),
        "observations": labelled(6) if only else films(10),
        "pending": [],
        "n": 2,
        "method": {"mode": "learn", "name": "variance"} if only else {"mode": "optimise", "name": "ucb"},
        "seed": 5,
        "index": 7,
        "materials": {"pool": str(made.path), "directory": str(directory / "models"), "structures": {}},
        "loop": "labels" if only else "",
        "others": {"": films(10)} if only else {"labels": labelled(6)},
    } | changes
    return json.loads(json.dumps(whole, allow_nan=False))


def handle(asked: dict[str, Any], trainer: FakeTrainer | None = None) -> dict[str, Any]:
    return json.loads(json.dumps(service.handle(asked, trainer or FakeTrainer()), allow_nan=False))


def test_a_film_is_proposed_with_its_crystal_and_why(tmp_path: Path) -> None:
    asked = request(tmp_path)
    reply, n = handle(asked), len(_known(asked) & set(USABLE))
    assert len(reply["proposals"]) == 2 and reply["diagnostics"]["n"] == 10 and reply["gated"] is None
    for proposal in reply["proposals"]:
        id = proposal["candidate"]["crystal"]
        assert space().violations(proposal["candidate"]) == [] and id in USABLE
        assert (
            proposal["structures"] == {id: POOL[id].to_json()}
            and reply["structures"][id] == POOL[id].to_json()
        )
        why = proposal["material"]
        assert why["formula"] == POOL[id].formula and set(why["properties"]) == {"gap", "heat"}
        assert why["sd"]["material"] ** 2 + why["sd"]["process"] ** 2 == pytest.approx(proposal["sd"] ** 2)
        assert f"fake on {n} labels" in proposal["model"] and proposal["fallback"] is None
        assert (
            set(proposal["sensitivity"]) == {"anneal", "crystal", "time"}
            and proposal["nearest"]["distance"] > 0
        )


def test_labels_change_what_is_proposed_and_said(tmp_path: Path) -> None:
    few = handle(request(tmp_path, n=4, others={"labels": []}))
    many = handle(request(tmp_path, n=4, others={"labels": labelled(80)}))
    assert [p["candidate"] for p in few["proposals"]] != [p["candidate"] for p in many["proposals"]]
    properties = [p["material"]["properties"]["gap"] for p in many["proposals"]]
    assert any(p["labelled"] and p["epistemic"] == 0 for p in properties)


def test_the_reply_is_the_same_whatever_was_kept(tmp_path: Path) -> None:
    for only in (False, True):
        asked = request(tmp_path, only=only)
        service._learners.clear()
        first = handle(asked)
        assert handle(asked) == first  # from memory
        service._learners.clear()
        kept = FakeTrainer()
        assert handle(asked, kept) == first and not kept.fitted  # from the folder
        service._learners.clear()
        asked["materials"]["directory"] = None
        assert handle(asked) == first  # from nothing


def test_both_loops_use_one_model(tmp_path: Path) -> None:
    service._learners.clear()
    trainer = FakeTrainer()
    handle(request(tmp_path), trainer)
    fitted = list(trainer.fitted)
    handle(request(tmp_path, only=True), trainer)
    assert fitted and trainer.fitted == fitted


def test_labels_are_asked_for_where_the_ensemble_knows_least(tmp_path: Path) -> None:
    asked = request(tmp_path, only=True, n=5)
    reply = handle(asked)
    chosen = [p["candidate"]["crystal"] for p in reply["proposals"]]
    known = {r["candidate"]["crystal"] for r in asked["observations"]}
    assert len(set(chosen)) == 5 and not known & set(chosen) and set(chosen) <= set(USABLE)
    values = [p["value"] for p in reply["proposals"]]
    assert values == sorted(values, reverse=True) and reply["proposals"][0]["acquisition"] == "variance"
    first = reply["proposals"][0]
    assert set(first["predictions"]) == {"gap", "heat"} and first["mean"] == first["predictions"]["gap"][0]
    assert first["structures"] == {chosen[0]: POOL[chosen[0]].to_json()} and first["fallback"] is None
    assert (
        reply["diagnostics"]["n"] == len(_known(asked) & set(USABLE)) and reply["diagnostics"]["mean_sd"] > 0
    )
    # What is under way, or came to nothing, is not asked for again.
    pending = {"crystal": chosen[0]}
    again = handle(request(tmp_path, only=True, n=5, pending=[pending]))
    assert chosen[0] not in [p["candidate"]["crystal"] for p in again["proposals"]]
    rows = [*labelled(6), row({"crystal": chosen[0]}, failed=True)]
    again = handle(request(tmp_path, only=True, n=5, observations=rows))
    assert chosen[0] not in [p["candidate"]["crystal"] for p in again["proposals"]]


def test_labels_at_random_are_other_ones_for_another_index_and_seed(tmp_path: Path) -> None:
    def drawn(**changes: Any) -> list[str]:
        asked = request(tmp_path, only=True, n=4, method={"mode": "explore", "name": "random"}, **changes)
        return [p["candidate"]["crystal"] for p in handle(asked)["proposals"]]

    assert drawn() == drawn() and len({tuple(drawn()), tuple(drawn(index=11)), tuple(drawn(seed=6))}) == 3


def test_without_enough_labels_composition_stands_in_and_labels_are_drawn(tmp_path: Path) -> None:
    found = handle(request(tmp_path, seeds=0, others={}))["proposals"][0]
    assert found["material"]["properties"] == {} and "materials: composition" in found["model"]
    label = handle(request(tmp_path, seeds=0, only=True, observations=[], others={}))["proposals"][0]
    assert label["acquisition"] == "random" and "too few labels of gap, heat" in label["fallback"]
    assert handle(request(tmp_path, seeds=0, only=True, observations=[], others={}))["diagnostics"] is None


def test_a_property_may_be_required_of_the_material(tmp_path: Path) -> None:
    limit = float(np.quantile(list(HEAT.values()), 0.3))
    bound = OutcomeConstraint(name="heat", at_most=limit)
    reply = handle(
        request(tmp_path, n=4, aim={"outcome_constraints": (bound,)}, others={"labels": labelled(60)})
    )
    for proposal in reply["proposals"]:
        assert proposal["material"]["chance"] > 0.3 and proposal["feasible"] == pytest.approx(
            proposal["material"]["chance"]
        )
    assert np.mean([HEAT[p["candidate"]["crystal"]] <= limit + 0.02 for p in reply["proposals"]]) >= 0.75
    unknown = handle(
        request(tmp_path, seeds=0, aim={"outcome_constraints": (bound,)}, others={"labels": labelled(5)})
    )
    assert "nothing is known yet of heat" in unknown["proposals"][0]["fallback"]


def test_a_constraint_on_a_reading_of_the_films_is_learned_from_the_films(tmp_path: Path) -> None:
    rows = films(10)
    for one in rows:
        one["values"]["roughness"] = {"value": one["candidate"]["anneal"] / 100, "sigma": None}
    bound = OutcomeConstraint(name="roughness", at_most=4.0)
    reply = handle(request(tmp_path, observations=rows, aim={"outcome_constraints": (bound,)}))
    assert all(p["candidate"]["anneal"] < 430 and "roughness" in p["predictions"] for p in reply["proposals"])


def test_generated_crystals_of_the_log_are_candidates_too(tmp_path: Path) -> None:
    asked = request(tmp_path, only=True, n=400)
    made = perovskite("Rb", "V", "O")
    asked["materials"]["structures"] = {"g-1": made.to_json()}
    proposals = handle(asked)["proposals"]
    assert {"g-1"} == {id for p in proposals for id in p["structures"]} - set(IDS)
    assert len(proposals) == len(USABLE) + 1 - len({p for p in USABLE if p in _known(asked)})


def _known(asked: dict[str, Any]) -> set[str]:
    rows = [json.loads(line) for line in Path(asked["materials"]["pool"]).read_text().splitlines()]
    seeds = {one["id"] for one in rows if one.get("values")}
    rows = asked["observations"] if asked["loop"] == "labels" else asked["others"]["labels"]
    return seeds | {one["candidate"]["crystal"] for one in rows}


def test_only_the_values_that_count_as_known_are_labels(tmp_path: Path) -> None:
    def said(names: tuple[str, ...] | None) -> Any:
        asked = request(tmp_path, seeds=30)
        asked["aim"]["space"]["parameters"][1]["known"] = names
        asked["others"] = {}
        assert asked["aim"]["space"]["parameters"][1]["kind"] == "material"
        return service.handle(asked, FakeTrainer())["proposals"][0]["material"]["properties"]

    assert set(said(None)) == {"gap", "heat"} and set(said(("heat",))) == {"heat"} and said(()) == {}


def test_what_every_material_is_labelled_with_is_nothing_to_learn(tmp_path: Path) -> None:
    asked = request(tmp_path, seeds=len(IDS))
    trainer = FakeTrainer()
    proposal = service.handle(asked, trainer)["proposals"][0]
    told = proposal["material"]["properties"]
    id = proposal["candidate"]["crystal"]
    assert told["gap"] == {"mean": GAP[id], "epistemic": 0.0, "aleatoric": 0.0, "labelled": True}
    assert trainer.fitted == [] and proposal["model"].endswith("materials: labels")


def test_what_cannot_be_answered_is_said(tmp_path: Path) -> None:
    service._pools.clear()
    with pytest.raises(ValueError, match="op: wanted 'propose'"):
        handle(request(tmp_path, op="tell"))
    every = [row({"crystal": id}, gap=1.0, heat=1.0) for id in USABLE]
    with pytest.raises(SpaceExhausted, match="labelled, pending or failed"):
        handle(request(tmp_path, only=True, observations=every))
    with pytest.raises(InvalidObservation, match="got 'UO2'"):
        handle(request(tmp_path, others={"labels": [row({"crystal": "UO2"}, gap=1.0)]}))
    with pytest.raises(InvalidObservation, match="got 'UO2'"):
        film = {"anneal": 400.0, "crystal": "UO2", "time": 2.0}
        handle(request(tmp_path, observations=[row(film, current=1.0)]))
    asked = request(tmp_path)
    asked["aim"]["space"] = Space(parameters=space().parameters[::2]).model_dump(mode="json")
    with pytest.raises(UnsupportedObjectives, match="one material in the space, got none"):
        handle(asked)
    asked = request(tmp_path)
    asked["aim"]["space"]["parameters"][1]["max_atoms"] = 4
    with pytest.raises(ValueError, match="crystal: wanted a crystal that a network can treat"):
        handle(asked)
    asked = request(tmp_path)
    path = Path(asked["materials"]["pool"])
    path.write_bytes(path.read_bytes().replace(b"BaFeF3", b"BaFeF4"))
    service._pools.clear()
    with pytest.raises(ModelFileError, match="changed or damaged"):
        handle(asked)


def test_networks_learn_and_are_asked(tmp_path: Path) -> None:
    asked = request(
        tmp_path,
        aim={"surrogate": {"materials": {"network": "composition", "members": 2, "epochs": 3, "width": 8}}},
    )
    service._learners.clear()
    first = service.handle(asked)
    service._learners.clear()
    assert service.handle(asked) == first
    found = first["proposals"][0]
    assert f"2 composition on {len(_known(asked))} labels" in found["model"] and found["fallback"] is None
    assert found["material"]["properties"]["gap"]["epistemic"] >= 0
    assert list((tmp_path / "models" / "joint").glob("*.model"))
