"""Pools of crystals beside the log: kept under their digest when a campaign begins, and read by who needs one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from campaigns.campaign import Campaign
from campaigns.pool import Pool
from campaigns.pretraining import Lesson
from campaigns.space import Categorical, Fixed, Material, Space, Table
from orchestrator.errors import Refused

FOLDER = "materials"
_NO_CRYSTAL = ""
Row = Mapping[str, Any]  # {"id", "lattice", "species", "frac", "values"?}


class Crystals:
    """The pools of one run, in the folder `materials` beside its log."""

    def __init__(self, directory: Path) -> None:
        self.folder = directory / FOLDER
        self._rows: dict[str, dict[str, Row]] = {}

    def path(self, material: Material | Lesson) -> Path:
        """The file of a material's pool, or of one that is learned from first."""
        return self.folder / f"{material.digest}.jsonl"

    def keep(self, pools: Sequence[Pool]) -> None:
        """Copy pools here, so that the folder holds all that the log is about."""
        for pool in pools:
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(pool.path, self.folder / f"{pool.digest}.jsonl")

    def rows(self, material: Material | Lesson) -> Mapping[str, Row]:
        """The pool by id. Raises `Refused` (E515) where its file is gone or is another than the log says."""
        if material.digest not in self._rows:
            path = self.path(material)
            try:
                content = path.read_bytes()
            except OSError as error:
                raise Refused(
                    "E515", f"the pool {material.pool!r} cannot be read: {error}",
                    cure=f"put the file back as {path}",
                ) from error  # fmt: skip
            if hashlib.sha256(content).hexdigest() != material.digest:
                raise Refused(
                    "E515", f"{path} is not the pool that the campaign began with",
                    cure="put that file back, or begin another campaign",
                )  # fmt: skip
            rows = [json.loads(line) for line in content.splitlines()]
            self._rows[material.digest] = {row["id"]: row for row in rows}
        return self._rows[material.digest]

    def untried(
        self, campaign: Campaign, seen: Sequence[Mapping[str, Any]], among: Sequence[str] | None = None
    ) -> tuple[Space, dict[str, Row]]:
        """The campaign's space with the pool's ids as plain words, and those rows; larger crystals than the campaign
        takes are left out.

        Where only the crystal is chosen, ids seen before and crystals whose reading is known already are left out;
        `among`: the only ids that may be chosen, known or not. Raises LookupError where none is left.
        """
        (material,) = campaign.space.materials
        whole = self.rows(material)
        rows = {key: row for key, row in whole.items() if len(row["species"]) <= material.max_atoms}
        alone = len(campaign.space.chosen) == 1
        if alone:
            wanted = {objective.name for objective in campaign.objectives}
            tried = {candidate[material.name] for candidate in seen}
            rows = {
                key: row
                for key, row in rows.items()
                if key not in tried
                and (
                    not wanted <= material.knows(row.get("values", {})).keys()
                    if among is None
                    else key in among
                )
            }
        if not rows:
            raise LookupError(f"no crystals of the pool {material.pool!r} are left")
        one = next(iter(rows)) if len(rows) == 1 else None
        words: Categorical | Fixed
        if one is not None and not alone:
            words = Fixed(name=material.name, value=one)
        else:  # words are at least two; what is not in the table is never chosen
            choices = tuple(rows) if one is None else (one, _NO_CRYSTAL)
            words = Categorical(name=material.name, choices=choices)
        space = campaign.space
        parameters = tuple(words if p.name == material.name else p for p in space.parameters)
        table = Table(columns=(material.name,), rows=tuple((key,) for key in sorted(rows))) if alone else None
        # Made anew: a copy would keep what the whole space had worked out about itself.
        ties: dict[str, Any] = {
            "mixtures": space.mixtures,
            "constraints": space.constraints,
            "rules": space.rules,
        }
        return Space(parameters=parameters, allowed=table, **ties), rows


def record_of(row: Row) -> dict[str, Any]:
    """The structure of a row, as an action carries it."""
    return {key: row[key] for key in ("lattice", "species", "frac")}
