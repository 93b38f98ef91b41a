"""What is learned of each atom: an ensemble of graph networks with a head per node, nothing pooled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials.calibration import Calibration, calibrate, total
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.errors import ModelFileError
from surrogates.materials.graph import GraphCache
from surrogates.materials.settings import EnsembleSettings

COVERAGE = 0.9  # of the intervals
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
    """Of m structures, each m of (n_atoms, p) in the targets' units.

    mean         centre of the members
    epistemic    sd, what more labels would teach: the spread over the members
    aleatoric    sd, what they would not, as the networks know the atoms
    half_widths  of intervals that 90 % of new atoms' labels are within; None where nothing was held out to measure it
    members      (M, m, p), without units: what each says of the means over the structures' atoms
    """

    mean: tuple[Array, ...]
    epistemic: tuple[Array, ...]
    aleatoric: tuple[Array, ...]
    half_widths: tuple[Array, ...] | None
    members: Array


class PerAtomEnsemble:
    """Made by `fit`. targets: names of the p values per atom; calibration: of each, from the atoms of structures that
    were held out, None where none was."""

    def __init__(
        self, ensemble: MaterialsEnsemble, scales: ByElement, calibration: tuple[Calibration, ...] | None
    ) -> None:
        self.ensemble, self.scales, self.calibration = ensemble, scales, calibration
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
        held_out: int = 0,
        workers: int = 1,
        graphs: GraphCache | None = None,
    ) -> PerAtomEnsemble:
        """atoms: per structure (n_atoms, p), NaN where missing. `held_out`: so many of the structures, the last ones,
        are first left out to calibrate the two parts of the uncertainty by (see `calibration.calibrate`), then learned
        from in a few epochs. Two structures at least besides. Raises ValueError as `MaterialsEnsemble.fit` does.

        The networks learn the structures' means beside it, from the same nodes.
        """
        first = len(structures) - held_out
        scales = ByElement.of(structures[:first], atoms[:first])
        standard = [scales.standard(s, rows) for s, rows in zip(structures, atoms, strict=True)]
        means = np.array([np.nanmean(rows, axis=0) for rows in standard])

        def learned(n: int, start: MaterialsEnsemble | None) -> MaterialsEnsemble:
            return MaterialsEnsemble.fit(
                structures[:n], means[:n], [f"mean {target}" for target in targets], settings=settings, seed=seed,
                start=start, workers=workers, graphs=graphs, atoms=standard[:n], atom_targets=tuple(targets),
            )  # fmt: skip

        ensemble = learned(first, None)
        if not held_out:
            return cls(ensemble, scales, None)
        said = ensemble.predict(structures[first:])
        assert said.atoms is not None and said.atoms_sd is not None and said.atoms_aleatoric is not None
        errors = np.concatenate(standard[first:]) - np.concatenate(said.atoms)
        spread, noise = np.concatenate(said.atoms_sd), np.concatenate(said.atoms_aleatoric)
        found = tuple(calibrate(errors[:, k], spread[:, k], noise[:, k]) for k in range(len(targets)))
        return cls(learned(len(structures), ensemble), scales, found)

    def predict(self, structures: Sequence[Structure]) -> OfAtoms:
        """Raises StructureRejected for a structure that has no graph, ValueError for an element not learned from."""
        said = self.ensemble.predict(structures)
        known = self.calibration
        one = np.ones(len(self.targets))
        factors = (
            (one, one)
            if known is None
            else (np.array([c.epistemic for c in known]), np.array([c.aleatoric for c in known]))
        )
        quantiles = None if known is None else np.array([c.quantile(COVERAGE) for c in known])
        mean, epistemic, aleatoric, widths = [], [], [], []
        of_each = zip(
            structures, said.atoms or (), said.atoms_sd or (), said.atoms_aleatoric or (), strict=True
        )
        for structure, rows, spread, noise in of_each:
            mean.append(self.scales.restored(structure, rows))
            epistemic.append(self.scales.scaled(structure, spread * factors[0]))
            aleatoric.append(self.scales.scaled(structure, noise * factors[1]))
            if quantiles is not None:
                widths.append(quantiles * total(epistemic[-1], aleatoric[-1]))
        half_widths = None if quantiles is None else tuple(widths)
        return OfAtoms(tuple(mean), tuple(epistemic), tuple(aleatoric), half_widths, said.members)

    def save(self, path: Path) -> None:
        """Two files: the ensemble's at `path`, and beside it scales and calibration, in JSON. Raises OSError."""
        own = {
            "ensemble": self.ensemble.fingerprint,
            "location": {symbol: values.tolist() for symbol, values in self.scales.location.items()},
            "scale": {symbol: values.tolist() for symbol, values in self.scales.scale.items()},
            "calibration": None if self.calibration is None else [c.to_json() for c in self.calibration],
        }
        _beside(path).write_text(json.dumps(own))
        self.ensemble.save(path)

    @classmethod
    def load(cls, path: Path, graphs: GraphCache | None = None) -> PerAtomEnsemble:
        """Raises FileNotFoundError, and ModelFileError for files that are damaged or do not belong together."""
        ensemble = MaterialsEnsemble.load(path, graphs=graphs)
        try:
            own = json.loads(_beside(path).read_text())
            location, scale = (
                {symbol: np.array(values) for symbol, values in own[part].items()}
                for part in ("location", "scale")
            )
            said = own["calibration"]
            known = None if said is None else tuple(Calibration.from_json(c) for c in said)
            same = own["ensemble"] == ensemble.fingerprint
        except (ValueError, KeyError, TypeError) as fault:
            raise ModelFileError(f"{_beside(path)}: wanted scales and a calibration, got {fault}") from fault
        if not same:
            raise ModelFileError(f"{_beside(path)}: wanted that of {path}, got that of another ensemble")
        return cls(ensemble, ByElement(location, scale), known)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
