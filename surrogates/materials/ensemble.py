"""Graph networks that vote: what they agree on, how far they differ, and how far that can be believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials import model_file
from surrogates.materials.calibration import Calibration
from surrogates.materials.errors import ModelFileError
from surrogates.materials.fitting import (
    Scales,
    calibrated,
    calibrating,
    in_units,
    labelled,
    scales_of,
    tasks_of,
)
from surrogates.materials.graph import Graph, GraphCache
from surrogates.materials.kept_members import fit_kept
from surrogates.materials.members import State, fit_members, loaded, one_thread
from surrogates.materials.networks import Network
from surrogates.materials.prediction import Prediction, centre_of, raw_parts
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Outputs, predict


@dataclass(frozen=True)
class Provenance:
    """What an ensemble was made from; equal provenance, equal ensemble on the same machine.

    data    fingerprint of structures and values; n: structures; labels: of each target
    code    fingerprint of the sources of graphs, networks and training
    start   fingerprint of the ensemble that this one started from, or None
    salt    of the order in which compositions are held out: that of the first ensemble of a chain of warm starts
    held    structures held out for the calibration
    body    fingerprint of the ensemble with other targets that its members' bodies come from, or None
    """

    data: str
    n: int
    labels: tuple[int, ...]
    settings: dict[str, Any]
    seed: int
    code: str
    start: str | None
    salt: int
    held: int
    body: str | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class MaterialsEnsemble:
    """Made by `fit` or `load`.

    targets, atom_targets  names
    calibration  of each target; `remarks` says in words where it was not measured
    seconds      CPU time of each member's fit
    graphs       cache that its graphs are taken from; may be shared with other ensembles of the same network
    """

    def __init__(
        self,
        targets: tuple[str, ...],
        atom_targets: tuple[str, ...],
        settings: EnsembleSettings,
        provenance: Provenance,
        scales: Scales,
        calibration: tuple[Calibration, ...],
        states: Sequence[State],
        before: Sequence[State] | None,
        learned: Iterable[str],
        graphs: GraphCache | None = None,
        seconds: tuple[float, ...] = (),
    ) -> None:
        """`states`: the members; `before`: as they were before they learned from what calibrated them, None where
        they never did; `learned`: formulas that those have learned from, in this fit or one that it started from."""
        self.targets, self.atom_targets, self.settings = targets, atom_targets, settings
        self.provenance, self.scales, self.calibration = provenance, scales, calibration
        self.states, self.before = list(states), None if before is None else list(before)
        self.learned, self.seconds = frozenset(learned), seconds
        self.graphs = graphs if graphs is not None else graph_cache(settings)
        _check_cache(self.graphs, settings)

    @property
    def fingerprint(self) -> str:
        """Of data, settings, seed, code and what it was started from."""
        return self.provenance.fingerprint

    @property
    def code_matches(self) -> bool:
        """Whether the sources of graphs, networks and training are those that it was fitted with."""
        return self.provenance.code == model_file.code_fingerprint()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a report must say: targets whose intervals were not measured, code that is not that of the fit."""
        pairs = zip(self.targets, self.calibration, strict=True)
        out = [f"{target}: {c.said()}" for target, c in pairs if c.source != "held-out"]
        if not self.code_matches:
            out.append(
                "the ensemble was fitted with other code of its networks: fit it again to be sure of its values"
            )
        return tuple(out)

    @classmethod
    def fit(
        cls,
        structures: Sequence[Structure],
        values: Array,
        targets: Sequence[str],
        *,
        settings: EnsembleSettings | None = None,
        seed: int,
        start: MaterialsEnsemble | None = None,
        workers: int = 1,
        graphs: GraphCache | None = None,
        atoms: Sequence[Array] | None = None,
        atom_targets: Sequence[str] = (),
        modulus: Array | None = None,
        energies: Sequence[str] = (),
        folder: Path | None = None,
    ) -> MaterialsEnsemble:
        """n structures, `values` (n, t) in any units, NaN where missing; rows without a label are not used.

        start: members go on from those of this ensemble. With the same targets: from all of them, in a few epochs
            (`Training.warm_epochs`). With others: from all but the heads, as `settings.transfer` says, and so does
            whoever starts from the result. The network must be the same.
        workers: processes that members are fitted in; the result does not depend on it.
        graphs: cache to take graphs from and put them in.
        atoms: per structure (n_atoms, p), NaN where missing, of the per-atom `atom_targets` (p names).
        modulus, energies: with `settings.volumes`, bulk moduli (n,) in GPa, NaN where unknown, by which the targets
            named `energies` (eV per atom) rise at other volumes; without, a copy has the label of the relaxed cell,
            as in a model from structures to relaxed energies.
        folder: of this very fit alone, that members are put in as they are fitted, and taken from.

        Raises ValueError for shapes that do not match, infinite values, fewer than two labels of a target, or a start
        of another network; StructureRejected for a structure that has no graph.
        """
        settings = settings if settings is not None else EnsembleSettings()
        if start is not None and start.settings.network != settings.network:
            raise ValueError(
                f"wanted a start with the network {settings.network}, got {start.settings.network}"
            )
        known = labelled(
            structures, values, tuple(targets), atoms, tuple(atom_targets), modulus, tuple(energies)
        )
        salt = start.provenance.salt if start is not None else seed
        seen = frozenset[str]() if start is None else start.learned
        held = calibrating(known, settings, salt, seen)
        names = known.targets, known.atom_targets
        same = start is not None and (start.targets, start.atom_targets) == names
        scales = scales_of(known)
        first = None if start is None else start.before or start.states
        if start is not None and first is not None and same:
            first = [in_units(state, start.scales, scales) for state in first]
        cache = graphs if graphs is not None else graph_cache(settings)
        _check_cache(cache, settings)
        body = None
        if start is not None:
            body = start.provenance.body if same else start.fingerprint
        tasks = tasks_of(
            known, cache(known.structures), held, scales, settings, seed, first, same, body is not None
        )
        fitted = fit_members(tasks, workers) if folder is None else fit_kept(tasks, workers, folder)
        earlier = start.calibration if start is not None and same else None
        provenance = Provenance(
            data=known.fingerprint, n=len(known.structures), labels=known.counts, settings=settings.to_json(),
            seed=seed, code=model_file.code_fingerprint(), start=None if start is None else start.fingerprint,
            salt=salt, held=len(held), body=body,
        )  # fmt: skip
        before = [one.before for one in fitted if one.before is not None]
        kept = np.setdiff1d(np.arange(len(known.structures)), held)
        return cls(
            targets=known.targets, atom_targets=known.atom_targets, settings=settings, provenance=provenance,
            scales=scales, calibration=calibrated(fitted, known.values[held], scales, settings.centre, earlier),
            states=[one.state for one in fitted], before=before or None,
            learned=seen | {known.structures[int(i)].formula for i in kept}, graphs=cache,
            seconds=tuple(one.seconds for one in fitted),
        )  # fmt: skip

    def predict(self, structures: Sequence[Structure]) -> Prediction:
        """Raises StructureRejected for a structure that has no graph."""
        return self.predict_graphs(self.graphs(structures))

    def predict_graphs(self, graphs: Sequence[Graph]) -> Prediction:
        """Of graphs made with this ensemble's network settings: see `graph_cache`."""
        said = self._ask(graphs)
        scale, t = self.scales.scale, len(self.targets)
        if not said:
            empty = np.zeros((0, t))
            return Prediction(
                empty, empty, empty, np.zeros((len(self.states), 0, t)), self.targets, self.calibration
            )
        members = np.stack([one.mean for one in said]).astype(float) * scale + self.scales.location
        variances = np.exp(np.stack([one.log_variance for one in said]).astype(float)) * scale**2
        epistemic, aleatoric = raw_parts(members, variances)
        atoms = atoms_sd = atoms_aleatoric = None
        if self.atom_targets:
            of_atoms = np.stack([one.atoms for one in said if one.atoms is not None]).astype(float)
            of_atoms = of_atoms * self.scales.atom_scale + self.scales.atom_location
            logs = np.stack([one.atoms_log_variance for one in said if one.atoms_log_variance is not None])
            ends = np.cumsum(said[0].nodes)[:-1]
            atoms = tuple(np.split(centre_of(of_atoms, self.settings.centre), ends))
            parts = raw_parts(of_atoms, np.exp(logs.astype(float)) * self.scales.atom_scale**2)
            atoms_sd, atoms_aleatoric = (tuple(np.split(part, ends)) for part in parts)
        return Prediction(
            mean=centre_of(members, self.settings.centre),
            epistemic=epistemic * np.array([c.epistemic for c in self.calibration]),
            aleatoric=aleatoric * np.array([c.aleatoric for c in self.calibration]),
            members=members, targets=self.targets, calibration=self.calibration, atoms=atoms, atoms_sd=atoms_sd,
            atoms_aleatoric=atoms_aleatoric,
        )  # fmt: skip

    def embed(self, structures: Sequence[Structure]) -> Array:
        """(M, m, k): what each member's heads see of each structure."""
        return self.embed_graphs(self.graphs(structures))

    def embed_graphs(self, graphs: Sequence[Graph]) -> Array:
        """As `embed`, of graphs made with this ensemble's network settings."""
        if not graphs:
            raise ValueError("wanted one structure at least to embed, got none")
        return np.stack([one.embedding for one in self._ask(graphs)]).astype(float)

    def _ask(self, graphs: Sequence[Graph]) -> list[Outputs]:
        if not graphs:
            return []
        with one_thread():
            return [predict(network, graphs) for network in self._networks]

    @cached_property
    def _networks(self) -> list[Network]:
        t, p = len(self.targets), len(self.atom_targets)
        return [loaded(self.settings.network, t, p, state) for state in self.states]

    def save(self, path: Path) -> None:
        """One file: see `model_file`. Raises OSError."""
        document = {
            "targets": self.targets, "atom_targets": self.atom_targets, "provenance": asdict(self.provenance),
            "calibration": [c.to_json() for c in self.calibration], "seconds": self.seconds,
            "members": len(self.states), "finished": self.before is not None,
            "learned": sorted(self.learned),
        }  # fmt: skip
        arrays = {f"scales/{name}": value for name, value in vars(self.scales).items()}
        for part, states in (("member", self.states), ("before", self.before or [])):
            for k, state in enumerate(states):
                arrays |= {f"{part}/{k}/{name}": value for name, value in state.items()}
        model_file.write(path, document, arrays)

    @classmethod
    def load(cls, path: Path, graphs: GraphCache | None = None) -> MaterialsEnsemble:
        """Raises FileNotFoundError, and ModelFileError for a file that is damaged or another program's. One fitted
        with other code is read where its weights still fit, and `code_matches` is False."""
        document, arrays = model_file.read(path)
        try:
            kept = document["provenance"]
            settings = EnsembleSettings.from_json(kept["settings"])
            out = cls(
                targets=tuple(document["targets"]), atom_targets=tuple(document["atom_targets"]), settings=settings,
                provenance=Provenance(**{**kept, "labels": tuple(kept["labels"])}),
                scales=Scales(**{name: arrays[f"scales/{name}"] for name in Scales.__dataclass_fields__}),
                calibration=tuple(Calibration.from_json(c) for c in document["calibration"]),
                states=_states(arrays, "member", document["members"]),
                before=_states(arrays, "before", document["members"]) if document["finished"] else None,
                learned=document["learned"], graphs=graphs, seconds=tuple(document["seconds"]),
            )  # fmt: skip
            _ = out._networks
        except (KeyError, TypeError, ValueError, RuntimeError) as fault:
            cure = "load it with the release that wrote it, or fit the ensemble again"
            raise ModelFileError(
                f"{path}: wanted an ensemble of this release, got {fault}; {cure}"
            ) from fault
        return out


def graph_cache(settings: EnsembleSettings) -> GraphCache:
    """Graphs as the ensemble's networks want them."""
    network = settings.network
    return GraphCache(network.cutoff, network.neighbours, network.kind, falloff=network.falloff)


def _check_cache(graphs: GraphCache, settings: EnsembleSettings) -> None:
    network = settings.network
    wanted, got = (
        (network.cutoff, network.neighbours, network.kind, network.falloff),
        (graphs.cutoff, graphs.neighbours, graphs.kind, graphs.falloff),
    )
    if got != wanted:
        raise ValueError(
            f"wanted a cache of graphs with cutoff, neighbours, kind and falloff {wanted}, got {got}"
        )


def _states(arrays: dict[str, Array], part: str, members: int) -> list[State]:
    out = []
    for k in range(members):
        start = f"{part}/{k}/"
        out.append(
            {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}
        )
    return out
