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
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.errors import ModelFileError
from surrogates.materials.per_atom import ByElement, OfAtoms, PerAtomEnsemble

FEWEST = 2  # labelled materials, each with a label per atom
DECIMALS = 6  # of what is recorded
VERSION = 1  # of what is learned: a kept model of another one is another model

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
        self.said: dict[str, tuple[Array, Array]] = {}

    def representation(
        self, labels: Labels, ids: Sequence[str], structures: Sequence[Structure]
    ) -> Representation:
        """Of the materials `ids`, and in `said` mean and epistemic sd of each one's atoms. Without enough labels by
        composition."""
        made = self._ensemble(dict(zip(ids, structures, strict=True)))
        if made is None:
            return by_composition(tuple(ids), structures)
        of = made.predict(structures)
        self.said = {
            id: (mean[:, 0], sd[:, 0]) for id, mean, sd in zip(ids, of.mean, of.epistemic, strict=True)
        }
        return Representation.of(
            tuple(ids), (self.reading,), *_materials(of),
            places=principal(made.ensemble.embed(structures)), labels=table(labels.whole, (self.reading,), ids),
        )  # fmt: skip

    def of_atoms(self, id: str) -> dict[str, Any] | None:
        """What is believed of a material's atoms, for the record: the array, means and sd; None where nothing is."""
        if id not in self.said:
            return None
        mean, sd = (np.round(each, DECIMALS).tolist() for each in self.said[id])
        return {"array": self.array, "mean": mean, "sd": sd}

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
            _kept[key] = self._read(path, own, tables) or self._fitted(path, own, tables)
        return _kept[key]

    def _read(
        self, path: Path | None, own: Sequence[Structure], values: Sequence[Array]
    ) -> PerAtomEnsemble | None:
        try:
            found = None if path is None else MaterialsEnsemble.load(path, graphs=self.trainer.graphs)
        except (FileNotFoundError, ModelFileError):
            return None  # a cache: what is not there, or was cut off, is fitted again
        return None if found is None else PerAtomEnsemble(found, ByElement.of(own, values))

    def _fitted(
        self, path: Path | None, own: Sequence[Structure], values: Sequence[Array]
    ) -> PerAtomEnsemble:
        made = PerAtomEnsemble.fit(
            own, values, (self.array,), settings=self.trainer.settings, seed=self.seed,
            graphs=self.trainer.graphs,
        )  # fmt: skip
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.ensemble.save(path)
        return made


def _materials(of: OfAtoms) -> tuple[Array, Array]:
    """Members (M, N, 1) and aleatoric sd (N, 1) of materials: the means of their atoms, about which the members are
    spread as those of an atom are. What no label would take away is not known of a mean over hundreds of atoms, and
    taken for nothing."""
    mean = np.array([[rows.mean()] for rows in of.mean])
    sd = np.array([[np.sqrt((rows**2).mean())] for rows in of.epistemic])
    return calibrated(of.members, mean, sd), np.zeros_like(mean)
