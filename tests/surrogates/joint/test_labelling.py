"""A campaign over crystals alone that seeks the best: its requests, formulas, and crystals that can be made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from campaigns.objective import Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.surrogate_choice import MaterialsChoice, SurrogateChoice, SynthesizabilityChoice
from surrogates.joint import service
from surrogates.materials import synthesizability
from surrogates.materials.discovery.pool import Row
from surrogates.materials.mechanics import fracture_toughness, hardness, poisson_ratio
from surrogates.materials.pool_file import write_pool
from surrogates.materials.synthesizability import Synthesizability
from tests.surrogates.joint.crystals import IDS, POOL, STRUCTURES, FakeTrainer, places
from tests.surrogates.joint.test_service import USABLE, handle, request, row

HARD = Objective(name="hardness", direction="maximise", unit="GPa", reference=0.0)
TOUGH = Objective(name="toughness", direction="maximise", unit="MPa*m^0.5", reference=0.0)
BOUND = OutcomeConstraint(name="poisson_ratio", at_least=0.0)
OPTIMISE = {"mode": "optimise", "name": "log_nehvi"}


def truth() -> dict[str, dict[str, float]]:
    a, b, x = places(STRUCTURES).T
    bulk, shear = 10 ** (2 + a - x), 10 ** (1.8 + a * b - 2 * x)
    volume = np.array([one.volume / one.n_atoms for one in STRUCTURES])
    columns = {
        "bulk_modulus": bulk,
        "shear_modulus": shear,
        "hardness": hardness(bulk, shear).value,
        "toughness": fracture_toughness(bulk, shear, volume).value,
        "poisson_ratio": poisson_ratio(bulk, shear),
    }
    return {id: {name: float(v[k]) for name, v in columns.items()} for k, id in enumerate(IDS)}


TRUTH = truth()


def labelled(n: int) -> list[dict[str, Any]]:
    order = np.random.default_rng(6).permutation(USABLE)[:n].tolist()
    return [row({"crystal": id}, **TRUTH[id]) for id in order]


def asked(directory: Path, n_labels: int = 20, **changes: Any) -> dict[str, Any]:
    materials = MaterialsChoice(derive="mechanics", **changes.pop("materials", {}))
    aim = {
        "objectives": (HARD, TOUGH),
        "outcome_constraints": (BOUND,),
        "surrogate": SurrogateChoice(materials=materials),
    }
    whole = {"observations": labelled(n_labels), "others": {}, "method": OPTIMISE, "n": 4, **changes}
    return request(directory, seeds=0, only=True, aim=aim, **whole)


def ids(reply: dict[str, Any]) -> list[str]:
    return [proposal["candidate"]["crystal"] for proposal in reply["proposals"]]


def test_a_front_is_sought_over_what_follows_from_the_moduli(tmp_path: Path) -> None:
    service._learners.clear()
    trainer = FakeTrainer()
    reply = handle(asked(tmp_path), trainer)
    # The networks learn logarithms of the moduli, and nothing that is calculated from them.
    assert {targets for _, targets, _ in trainer.fitted} == {("bulk_modulus", "shear_modulus")}
    first = reply["proposals"][0]
    assert first["acquisition"] == "log_nehvi" and first["fallback"] is None and first["mode"] == "optimise"
    assert set(first["predictions"]) == {"hardness", "toughness"} and first["predictions"]["hardness"][1] > 0
    told = first["material"]["properties"]
    assert set(told) >= {"bulk_modulus", "hardness", "poisson_ratio", "young_modulus"}
    known = {each["candidate"]["crystal"] for each in labelled(20)}
    assert len(set(ids(reply))) == 4 and not known & set(ids(reply))


def test_what_is_chosen_is_better_than_what_is_not(tmp_path: Path) -> None:
    def worth(id: str) -> float:
        return TRUTH[id]["hardness"] * TRUTH[id]["toughness"]

    chosen = ids(handle(asked(tmp_path, 30)))
    rest = [worth(id) for id in USABLE if id not in {r["candidate"]["crystal"] for r in labelled(30)}]
    assert np.mean([worth(id) for id in chosen]) > np.quantile(rest, 0.8)


def test_an_answer_is_the_same_whatever_was_kept(tmp_path: Path) -> None:
    question = asked(tmp_path)
    service._learners.clear()
    first = handle(question)
    service._learners.clear()
    assert handle(question) == first
    assert ids(handle(asked(tmp_path, index=8))) is not None
    parego = handle(asked(tmp_path, method={"mode": "optimise", "name": "parego"}))
    assert parego["proposals"][0]["acquisition"] == "parego"


def test_learning_goes_where_the_derived_readings_are_least_known(tmp_path: Path) -> None:
    reply = handle(asked(tmp_path, method={"mode": "learn", "name": "variance"}))
    assert {p["acquisition"] for p in reply["proposals"]} == {"variance"}
    assert ids(reply) != ids(handle(asked(tmp_path)))


def test_before_anything_can_be_learned_crystals_are_drawn(tmp_path: Path) -> None:
    reply = handle(asked(tmp_path, 6))
    assert reply["proposals"][0]["acquisition"] == "random"
    assert "too few labels of hardness, toughness" in reply["proposals"][0]["fallback"]


def test_a_method_that_seeks_something_else_falls_back_to_variance(tmp_path: Path) -> None:
    reply = handle(asked(tmp_path, method={"mode": "optimise", "name": "knowledge_gradient"}))
    assert reply["proposals"][0]["acquisition"] == "variance"
    assert "wanted log_nehvi or parego; variance is used instead" in reply["proposals"][0]["fallback"]


# -- crystals that can be made ----------------------------------------------------------------------------
def made_of(id: str, k: int) -> bool:
    return "O" in id or ("S3" in id and k % 2 == 0)


def with_flags(directory: Path, question: dict[str, Any]) -> dict[str, Any]:
    """Oxides were made, half of the sulphides too, nothing else; of two crystals nobody said anything."""
    rows = []
    for k, id in enumerate(IDS):
        rows.append(Row(id, POOL[id], {} if k < 2 else {"icsd": float(made_of(id, k))}, "made up"))
    made = write_pool(rows, directory / "flagged")
    question["materials"]["pool"] = str(made.path)
    question["aim"]["space"]["parameters"][0]["digest"] = made.digest
    return question


@pytest.fixture
def quick_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees that are quick, and split what is as small as this pool."""

    def trees(seed: int) -> HistGradientBoostingClassifier:
        return HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=3, random_state=seed)

    monkeypatch.setattr(synthesizability, "boosted_trees", trees)


def test_only_crystals_that_can_be_made_are_asked_for(tmp_path: Path, quick_trees: None) -> None:
    choice = SynthesizabilityChoice(flag="icsd", at_least=0.5, bags=4)
    question = with_flags(tmp_path, asked(tmp_path, materials={"synthesizability": choice}, n=200))
    reply = handle(question)
    chosen = ids(reply)
    assert all(p["material"]["synthesizability"] == 1.0 for p in reply["proposals"])
    known = {each["candidate"]["crystal"] for each in labelled(20)}
    oxides = {id for id in USABLE if "O" in id} - known
    assert oxides <= set(chosen)  # made is made, whatever the bags say
    flags = np.array([np.nan if k < 2 else float(made_of(id, k)) for k, id in enumerate(IDS)])
    usable = [IDS.index(id) for id in USABLE]
    own = [STRUCTURES[k] for k in usable if np.isfinite(flags[k])]
    kept = flags[usable][np.isfinite(flags[usable])] == 1
    scores = Synthesizability.fit(own, kept, bags=4, seed=5).scores
    told = [IDS[k] for k in usable if np.isfinite(flags[k])]
    likely = {id for id, score in zip(told, scores, strict=True) if score >= 0.5}
    unlikely = {id for id, score in zip(told, scores, strict=True) if score < 0.5 and "F3" in id}
    fluorides = {id for id in USABLE if "F3" in id} - known
    assert unlikely and not unlikely & set(chosen) and likely & fluorides <= set(chosen)
    assert "icsd" not in reply["proposals"][0]["material"]["properties"]


def test_the_chance_weighs_what_is_asked_for(tmp_path: Path, quick_trees: None) -> None:
    choice = SynthesizabilityChoice(flag="icsd", bags=4)
    question = with_flags(tmp_path, asked(tmp_path, materials={"synthesizability": choice}, n=1))
    service._learners.clear()
    first = handle(question)
    kept = list((tmp_path / "models" / "joint").glob("*.made"))
    assert len(kept) == 1
    service._learners.clear()
    assert handle(question) == first  # from what was kept
    kept[0].write_bytes(b"cut off")
    service._learners.clear()
    assert handle(question) == first  # made again
    chance = first["proposals"][0]["material"]["synthesizability"]
    plain = handle(with_flags(tmp_path, asked(tmp_path, n=1)))
    assert 0 < chance <= 1
    assert "synthesizability" not in plain["proposals"][0]["material"]


def test_flags_that_are_none_are_refused(tmp_path: Path) -> None:
    choice = SynthesizabilityChoice(flag="icsd", bags=2)
    rows = [Row(id, POOL[id], {"icsd": 0.3}, "made up") for id in IDS]
    made = write_pool(rows, tmp_path / "flagged")
    question = asked(tmp_path, materials={"synthesizability": choice})
    question["materials"]["pool"] = str(made.path)
    question["aim"]["space"]["parameters"][0]["digest"] = made.digest
    with pytest.raises(ValueError, match=r"icsd: wanted 1 for what was made and 0 .* got 0\.3"):
        handle(question)
    with pytest.raises(ValueError, match="icsd: wanted five positive"):
        handle(asked(tmp_path, materials={"synthesizability": choice}))


def test_films_are_made_of_crystals_that_can_be_made(tmp_path: Path, quick_trees: None) -> None:
    """Material and process together: the chance of the material weighs every acquisition."""
    choice = SynthesizabilityChoice(flag="icsd", at_least=0.5, bags=4)
    surrogate = SurrogateChoice(materials=MaterialsChoice(synthesizability=choice))
    question = request(tmp_path, seeds=0, n=6, aim={"surrogate": surrogate})
    rows = [Row(id, POOL[id], {"icsd": float("O" in id)}, "made up") for id in IDS]
    made = write_pool(rows, tmp_path / "oxides")
    question["materials"]["pool"] = str(made.path)
    question["aim"]["space"]["parameters"][1]["digest"] = made.digest
    reply = handle(question)
    likely = [proposal["material"]["synthesizability"] for proposal in reply["proposals"]]
    chances = [proposal["material"]["chance"] for proposal in reply["proposals"]]
    assert likely == [1.0] * 6 and chances == pytest.approx(likely)
    assert any("O" not in id for id in ids(handle(request(tmp_path, seeds=0, n=6))))
