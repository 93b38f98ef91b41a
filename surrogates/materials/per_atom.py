"""What is learned of each atom: an ensemble of graph networks with a head per node, nothing pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.graph import GraphCache
from surrogates.materials.settings import EnsembleSettings

LEAST_SCALE = 1e-12  # of a target that is the same for all atoms of an element


@dataclass(frozen=True)
class ByElement:
    """Mean and standard deviation of p targets of each element's atoms: two elements may differ by more than any two
    atoms of one, and the lesser one's spread must not outweigh the other's. location, scale: symbol -> (p,)."""

    location: dict[str, Array]
    scale: dict[str, Array]

    @classmethod
    def of(cls, structures: Sequence[Structure], atoms: Sequence[Array]) -> ByElement:
        """Of atoms' targets, per structure (n_atoms, p), NaN where missing. An element without labels has the mean and
        the scale of all."""
        symbols = np.concatenate([np.array(s.species) for s in structures])
        table = np.concatenate([np.asarray(rows, float) for rows in atoms])
        location, scale = {}, {}
        for symbol in sorted(set(symbols)):
            own = table[symbols == symbol]
            own = own if np.isfinite(own).any(axis=0).all() else table
            spread = np.nanstd(own, axis=0)
            location[symbol] = np.nanmean(own, axis=0)
            scale[symbol] = np.where(spread > LEAST_SCALE, spread, 1.0)
        return cls(location, scale)

    def standard(self, structure: Structure, atoms: Array) -> Array:
        """(n_atoms, p) without units."""
        location, scale = self._rows(structure)
        out: Array = (np.asarray(atoms, float) - location) / scale
        return out

    def restored(self, structure: Structure, atoms: Array) -> Array:
        """The inverse of `standard`."""
        location, scale = self._rows(structure)
        out: Array = np.asarray(atoms) * scale + location
        return out

    def scaled(self, structure: Structure, sd: Array) -> Array:
        """Standard deviations (n_atoms, p) in units."""
        out: Array = np.asarray(sd) * self._rows(structure)[1]
        return out

    def _rows(self, structure: Structure) -> tuple[Array, Array]:
        """Raises ValueError for an element that was in no structure learned from."""
        if strange := sorted(set(structure.species) - set(self.location)):
            raise ValueError(
                f"wanted atoms of {', '.join(self.location)}, which were learned from, got {', '.join(strange)}"
            )
        return (
            np.array([self.location[symbol] for symbol in structure.species]),
            np.array([self.scale[symbol] for symbol in structure.species]),
        )


@dataclass(frozen=True)
class OfAtoms:
    """Of m structures: mean and epistemic, m of (n_atoms, p) in the targets' units. The epistemic standard deviation is
    the spread over the members, not calibrated. members: (M, m, p), without units: what each says of the means over the
    structures' atoms."""

    mean: tuple[Array, ...]
    epistemic: tuple[Array, ...]
    members: Array


class PerAtomEnsemble:
    """Made by `fit`. targets: names of the p values per atom."""

    def __init__(self, ensemble: MaterialsEnsemble, scales: ByElement) -> None:
        self.ensemble, self.scales = ensemble, scales
        self.targets = ensemble.atom_targets

    @classmethod
    def fit(
        cls,
        structures: Sequence[Structure],
        atoms: Sequence[Array],
        targets: Sequence[str],
        *,
        settings: EnsembleSettings,
        seed: int,
        workers: int = 1,
        graphs: GraphCache | None = None,
    ) -> PerAtomEnsemble:
        """atoms: per structure (n_atoms, p), NaN where missing. Two structures at least. Raises ValueError as
        `MaterialsEnsemble.fit` does.

        The networks learn the structures' means beside it, from the same nodes.
        """
        scales = ByElement.of(structures, atoms)
        standard = [scales.standard(s, rows) for s, rows in zip(structures, atoms, strict=True)]
        means = np.array([np.nanmean(rows, axis=0) for rows in standard])
        ensemble = MaterialsEnsemble.fit(
            structures, means, [f"mean {target}" for target in targets], settings=settings, seed=seed,
            workers=workers, graphs=graphs, atoms=standard, atom_targets=tuple(targets),
        )  # fmt: skip
        return cls(ensemble, scales)

    def predict(self, structures: Sequence[Structure]) -> OfAtoms:
        """Raises StructureRejected for a structure that has no graph, ValueError for an element not learned from."""
        said = self.ensemble.predict(structures)
        assert (said.atoms is not None and said.atoms_sd is not None) or not structures
        mean = [self.scales.restored(s, rows) for s, rows in zip(structures, said.atoms or (), strict=True)]
        sd = [self.scales.scaled(s, rows) for s, rows in zip(structures, said.atoms_sd or (), strict=True)]
        return OfAtoms(tuple(mean), tuple(sd), said.members)
