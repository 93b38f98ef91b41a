"""What is known of every material of a pool, as numbers that a kernel can compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surrogates.encode import Array
from surrogates.joint.derive import Derived

PLACES = 8  # principal components of the embeddings that are kept
COMPONENTS = (
    2  # of those, seen by a process beside the properties: what these leave out of how materials differ
)
WITHOUT = 4  # the same, where there are no properties
EDGE = 0.01  # share of the pool beyond either end of the unit interval: a few extreme materials must not set the scale


@dataclass(frozen=True)
class Representation:
    """Of N materials by M members of an ensemble, T targets in their own units.

    ids         (N,) names, each once
    targets     (T,) names
    members     (M, N, T) the properties as each member has them: their mean is the ensemble's centre, their variance
                its calibrated epistemic variance; where a property is labelled, the label
    aleatoric   (N, T) sd that no label of other materials would take away; 0 where labelled
    labelled    (N, T) bool
    places      (N, P) principal components of the members' embeddings
    derived     what some of the targets were calculated from; None where all are learned
    """

    ids: tuple[str, ...]
    targets: tuple[str, ...]
    members: Array
    aleatoric: Array
    labelled: Array
    places: Array
    derived: Derived | None = None

    @classmethod
    def of(
        cls,
        ids: tuple[str, ...],
        targets: tuple[str, ...],
        members: Array,
        aleatoric: Array,
        places: Array,
        labels: Array,
        derived: Derived | None = None,
    ) -> Representation:
        """What an ensemble says, replaced by `labels` (N, T) where these are no NaN."""
        known = np.isfinite(labels)
        noise = np.where(known, 0.0, aleatoric)
        return cls(ids, targets, np.where(known, labels, members), noise, known, places, derived)

    def with_labels(self, targets: tuple[str, ...], labels: Array) -> Representation:
        """With more `targets` (K,), of which every material has a label: `labels` (N, K)."""
        if not targets:
            return self
        same = np.broadcast_to(labels, (len(self.members), *labels.shape))
        return Representation(
            self.ids,
            self.targets + targets,
            np.concatenate([self.members, same], axis=2),
            np.hstack([self.aleatoric, np.zeros(labels.shape)]),
            np.hstack([self.labelled, np.ones(labels.shape, bool)]),
            self.places,
            self.derived,
        )

    def draws(self, names: Sequence[str], each: int, rng: np.random.Generator) -> Array:
        """(M * each, N, len(names)): what the labels of the materials may turn out to be, `each` times of every member,
        one after the other; where a target is labelled, its label. Those calculated from others are drawn together.
        Raises ValueError for a name that is none of the targets."""
        columns = [self.targets.index(name) for name in names]
        noise = rng.standard_normal((len(self.members), each, len(self.ids), len(columns)))
        noise *= self.aleatoric[:, columns]
        out: Array = (self.members[:, None][..., columns] + noise).reshape(-1, *noise.shape[2:])
        if self.derived is not None:
            kind = self.derived.derivation
            drawn = np.concatenate(self.derived.drawn(each, rng), axis=2)
            for k, name in enumerate(names):
                if name in kind.learned + kind.derived:
                    said = drawn[:, :, (kind.learned + kind.derived).index(name)]
                    out[:, :, k] = np.where(self.labelled[:, columns[k]], out[:, :, k], said)
        return out

    @property
    def mean(self) -> Array:
        """(N, T) of the members."""
        out: Array = self.members.mean(axis=0)
        return out

    @property
    def epistemic(self) -> Array:
        """(N, T) sd of the members."""
        out: Array = self.members.std(axis=0)
        return out

    def components(self) -> Array:
        """(N, at most COMPONENTS or WITHOUT) the first of the places, each scaled to [0, 1] over the pool."""
        first = self.places[:, : COMPONENTS if self.targets else WITHOUT]
        out: Array = (first - first.min(axis=0)) / np.ptp(first, axis=0)
        return out

    def unit(self) -> Array:
        """(M, N, T) the properties of each member, scaled so that most of the pool lies in [0, 1]."""
        low, high = np.quantile(self.mean, [EDGE, 1 - EDGE], axis=0)
        whole = np.ptp(self.mean, axis=0)
        width = np.where(high > low, high - low, np.where(whole > 0, whole, 1.0))
        out: Array = (self.members - low) / width
        return out


def calibrated(members: Array, centre: Array, epistemic: Array) -> Array:
    """Members (M, N, T) moved to the centre (N, T) and spread so that their variance is the epistemic one (N, T)."""
    mean, spread = members.mean(axis=0), members.std(axis=0)
    factor = np.divide(epistemic, spread, out=np.zeros_like(spread), where=spread > 0)
    out: Array = centre + (members - mean) * factor
    return out


def principal(embeddings: Array, most: int = PLACES) -> Array:
    """Scores (N, most or fewer) on the principal components of embeddings (M, N, width): the members' side by side,
    each of total variance 1, since their axes have nothing to do with each other. The sign of a component is that of
    its largest loading."""
    m, n, width = embeddings.shape
    centred = embeddings - embeddings.mean(axis=1, keepdims=True)
    total = np.sqrt((centred**2).sum(axis=(1, 2), keepdims=True) / n)
    centred = np.divide(centred, total, out=np.zeros_like(centred), where=total > 0)
    side = centred.transpose(1, 0, 2).reshape(n, m * width)
    variance, axes = np.linalg.eigh(side.T @ side / n)
    kept = [i for i in np.argsort(-variance, kind="stable")[:most] if variance[i] > 1e-9]
    chosen = axes[:, kept]
    sign = np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(len(kept))]) if kept else np.ones(0)
    scores: Array = side @ (chosen * sign)
    return scores
