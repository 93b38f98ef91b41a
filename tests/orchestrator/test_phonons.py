"""The library's `phonons`: both pools are kept beside the log, and networks start from what one of them taught."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from campaigns.structure import Structure
from orchestrator.crystals import Crystals
from orchestrator.errors import Refused
from orchestrator.opening import open_campaign
from orchestrator.prepare import prepare
from surrogates.joint import service
from tests.surrogates.materials.test_ensemble import table

SMALL = (
    "surrogate.materials.members=2", "surrogate.materials.width=8", "surrogate.materials.layers=1",
    "surrogate.materials.epochs=2", "surrogate.materials.pretrained.epochs=1",
)  # fmt: skip


def written(path: Path, n: int, seed: int, *names: str) -> Path:
    """A pool of n crystals with values of these names."""
    structures, values = table(n, seed=seed)
    rows = [
        {"id": f"{path.stem}-{k}", **one.to_json(), "values": {name: float(values[k, 0]) for name in names}}
        for k, one in enumerate(structures)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def request(bound: Any, folder: Path) -> dict[str, Any]:
    """As the engine asks after 14 labels."""
    campaign, crystals = bound.campaign, Crystals(folder)
    (material,) = campaign.space.materials
    rows = list(crystals.rows(material).items())[:14]
    return {
        "op": "propose", "aim": campaign.aim.model_dump(mode="json"), "pending": [], "n": 2, "gate": None,
        "observations": [
            {"candidate": {"crystal": id}, "failed": False,
             "values": {"last_phonon_peak": {"value": row["values"]["last_phonon_peak"], "sigma": None}}}
            for id, row in rows
        ],
        "method": {"mode": "optimise", "name": "log_ei"}, "outlook": False, "seed": campaign.seed, "index": 14,
        "materials": {"pool": str(crystals.path(material)), "directory": str(crystals.folder), "structures": {}},
    }  # fmt: skip


def test_networks_start_from_what_another_pool_taught(tmp_path: Path) -> None:
    hidden = written(tmp_path / "crystals.jsonl", 40, 1, "last_phonon_peak")
    rich = written(tmp_path / "moduli.jsonl", 60, 2, "bulk_modulus", "shear_modulus")
    truth = tmp_path / "truth.jsonl"
    truth.write_text(hidden.read_text().replace("last_phonon_peak", "last phdos peak"))
    bound = prepare(
        "phonons",
        overrides=SMALL,
        tables={"table": truth},
        materials={"crystals": str(hidden), "moduli": str(rich)},
    )
    n = [pool.n for pool in bound.pools]
    assert n[0] == 40 and n[1] >= 55  # some of those drawn have atoms on top of each other
    open_campaign(tmp_path / "run" / "log.db", bound)
    crystals = Crystals(tmp_path / "run")
    (lesson,) = bound.campaign.lessons
    assert len(crystals.rows(lesson)) == n[1] and crystals.path(lesson).is_file()
    asked = request(bound, tmp_path / "run")
    service._learners.clear()
    reply = service.handle(asked)
    for proposal in reply["proposals"]:
        Structure.from_json(proposal["structures"][proposal["candidate"]["crystal"]])
        assert proposal["fallback"] is None and proposal["acquisition"] == "log_ei"
        model = "2 edge_gated from bulk_modulus, shear_modulus of moduli, on 14 labels"
        assert proposal["model"] == proposal["material"]["model"] == model
    (body,) = (crystals.folder / "bodies").iterdir()
    made = {file: file.stat().st_mtime_ns for file in body.iterdir()}
    assert {file.name for file in made} == {"0.member", "1.member", "body.model"}
    service._learners.clear()
    assert service.handle(asked) == reply  # from the folder, as after a restart
    assert {file: file.stat().st_mtime_ns for file in body.iterdir()} == made
    crystals.path(lesson).unlink()
    with pytest.raises(Refused, match="'moduli' cannot be read"):
        Crystals(tmp_path / "run").rows(lesson)
