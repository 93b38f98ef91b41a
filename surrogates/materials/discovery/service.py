"""One request, one reply, both JSON: asks of a campaign whose goal is the hull. A function of the request: models kept
under the run's folder, and what this process remembers, only save time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.errors import SpaceExhausted, UnsupportedMethod
from surrogates.materials.discovery.account import diagnose, progress, shown
from surrogates.materials.discovery.belief import Belief, believe
from surrogates.materials.discovery.choose import Choice, choose
from surrogates.materials.discovery.generation import Generation, generate, only_arrangements
from surrogates.materials.discovery.learner import Learned, Learner, Trainer
from surrogates.materials.discovery.makeable import likely, makeable
from surrogates.materials.discovery.spread import elements_first, spread
from surrogates.materials.discovery.state import State
from surrogates.materials.discovery.trainer import trainer_of
from surrogates.materials.hull import Entry, Hull
from surrogates.models.calibration import Diagnostics
from surrogates.proposal import Method, Proposal

# What is used, and said, where a method cannot be.
INSTEAD = {"learn": "variance", "optimise": "probability"}
PROMISING = (
    0.05  # eV per atom above the hull (Merchant et al., Nature 624, 80, 2023); of generated crystals alone
)
CHOOSE, SPREAD = 1, 2  # streams of random numbers apart from each other

_threads = ThreadpoolController()
_learners: dict[tuple[Any, ...], Learner] = {}  # one at most: a campaign asks again and again


def handle(request: Mapping[str, Any], trainer: Trainer | None = None) -> dict[str, Any]:
    """Answer {"op": "propose", ...} as `surrogates.service.handle` does, for a space of one material.

    materials  {"pool": path of the pool's rows or None, "directory": folder for models or None, "structures": {id:
               record} of generated crystals that the log has met}
    others     {loop: observations} of the campaign's other loops

    The reply holds "proposals", "diagnostics" and "gated" as there; each proposal has beside a `Proposal`'s fields
    "material" (why this crystal: energies in eV per atom) and "structures" ({id: record}); the reply has all of these
    records under "structures". `trainer`: what makes the ensembles; as the campaign says where None.
    Raises KeyError or ValueError for a request that is not one, SpaceExhausted where no crystal is left to ask for, and
    the errors of `surrogates.errors`.
    """
    if request["op"] != "propose":
        raise ValueError(f"op: wanted 'propose', got {request['op']!r}")
    with _threads.limit(limits=1):
        return _Ask.of(request, trainer).reply()


@dataclass
class _Ask:
    """One request as it is answered. `candidates`: ids that may be asked for, the pool's before generated ones."""

    request: Mapping[str, Any]
    method: Method
    state: State
    hull: Hull
    learned: Learned | None
    learner: Learner
    generation: Generation
    structures: Mapping[str, Structure]
    candidates: list[str]

    @classmethod
    def of(cls, request: Mapping[str, Any], trainer: Trainer | None) -> _Ask:
        state = State.of(request)
        hull = Hull(
            Entry(label.id, state.structures[label.id].counts, label.energy) for label in state.labels
        )
        seed = int(request["seed"])
        folder = request["materials"].get("directory")
        trainer = trainer or trainer_of(request["aim"], None if folder is None else Path(folder))
        learner = _learner(trainer, folder, seed)
        learned = None if only_arrangements(state) else learner.learned(state, int(request["n"]))
        found = generate(state, seed, int(request["n"]))
        known = {label.id for label in state.labels}
        most = state.parameter.max_atoms
        structures = {
            id: structure
            for id, structure in (
                *state.structures.items(),
                *((id, each.structure) for id, each in found.made.items()),
            )
            if structure.n_atoms <= most or id in known
        }
        candidates = [id for id in structures if id not in state.taken]
        method = Method(**request["method"])
        return cls(request, method, state, hull, learned, learner, found, structures, candidates)

    def reply(self) -> dict[str, Any]:
        if not self.candidates:
            raise SpaceExhausted(
                f"{self.state.parameter.name}: each of the {len(self.state.structures)} crystals is measured, pending "
                "or failed"
            )
        batch = int(self.request["n"])
        diagnostics: Diagnostics | None = None
        said = progress(self.state, self.hull, batch, len(self.candidates), len(self.generation.made))
        said = replace(said, refused=self.generation.refused)
        gated, belief = None, None
        if self.learned is not None:
            belief = self._belief(self.learned)
            before = self.learner.before(self.state)
            best = float(belief.below(belief.hull).max()) if len(belief.ids) else None
            diagnostics, mae, n_before = diagnose(
                self.state, self.learned, belief, before, best, self.learner.trainer
            )
            said = replace(said, mae_before=mae, n_before=n_before)
            gated = _gated(self.request.get("gate"), diagnostics)
            if gated is not None:
                self.method = replace(self.method, mode="learn", name="variance")
                belief = self._belief(self.learned)  # learning wants to know who is near whom
        proposals = self._proposals(batch, belief)
        structures: dict[str, Any] = {}
        for proposal in proposals:
            structures |= proposal["structures"]
        told = bool(self.state.labels)
        return {
            "proposals": proposals,
            "diagnostics": shown(diagnostics, said) if told else None,
            "gated": gated,
            "structures": structures,
        }

    def _belief(self, learned: Learned) -> Belief:
        """Of what may be asked for and of what is being measured."""
        loose = self.state.met | self.generation.made.keys()
        said = self.learner.said(learned, self.structures, loose, embedded=self.method.mode == "learn")
        open_ = {*self.candidates, *self.state.pending}
        ids = [id for id in said.number if id in open_]
        belief = believe(said, learned.hull, self.hull, ids, self.structures)
        # As in GNoME, only what is believed to be near the hull is worth its label; where nothing is, the rest is.
        near = belief.decomposition <= PROMISING
        kept = [
            k for k, id in enumerate(belief.ids) if near[k] or id not in loose or id in self.state.pending
        ]
        belief = belief.only(kept) if {belief.ids[k] for k in kept} - {*self.state.pending} else belief
        return makeable(belief, self._likely(belief), self.request, self.state)

    def _likely(self, belief: Belief) -> Array | None:
        """(n,) chance that each candidate can be made; None where the campaign does not ask for it."""
        return likely(belief, self.request, self.state)

    def _proposals(self, n: int, belief: Belief | None) -> list[dict[str, Any]]:
        known = [label.id for label in self.state.labels]
        first = elements_first(self.candidates, self.structures, known, self.state.pending)[:n]
        out = [self._without_model(id, "elements", "no energy of this element is known yet") for id in first]
        n -= len(first)
        left = [id for id in self.candidates if id not in set(first)]
        if n == 0 or not left:
            return out
        if self.method.mode == "explore":
            return out + [self._without_model(id, self.method.name, None) for id in self._spread(left, n)]
        why = self._why_not(belief)
        if why is not None:
            return out + [self._without_model(id, "sobol", why) for id in self._spread(left, n)]
        assert belief is not None and self.learned is not None
        return out + self._chosen(belief, self.learned, n, set(first))

    def _why_not(self, belief: Belief | None) -> str | None:
        if only_arrangements(self.state):
            return "arrangements of known crystals are not ranked against a hull"
        if belief is None:
            return f"too few energies are known to learn from ({len(self.hull)})"
        if not set(belief.ids) & set(self.candidates):
            return "no candidate can be judged: none has only elements whose energies are known"
        return None

    def _spread(self, ids: Sequence[str], n: int) -> list[str]:
        if only_arrangements(self.state):
            return list(
                ids[:n]
            )  # the pool's in its order, then as their generators gave them: the best first
        rng = np.random.default_rng([int(self.request["seed"]), int(self.request["index"]), SPREAD])
        design = "random" if self.method.name == "random" else "sobol"
        return spread(ids, self.structures, n, design=design, rng=rng)

    def _chosen(self, belief: Belief, learned: Learned, n: int, besides: set[str]) -> list[dict[str, Any]]:
        belief = belief.only([k for k, id in enumerate(belief.ids) if id not in besides])
        made = self._likely(belief)
        begun = [k for k, id in enumerate(belief.ids) if id in self.state.pending]
        rng = np.random.default_rng([int(self.request["seed"]), int(self.request["index"]), CHOOSE])
        method, fallback = self.method, None
        try:
            found = choose(belief, n, method, hull=self.hull, rng=rng, begun=begun, likely=made)
        except UnsupportedMethod as fault:
            method, fallback = replace(method, name=INSTEAD[method.mode]), str(fault)
            found = choose(belief, n, method, hull=self.hull, rng=rng, begun=begun, likely=made)
        out = [self._with_model(belief, choice, learned, method, fallback) for choice in found]
        if made is not None:
            for proposal, choice in zip(out, found, strict=True):
                proposal["material"]["synthesizability"] = float(made[choice.at])
        return out

    # -- one proposal ------------------------------------------------------------
    def _with_model(
        self, belief: Belief, choice: Choice, learned: Learned, method: Method, fallback: str | None
    ) -> dict[str, Any]:
        at = choice.at
        mean, sd = float(belief.mean[at]), float(belief.sd[at])
        id = belief.ids[at]
        proposal = Proposal(
            {self.state.parameter.name: id}, method.mode, method.name, choice.value, mean, sd,
            f"ensemble/{self.learner.trainer.name}", int(self.request["seed"]), learned.n, fallback,
            predictions={self.state.reading: (mean, sd)},
        )  # fmt: skip
        believed = {
            "decomposition_energy": float(belief.decomposition[at]),
            "sd": sd,
            "epistemic": float(belief.epistemic[at]),
            "aleatoric": float(belief.aleatoric[at]),
            "interval_90": [float(belief.interval[0][at]), float(belief.interval[1][at])],
            "probability_stable": float(belief.below(belief.hull)[at]),
            "hull_reference": choice.hull,
        }
        return proposal.to_json() | self._material(id, believed)

    def _without_model(self, id: str, acquisition: str, fallback: str | None) -> dict[str, Any]:
        mode = "explore" if acquisition == "elements" else self.method.mode
        proposal = Proposal(
            {self.state.parameter.name: id}, mode, acquisition, None, None, None, "constant",
            int(self.request["seed"]), len(self.hull), fallback,
        )  # fmt: skip
        reference = self.hull.reference(self.structures[id].counts)
        return proposal.to_json() | self._material(id, {"hull_reference": reference})

    def _material(self, id: str, believed: Mapping[str, Any]) -> dict[str, Any]:
        found = self.generation.made.get(id)
        where = (
            {"source": self.state.sources[id], "parents": [], "how": ""}
            if found is None
            else {"source": found.generator, "parents": list(found.parents), "how": found.how}
        )
        return {"material": where | dict(believed), "structures": {id: self.structures[id].to_json()}}


def _learner(trainer: Trainer, directory: str | None, seed: int) -> Learner:
    key = (trainer.name, repr(trainer.content()), directory, seed)
    if key not in _learners:
        _learners.clear()
        _learners[key] = Learner(trainer, None if directory is None else Path(directory), seed)
    return _learners[key]


def _gated(gate: Mapping[str, float] | None, found: Diagnostics) -> str | None:
    """Why the model may not optimise now, or None."""
    covered = found.coverage_90
    if gate is None or covered is None or gate["low"] <= covered <= gate["high"]:
        return None
    return (
        f"90 % intervals cover {100 * covered:.1f} % of the labels that came after the prediction, outside "
        f"{100 * gate['low']:g} to {100 * gate['high']:g} %"
    )
