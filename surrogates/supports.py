"""Mixtures of which only some components are present: a component is absent (0), or there is at least so much of it.

Such a space is a union of convex pieces, one per support (the set of components that are present). Which supports can
reach the total is decided by the sums of their bounds; linear constraints besides may exclude more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from campaigns.space import Mixture
from surrogates.encode import Array, Encoder

LISTED = 12  # components up to which all supports are listed; of more, so many are drawn:
DRAWN = 4096
TRACE = 1e-6  # least share of the total that is looked for of a component without a threshold


@dataclass(frozen=True)
class Parts:
    """One such mixture.

    columns       (k,) code columns of its components
    least, high   (p,) least and greatest amount of each that is present
    droppable     (p,) bool, may be absent; `possible` (p,) may be present
    fewest, most  how many may be present
    """

    columns: Array
    least: Array
    high: Array
    droppable: Array
    possible: Array
    fewest: int
    most: int
    total: float
    tolerance: float

    @classmethod
    def of(cls, mixture: Mixture, encoder: Encoder, low: Array, high: Array) -> Parts:
        """Within the box of codes `low` to `high` (p,)."""
        place = {name: j for j, name in enumerate(encoder.names)}
        columns = np.array([place[name] for name in mixture.components], int)
        least = np.zeros(encoder.n_parameters)
        for name, j in zip(mixture.components, columns, strict=True):
            trace = min(TRACE * mixture.total, 0.5 * encoder.high[j])
            least[j] = max(low[j], mixture.threshold.get(name, trace))
        fewest, most = mixture.parts or (1, len(columns))
        droppable = np.zeros(encoder.n_parameters, bool)
        droppable[columns] = (encoder.low[columns] == 0) & (low[columns] <= 0)
        return cls(
            columns, least, high, droppable, high >= least, fewest, most, mixture.total, mixture.tolerance
        )

    def allowed(self, present: Array) -> Array:
        """Mask (n,) of the supports `present` (n, p) that have a right number of parts and can reach the total."""
        j = self.columns
        here = present[:, j]
        count, least, most = here.sum(axis=1), here @ self.least[j], here @ self.high[j]
        right = (count >= self.fewest) & (count <= self.most)
        right &= (least <= self.total + self.tolerance) & (most >= self.total - self.tolerance)
        out: Array = right & (here | self.droppable[j]).all(axis=1) & (~here | self.possible[j]).all(axis=1)
        return out

    def listed(self, p: int) -> tuple[Array, Array]:
        """Allowed supports (m, p), with weights (m,): every number of parts is as likely, then every support of it.

        All of them where the components are few, else those among many drawn at random.
        """
        j = self.columns
        free = j[self.droppable[j] & self.possible[j]]
        if len(free) <= LISTED:
            bits = (np.arange(2 ** len(free))[:, None] >> np.arange(len(free))) & 1 == 1
        else:
            rng = np.random.default_rng(11)
            rank = rng.random((DRAWN, len(free))).argsort(axis=1).argsort(axis=1)
            always = len(j) - int(self.droppable[j].sum())
            counts = rng.integers(max(self.fewest - always, 0), min(self.most - always, len(free)) + 1, DRAWN)
            bits = np.unique(rank < counts[:, None], axis=0)
        present = np.zeros((len(bits), p), bool)
        present[:, j[~self.droppable[j]]] = True
        present[:, free] = bits
        present = present[self.allowed(present)]
        count = present.sum(axis=1)
        weight = 1.0 / np.bincount(count, minlength=len(j) + 1)[count] if len(present) else np.zeros(0)
        return present, weight / max(weight.sum(), 1e-300)


class Supports:
    """All such mixtures of a space, within a box of codes.

    columns  (k,) components of any of them
    """

    def __init__(self, encoder: Encoder, low: Array, high: Array) -> None:
        self.encoder, self.low, self.high = encoder, low, high
        self.parts = [Parts.of(m, encoder, low, high) for m in encoder.space.mixtures if m.divided]
        self.columns = (
            np.concatenate([part.columns for part in self.parts]) if self.parts else np.zeros(0, int)
        )
        self.least = sum((part.least for part in self.parts), np.zeros(encoder.n_parameters))
        self.droppable = np.zeros(encoder.n_parameters, bool)
        for part in self.parts:
            self.droppable |= part.droppable
        self._listed: list[tuple[Array, Array]] | None = None

    def __bool__(self) -> bool:
        return bool(self.parts)

    def present(self, codes: Array) -> Array:
        """Mask (n, p) of the components that codes (n, p) have; true for every other parameter."""
        out = np.ones(codes.shape, bool)
        out[:, self.columns] = codes[:, self.columns] != 0
        return out

    def allowed(self, present: Array) -> Array:
        """Mask (n,) of supports (n, p) that every mixture allows."""
        out = np.ones(len(present), bool)
        for part in self.parts:
            out &= part.allowed(present)
        return out

    def holds(self, codes: Array) -> Array:
        """Mask (n,) of the codes whose components are absent or enough, in a right number."""
        present = self.present(codes)
        short = present & (codes < self.least) & self.droppable
        return self.allowed(present) & ~short.any(axis=1)

    def nearest(self, codes: Array) -> Array:
        """Codes with components that are too little left out, or raised to the least amount; too many parts lose the
        smallest."""
        out = codes.copy()
        few = self.droppable & (out < self.least)
        out = np.where(few, np.where(out < 0.5 * self.least, 0.0, self.least), out)
        for part in self.parts:
            for row in out[(out[:, part.columns] != 0).sum(axis=1) > part.most]:
                order = part.columns[np.argsort(row[part.columns], kind="stable")]
                order = order[self.droppable[order] & (row[order] != 0)]
                surplus = int((row[part.columns] != 0).sum()) - part.most
                row[order[:surplus]] = 0.0
        return out

    def box(self, present: Array) -> tuple[Array, Array]:
        """Bounds (p,) to (p,), or (n, p), of the piece of a support."""
        inside = np.zeros(self.encoder.n_parameters, bool)
        inside[self.columns] = True
        low = np.where(inside, np.where(present, np.maximum(self.low, self.least), 0.0), self.low)
        high = np.where(inside & ~present, 0.0, self.high)
        return low, high

    def draw(self, n: int, rng: np.random.Generator) -> Array | None:
        """Supports (n, p); None where none was found that is allowed."""
        p = self.encoder.n_parameters
        if self._listed is None:
            self._listed = [part.listed(p) for part in self.parts]
        out = np.ones((n, p), bool)
        for part, (listed, weight) in zip(self.parts, self._listed, strict=True):
            if not len(listed):
                return None
            rows = listed[rng.choice(len(listed), n, p=weight)]
            out[:, part.columns] = rows[:, part.columns]
        return out

    def others(self, present: Array, most: int, rng: np.random.Generator) -> Array:
        """Supports (m, p) that are one exchange, one more or one less away from `present` (p,); at most so many."""
        found = []
        for part in self.parts:
            here = [j for j in part.columns if present[j] and self.droppable[j]]
            away = [j for j in part.columns if not present[j]]
            for lost in [None, *here]:
                for gained in [None, *away]:
                    if lost is None and gained is None:
                        continue
                    other = present.copy()
                    if lost is not None:
                        other[lost] = False
                    if gained is not None:
                        other[gained] = True
                    found.append(other)
        out = np.array(found, bool).reshape(-1, len(present))
        out = out[self.allowed(out)]
        return out if len(out) <= most else out[np.sort(rng.choice(len(out), most, replace=False))]

    def fill(self, present: Array, rng: np.random.Generator) -> Array:
        """Amounts (n, p) uniform over the pieces of supports `present` (n, p), other columns 0: hit-and-run along
        directions that keep every total, each row within its own bounds."""
        n, p = present.shape
        out = np.zeros((n, p))
        low, high = self.box(present)
        for part in self.parts:
            j = part.columns
            a, width = low[:, j], (high - low)[:, j]
            room = width.sum(axis=1, keepdims=True)
            share = (part.total - a.sum(axis=1, keepdims=True)) / np.where(room > 0, room, 1.0)
            x = a + np.clip(share, 0, 1) * width
            square = (width**2).sum(axis=1, keepdims=True)
            for _ in range(20 + 12 * min(len(j), part.most)):
                step = rng.standard_normal(width.shape) * width
                step -= width**2 * (step.sum(axis=1, keepdims=True) / np.where(square > 0, square, 1.0))
                with np.errstate(divide="ignore", invalid="ignore"):
                    up = np.where(
                        step > 0, (a + width - x) / step, np.where(step < 0, (a - x) / step, np.inf)
                    )
                    down = np.where(
                        step < 0, (a + width - x) / step, np.where(step > 0, (a - x) / step, -np.inf)
                    )
                forward, backward = up.min(axis=1), down.max(axis=1)
                length = np.where(np.isfinite(forward) & np.isfinite(backward), forward - backward, 0.0)
                u = 1e-6 + (1 - 2e-6) * rng.random(n)
                x = x + np.where(length > 0, backward + u * length, 0.0)[:, None] * step
            out[:, j] = np.clip(x, a, a + width)
        return out
