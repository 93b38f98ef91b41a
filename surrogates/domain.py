"""Where candidates may be: a space, or the part of it within a region. Draws, repairs, and what may move how far.

A space with conditions or with mixtures of few parts is no convex body but a union of pieces; each code lies in one,
and stays there while its continuous parameters move.
"""

from __future__ import annotations

import numpy as np

from campaigns.space import Value
from surrogates.encode import Array, Encoder
from surrogates.errors import InfeasibleSpace
from surrogates.polytope import Polytope
from surrogates.region import Region
from surrogates.supports import Supports

PIECES = 64  # supports of a mixture under further constraints that one draw looks into
REJECTED = 400  # rounds of draws, of which the rules of a space must accept some


class Domain:
    """Build once per region; the whole space where there is none.

    low, high  (p,) box of the codes
    polytope   the linear constraints within it, any component of a mixture allowed to be absent
    supports   the mixtures of few parts; false where there is none
    trivial    whether it is a box, conditions apart
    pinned     (p,) bool, has but one value; `confined`: whether the region leaves out any of what is chosen
    """

    def __init__(self, encoder: Encoder, region: Region | None = None) -> None:
        self.encoder, self.space, self.region = encoder, encoder.space, region
        self.low, self.high = encoder.floor.copy(), encoder.ceiling.copy()
        if region is not None:
            chosen = ~encoder.context
            self.low = np.where(chosen, np.maximum(self.low, region.low), region.low)
            self.high = np.where(chosen, np.minimum(self.high, region.high), region.high)
            if (self.low > self.high).any():
                raise InfeasibleSpace("the region lies outside the bounds of the space")
        self.pinned = self.low == self.high
        self.confined = bool(
            ((self.low > encoder.floor) | (self.high < encoder.ceiling))[~encoder.context].any()
        )
        self.polytope = Polytope(encoder, self.low, self.high)
        self.supports = Supports(encoder, self.low, self.high)
        self.linear = not self.polytope.trivial
        self.trivial = not self.linear and not self.space.rules
        self._pieces: dict[bytes, Polytope] = {}
        self._dead: set[bytes] = set()
        self._accepted: float | None = None
        start, end = encoder.shares(self.low, self.high)
        self._start, self._share = start, np.maximum(end - start, 0.0)

    # -- what is inside ---------------------------------------------------------
    def holds(self, codes: Array, tolerance: float = 1e-12) -> Array:
        """Mask (n,) of codes (n, p) inside: box, linear constraints, parts and thresholds, rules."""
        good = self.polytope.holds(codes, tolerance)
        if self.region is not None:
            good &= self.in_region(codes)
        if self.supports:
            good &= self.supports.holds(codes)
        if self.space.rules and good.any():
            good[good] = self.obeys(codes[good])
        return good

    def in_region(self, codes: Array) -> Array:
        """Mask (n,) of codes (n, p) in the box, rounding forgiven; of inactive parameters no region says anything."""
        slack = 1e-9 * np.maximum(1.0, np.abs(codes))
        inside = (codes >= self.low - slack) & (codes <= self.high + slack)
        if self.encoder.conditional:
            inside |= ~self.encoder.active(codes)
        out: Array = inside.all(axis=1)
        return out

    def obeys(self, codes: Array) -> Array:
        """Mask (n,) of the codes that every rule of the space allows."""
        candidates = [self.encoder.candidate(code) for code in codes]
        return np.array([all(rule.value(c) >= 0 for rule in self.space.rules) for c in candidates], bool)

    def piece(self, present: Array) -> Polytope:
        """The convex piece of one support (p,)."""
        if not self.supports:
            return self.polytope
        key = present.tobytes()
        if key not in self._pieces:
            self._pieces[key] = Polytope(self.encoder, *self.supports.box(present))
        return self._pieces[key]

    def bounds(self, codes: Array) -> tuple[Array, Array]:
        """How far each code may move (n, p) to (n, p): an absent component, an inactive or a pinned parameter, and a
        context, not at all."""
        low, high = np.broadcast_to(self.low, codes.shape), np.broadcast_to(self.high, codes.shape)
        if self.supports:
            low, high = self.supports.box(self.supports.present(codes))
        e = self.encoder
        fixed = np.broadcast_to(e.context, codes.shape)
        if e.conditional:
            fixed = fixed | ~e.active(codes)
        return np.where(fixed, codes, low), np.where(fixed, codes, high)

    # -- draws ------------------------------------------------------------------
    def spread(self, cube: Array) -> Array:
        """Points of the cube [0, 1)^p as codes (n, p) of the box, constraints not looked at."""
        e = self.encoder
        if self.region is None:
            return e.spread(cube)
        codes = e.spread(np.minimum(self._start + cube * self._share, 1 - 1e-16))
        return self.restricted(codes)

    def restricted(self, codes: Array) -> Array:
        """Codes (n, p) clipped into the box, their inactive parameters as they are then."""
        if self.region is not None:
            codes = np.clip(codes, self.low, self.high)
        return self.encoder.conditioned(codes)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """About uniform codes (n, p) inside: uniform over the box (on each scale) or the pieces.

        Raises InfeasibleSpace where nothing is found inside.
        """
        if not self.space.rules:
            return self._draw(n, rng)
        kept: list[Array] = []
        for _ in range(REJECTED):
            codes = self._draw(max(n, 64), rng)
            kept.append(codes[self.obeys(codes)])
            if sum(map(len, kept)) >= n:
                return np.concatenate(kept)[:n]
            if not any(map(len, kept)) and len(kept) * len(codes) > 64 * REJECTED:
                break
        found = np.concatenate(kept)
        if not len(found):
            rules = ", ".join(map(str, self.space.rules))
            raise InfeasibleSpace(f"of {len(kept) * max(n, 64)} candidates, {rules} allowed none")
        return found[rng.integers(0, len(found), n)]

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        if not self.linear:
            codes = self.spread(rng.random((n, self.encoder.n_parameters)))
            return codes if self.region is None else self._inside(codes, n, rng)
        if self.supports:
            return self._draw_pieces(n, rng)
        kept = self._reject(n, rng)
        return kept if kept is not None else self._walk(self.polytope, n, rng)

    def _inside(self, codes: Array, n: int, rng: np.random.Generator) -> Array:
        """Codes of the box that are inside; levels and whole numbers of it may lie outside the region."""
        good = self.in_region(codes)
        if not good.any():
            raise InfeasibleSpace("no candidate of the space lies within the region")
        return codes if good.all() else codes[rng.choice(np.flatnonzero(good), n)]

    def _draw_pieces(self, n: int, rng: np.random.Generator) -> Array:
        e = self.encoder
        pure = len(self.polytope.rows) == len(self.supports.parts)
        present = self.supports.draw(n, rng)
        if present is None:
            repaired = self._repaired(self.spread(rng.random((min(n, 32), e.n_parameters))))
            return repaired[rng.integers(0, len(repaired), n)]
        if pure:
            codes = self.spread(rng.random((n, e.n_parameters)))
            codes[:, self.supports.columns] = self.supports.fill(present, rng)[:, self.supports.columns]
            return codes
        found: list[Array] = []
        for _ in range(8):
            supports, counts = np.unique(present, axis=0, return_counts=True)
            order = rng.permutation(len(supports))
            alive = [k for k in order if supports[k].tobytes() not in self._dead][:PIECES]
            share = n / max(counts[alive].sum(), 1)
            for k in alive:
                try:
                    many = int(np.ceil(share * counts[k]))
                    found.append(self._walk(self.piece(supports[k]), many, rng, rescue=2))
                except InfeasibleSpace:
                    self._dead.add(supports[k].tobytes())
            if found:
                codes = np.concatenate(found)
                return (
                    codes[rng.permutation(len(codes))[:n]]
                    if len(codes) >= n
                    else codes[rng.integers(0, len(codes), n)]
                )
            again = self.supports.draw(max(n, 256), rng)
            assert again is not None
            present = again
        repaired = self._repaired(self.spread(rng.random((min(n, 32), e.n_parameters))))
        return repaired[rng.integers(0, len(repaired), n)]

    def _repaired(self, codes: Array) -> Array:
        """Codes with constraints met by force; InfeasibleSpace where that proves impossible."""
        e = self.encoder
        good = [
            code
            for c in codes
            if (code := self.polytope.repair(e.snap(c[None])[0], self.supports.parts)) is not None
        ]
        if not good:
            raise InfeasibleSpace(
                "no candidate satisfies the mixtures and linear constraints of the space together"
            )
        return self.supports.nearest(np.array(good))

    def _reject(self, n: int, rng: np.random.Generator) -> Array | None:
        """Exact draws by rejection where at least one in fifty box draws is feasible, else None."""
        if self.polytope.equality.any() or self._accepted == 0.0:
            return None
        p, found, tried = self.encoder.n_parameters, list[Array](), 0
        while sum(len(part) for part in found) < n:
            codes = self.spread(rng.random((max(4 * n, 256), p)))
            good = self.polytope.holds(codes)
            if self.region is not None:
                good &= self.in_region(codes)
            tried += len(codes)
            found.append(codes[good])
            if sum(len(part) for part in found) < 0.02 * tried:
                self._accepted = 0.0
                return None
        return np.concatenate(found)[:n]

    def _walk(self, polytope: Polytope, n: int, rng: np.random.Generator, rescue: int = 32) -> Array:
        """Hit-and-run on the relaxation, then the discrete parameters rounded and the others moved to fit; at most
        `rescue` of those that do not are repaired, which is slow."""
        e = self.encoder
        interior = polytope.interior()
        codes = self.spread(rng.random((n, e.n_parameters)))
        walked = polytope.hit_and_run(*interior, n, rng)
        codes[:, polytope.involved] = walked[:, polytope.involved]
        codes = e.conditioned(codes)
        if not (e.discrete & polytope.involved).any():
            return codes if self.region is None else self._inside(codes, n, rng)
        codes = polytope.project(e.snap(codes), ~e.discrete)
        good = polytope.holds(codes)
        if self.region is not None:
            good &= self.in_region(codes)
        if good.sum() >= max(1, n // 4):
            return codes[rng.choice(np.flatnonzero(good), n)] if not good.all() else codes
        rescued = [polytope.repair(code) for code in codes[~good][:rescue]]
        fresh = [code for code in rescued if code is not None]
        if not fresh and not good.any():
            raise InfeasibleSpace(
                "no candidate with allowed discrete values satisfies the constraints of the space"
            )
        options = np.vstack([codes[good], *fresh]) if fresh else codes[good]
        return options[rng.integers(0, len(options), n)]

    # -- repairs ----------------------------------------------------------------
    def fitted(self, codes: Array) -> Array:
        """Those of codes (n, p) that fit once moved onto the constraints, and once a condition is seen to; rules
        included. Fewer rows may come back, or none."""
        e = self.encoder
        codes = self.restricted(codes)
        if self.supports:
            present = self.supports.present(codes)
            supports, which = np.unique(present, axis=0, return_inverse=True)
            for k, support in enumerate(supports):
                codes[which == k] = self._onto(self.piece(support), codes[which == k])
        elif self.linear:
            codes = self.polytope.project(codes, ~e.discrete)
        elif not self.space.rules and self.region is None:
            return codes
        return codes[self.holds(codes)]

    def _onto(self, piece: Polytope, codes: Array) -> Array:
        """Codes (n, p) by alternating projections onto the totals and the box of their piece."""
        out = np.clip(codes, piece.low, piece.high)
        left = np.arange(len(out))
        for _ in range(12):
            out[left] = piece.project(out[left], ~self.encoder.discrete)
            left = left[~piece.holds(out[left])]
            if not len(left):
                break
        return out

    def settle(self, code: Array) -> dict[str, Value] | None:
        """The candidate of one code (p,), repaired where rounding put it outside; None where that fails."""
        e, piece = self.encoder, self.polytope
        row = e.snap(code[None])
        if self.linear:
            if self.supports:
                row = self.supports.nearest(row)
                piece = self.piece(self.supports.present(row)[0])
            row = piece.project(row, ~e.discrete)
            if not piece.holds(row)[0] or (self.supports and not self.supports.holds(row)[0]):
                repaired = piece.repair(row[0])
                if self.supports and (repaired is None or not self.supports.holds(repaired[None])[0]):
                    repaired = self.polytope.repair(row[0], self.supports.parts)
                if repaired is None:
                    return None
                row = repaired[None]
                if self.supports:
                    row = self.supports.nearest(row)
                    piece = self.piece(self.supports.present(row)[0])
                    row = piece.project(row, ~e.discrete)
            row = piece.exact(row)
        candidate = e.candidate(row[0])
        if not self.space.violations(candidate):
            return candidate
        return self._inwards(piece, row[0]) if self.linear else None

    def _inwards(self, polytope: Polytope, code: Array) -> dict[str, Value] | None:
        """The candidate moved off the boundary by as little as `Space.violations` asks for."""
        e = self.encoder
        try:
            interior = polytope.interior()
        except InfeasibleSpace:
            return None
        middle = code.copy()
        middle[polytope.index] = polytope.low[polytope.index] + interior[0] * polytope.span[polytope.index]
        for part in (1e-12, 1e-9, 1e-7, 1e-5, 1e-3, 0.03, 0.3, 1.0):
            moved = np.where(e.discrete, code, (1 - part) * code + part * middle)
            moved = polytope.exact(polytope.project(moved[None], ~e.discrete))
            candidate = e.candidate(moved[0])
            if not self.space.violations(candidate):
                return candidate
        return None
