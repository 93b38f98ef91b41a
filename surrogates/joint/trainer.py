"""What makes the ensembles: by default the graph networks, as the campaign describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials.body import Body
from surrogates.materials.discovery.trainer import content_of
from surrogates.materials.discovery.trainer import trainer_of as of_discovery
from surrogates.materials.ensemble import MaterialsEnsemble, graph_cache
from surrogates.materials.errors import ModelFileError
from surrogates.materials.model_file import code_fingerprint
from surrogates.materials.settings import EnsembleSettings


class Predicted(Protocol):
    """The part of `surrogates.materials.prediction.Prediction` that is read here: of N materials and T targets."""

    @property
    def mean(self) -> Array: ...

    @property
    def epistemic(self) -> Array: ...

    @property
    def aleatoric(self) -> Array: ...

    @property
    def members(self) -> Array: ...


class Ensemble(Protocol):
    """What the planner needs of `surrogates.materials.ensemble.MaterialsEnsemble`."""

    def predict(self, structures: Sequence[Structure]) -> Predicted: ...
    def embed(self, structures: Sequence[Structure]) -> Array: ...
    def save(self, path: Path) -> None: ...


class Trainer(Protocol):
    """Makes and reads ensembles of one kind."""

    @property
    def name(self) -> str: ...

    def content(self) -> Any:
        """All that an ensemble depends on besides data and seed, in JSON types."""

    def usable(self, structures: Sequence[Structure]) -> Array:
        """(n,) bool: False for structures that no network can treat."""

    def fit(
        self,
        structures: Sequence[Structure],
        values: Array,
        targets: Sequence[str],
        *,
        seed: int,
        start: Ensemble | None,
    ) -> Ensemble: ...

    def load(self, path: Path) -> Ensemble | None:
        """None where there is none, or only a damaged one."""


class Networks:
    """Ensembles of graph networks, from nothing or from a body. Graphs once made are kept for all of them."""

    def __init__(self, settings: EnsembleSettings, body: Body | None = None) -> None:
        self.settings, self.body = settings, body
        self.name = f"{settings.members} {settings.network.network}"
        if body is not None:
            self.name += f" from {body.name},"
        self.graphs = graph_cache(settings)

    def content(self) -> dict[str, Any]:
        return self.settings.to_json() | {"code": code_fingerprint()} | content_of(self.body)

    def usable(self, structures: Sequence[Structure]) -> Array:
        refused: set[int] = set()
        self.graphs(structures, lambda place, _: refused.add(place))
        return np.array([k not in refused for k in range(len(structures))], dtype=bool)

    def fit(
        self,
        structures: Sequence[Structure],
        values: Array,
        targets: Sequence[str],
        *,
        seed: int,
        start: Ensemble | None,
    ) -> MaterialsEnsemble:
        assert start is None or isinstance(start, MaterialsEnsemble)
        if start is None and self.body is not None:
            start = self.body.ensemble(seed, self.graphs)
        return MaterialsEnsemble.fit(
            structures,
            values,
            targets,
            settings=self.settings,
            seed=seed,
            start=start,
            graphs=self.graphs,
        )

    def load(self, path: Path) -> MaterialsEnsemble | None:
        try:
            return MaterialsEnsemble.load(path, graphs=self.graphs)
        except (FileNotFoundError, ModelFileError):
            return None  # a cache: what is not there, or was cut off, is fitted again


def trainer_of(aim: Mapping[str, Any], directory: Path | None = None) -> Networks:
    """As the campaign's `surrogate: materials:` says; for discovery and for this the same."""
    made = of_discovery(aim, directory)
    return Networks(made.settings, made.body)
