"""What a campaign's networks start from: learned once from the pools that the campaign names, kept beside its log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.errors import ModelFileError
from surrogates.materials.graph import GraphCache
from surrogates.materials.model_file import code_fingerprint
from surrogates.materials.pool_file import read_pool
from surrogates.materials.pretraining import lesson, pretrained
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.transfer import Transfer

VERSION = 1  # of what is learned: a kept body of another one is another body


class Body:
    """Trained when it is first asked for. Without a folder it is trained in each process anew."""

    def __init__(self, said: Mapping[str, Any], settings: EnsembleSettings, directory: Path) -> None:
        """`said`: the campaign's `pretrained` in JSON types; `settings`: of the ensembles that start from it;
        `directory`: where the pools are, each under its digest, and where it is kept."""
        self.lessons, self.directory = said["lessons"], directory
        training = settings.training
        if said["epochs"] is not None:
            training = replace(training, epochs=int(said["epochs"]))
        self.settings = replace(settings, training=training, transfer=Transfer())
        self._made: dict[int, MaterialsEnsemble] = {}

    @property
    def name(self) -> str:
        """What it has learned."""
        return "; ".join(f"{', '.join(each['values'])} of {each['pool']}" for each in self.lessons)

    def content(self) -> dict[str, Any]:
        """All that it depends on besides the seed, in JSON types."""
        pools = [[each["digest"], list(each["values"])] for each in self.lessons]
        return {
            "version": VERSION,
            "pools": pools,
            "settings": self.settings.to_json(),
            "code": code_fingerprint(),
        }

    def key(self, seed: int) -> str:
        """By which it is kept."""
        return hashlib.sha256(json.dumps([self.content(), seed], sort_keys=True).encode()).hexdigest()[:32]

    def ensemble(self, seed: int, graphs: GraphCache) -> MaterialsEnsemble:
        """From memory, from the folder, or trained, each member kept as soon as it is. Raises SourceError and
        ModelFileError for a pool that is gone, or another than the campaign began with."""
        if seed not in self._made:
            folder = self.directory / "bodies" / self.key(seed)
            path = folder / "body.model"
            try:
                self._made[seed] = MaterialsEnsemble.load(path, graphs=graphs)
            except (
                FileNotFoundError,
                ModelFileError,
            ):  # a cache: what is not there, or cut off, is made again
                made = self._trained(seed, graphs, folder)
                made.save(path)
                self._made[seed] = made
        return self._made[seed]

    def _trained(self, seed: int, graphs: GraphCache, folder: Path) -> MaterialsEnsemble:
        tables, readings = {}, {}
        for each in self.lessons:
            pool = read_pool(self.directory / f"{each['digest']}.jsonl", each["digest"])
            refused: set[int] = set()
            graphs(pool.structures, lambda place, _, refused=refused: refused.add(place))  # type: ignore[misc]
            usable = [k for k in range(len(pool)) if k not in refused]
            tables[each["pool"]] = ([pool.structures[k] for k in usable], [pool.values[k] for k in usable])
            readings[each["pool"]] = tuple(each["values"])
        return pretrained(lesson(tables, readings), self.settings, seed, graphs=graphs, folder=folder)


def body_of(
    said: Mapping[str, Any] | None, settings: EnsembleSettings, directory: Path | None
) -> tuple[Body | None, EnsembleSettings]:
    """What a campaign's `pretrained` asks for, None where it asks for nothing, and the settings of what starts there.
    Raises ValueError without a directory: the pools are there."""
    if said is None:
        return None, settings
    if directory is None:
        raise ValueError("wanted the folder with the pools that the networks learn from first, got none")
    transfer = Transfer(frozen=said["frozen"], rate=float(said["rate"]))
    return Body(said, settings, directory), replace(settings, transfer=transfer)
