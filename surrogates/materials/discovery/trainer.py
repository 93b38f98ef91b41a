"""What makes the planner's ensembles: by default the graph networks, as the campaign describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials.augmentation import Volumes
from surrogates.materials.body import Body, body_of
from surrogates.materials.discovery.orbits import OrbitCache
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.errors import ModelFileError
from surrogates.materials.model_file import code_fingerprint
from surrogates.materials.networks import DEFAULTS, NetworkSettings
from surrogates.materials.prediction import Prediction
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Training
from surrogates.materials.volume_scan import scan_volumes

TARGET = "decomposition energy, squeezed"
VOLUMES = 9  # from 80 to 120 % of a generated cell's own
WARM = 5  # a warm start takes this part of the epochs of a full training


class Ensemble(Protocol):
    """What the planner needs of `surrogates.materials.ensemble.MaterialsEnsemble`."""

    @property
    def fingerprint(self) -> str: ...
    def predict(self, structures: Sequence[Structure]) -> Prediction: ...
    def embed(self, structures: Sequence[Structure]) -> Array: ...
    def save(self, path: Path) -> None: ...


class Trainer(Protocol):
    """Makes and reads ensembles of one kind."""

    @property
    def name(self) -> str: ...
    def fit(
        self, structures: Sequence[Structure], values: Array, *, seed: int, start: Ensemble | None
    ) -> Ensemble: ...
    def relaxed(self, ensemble: Ensemble, structures: Sequence[Structure]) -> Prediction | None:
        """What the energies would be once the cells are relaxed; None where the ensemble has not learned that."""

    def load(self, path: Path) -> Ensemble | None:
        """None where there is none, or only a damaged one."""

    def usable(self, structures: Sequence[Structure]) -> Array:
        """(n,) False for structures that have no graph: an atom without neighbours, atoms on top of each other."""

    def content(self) -> Any:
        """What the settings are, in JSON types."""


class GraphTrainer:
    """Ensembles of graph networks, from nothing or from a body. Graphs once made are kept for all of them."""

    def __init__(self, settings: EnsembleSettings, workers: int = 1, body: Body | None = None) -> None:
        self.settings, self.workers, self.body = settings, workers, body
        self.name = "ensemble" if body is None else f"ensemble, from {body.name}"
        network = settings.network
        self._graphs = OrbitCache(network.cutoff, network.neighbours, network.kind, falloff=network.falloff)

    def content(self) -> dict[str, Any]:
        """All that a fitted ensemble depends on besides data and seed."""
        return self.settings.to_json() | {"code": code_fingerprint()} | content_of(self.body)

    def fit(
        self, structures: Sequence[Structure], values: Array, *, seed: int, start: Ensemble | None
    ) -> Ensemble:
        first = None if start is None else _networks(start)
        if first is None and self.body is not None:
            first = self.body.ensemble(seed, self._graphs)
        return MaterialsEnsemble.fit(
            structures, values, (TARGET,), settings=self.settings, seed=seed, start=first, workers=self.workers,
            graphs=self._graphs,
        )  # fmt: skip

    def relaxed(self, ensemble: Ensemble, structures: Sequence[Structure]) -> Prediction | None:
        if self.settings.volumes is None or not structures:
            return None
        return scan_volumes(_networks(ensemble), structures, TARGET).prediction

    def usable(self, structures: Sequence[Structure]) -> Array:
        refused: set[int] = set()
        self._graphs(structures, lambda place, _: refused.add(place))
        return np.array([k not in refused for k in range(len(structures))], dtype=bool)

    def load(self, path: Path) -> Ensemble | None:
        try:
            return MaterialsEnsemble.load(path, graphs=self._graphs)
        except (FileNotFoundError, ModelFileError):
            return None  # a cache: what is not there, or was cut off, is fitted again


def content_of(body: Body | None) -> dict[str, Any]:
    """What an ensemble depends on besides, where it starts from a body."""
    return {} if body is None else {"body": body.content()}


def _networks(ensemble: Ensemble) -> MaterialsEnsemble:
    if not isinstance(ensemble, MaterialsEnsemble):
        raise TypeError(f"wanted an ensemble of graph networks, got {type(ensemble).__name__}")
    return ensemble


def trainer_of(aim: Mapping[str, Any], directory: Path | None = None) -> GraphTrainer:
    """As the campaign's `surrogate: materials:` says. Where crystals are generated, whose cells are not relaxed, the
    networks learn from copies at other volumes too, and are asked at several. `directory`: with the pools that are
    learned from first."""
    said = aim.get("surrogate", {}).get("materials", {})
    network, training = DEFAULTS[said.get("network") or NetworkSettings.network], Training()
    for name in ("width", "layers", "normalise", "norm", "falloff"):
        if said.get(name) is not None:
            network = replace(network, **{name: said[name]})
    if said.get("cutoff") is not None:
        falloff = float(said.get("falloff") or 0.0)  # of all within it: no shell is broken by who is nearest
        network = replace(network, cutoff=float(said["cutoff"]), neighbours=None, falloff=falloff)
    if said.get("per_atom") is not None:
        training = replace(training, batch=1)  # of hundreds of atoms, each with a label of its own
    epochs = said.get("epochs")
    if epochs is not None:
        training = replace(training, epochs=int(epochs), warm_epochs=max(1, round(int(epochs) / WARM)))
    loose = any(parameter.get("generate") for parameter in aim["space"]["parameters"])
    scalable = network.kind == "structure" and network.neighbours is not None
    volumes = Volumes(count=VOLUMES) if loose and scalable else None
    members = int(said.get("members", 5))
    settings = EnsembleSettings(members=members, network=network, training=training, volumes=volumes)
    body, settings = body_of(said.get("pretrained"), settings, directory)
    return GraphTrainer(settings, body=body)
