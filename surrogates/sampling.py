"""Feasible designs over any space: boxes, scales, integers, categoricals, conditions, mixtures, constraints, tables.

No proposal outside the space, ever: every candidate that leaves this module has been judged by
`Space.violations`. Needs numpy and scipy only; everything is a function of (space, seed, index).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Literal

import numpy as np

from campaigns.space import Space, Value
from surrogates.domain import Domain
from surrogates.encode import Array, Encoder
from surrogates.errors import InfeasibleSpace
from surrogates.low_discrepancy import sobol

Design = Literal["sobol", "random"]
Key = tuple[tuple[str, Value], ...]
ENUMERABLE = 4096  # discrete spaces up to this size are listed and treated as a table
BLOCK = 256  # designs in spaces without a low-discrepancy sequence come in blocks of this size
CROWD = 8  # feasible points looked at for each point of such a block


class Sampler:
    """Draws from one space; build once, it analyses the constraints.

    encoder   columns of the space
    domain    all of it, its constraints analysed
    polytope  its linear constraints
    pool      codes (n, p) of every candidate where these can be listed (a table, a small discrete space), else None
    """

    def __init__(self, space: Space, encoder: Encoder | None = None) -> None:
        """`encoder`: of the space, where it is not the plain one."""
        self.space = space
        self.encoder = encoder or Encoder(space)
        self.domain = Domain(self.encoder)
        self.polytope = self.domain.polytope
        self.pool = self._rows() if self.encoder.table is not None else self._listed()
        if self.pool is not None and len(self.pool) == 0:
            raise InfeasibleSpace(
                "no candidate satisfies the constraints of the space: its list of candidates is empty"
            )

    # -- single draws ---------------------------------------------------------
    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """About uniform feasible codes (n, p): uniform over rows, the box (on its scales) or the pieces."""
        if self.pool is not None:
            return self.pool[rng.integers(0, len(self.pool), n)]
        return self.domain.draw(n, rng)

    def stand_in(self, n: int, rng: np.random.Generator) -> Array:
        """At most `n` codes to average over the space with: all rows of a small pool, else draws."""
        if self.pool is None:
            return self.draw(n, rng)
        return (
            self.pool
            if len(self.pool) <= n
            else self.pool[np.sort(rng.choice(len(self.pool), n, replace=False))]
        )

    def settle(self, code: Array) -> dict[str, Value] | None:
        """The candidate of one code (p,), repaired where rounding put it outside; None where that fails."""
        return self.encoder.candidate(code) if self.pool is not None else self.domain.settle(code)

    # -- designs --------------------------------------------------------------
    def design(
        self, n: int, *, seed: int, index: int = 0, method: Design = "sobol"
    ) -> list[dict[str, Value]]:
        """Candidates number index … index + n - 1 of the endless design that `seed` begins.

        sobol   scrambled Sobol points in an open box; elsewhere (tables, mixtures, constraints) points that stand
                for the whole space as evenly, by energy-distance herding of feasible points
        random  independent draws; rows of a table come without replacement until all have been used
        """
        codes = [self._nth(i, seed, method) for i in range(index, index + n)]
        return [self._sure(code, seed, i) for i, code in enumerate(codes, start=index)]

    def _nth(self, i: int, seed: int, method: Design) -> Array:
        if self.pool is not None:
            order = self._order(seed, method)
            return self.pool[order[i % len(order)]]
        if method == "random":
            return self.draw(1, np.random.default_rng([seed, i, 1]))[0]
        if self.domain.trivial:
            return self._sobol(seed, i)
        return self._block(seed, i // BLOCK)[i % BLOCK]

    def _sobol(self, seed: int, i: int) -> Array:
        block, within = divmod(i, BLOCK)
        key = ("sobol", seed, block)
        if key not in self._cache:
            engine = sobol(max(self.encoder.n_parameters, 1), np.random.default_rng([seed, 2]))
            if block:
                engine.fast_forward(block * BLOCK)
            cube = engine.random(BLOCK)[:, : self.encoder.n_parameters]
            self._cache[key] = self.encoder.spread(cube)
        return self._cache[key][within]

    def _block(self, seed: int, block: int) -> Array:
        key = ("block", seed, block)
        if key not in self._cache:
            crowd = self.draw(BLOCK * CROWD, np.random.default_rng([seed, block, 3]))
            self._cache[key] = crowd[herd(self.encoder.unit(crowd), BLOCK)]
        return self._cache[key]

    def _order(self, seed: int, method: Design) -> Array:
        assert self.pool is not None
        key = (method, seed, 0)
        if key not in self._cache:
            rng = np.random.default_rng([seed, 4])
            order = rng.permutation(len(self.pool))
            if method == "sobol":
                # The crowd is capped so that a million rows cost no more than a few thousand.
                crowd = order[: BLOCK * CROWD]
                # Herding alone is the same for every seed: the first row is drawn, so that repeats differ.
                first = crowd[herd(self.encoder.unit(self.pool[crowd]), min(BLOCK, len(crowd)), first=0)]
                order = np.concatenate([first, order[~np.isin(order, first)]])
            self._cache[key] = order
        return self._cache[key]

    @property
    def _cache(self) -> dict[tuple[str, int, int], Array]:
        return self.__dict__.setdefault("_designs", {})

    def _sure(self, code: Array, seed: int, index: int) -> dict[str, Value]:
        candidate = self.settle(code)
        rng = np.random.default_rng([seed, index, 5])
        for _ in range(64):
            if candidate is not None:
                return candidate
            candidate = self.settle(self.draw(1, rng)[0])
        raise InfeasibleSpace(
            "no feasible candidate was found; the constraints may leave no room within their tolerance"
        )

    def _rows(self) -> Array:
        """The rows of the table that satisfy linear constraints and rules; mixtures take them as they are."""
        table = self.encoder.table
        assert table is not None
        narrow = slice(len(self.space.mixtures), None)
        if self.space.constraints:
            table = table[self.polytope.holds(table, rows=narrow)]
        return table[self.domain.obeys(table)] if self.space.rules else table

    def _listed(self) -> Array | None:
        """Codes of all candidates of a small all-discrete space that satisfy the constraints."""
        e = self.encoder
        if not (e.discrete | e.context).all():
            return None
        size = 1.0
        for j, levels in enumerate(e.levels):
            if not e.context[j]:
                size *= len(levels) if len(levels) else e.high[j] - e.low[j] + 1
            if size > ENUMERABLE:
                return None
        axes = [
            e.assumed[j : j + 1]
            if e.context[j]
            else levels
            if len(levels)
            else np.arange(e.low[j], e.high[j] + 1)
            for j, levels in enumerate(e.levels)
        ]
        codes = np.array(list(product(*axes)), float).reshape(-1, e.n_parameters)
        if e.conditional:
            codes = np.unique(e.conditioned(codes), axis=0)
        codes = codes[self.polytope.holds(codes)]
        return codes[[not self.space.violations(e.candidate(code)) for code in codes]]


def herd(points: Array, n: int, reference: Array | None = None, *, first: int | None = None) -> Array:
    """Indices (n,) of points that stand for all of `points` (N, d), each prefix as well as it can.

    `first` is the index of the point to begin with; None takes the most central one.

    Greedy minimisation of the energy distance to `reference` (default: the points themselves, at most 1024 of
    them): support points (Mak and Joseph, Ann. Stat. 46, 2018), sequentially as in kernel herding (Chen, Welling
    and Smola, UAI 2010). Unlike maximin it does not run to the corners.
    """
    reference = points if reference is None else reference
    reference = reference[np.linspace(0, len(reference) - 1, min(len(reference), 1024)).astype(int)]
    pull = distances(points, reference).mean(axis=1)
    push, taken, chosen = np.zeros(len(points)), np.zeros(len(points), bool), []
    for k in range(min(n, len(points))):
        score = np.where(taken, np.inf, pull - push / (k + 1))
        best = first if k == 0 and first is not None else int(np.argmin(score))
        chosen.append(best)
        taken[best] = True
        push += distances(points, points[best][None])[:, 0]
    return np.array(chosen, int)


def distances(a: Array, b: Array) -> Array:
    """Euclidean distances (len(a), len(b))."""
    square = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(square, 0.0))


def design(
    space: Space, n: int, *, seed: int, index: int = 0, method: Design = "sobol"
) -> list[dict[str, Value]]:
    """`Sampler(space).design(...)` for a single call."""
    return Sampler(space).design(n, seed=seed, index=index, method=method)


def key(candidate: Mapping[str, Value]) -> Key:
    """What makes two canonical candidates the same one."""
    return tuple(sorted(candidate.items()))
