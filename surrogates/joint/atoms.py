"""Materials whose atoms are learned one by one: a material is known as well as its atoms are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.errors import InvalidObservation
from surrogates.joint.labels import Labels, table
from surrogates.joint.learner import Learner, by_composition, digest
from surrogates.joint.representation import Representation, calibrated, principal
from surrogates.joint.trainer import Networks
from surrogates.materials.errors import ModelFileError
from surrogates.materials.per_atom import OfAtoms, PerAtomEnsemble

FEWEST = 2  # labelled materials, each with a label per atom
DECIMALS = 6  # of what is recorded
CALIBRATED_FROM = 4  # labelled materials: of so many one is first held out
VERSION = 2  # of what is learned: a kept model of another one is another model

_kept: dict[str, PerAtomEnsemble] = {}  # one at most


class AtomLearner(Learner):
    """Trains on what is known of atoms, anew whenever there are more labels. The one target of its representation is
    `reading`, the mean of `array` over a material's atoms; its epistemic variance is the mean of the atoms' own, so
    that a material whose atoms nobody knows is not taken for known because their errors cancel.

    atoms: (n_atoms,) by id, of the materials labelled so far.
    """

    trainer: Networks

    def __init__(
        self, trainer: Networks, directory: Path | None, seed: int,
        array: str, reading: str, atoms: Mapping[str, Array],
    ) -> None:  # fmt: skip
        super().__init__(trainer, directory, seed)
        self.array, self.reading, self.atoms = array, reading, atoms
        self.said: dict[str, tuple[Array, Array, Array | None]] = {}

    def representation(
        self, labels: Labels, ids: Sequence[str], structures: Sequence[Structure]
    ) -> Representation:
        """Of the materials `ids`, and in `said` what is believed of each one's atoms. Without enough labels by
        composition."""
        made = self._ensemble(dict(zip(ids, structures, strict=True)))
        if made is None:
            return by_composition(tuple(ids), structures)
        of = made.predict(structures)
        widths = of.half_widths
        self.said = {
            id: (of.mean[k][:, 0], of.epistemic[k][:, 0], None if widths is None else widths[k][:, 0])
            for k, id in enumerate(ids)
        }
        return Representation.of(
            tuple(ids), (self.reading,), *_materials(of),
            places=principal(made.ensemble.embed(structures)), labels=table(labels.whole, (self.reading,), ids),
        )  # fmt: skip

    def of_atoms(self, id: str) -> dict[str, Any] | None:
        """What is believed of a material's atoms, for the record: the array, means and epistemic sd, and half-widths of
        90 % intervals where they are known; None where nothing is believed."""
        if id not in self.said:
            return None
        mean, sd, widths = (
            None if each is None else np.round(each, DECIMALS).tolist() for each in self.said[id]
        )
        return {"array": self.array, "mean": mean, "sd": sd, "half_widths": widths}

    def name(self, labels: Labels) -> str:
        return f"{self.trainer.name} of atoms on {len(self.atoms)} labels"

    def _ensemble(self, structures: Mapping[str, Structure]) -> PerAtomEnsemble | None:
        """Raises InvalidObservation for numbers that are not one of each atom."""
        rows = [(structures[id], values) for id, values in sorted(self.atoms.items()) if id in structures]
        for id, values in self.atoms.items():
            if id in structures and values.shape != (structures[id].n_atoms,):
                raise InvalidObservation(
                    f"{self.array} of {id}: wanted a number of each of {structures[id].n_atoms} atoms, "
                    f"got {values.shape}"
                )
        if len(rows) < FEWEST:
            return None
        own = [structure for structure, _ in rows]
        tables = [row[:, None] for _, row in rows]
        key = digest(
            [VERSION, self.array, self.trainer.name, self.trainer.content(), self.seed,
             [s.key for s in own], [[float(v).hex() for v in row[:, 0]] for row in tables]]
        )  # fmt: skip
        if key not in _kept:
            path = None if self.directory is None else self.directory / f"{key}.atoms"
            _kept.clear()
            _kept[key] = self._read(path) or self._fitted(path, own, tables)
        return _kept[key]

    def _read(self, path: Path | None) -> PerAtomEnsemble | None:
        try:
            return None if path is None else PerAtomEnsemble.load(path, graphs=self.trainer.graphs)
        except (FileNotFoundError, ModelFileError):
            return None  # a cache: what is not there, or was cut off, is fitted again

    def _fitted(
        self, path: Path | None, own: Sequence[Structure], values: Sequence[Array]
    ) -> PerAtomEnsemble:
        made = PerAtomEnsemble.fit(
            own, values, (self.array,), settings=self.trainer.settings, seed=self.seed,
            held_out=1 if len(own) >= CALIBRATED_FROM else 0, graphs=self.trainer.graphs,
        )  # fmt: skip
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.save(path)
        return made


def _materials(of: OfAtoms) -> tuple[Array, Array]:
    """Members (M, N, 1) and aleatoric sd (N, 1) of materials: the means of their atoms, about which the members are
    spread as those of an atom are. What no label would take away is not known of a mean over hundreds of atoms, and
    taken for nothing."""
    mean = np.array([[rows.mean()] for rows in of.mean])
    sd = np.array([[np.sqrt((rows**2).mean())] for rows in of.epistemic])
    return calibrated(of.members, mean, sd), np.zeros_like(mean)
