"""The representation of a pool after the labels so far, from the models kept or anew. When a model is trained is a
function of how many labels there are, so that any request can be answered again whatever models are still there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from campaigns.structure import NUMBER, Structure
from surrogates.encode import Array
from surrogates.joint.derive import Derivation, Derived
from surrogates.joint.labels import Labels, Row, table, targets_of
from surrogates.joint.representation import Representation, calibrated, principal
from surrogates.joint.trainer import Ensemble, Trainer
from surrogates.materials import model_file
from surrogates.materials.discovery.schedule import turn
from surrogates.materials.elements import physical_features
from surrogates.materials.errors import ModelFileError

FEWEST = 12  # labels of a property below which a network learns nothing that would generalise
VERSION = 1  # of what is learned: a kept model of another one is another model
KEPT = 3  # models in memory: the last full training and the last two warm starts


class Made(NamedTuple):
    """An ensemble, the properties it has learned, and the key that says from what."""

    ensemble: Ensemble
    targets: tuple[str, ...]
    key: str


class Said(NamedTuple):
    """Of the pool, before labels replace predictions: see `Representation`."""

    members: Array
    aleatoric: Array
    places: Array


class Learner:
    """Trains on demand. What is kept under `directory` is only looked up: without it all costs time, nothing else."""

    def __init__(
        self, trainer: Trainer, directory: Path | None, seed: int, derivation: Derivation | None = None
    ) -> None:
        """`derivation`: of readings that are calculated from others in place of being learned."""
        self.trainer, self.seed, self.derivation = trainer, seed, derivation
        self.directory = None if directory is None else directory / "joint"
        self._here: dict[str, Made] = {}
        self._said: dict[str, Said] = {}

    def representation(
        self, labels: Labels, ids: Sequence[str], structures: Sequence[Structure]
    ) -> Representation:
        """Of the materials `ids`. Labels that came after the last training replace predictions all the same. A property
        that all of them are labelled with is nothing to learn. Without enough labels of any other materials are told
        apart by composition, and by what all are labelled with."""
        whole = labels.whole
        every = tuple(t for t in targets_of(whole, len(ids)) if np.isfinite(table(whole, (t,), ids)).all())
        made = self._learned(labels.without(every), dict(zip(ids, structures, strict=True)))
        if made is None:
            found = by_composition(tuple(ids), structures)
        else:
            found = self._represented(made, whole, tuple(ids), structures)
        return found.with_labels(every, table(whole, every, ids))

    def _represented(
        self, made: Made, whole: Sequence[Row], ids: tuple[str, ...], structures: Sequence[Structure]
    ) -> Representation:
        said, kind = self._says(made, structures), self.derivation
        if kind is None or not set(kind.learned) <= set(made.targets):
            return Representation.of(ids, made.targets, *said, labels=table(whole, made.targets, ids))
        of = [made.targets.index(name) for name in kind.learned]
        rest = [k for k in range(len(made.targets)) if k not in of]
        volumes = np.array([one.volume / one.n_atoms for one in structures])
        derived = Derived(kind, said.members[..., of], said.aleatoric[:, of], volumes)
        members, aleatoric = derived.members()
        targets = (*kind.learned, *kind.derived, *(made.targets[k] for k in rest))
        n = len(kind.learned + kind.derived)
        labels = table(whole, targets, ids)
        return Representation.of(
            ids, targets, np.concatenate([members, said.members[..., rest]], axis=2),
            np.hstack([aleatoric, said.aleatoric[:, rest]]), said.places,
            np.hstack([derived.completed(labels[:, :n]), labels[:, n:]]), derived,
        )  # fmt: skip

    def name(self, labels: Labels) -> str:
        """Of what represents the materials, for the record."""
        return f"{self.trainer.name} on {len(labels.whole)} labels"

    def _learned(self, labels: Labels, structures: dict[str, Structure]) -> Made | None:
        """The model that the schedule gives for as many labels."""
        at = turn(len(labels.seeds), len(labels.told))
        base = self._made(labels.first(at.full), structures, None)
        if at.warm == at.full:
            return base
        return self._made(labels.first(at.warm), structures, base) or base

    def _made(self, rows: Sequence[Row], structures: dict[str, Structure], start: Made | None) -> Made | None:
        targets, values = self._values(rows)
        if not targets:
            return None
        own = [structures[name] for name, _ in rows]
        content = [
            VERSION, self.trainer.name, self.trainer.content(), self.seed, None if start is None else start.key,
            targets, [s.key for s in own], [[float(v).hex() for v in row] for row in values],
        ]  # fmt: skip
        key = digest(content)
        if key not in self._here:
            path = self._path(f"{key}.model")
            ensemble = None if path is None else self.trainer.load(path)
            if ensemble is None:
                ensemble = self.trainer.fit(
                    own, values, targets, seed=self.seed, start=None if start is None else start.ensemble
                )
                if path is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    ensemble.save(path)
            while len(self._here) >= KEPT:
                self._here.pop(next(iter(self._here)))
            self._here[key] = Made(ensemble, targets, key)
        self._here[key] = self._here.pop(key)  # those not asked for the longest go first
        return self._here[key]

    def _values(self, rows: Sequence[Row]) -> tuple[tuple[str, ...], Array]:
        """What is learned, (T,) names and (n, T) values: not what is calculated, and logarithms of what that starts
        from."""
        targets, kind = targets_of(rows, FEWEST), self.derivation
        if kind is None:
            return targets, table(rows, targets)
        targets = tuple(target for target in targets if target not in kind.derived)
        values = table(rows, targets)
        for k, target in enumerate(targets):
            if target in kind.learned:
                values[:, k] = kind.logarithms(values[:, k])
        kept = np.flatnonzero(np.isfinite(values).sum(axis=0) >= FEWEST)
        return tuple(targets[k] for k in kept), values[:, kept]

    def _says(self, made: Made, structures: Sequence[Structure]) -> Said:
        key = digest([made.key, [s.key for s in structures]])
        if key not in self._said:
            path = self._path(f"{key}.pool")
            said = None if path is None else _read(path)
            if said is None:
                found = made.ensemble.predict(structures)
                said = Said(
                    calibrated(found.members, found.mean, found.epistemic),
                    found.aleatoric,
                    principal(made.ensemble.embed(structures)),
                )
                if path is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    model_file.write(path, {}, said._asdict())
            self._said.clear()
            self._said[key] = said
        return self._said[key]

    def _path(self, name: str) -> Path | None:
        return None if self.directory is None else self.directory / name


def by_composition(ids: tuple[str, ...], structures: Sequence[Structure]) -> Representation:
    """Materials as principal components of the mean and the spread of their elements' properties."""
    features, rows = physical_features(), []
    for structure in structures:
        numbers = [NUMBER[symbol] for symbol in structure.counts]
        shares = np.array(list(structure.counts.values()), float) / structure.n_atoms
        mean = shares @ features[numbers]
        rows.append(np.concatenate([mean, np.sqrt(shares @ (features[numbers] - mean) ** 2)]))
    n = len(ids)
    nothing = np.zeros((n, 0))
    places = principal(np.array(rows)[None])
    return Representation(ids, (), nothing[None], nothing, nothing.astype(bool), places)


def digest(content: Any) -> str:
    """Of what is plain JSON."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _read(path: Path) -> Said | None:
    """None where there is none, or only a damaged one: it is made again."""
    try:
        arrays = model_file.read(path)[1]
        return Said(**{name: arrays[name] for name in Said._fields})
    except (FileNotFoundError, ModelFileError, KeyError):
        return None
