"""A campaign that learns of each atom: which materials are labelled next, and what is believed of their atoms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from campaigns.aim import Aim
from campaigns.objective import Objective
from campaigns.space import Material, Space
from campaigns.surrogate_choice import MaterialsChoice, SurrogateChoice
from surrogates.errors import InvalidObservation
from surrogates.joint import atoms, service
from surrogates.materials.discovery.pool import Row
from surrogates.materials.per_atom import PerAtomEnsemble
from surrogates.materials.pool_file import write_pool
from tests.surrogates.materials.test_per_atom import SIGMA, crowding, glass

IDS = [f"g{k}" for k in range(6)]
GLASSES = {id: glass(k) for k, id in enumerate(IDS)}
CHOICE = MaterialsChoice(
    network="cgcnn", members=3, epochs=4, width=8, layers=1, cutoff=1.6 * SIGMA, per_atom="near"
)


def row(id: str) -> dict[str, Any]:
    values = crowding(GLASSES[id])[:, 0]
    return {
        "candidate": {"glass": id}, "failed": False,
        "values": {"mean_near": {"value": float(values.mean()), "sigma": None}},
        "arrays": {"near": {"values": values.tolist(), "unit": ""}},
    }  # fmt: skip


def request(directory: Path, labelled: list[str], **changes: Any) -> dict[str, Any]:
    rows = [Row(id, GLASSES[id], {}, "made up") for id in IDS]
    made = write_pool(rows, directory / "pool")
    space = Space(parameters=(Material(name="glass", pool="p", digest=made.digest, n=len(IDS)),))
    aim = Aim(
        space=space, objectives=(Objective(name="mean_near", direction="maximise"),),
        surrogate=SurrogateChoice(materials=CHOICE),
    )  # fmt: skip
    whole = {
        "op": "propose", "aim": aim.model_dump(mode="json"), "observations": [row(id) for id in labelled],
        "pending": [], "n": 1, "method": {"mode": "learn", "name": "variance"}, "seed": 5, "index": 3,
        "materials": {"pool": str(made.path), "directory": str(directory / "models"), "structures": {}},
        "loop": "", "others": {},
    } | changes  # fmt: skip
    return json.loads(json.dumps(whole, allow_nan=False))


def handle(asked: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(service.handle(asked), allow_nan=False))


def test_the_material_whose_atoms_are_known_least_is_labelled_next(tmp_path: Path) -> None:
    asked = request(tmp_path, IDS[:3], n=3)
    proposals = handle(asked)["proposals"]
    assert {p["candidate"]["glass"] for p in proposals} == set(IDS[3:])
    doubts = {}
    for one in proposals:
        said, of = one["material"]["atoms"], one["material"]["properties"]["mean_near"]
        assert (
            said["array"] == "near"
            and said["half_widths"] is None
            and len(said["mean"]) == len(said["sd"]) == 64
        )
        assert of["mean"] == pytest.approx(np.mean(said["mean"]), abs=1e-4)
        assert of["epistemic"] == pytest.approx(np.sqrt(np.mean(np.square(said["sd"]))), rel=1e-3)
        assert one["acquisition"] == "variance" and one["fallback"] is None
        assert "of atoms on 3 labels" in one["model"]
        doubts[one["candidate"]["glass"]] = of["epistemic"]
    first = proposals[0]["candidate"]["glass"]
    assert doubts[first] == max(doubts.values()) > min(doubts.values())


def test_the_answer_is_the_same_whatever_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(tmp_path, IDS[:4])
    atoms._kept.clear()
    first = handle(asked)
    said = first["proposals"][0]["material"]["atoms"]
    assert len(said["half_widths"]) == 64
    assert all(width > sd for width, sd in zip(said["half_widths"], said["sd"], strict=True))
    atoms._kept.clear()
    with monkeypatch.context() as patch:
        patch.setattr(PerAtomEnsemble, "fit", None)  # from the folder
        assert handle(asked) == first
    asked["materials"]["directory"] = None
    atoms._kept.clear()
    assert handle(asked) == first


def test_too_few_labels_are_drawn_at_random_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    (one,) = handle(request(tmp_path, IDS[:1]))["proposals"]
    assert one["acquisition"] == "random" and "too few labels" in one["fallback"]
    assert "atoms" not in one["material"]
    asked = request(tmp_path, IDS[:3])
    asked["observations"][1]["arrays"]["near"]["values"].pop()
    with pytest.raises(InvalidObservation, match="near of g1: wanted a number of each of 64 atoms, got"):
        handle(asked)
