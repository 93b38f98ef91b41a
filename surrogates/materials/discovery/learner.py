"""The ensemble that has learned a request's energies, from the models kept or anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials.discovery.belief import Said, say
from surrogates.materials.discovery.schedule import turn
from surrogates.materials.discovery.squeeze import squeeze
from surrogates.materials.discovery.state import Label, State, averaged
from surrogates.materials.discovery.trainer import Ensemble, Trainer
from surrogates.materials.hull import Entry, Hull

FEWEST = 12  # labels with a decomposition energy below which a network learns nothing that would generalise
VERSION = 1  # of what is learned: a kept model of another one is another model


@dataclass(frozen=True)
class Learned:
    """An ensemble, and the hull that what it says is counted from.

    It has learned decomposition energies: how far each label lies above or below the hull of all other labels. Against
    formation energies, or residuals of a linear model of composition, that took a quarter off the error of the energy
    and doubled the stable crystals among the best hundred, for it is the very question asked of a crystal without a
    label, and what a hull says already of composition need not be learned. They are learned squeezed: see `squeeze`.
    """

    ensemble: Ensemble
    hull: Hull
    n: int  # labels learned from
    spread: float  # standard deviation of their decomposition energies, eV per atom
    labelled: frozenset[str]  # ids whose energies it had
    key: str


class Learner:
    """Trains on demand. Models kept under `directory` are only looked up: without it all costs time, nothing else."""

    def __init__(self, trainer: Trainer, directory: Path | None, seed: int) -> None:
        self.trainer, self.seed = trainer, seed
        self._directory = None if directory is None else directory / "discovery"
        self._here: dict[str, Ensemble] = {}
        self._said: tuple[tuple[str, tuple[str, ...], bool], Said] | None = None

    def learned(self, state: State, batch: int) -> Learned | None:
        """The model of all labels that its schedule lets it have; None below FEWEST of them."""
        at = turn(len(state.seeds), len(state.told), batch)
        full = averaged((*state.seeds, *state.told[: at.full]))
        now = averaged((*state.seeds, *state.told[: at.warm], *state.elsewhere))
        base = self._made(state, full, None)
        if now == full and base is not None:
            return base
        made = self._made(state, now, base)
        return made if made is not None else base

    def before(self, state: State) -> tuple[Learned, tuple[Label, ...]] | None:
        """The last full training and the labels that came after it, which it has not seen; None where there are
        none."""
        at = turn(len(state.seeds), len(state.told))
        if at.full == len(state.told):
            if not at.full:
                return None
            at = turn(len(state.seeds), at.full - 1)
        known = averaged((*state.seeds, *state.told[: at.full]))
        base = self._made(state, known, None)
        seen = {label.id for label in known}
        after = [label for label in averaged(state.told[at.full :]) if label.id not in seen]
        return None if base is None or not after else (base, tuple(after))

    def said(
        self, learned: Learned, structures: Mapping[str, Structure], loose: Collection[str], *, embedded: bool
    ) -> Said:
        """What a model says of all that it has not learned from and that has a graph; the same for every ask until the
        next training."""
        ids = tuple(id for id in structures if id not in learned.labelled)
        key = (learned.key, (*ids, *sorted(loose)), embedded)
        if self._said is None or self._said[0] != key:
            usable = self.trainer.usable([structures[id] for id in ids])
            fit = {id: structures[id] for id, fits in zip(ids, usable, strict=True) if fits}
            self._said = key, say(self.trainer, learned.ensemble, fit, loose, embedded=embedded)
        return self._said[1]

    def _made(self, state: State, labels: Sequence[Label], start: Learned | None) -> Learned | None:
        structures = [state.structures[label.id] for label in labels]
        hull = Hull(
            Entry(label.id, s.counts, label.energy) for label, s in zip(labels, structures, strict=True)
        )
        values = hull.decomposition_energy(
            [s.counts for s in structures], [label.energy for label in labels], [label.id for label in labels]
        )
        known = np.flatnonzero(np.isfinite(values) & self.trainer.usable(structures))
        if len(known) < FEWEST:
            return None
        rows = [structures[k] for k in known]
        key = self._key(rows, values[known], start)
        ensemble = self._kept(key)
        if ensemble is None:
            ensemble = self.trainer.fit(
                rows,
                squeeze(values[known])[:, None],
                seed=self.seed,
                start=None if start is None else start.ensemble,
            )
            self._keep(key, ensemble)
        spread, ids = float(values[known].std()), frozenset(label.id for label in labels)
        return Learned(ensemble, hull, len(known), spread, ids, key)

    def _key(self, structures: Sequence[Structure], values: Array, start: Learned | None) -> str:
        content = [
            VERSION, self.trainer.name, self.trainer.content(), self.seed, None if start is None else start.key,
            [s.key for s in structures], [value.hex() for value in values.tolist()],
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _kept(self, key: str) -> Ensemble | None:
        if key not in self._here and self._directory is not None:
            found = self.trainer.load(self._path(key))
            if found is not None:
                self._here[key] = found
        if key in self._here:
            self._here[key] = self._here.pop(key)  # those not asked for the longest go first
        return self._here.get(key)

    def _keep(self, key: str, ensemble: Ensemble) -> None:
        while len(self._here) >= 4:  # the last full training, the last warm start, and those before
            self._here.pop(next(iter(self._here)))
        self._here[key] = ensemble
        if self._directory is not None:
            self._directory.mkdir(parents=True, exist_ok=True)
            ensemble.save(self._path(key))

    def _path(self, key: str) -> Path:
        assert self._directory is not None
        return self._directory / f"{key[:32]}.npz"
