"""What is believed of the crystals that may be asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials.discovery.squeeze import slope, squeeze, stretch
from surrogates.materials.discovery.trainer import Ensemble, Trainer
from surrogates.materials.hull import Hull
from surrogates.materials.prediction import Prediction

SCANNED = 100  # of the generated crystals: ten volumes of each are ten predictions


@dataclass(frozen=True)
class Said:
    """What an ensemble says of n crystals, `number` by id, on the squeezed scale: `level` (n,), standard deviations
    `epistemic` and `aleatoric` (n,), the members' `deviations` (M, n) from the level, scaled so that their standard
    deviation is the epistemic one; `places` (n, w): where the networks see each, for distances between them; `low`,
    `high` (n,): ends of the 90 % interval."""

    number: Mapping[str, int]
    level: Array
    epistemic: Array
    aleatoric: Array
    deviations: Array
    places: Array
    low: Array
    high: Array

    def only(self, at: Array) -> Said:
        """Of some of the crystals, by their numbers."""
        ids = list(self.number)
        return Said(
            {ids[k]: i for i, k in enumerate(at.tolist())}, self.level[at], self.epistemic[at], self.aleatoric[at],
            self.deviations[:, at], self.places[at], self.low[at], self.high[at],
        )  # fmt: skip


@dataclass(frozen=True)
class Belief:
    """Of n candidates that can be judged: what was `said` of them, as energies, eV per atom throughout.

    base    (n,) energy of the hull that what was said is counted from
    hull    (n,) energy of the hull of all known, now
    groups  (n,) number of its composition
    """

    structures: tuple[Structure, ...]
    said: Said
    base: Array
    hull: Array
    groups: Array

    @cached_property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.said.number)

    @cached_property
    def mean(self) -> Array:
        """(n,) energy: as likely to be above as below."""
        return self._energy(self.said.level)

    @cached_property
    def epistemic(self) -> Array:
        """(n,) its standard deviation, as far as more labels would reduce it."""
        out: Array = self.said.epistemic * slope(self.said.level)
        return out

    @cached_property
    def aleatoric(self) -> Array:
        """(n,) its standard deviation beyond that."""
        out: Array = self.said.aleatoric * slope(self.said.level)
        return out

    @cached_property
    def sd(self) -> Array:
        """(n,): both parts together."""
        out: Array = np.sqrt(self.epistemic**2 + self.aleatoric**2)
        return out

    @cached_property
    def interval(self) -> tuple[Array, Array]:
        """Energies (n,) that the label is between with 90 % probability."""
        return self._energy(self.said.low), self._energy(self.said.high)

    @cached_property
    def decomposition(self) -> Array:
        """(n,) mean energy above (below: negative) the hull of all known."""
        out: Array = self.mean - self.hull
        return out

    def below(self, ground: Array) -> Array:
        """(n,) probability that the energy lies below that of a hull (n,)."""
        out: Array = ndtr((squeeze(ground - self.base) - self.said.level) / np.maximum(self._sd, 1e-12))
        return out

    def bound(self, beta: float) -> Array:
        """(n,) energy that many standard deviations below the mean."""
        return self._energy(self.said.level - beta * self._sd)

    def draw(self, rng: np.random.Generator) -> Array:
        """(n,) energies drawn together: the members' deviations with normal weights, so that what they err in together
        is drawn together."""
        weights = rng.standard_normal(len(self.said.deviations)) / np.sqrt(len(self.said.deviations))
        return self._energy(self.said.level + weights @ self.said.deviations)

    def only(self, kept: Sequence[int]) -> Belief:
        """Of some of the candidates, by their numbers."""
        at = np.asarray(kept, dtype=np.int64)
        crystals = tuple(self.structures[k] for k in at)
        return Belief(crystals, self.said.only(at), self.base[at], self.hull[at], self.groups[at])

    @property
    def _sd(self) -> Array:
        out: Array = np.sqrt(self.said.epistemic**2 + self.said.aleatoric**2)
        return out

    def _energy(self, level: Array) -> Array:
        out: Array = stretch(level) + self.base
        return out


def believe(
    said: Said, base: Hull, hull: Hull, ids: Sequence[str], structures: Mapping[str, Structure]
) -> Belief:
    """Of those of `ids`, all among the said ones, that can be judged: each of whose elements has an energy of its own.
    `base`: the hull that what was said is counted from; `hull`: that of all energies known now."""
    then = base.references([structures[id].counts for id in ids])
    now = hull.references([structures[id].counts for id in ids])
    judged = np.flatnonzero(np.isfinite(now) & np.isfinite(then)).tolist()
    crystals = tuple(structures[ids[k]] for k in judged)
    at = np.array([said.number[ids[k]] for k in judged], dtype=np.int64)
    return Belief(crystals, said.only(at), then[judged], now[judged], groups_of(crystals))


def say(
    trainer: Trainer,
    ensemble: Ensemble,
    crystals: Mapping[str, Structure],
    loose: Collection[str],
    *,
    embedded: bool,
) -> Said:
    """Of crystals by id. `loose`: those whose cells are not relaxed; the most promising SCANNED of them are asked at
    several volumes. `embedded`: whether `places` are wanted, which cost another pass through the networks."""
    ids, structures = list(crystals), list(crystals.values())
    number = {id: k for k, id in enumerate(ids)}
    if not ids:
        none = np.zeros(0)
        return Said(number, none, none, none, np.zeros((1, 0)), np.zeros((0, 0)), none, none)
    found = ensemble.predict(structures)
    best = sorted((k for k, id in enumerate(ids) if id in loose), key=lambda k: (found.mean[k, 0], k))[
        :SCANNED
    ]
    scanned = trainer.relaxed(ensemble, [structures[k] for k in best])
    if scanned is not None:
        found = _with(found, np.array(best), scanned)
    epistemic, members = found.epistemic[:, 0], found.members[:, :, 0]
    deviations = members - members.mean(axis=0)
    spread = deviations.std(axis=0)
    deviations = deviations * np.where(spread > 0, epistemic / np.maximum(spread, 1e-12), 0.0)
    where = _places(ensemble, structures) if embedded else np.zeros((len(ids), 0))
    low, high = found.interval(0.9)
    return Said(
        number, found.mean[:, 0], epistemic, found.aleatoric[:, 0], deviations, where, low[:, 0], high[:, 0]
    )


def _with(found: Prediction, at: Array, better: Prediction) -> Prediction:
    mean, epistemic, aleatoric, members = (
        array.copy() for array in (found.mean, found.epistemic, found.aleatoric, found.members)
    )
    mean[at], epistemic[at], aleatoric[at] = better.mean, better.epistemic, better.aleatoric
    members[:, at] = better.members
    return replace(found, mean=mean, epistemic=epistemic, aleatoric=aleatoric, members=members)


def _places(ensemble: Ensemble, structures: Sequence[Structure]) -> Array:
    """(n, M * width): the members' embeddings side by side, so that squared distances are means over members."""
    found = ensemble.embed(structures).astype(float)  # (M, n, width)
    members, n, width = found.shape
    return found.transpose(1, 0, 2).reshape(n, members * width) / np.sqrt(members)


def groups_of(structures: Sequence[Structure]) -> Array:
    """(n,): the same number for the same composition, in order of first meeting."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(s.formula, len(numbers)) for s in structures], dtype=np.int64)
