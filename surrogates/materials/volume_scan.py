"""An ensemble asked at several volumes of each candidate: what the energy would be once the cell is relaxed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials.augmentation import Volumes, lowest_inside
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.graph import Graph, structure_graph
from surrogates.materials.prediction import Prediction


@dataclass(frozen=True)
class VolumeScan:
    """Of m structures.

    prediction  at the volume taken; calibrated at reference volumes
    share       (m,) that volume over the one given
    edge        (m,) True where the lowest energy was at an end of the range; unless that was asked for, the reference
                volume is taken there
    """

    prediction: Prediction
    share: Array
    edge: Array


def scan_volumes(
    ensemble: MaterialsEnsemble,
    structures: Sequence[Structure],
    target: str,
    volumes: Volumes | None = None,
    *,
    reject: bool = True,
) -> VolumeScan:
    """The prediction of every target at the volume where `target` is lowest, of `volumes` (those that the ensemble
    learned from, else 20 from 80 to 120 %).

    The minimum is that of the members' centre, not each member's own: members that scatter would each find a fortunate
    volume. As published (Merchant et al. 2023) with `reject=False`. Costs `count` + 1 predictions. Raises ValueError
    for an unknown target or an ensemble of compositions, StructureRejected for a structure that has no graph.
    """
    if target not in ensemble.targets:
        raise ValueError(f"wanted a target of {', '.join(ensemble.targets)}, got {target!r}")
    network = ensemble.settings.network
    if network.kind == "composition":
        raise ValueError("wanted a network of structures: a composition has no volume")
    volumes = volumes or ensemble.settings.volumes or Volumes()
    given = ensemble.graphs(structures)
    column = ensemble.targets.index(target)

    def at(share: float) -> list[Graph]:
        if network.neighbours is not None:
            return [graph.scaled(share ** (1 / 3)) for graph in given]
        return [
            structure_graph(
                _scaled(s, share), cutoff=network.cutoff, neighbours=None, falloff=network.falloff
            )
            for s in structures
        ]

    said = [ensemble.predict_graphs(at(float(share))) for share in volumes.factors]
    found = lowest_inside(np.stack([one.mean[:, column] for one in said]), reject=reject)
    rows = np.arange(len(structures))

    def taken(name: str) -> Array:
        out: Array = np.stack([getattr(one, name) for one in said])[found.place, rows]
        return out

    members = np.stack([one.members for one in said], axis=1)[:, found.place, rows]
    prediction = replace(
        said[0], mean=taken("mean"), epistemic=taken("epistemic"), aleatoric=taken("aleatoric"), members=members,
        atoms=None, atoms_sd=None,
    )  # fmt: skip
    return VolumeScan(prediction, volumes.factors[found.place], found.edge)


def _scaled(structure: Structure, share: float) -> Structure:
    factor = share ** (1 / 3)
    a, b, c = (tuple(x * factor for x in row) for row in structure.lattice)
    return Structure.from_json({"lattice": [a, b, c], "species": structure.species, "frac": structure.frac})
