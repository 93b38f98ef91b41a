"""A pool of made-up perovskites, what is true of them, and an ensemble that takes no time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.aim import Aim
from campaigns.objective import Objective
from campaigns.space import Continuous, Material, Space
from campaigns.structure import NUMBER, Structure
from surrogates.encode import Array
from surrogates.joint.representation import Representation
from surrogates.materials.discovery.pool import Row
from surrogates.materials.pool_file import PoolFile, write_pool

A, B, X = ["Ca", "Sr", "Ba", "Na", "K", "Li"], ["Ti", "Zr", "Nb", "Ta", "Mn", "Fe"], ["O", "S", "F"]
CURRENT = Objective(name="current", direction="maximise", unit="mA/cm^2")


def perovskite(a: str, b: str, x: str) -> Structure:
    side = 3.6 + 0.01 * (NUMBER[a] + NUMBER[b]) ** 0.5 + (0.5 if x == "S" else 0.0)
    return Structure(
        lattice=((side, 0, 0), (0, side, 0), (0, 0, side)),
        species=(a, b, x, x, x),
        frac=((0.5, 0.5, 0.5), (0, 0, 0), (0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5)),
    )


POOL: dict[str, Structure] = {f"{a}{b}{x}3": perovskite(a, b, x) for a, b, x in product(A, B, X)}
IDS = tuple(sorted(POOL))
STRUCTURES = [POOL[id] for id in IDS]


def places(structures: Sequence[Structure]) -> Array:
    """(n, 3) within about [0, 1]: what is true is smooth in these."""
    return np.array([[NUMBER[s] / 75 for s in one.species[:3]] for one in structures])


def gap(structures: Sequence[Structure]) -> Array:
    a, b, x = places(structures).T
    return 1.5 + np.sin(3 * a) - b + 2 * x


def heat(structures: Sequence[Structure]) -> Array:
    a, b, x = places(structures).T
    return a * b - x


def truth(candidate: Mapping[str, Any]) -> float:
    """Best at a gap of 2 and a temperature that depends on the heat."""
    one = [POOL[candidate["crystal"]]]
    best = 500 + 200 * float(heat(one)[0])
    off = (candidate["anneal"] - best) / 100
    return 10 * float(np.exp(-((gap(one)[0] - 2.0) ** 2) / 0.3 - off**2 - 0.1 * (candidate["time"] - 2) ** 2))


@dataclass(frozen=True)
class Said:
    mean: Array
    epistemic: Array
    aleatoric: Array
    members: Array


class FakeEnsemble:
    """Nearest-label means with an error that grows with the distance to the labels, differently in each member."""

    def __init__(self, where: Array, values: Array, seed: int, chain: int) -> None:
        self.where, self.values, self.seed, self.chain = where, values, seed, chain

    def predict(self, structures: Sequence[Structure]) -> Said:
        at = places(structures)
        away = ((at[:, None] - self.where) ** 2).sum(axis=2)
        members = []
        for k in range(4):
            weights = np.exp(-away / (0.02 * (1 + k)))[:, :, None] * np.isfinite(self.values)
            filled = np.where(np.isfinite(self.values), self.values, 0.0)
            total = weights.sum(axis=1)
            mean = np.nanmean(self.values, axis=0)
            told = ((weights * filled).sum(axis=1) + 1e-3 * mean) / (total + 1e-3)
            members.append(told + 0.001 * (self.chain + k) * np.sqrt(away.min(axis=1))[:, None])
        stacked = np.array(members)
        spread = stacked.std(axis=0)
        return Said(np.median(stacked, axis=0), 1.5 * spread, np.full(spread.shape, 0.05), stacked)

    def embed(self, structures: Sequence[Structure]) -> Array:
        at = places(structures)
        return np.stack([at, at[:, ::-1] + 1.0])

    def save(self, path: Path) -> None:
        content = [self.where.tolist(), np.nan_to_num(self.values, nan=1e99).tolist(), self.seed, self.chain]
        path.write_text(json.dumps(content))


class FakeTrainer:
    """Counts what it is asked to make."""

    name = "fake"

    def __init__(self) -> None:
        self.fitted: list[tuple[int, tuple[str, ...], bool]] = []

    def content(self) -> Any:
        return {"fake": 1}

    def usable(self, structures: Sequence[Structure]) -> Array:
        return np.array([one.species[0] != "Li" for one in structures], bool)

    def fit(
        self,
        structures: Sequence[Structure],
        values: Array,
        targets: Sequence[str],
        *,
        seed: int,
        start: FakeEnsemble | None,
    ) -> FakeEnsemble:
        self.fitted.append((len(structures), tuple(targets), start is not None))
        return FakeEnsemble(places(structures), values, seed, 0 if start is None else start.chain + 1)

    def load(self, path: Path) -> FakeEnsemble | None:
        try:
            where, values, seed, chain = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        numbers = np.array(values)
        return FakeEnsemble(np.array(where), np.where(numbers > 1e98, np.nan, numbers), seed, chain)


def pool(directory: Path, labelled: int = 0) -> PoolFile:
    """The file of the pool, with gap and heat of the first crystals of a fixed random order."""
    order = np.random.default_rng(3).permutation(len(IDS))[:labelled]
    gaps, heats = gap(STRUCTURES), heat(STRUCTURES)
    rows = [
        Row(id, POOL[id], {"gap": float(gaps[k]), "heat": float(heats[k])} if k in order else {}, "made up")
        for k, id in enumerate(IDS)
    ]
    return write_pool(rows, directory)


def space(digest: str = "0" * 64, n: int = len(IDS), only: bool = False) -> Space:
    crystal = Material(name="crystal", pool="perovskites", digest=digest, n=n)
    if only:
        return Space(parameters=(crystal,))
    anneal = Continuous(name="anneal", low=300, high=700, unit="K")
    return Space(parameters=(anneal, crystal, Continuous(name="time", low=1, high=5)))


def aim(digest: str = "0" * 64, **more: Any) -> Aim:
    return Aim(space=space(digest), objectives=(CURRENT,), **more)


def known(labelled: int = 30, members: float = 1.0) -> Representation:
    """After some labels; `members` widens what the members do not agree on."""
    rows = np.random.default_rng(3).permutation(len(IDS))[:labelled]
    values = np.stack([gap(STRUCTURES), heat(STRUCTURES)], axis=1)
    labels = np.full(values.shape, np.nan)
    labels[rows] = values[rows]
    said = FakeEnsemble(places([STRUCTURES[k] for k in rows]), values[rows], 0, 0).predict(STRUCTURES)
    spread = said.mean + members * (said.members - said.mean)
    return Representation.of(IDS, ("gap", "heat"), spread, said.aleatoric, places(STRUCTURES), labels)
