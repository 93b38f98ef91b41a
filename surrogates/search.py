"""Where an acquisition is largest, over any space; what comes back is always a candidate of the space.

Pools are scored whole. Elsewhere feasible draws and mutations of the best candidates so far are scored, the best
few refined: continuous parameters by one L-BFGS-B run over all restarts at once (they are independent, so the sum
is one separable problem; SciPy's call overhead is paid once), or by SLSQP under linear constraints; discrete ones
by trying every neighbour in turn with that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.stats import qmc

from campaigns.space import Value
from surrogates.acquisition.base import Acquisition, Belief, score
from surrogates.encode import Array
from surrogates.errors import SpaceExhausted
from surrogates.sampling import Sampler

RAW_LOG2, LOCAL, RESTARTS, ROUNDS = 9, 64, 6, 3
LATER_RESTARTS, LATER_STEPS = 3, 16  # of the later points of a batch, which start from the first's optima
CONSTRAINED_RESTARTS, CROWD, STEPS = 4, 4096, 100
SCREENED = 4096  # rows of a large pool that a rough acquisition leaves for the exact one, or looked at again at a time
SAME = 1e-9  # unit-cube distance below which two candidates are one


@dataclass(frozen=True)
class Found:
    candidate: dict[str, Value]
    code: Array
    value: float


@dataclass
class Crowd:
    """What the points of one batch share: the codes looked at, the optima of the points before among them, whether
    there was such a point; in a pool the value of each row as it was when last looked at."""

    codes: Array
    later: bool = False
    values: Array | None = None


class Search:
    def __init__(self, sampler: Sampler) -> None:
        self.sampler, self.encoder, self.polytope = sampler, sampler.encoder, sampler.polytope
        pool = sampler.pool
        self.pool_unit = None if pool is None else self.encoder.unit(pool)
        self._hashes, self._order = np.zeros(0, np.uint64), np.zeros(0, int)
        if pool is not None:
            hashes = _hashes(pool)
            self._order = np.argsort(hashes, kind="stable")
            self._hashes = hashes[self._order]
        self._crowd: Array | None = None

    def occupied(self, codes: Array) -> Array:
        """Mask (pool size,) of the rows that equal any of `codes` (n, p)."""
        pool = self.sampler.pool
        assert pool is not None
        mask, hashes = np.zeros(len(pool), bool), _hashes(codes)
        first, last = (np.searchsorted(self._hashes, hashes, side) for side in ("left", "right"))
        for code, i, j in zip(codes, first, last, strict=True):
            rows = self._order[i:j]
            mask[rows[(pool[rows] == code).all(axis=1)]] = True
        return mask

    def best(
        self,
        acquisition: Acquisition,
        belief: Belief,
        incumbents: Array,
        avoid: Array,
        rng: np.random.Generator,
        apart: Array | None = None,
        crowd: Crowd | None = None,
    ) -> Found:
        """The best candidate that is none of `avoid` (n, p) and not within 1 % of the cube of `apart` (m, p).

        incumbents  codes (k, p), best first, around which to look closely
        crowd       of `crowd`, the same for all points of a batch: drawn once, and a later point is refined from
                    what the earlier ones found, by fewer steps (what is expected of them is a guess anyway)
        Raises SpaceExhausted where a pool has nothing left.
        """
        if self.sampler.pool is not None:
            return self._in_pool(acquisition, belief, avoid, crowd)
        crowd = crowd or self.crowd(incumbents, rng)
        codes = crowd.codes
        values = score(acquisition, belief, self.encoder.unit(codes))
        top = np.argsort(-values, kind="stable")
        restarts = RESTARTS if self.polytope.trivial else CONSTRAINED_RESTARTS
        starts = codes[top[: min(restarts, LATER_RESTARTS) if crowd.later else restarts]]
        refined = self._refine(acquisition, belief, starts, rng, LATER_STEPS if crowd.later else STEPS)
        crowd.codes, crowd.later = np.vstack([codes, refined]), True
        return self._choose(acquisition, belief, np.vstack([refined, codes[top[:128]]]), avoid, apart)

    def crowd(self, incumbents: Array, rng: np.random.Generator) -> Crowd:
        """For one batch; in a pool there is nothing to draw."""
        return Crowd(self._raw(incumbents, rng)) if self.sampler.pool is None else Crowd(incumbents[:0])

    def _in_pool(self, acquisition: Acquisition, belief: Belief, avoid: Array, crowd: Crowd | None) -> Found:
        pool, unit = self.sampler.pool, self.pool_unit
        assert pool is not None and unit is not None
        occupied = self.occupied(avoid)
        if occupied.all():
            raise SpaceExhausted(f"all {len(pool)} candidates of the space are measured, pending or failed")
        if crowd is not None and crowd.values is not None:
            i, value = _lazily(acquisition, belief, unit, crowd.values, occupied)
        elif (coarse := acquisition.coarse()) is not None and len(pool) > SCREENED:
            rough = score(coarse, belief, unit)
            rough[occupied] = -np.inf
            rows = np.argpartition(-rough, SCREENED)[:SCREENED]
            rows = np.sort(rows[~occupied[rows]])
            if not len(rows):
                rows = np.flatnonzero(~occupied)
            values = score(acquisition, belief, unit[rows])
            best = int(np.argmax(values))
            i, value = int(rows[best]), float(values[best])
        else:
            values = score(acquisition, belief, unit)
            masked = np.where(occupied, -np.inf, values)
            i = int(np.argmax(masked))
            value = float(values[i])
            if crowd is not None:
                crowd.values = values
        return Found(self.encoder.candidate(pool[i]), pool[i], value)

    def _raw(self, incumbents: Array, rng: np.random.Generator) -> Array:
        e, p = self.encoder, self.encoder.n_parameters
        if self.polytope.trivial:
            codes = e.spread(qmc.Sobol(p, rng=rng).random_base2(RAW_LOG2))
        else:
            if self._crowd is None:  # drawn once: a walk through a polytope costs more than an ask
                self._crowd = self.sampler.draw(CROWD, np.random.default_rng(7))
            codes = self._crowd[rng.choice(CROWD, 2**RAW_LOG2, replace=False)]
        if not len(incumbents):
            return codes
        near = np.vstack([self._mutate(base, LOCAL // len(incumbents), rng) for base in incumbents])
        return np.vstack([codes, near])

    def _mutate(self, base: Array, n: int, rng: np.random.Generator) -> Array:
        """Codes around `base`: continuous parameters shifted by 5 % of the cube, a discrete one redrawn at times."""
        e = self.encoder
        codes = np.repeat(base[None], n, axis=0)
        at = e.unit(base[None])[:, e.continuous_columns]
        codes = e.move(codes, np.clip(at + 0.05 * rng.standard_normal((n, len(e.continuous))), 0, 1))
        redraw = (rng.random((n, e.n_parameters)) < 1.0 / e.n_parameters) & e.discrete
        codes = np.where(redraw, e.spread(rng.random((n, e.n_parameters))), codes)
        if self.polytope.trivial:
            return codes
        codes = self.polytope.project(codes, ~e.discrete)
        return codes[self.polytope.holds(codes)]

    def _refine(
        self, acquisition: Acquisition, belief: Belief, codes: Array, rng: np.random.Generator, steps: int
    ) -> Array:
        codes = self._climb(acquisition, belief, codes, steps)
        if not self.encoder.discrete.any():
            return codes
        for _ in range(ROUNDS):
            values = score(acquisition, belief, self.encoder.unit(codes))
            better = []
            for code, value in zip(codes[:3], values[:3], strict=False):
                options = self._neighbours(code, rng)
                if len(options):
                    option_values = score(acquisition, belief, self.encoder.unit(options))
                    i = int(np.argmax(option_values))
                    if option_values[i] > value:
                        better.append(options[i])
            if not better:
                break
            codes = np.vstack([self._climb(acquisition, belief, np.array(better), steps), codes])
            order = np.argsort(-score(acquisition, belief, self.encoder.unit(codes)), kind="stable")
            codes = codes[order[:RESTARTS]]
        return codes

    def _neighbours(self, code: Array, rng: np.random.Generator) -> Array:
        """Every change of one discrete parameter: all choices, the levels on either side and a few far ones."""
        e, out = self.encoder, []
        for j in np.flatnonzero(e.discrete):
            levels = e.levels[j] if len(e.levels[j]) else np.arange(e.low[j], e.high[j] + 1)
            at = int(np.argmin(np.abs(levels - code[j])))
            if e.numeric[j]:
                near = {at - 2, at - 1, at + 1, at + 2, *rng.integers(0, len(levels), 4).tolist()}
                keep = sorted(i for i in near if 0 <= i < len(levels) and i != at)
            else:
                keep = [i for i in range(len(levels)) if i != at]
            for i in keep:
                other = code.copy()
                other[j] = levels[i]
                out.append(other)
        codes = np.array(out).reshape(-1, e.n_parameters)
        if self.polytope.trivial or not len(codes):
            return codes
        codes = self.polytope.project(codes, ~e.discrete)
        return codes[self.polytope.holds(codes)]

    def _climb(self, acquisition: Acquisition, belief: Belief, codes: Array, steps: int) -> Array:
        e, along = self.encoder, self.encoder.continuous_columns
        if not len(along):
            return codes
        base = e.unit(codes)
        if not self.polytope.trivial:
            return np.array(
                [self._climb_constrained(acquisition, belief, c, u) for c, u in zip(codes, base, strict=True)]
            )
        low = e.unit(e.low[None])[0, along]
        high = e.unit(e.high[None])[0, along]

        def negative(flat: Array) -> tuple[float, Array]:
            X = base.copy()
            X[:, along] = flat.reshape(len(codes), -1)
            value, gradient = acquisition.gradient(belief, X, along)
            return -float(value.sum()), -gradient.ravel()

        found = minimize(
            negative,
            base[:, along].ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low, high, strict=True)) * len(codes),
            options={"maxiter": steps},
        )
        return e.move(codes, found.x.reshape(len(codes), -1))

    def _climb_constrained(self, acquisition: Acquisition, belief: Belief, code: Array, unit: Array) -> Array:
        e, polytope, along = self.encoder, self.polytope, self.encoder.continuous_columns
        rows = polytope.rows[:, e.continuous]
        if not rows.any():
            rows = rows[:0]
        scale = np.maximum(np.abs(polytope.rows * polytope.span).sum(axis=1), 1e-300)

        def at(u: Array) -> Array:
            return e.move(code[None], u[None])[0]

        def negative(u: Array) -> tuple[float, Array]:
            X = unit.copy()
            X[along] = u
            value, gradient = acquisition.gradient(belief, X[None], along)
            return -float(value[0]), -gradient[0]

        conditions = []
        for k in range(len(rows)):
            for bound, sign in ((polytope.at_least[k], 1.0), (polytope.at_most[k], -1.0)):
                if not np.isfinite(bound) or (polytope.equality[k] and sign < 0):
                    continue
                conditions.append(
                    {
                        "type": "eq" if polytope.equality[k] else "ineq",
                        "fun": lambda u, k=k, b=bound, s=sign: s * (polytope.rows[k] @ at(u) - b) / scale[k],
                        "jac": lambda u, k=k, s=sign: s * rows[k] * e.slope(at(u)[None])[0] / scale[k],
                    }
                )
        low, high = e.unit(e.low[None])[0, along], e.unit(e.high[None])[0, along]
        found = minimize(
            negative,
            unit[along],
            jac=True,
            method="SLSQP",
            bounds=list(zip(low, high, strict=True)),
            constraints=conditions,
            options={"maxiter": 50},
        )
        if not np.isfinite(found.x).all():
            return code
        moved = polytope.project(at(found.x)[None], ~e.discrete)
        return moved[0] if polytope.holds(moved, 1e-6)[0] else code

    def _choose(
        self, acquisition: Acquisition, belief: Belief, codes: Array, avoid: Array, apart: Array | None
    ) -> Found:
        """The best of `codes` that settles to an allowed candidate; as a last resort one that is merely feasible."""
        e = self.encoder
        values = score(acquisition, belief, e.unit(codes))
        taken, distant = e.unit(avoid), None if apart is None or not len(apart) else e.unit(apart)
        spare: Found | None = None
        for i in np.argsort(-values, kind="stable"):
            candidate = self.sampler.settle(codes[i])
            if candidate is None:
                continue
            code = e.codes([candidate])[0]
            unit = e.unit(code[None])
            if len(taken) and np.abs(taken - unit).max(axis=1).min() < SAME:
                continue
            found = Found(candidate, code, float(acquisition.value(belief, unit)[0]))
            if distant is None or np.abs(distant - unit).max(axis=1).min() >= 0.01:
                return found
            spare = spare or found
        if spare is None:
            raise SpaceExhausted("no candidate was found that is not yet measured, pending or failed")
        return spare


def _lazily(
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


def _hashes(codes: Array) -> Array:
    """A 64-bit hash of each row of codes (n, p); equal rows, 0.0 and -0.0 counted as equal, have equal hashes."""
    bits = np.ascontiguousarray(codes + 0.0).view(np.uint64)
    out = np.zeros(len(codes), np.uint64)
    for column in bits.T:
        out = (out ^ column ^ (column >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        out ^= out >> np.uint64(29)
    return out
