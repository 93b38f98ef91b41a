"""Where an acquisition is largest among listed candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from campaigns.space import Value
from surrogates.acquisition.base import Acquisition, Belief, score
from surrogates.encode import Array, Encoder
from surrogates.errors import SpaceExhausted
from surrogates.region import Region

SCREENED = 4096  # rows of a large pool that a rough acquisition leaves for the exact one, or looked at again at a time


@dataclass(frozen=True)
class Found:
    candidate: dict[str, Value]
    code: Array
    value: float


class Pool:
    """Codes (N, p) of all candidates, encoded once. A context is the same for all rows, and set by who asks."""

    def __init__(self, encoder: Encoder, codes: Array) -> None:
        self.encoder, self.codes = encoder, codes
        self.unit = encoder.unit(codes)
        hashes = row_hashes(codes)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        self._context = encoder.assumed[encoder.context]

    def occupied(self, codes: Array, context: Array | None = None) -> Array:
        """Mask (N,) of the rows that equal any of `codes` (n, p) under a `context` (the codes of its parameters; None:
        as assumed)."""
        e = self.encoder
        if e.context.any():
            here = e.assumed[e.context] if context is None else context
            codes = codes[(codes[:, e.context] == here).all(axis=1)].copy()
            codes[:, e.context] = e.assumed[e.context]
        mask, hashes = np.zeros(len(self.codes), bool), row_hashes(codes)
        first, last = (np.searchsorted(self._hashes, hashes, side) for side in ("left", "right"))
        for code, i, j in zip(codes, first, last, strict=True):
            rows = self._order[i:j]
            mask[rows[(self.codes[rows] == code).all(axis=1)]] = True
        return mask

    def best(
        self,
        acquisition: Acquisition,
        belief: Belief,
        avoid: Array,
        values: Array | None = None,
        within: Region | None = None,
    ) -> tuple[Found, Array | None]:
        """The best row within the region that is none of `avoid` (n, p), and the value of each row.

        values  what the rows were worth before the belief was told of more points; brought up to date in place
        Raises SpaceExhausted where no row is left.
        """
        e = self.encoder
        code = e.assumed.copy() if within is None else 0.5 * (within.low + within.high)
        context = code[e.context]
        self._set(context, code)
        occupied = self.occupied(avoid, context)
        if within is not None:
            occupied |= self._outside(within)
        if occupied.all():
            where = "" if within is None else " within the region"
            raise SpaceExhausted(
                f"all {len(self.codes)} candidates of the space{where} are measured, pending or failed"
            )
        if values is not None:
            i, value = lazily(acquisition, belief, self.unit, values, occupied)
        elif (coarse := acquisition.coarse()) is not None and len(self.codes) > SCREENED:
            rough = score(coarse, belief, self.unit)
            rough[occupied] = -np.inf
            rows = np.argpartition(-rough, SCREENED)[:SCREENED]
            rows = np.sort(rows[~occupied[rows]])
            if not len(rows):
                rows = np.flatnonzero(~occupied)
            some = score(acquisition, belief, self.unit[rows])
            best = int(np.argmax(some))
            i, value = int(rows[best]), float(some[best])
        else:
            values = score(acquisition, belief, self.unit)
            i = int(np.argmax(np.where(occupied, -np.inf, values)))
            value = float(values[i])
        found = self.codes[i].copy()
        found[e.context] = context
        return Found(e.candidate(found), found, value), values

    def _set(self, context: Array, code: Array) -> None:
        """The unit columns of the context, in place: encoding a large table anew would take longer than an ask."""
        e = self.encoder
        if np.array_equal(context, self._context):
            return
        unit = e.unit(code[None])[0]
        for j in np.flatnonzero(e.context).tolist():
            self.unit[:, e.columns[j]] = unit[e.columns[j]]
        self._context = context

    def _outside(self, within: Region) -> Array:
        e = self.encoder
        slack = 1e-9 * np.maximum(1.0, np.abs(self.codes))
        out = (self.codes < within.low - slack) | (self.codes > within.high + slack)
        if e.conditional:
            out &= e.active(self.codes)
        outside: Array = out[:, ~e.context].any(axis=1)
        return outside


def lazily(
    acquisition: Acquisition, belief: Belief, unit: Array, values: Array, occupied: Array
) -> tuple[int, float]:
    """The best free row of `unit` (N, d) and its value, given `values` (N,) from before the belief was told of more
    points; those looked at are brought up to date in place.

    A point believed to give what was expected leaves the mean and lowers the sd, so no acquisition here rises (the
    integrated variance: hardly ever): an old value is an upper bound, and rows whose bound is below the best are not
    looked at (Minoux 1978, the lazy greedy algorithm).
    """
    bound = np.where(occupied, -np.inf, values)
    i, best = -1, -np.inf
    while True:
        rows = (
            np.argpartition(-bound, SCREENED)[:SCREENED] if len(bound) > SCREENED else np.arange(len(bound))
        )
        rows = np.sort(rows[bound[rows] > best])
        if not len(rows):
            return i, float(best)
        fresh = score(acquisition, belief, unit[rows])
        values[rows], bound[rows] = fresh, -np.inf
        k = int(np.argmax(fresh))
        if fresh[k] > best or i < 0:
            i, best = int(rows[k]), fresh[k]


def row_hashes(codes: Array) -> Array:
    """A 64-bit hash of each row of codes (n, p); equal rows, 0.0 and -0.0 counted as equal, have equal hashes."""
    bits = np.ascontiguousarray(codes + 0.0).view(np.uint64)
    out = np.zeros(len(codes), np.uint64)
    for column in bits.T:
        out = (out ^ column ^ (column >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        out ^= out >> np.uint64(29)
    return out
