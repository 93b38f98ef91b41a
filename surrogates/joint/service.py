"""One request, one reply, both JSON: asks of a campaign over (material, process), and of the loop beside it that labels
materials. A function of the request: models kept under the run's folder, and what this process remembers, only save
time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.aim import Aim
from campaigns.campaign import OutcomeConstraint
from campaigns.material import Material
from campaigns.plan import PROMOTE
from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.errors import UnsupportedObjectives
from surrogates.joint.atoms import AtomLearner
from surrogates.joint.derive import DERIVATIONS
from surrogates.joint.labels import Labels, per_atom
from surrogates.joint.learner import Learner
from surrogates.joint.planner import JointPlanner
from surrogates.joint.promote import answer as promoted
from surrogates.joint.promote import believable, looked_at
from surrogates.joint.representation import Representation
from surrogates.joint.trainer import Networks, Trainer, trainer_of
from surrogates.materials.pool_file import Pool, read_pool
from surrogates.planner import THREADS

_learners: dict[tuple[Any, ...], Learner] = {}  # one at most: a campaign asks again and again
_pools: dict[tuple[str, str], Pool] = {}  # one at most: 10^5 crystals are 1 GiB


def handle(request: dict[str, Any], trainer: Trainer | None = None) -> dict[str, Any]:
    """Answer {"op": "propose", ...} as `surrogates.service.handle` does, for a space with a material.

    materials  {"pool": path of the pool's rows or None, "directory": folder for models or None, "structures": {id:
               record} of generated crystals that the log has met}
    others     {loop: observations} of the campaign's other loops
    promoted   ids that a stage of a funnel may take; absent where it may take any

    What the materials' properties are is learned from the pool's values and from all rows whose candidate is a material
    and nothing else. Each proposal has beside a `Proposal`'s fields "material" (see `about`) and "structures" ({id:
    record}); the reply has all of these records under "structures". `trainer`: what makes the ensembles; as the
    campaign says where None.
    Raises KeyError or ValueError for a request that is not one, and the errors of `surrogates.errors`.
    """
    if request["op"] != "propose":
        raise ValueError(f"op: wanted 'propose', got {request['op']!r}")
    with THREADS.limit(limits=1):
        known = Known.of(request, trainer)
        if known.aim.funnel is not None and request["method"]["name"] == PROMOTE:
            reply = promoted(known, request)
        elif len(known.aim.space.free) == 1:
            from surrogates.joint.labelling import answer as label

            reply = label(known, request)
        else:
            reply = _films(known, request)
    structures: dict[str, Any] = {}
    for proposal in reply["proposals"]:
        id = proposal["candidate"][known.parameter.name]
        proposal["structures"] = {id: known.structures[known.place[id]].to_json()}
        structures |= proposal["structures"]
    return reply | {"structures": structures}


@dataclass
class Known:
    """What a request says of the materials. `ids`: of those that a network can treat, the pool's in its order, then
    those generated and met before; `structures` run parallel. `flags` (N,): which are known to have been made, where
    the campaign asks for it."""

    aim: Aim
    parameter: Material
    ids: tuple[str, ...]
    structures: list[Structure]
    labels: Labels
    learner: Learner
    flags: Array | None = None

    @classmethod
    def of(cls, request: Mapping[str, Any], trainer: Trainer | None) -> Known:
        # Strict models take lists for tuples only when they come as JSON.
        aim = Aim.model_validate_json(json.dumps(request["aim"], allow_nan=False))
        if len(aim.space.materials) != 1:
            names = ", ".join(p.name for p in aim.space.materials) or "none"
            raise UnsupportedObjectives(f"wanted one material in the space, got {names}")
        (parameter,) = aim.space.materials
        places = request["materials"]
        found: dict[str, Structure] = {}
        values: dict[str, Mapping[str, float]] = {}
        flagged: dict[str, float] = {}
        made = aim.surrogate.materials.synthesizability
        if places.get("pool") is not None:
            pool = _pool(places["pool"], parameter.digest)
            found = dict(zip(pool.ids, pool.structures, strict=True))
            values = {id: parameter.knows(row) for id, row in zip(pool.ids, pool.values, strict=True)}
            if made is not None:
                pairs = zip(pool.ids, pool.values, strict=True)
                flagged = {id: float(row[made.flag]) for id, row in pairs if made.flag in row}
                values = {id: {k: v for k, v in row.items() if k != made.flag} for id, row in values.items()}
        for id, record in places.get("structures", {}).items():
            if id not in found:
                found[id] = Structure.from_json(record)
        rows = list(request["observations"]) if len(aim.space.free) == 1 else []
        for name in sorted(request.get("others", {})):
            rows += request["others"][name]
        if aim.funnel is not None:
            rows = believable(aim.funnel, rows)
            met = {str(row["candidate"][parameter.name]) for row in rows} | set(places.get("structures", {}))
            found = looked_at(aim.funnel, found, met, int(request["seed"]))
        measured = Labels.of(parameter.name, tuple(found), [values.get(id, {}) for id in found], rows)
        folder = places.get("directory")
        learner = _learner(
            trainer or trainer_of(request["aim"], None if folder is None else Path(folder)),
            folder,
            int(request["seed"]),
            aim.surrogate.materials.derive,
        )
        array = aim.surrogate.materials.per_atom
        if array is not None and isinstance(learner.trainer, Networks):
            atoms = per_atom(parameter.name, array, rows)
            own = (int(request["seed"]), array, aim.objectives[0].name, atoms)
            learner = AtomLearner(learner.trainer, None if folder is None else Path(folder), *own)
        usable = learner.trainer.usable(list(found.values()))
        usable &= np.array([s.n_atoms <= parameter.max_atoms for s in found.values()], bool)
        if not usable.any():
            raise ValueError(
                f"{parameter.name}: wanted a crystal that a network can treat (no atom alone, none on top of another, "
                f"at most {parameter.max_atoms} atoms) among the {len(found)} of the pool, got none"
            )
        ids = tuple(id for id, good in zip(found, usable, strict=True) if good)
        flags = None if made is None else np.array([flagged.get(id, np.nan) for id in ids])
        return cls(aim, parameter, ids, [found[id] for id in ids], measured.only(ids), learner, flags)

    @cached_property
    def place(self) -> Mapping[str, int]:
        """id -> its number."""
        return {id: k for k, id in enumerate(self.ids)}

    @cached_property
    def representation(self) -> Representation:
        return self.learner.representation(self.labels, self.ids, self.structures)

    @cached_property
    def likely(self) -> Array | None:
        """(N,) chance that each can be made; None where the campaign does not ask for it."""
        choice = self.aim.surrogate.materials.synthesizability
        if choice is None or self.flags is None:
            return None
        from surrogates.materials.made import chance

        return chance(
            choice, self.flags, self.structures, seed=self.learner.seed, directory=self.learner.directory
        )

    def about(self, id: str) -> dict[str, Any]:
        """Why this crystal: its formula, and of each property the mean, the two parts of its uncertainty (sd) and
        whether it is labelled; and the model that says so."""
        known, at = self.representation, self.place[id]
        properties = {
            target: {
                "mean": float(known.mean[at, t]),
                "epistemic": float(known.epistemic[at, t]),
                "aleatoric": float(known.aleatoric[at, t]),
                "labelled": bool(known.labelled[at, t]),
            }
            for t, target in enumerate(known.targets)
        }
        said = {"formula": self.structures[at].formula, "properties": properties, "model": self.model}
        if isinstance(self.learner, AtomLearner) and (atoms := self.learner.of_atoms(id)) is not None:
            said["atoms"] = atoms
        return said if self.likely is None else said | {"synthesizability": float(self.likely[at])}

    @property
    def model(self) -> str:
        """What represents the materials, for the record."""
        if not self.representation.targets:
            return "composition"
        return "labels" if self.representation.labelled.all() else self.learner.name(self.labels)


def _films(known: Known, request: dict[str, Any]) -> dict[str, Any]:
    """The answer about material and process together."""
    from surrogates.service import answer

    inside, required, unknown = _constraints(known, request)
    planner = JointPlanner(
        known.aim.model_copy(update={"outcome_constraints": inside}),
        known.parameter.name,
        known.representation,
        required=[(c.name, c) for c in required],
        likely=known.likely,
        seed=int(request["seed"]),
        index=int(request["index"]),
    )
    reply = answer(planner, request)
    chance = planner.chance()
    for proposal in reply["proposals"]:
        candidate = proposal["candidate"]
        id = candidate[known.parameter.name]
        parts = planner.parts(candidate)
        more = {
            "sd": None if parts is None else asdict(parts),
            "chance": None if chance is None else float(chance[known.place[id]]),
        }
        proposal["material"] = known.about(id) | more
        proposal["model"] = f"{proposal['model']}; materials: {known.model}"
        if unknown:
            said = f"nothing is known yet of {', '.join(unknown)}: not asked of the material"
            proposal["fallback"] = "; ".join(filter(None, (proposal["fallback"], said)))
    return reply


def _constraints(
    known: Known, request: Mapping[str, Any]
) -> tuple[tuple[OutcomeConstraint, ...], list[OutcomeConstraint], list[str]]:
    """Outcome constraints on what the experiments read, those on the material's own properties, and the names of those
    that nothing is known of yet."""
    read = {name for row in request["observations"] for name in row["values"]}
    objectives = {objective.name for objective in known.aim.objectives}
    labelled = {name for _, values in known.labels.whole for name in values}
    inside, required, unknown = [], [], []
    for constraint in known.aim.outcome_constraints:
        if constraint.name in read | objectives:
            inside.append(constraint)
        elif constraint.name in known.representation.targets:
            required.append(constraint)
        elif constraint.name in labelled or not request["observations"]:
            unknown.append(constraint.name)
        else:
            inside.append(constraint)
    return tuple(inside), required, unknown


def _learner(trainer: Trainer, directory: str | None, seed: int, derive: str | None) -> Learner:
    key = (json.dumps(trainer.content(), sort_keys=True), directory, seed, derive)
    if key not in _learners:
        _learners.clear()
        kind = None if derive is None else DERIVATIONS[derive]
        _learners[key] = Learner(trainer, None if directory is None else Path(directory), seed, kind)
    return _learners[key]


def _pool(path: str, digest: str) -> Pool:
    if (path, digest) not in _pools:
        _pools.clear()
        _pools[path, digest] = read_pool(Path(path), digest)
    return _pools[path, digest]
