"""Where an acquisition is largest, over any space; what comes back is always a candidate of the space.

Pools are scored whole. Elsewhere feasible draws and mutations of the best candidates so far are scored, the best
few refined: continuous parameters by one L-BFGS-B run over all restarts at once (they are independent, so the sum
is one separable problem; SciPy's call overhead is paid once), or by SLSQP under linear constraints; discrete ones,
and which components of a mixture are present, by trying every neighbour in turn with that. Where belief or acquisition
have no gradients, mutations alone go uphill.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.acquisition.base import Acquisition, Belief, score
from surrogates.climb import by_values, climb
from surrogates.domain import Domain
from surrogates.encode import Array
from surrogates.errors import InfeasibleSpace, SpaceExhausted
from surrogates.low_discrepancy import sobol
from surrogates.pool import Found, Pool
from surrogates.region import Region
from surrogates.sampling import Sampler

__all__ = ["Crowd", "Found", "Search"]

RAW_LOG2, LOCAL, RESTARTS, ROUNDS = 9, 64, 6, 3
LATER_RESTARTS, LATER_STEPS = 3, 16  # of the later points of a batch, which start from the first's optima
CONSTRAINED_RESTARTS, CROWD, STEPS = 4, 4096, 100
EXCHANGES = 24  # supports of a mixture looked at around one
SAME = 1e-9  # unit-cube distance below which two candidates are one


@dataclass
class Crowd:
    """What the points of one batch share: the codes looked at, the optima of the points before among them, whether
    there was such a point; in a pool the value of each row as it was when last looked at."""

    codes: Array
    later: bool = False
    values: Array | None = None


class Search:
    """Over one space.

    pool  its candidates where these are listed, else None
    remembers_values  whether what the points of a batch share is good for one acquisition only
    """

    remembers_values = False

    def __init__(self, sampler: Sampler) -> None:
        self.sampler, self.encoder = sampler, sampler.encoder
        self.pool = None if sampler.pool is None else Pool(sampler.encoder, sampler.pool)
        self.remembers_values |= self.pool is not None
        self._crowd: Array | None = None
        self._domain: tuple[bytes, Domain] | None = None

    def best(
        self,
        acquisition: Acquisition,
        belief: Belief,
        incumbents: Array,
        avoid: Array,
        rng: np.random.Generator,
        apart: Array | None = None,
        crowd: Crowd | None = None,
        within: Region | None = None,
    ) -> Found:
        """The best candidate that is none of `avoid` (n, p) and not within 1 % of the cube of `apart` (m, p).

        incumbents  codes (k, p), best first, around which to look closely
        crowd       of `crowd`, the same for all points of a batch: drawn once, and a later point is refined from
                    what the earlier ones found, by fewer steps (what is expected of them is a guess anyway)
        within      where to stay; equal ends pin a parameter, and a context must be pinned by it or is as assumed. Of
                    parameters whose condition does not hold it says nothing
        Raises SpaceExhausted where nothing is left.
        """
        if self.pool is not None:
            values = None if crowd is None else crowd.values
            found, values = self.pool.best(acquisition, belief, avoid, values, within)
            if crowd is not None:
                crowd.values = values
            return found
        domain = self.domain(within)
        crowd = crowd or self.crowd(incumbents, rng, within)
        codes = crowd.codes
        values = score(acquisition, belief, self.encoder.unit(codes))
        top = np.argsort(-values, kind="stable")
        restarts = CONSTRAINED_RESTARTS if domain.linear else RESTARTS
        starts = codes[top[: min(restarts, LATER_RESTARTS) if crowd.later else restarts]]
        if belief.smooth and getattr(acquisition, "smooth", True):
            steps = LATER_STEPS if crowd.later else STEPS
            refined = self._refine(domain, acquisition, belief, starts, rng, steps)
        else:

            def mutate(code: Array, n: int, width: float) -> Array:
                return self._mutate(domain, code, n, rng, width)

            refined = by_values(acquisition, belief, domain, starts, mutate, restarts)
        crowd.codes, crowd.later = np.vstack([codes, refined]), True
        return self._choose(domain, acquisition, belief, np.vstack([refined, codes[top[:128]]]), avoid, apart)

    def crowd(self, incumbents: Array, rng: np.random.Generator, within: Region | None = None) -> Crowd:
        """For one batch; in a pool there is nothing to draw."""
        if self.pool is not None:
            return Crowd(incumbents[:0])
        return Crowd(self._raw(self.domain(within), incumbents, rng))

    def domain(self, within: Region | None) -> Domain:
        """The part of the space within a region, analysed; the last one is kept.

        Raises SpaceExhausted where the region lies outside the space.
        """
        if within is None:
            return self.sampler.domain
        key = within.low.tobytes() + within.high.tobytes()
        if self._domain is None or self._domain[0] != key:
            try:
                self._domain = key, Domain(self.encoder, within)
            except InfeasibleSpace as fault:
                raise SpaceExhausted(str(fault)) from fault
        return self._domain[1]

    def _raw(self, domain: Domain, incumbents: Array, rng: np.random.Generator) -> Array:
        p = self.encoder.n_parameters
        if domain.trivial:
            codes = domain.spread(sobol(p, rng).random_base2(RAW_LOG2))
            if domain.region is not None:
                codes = codes[domain.holds(codes)]
        elif domain.confined:
            try:
                codes = domain.draw(2**RAW_LOG2, rng)
            except InfeasibleSpace:
                codes = np.zeros((0, p))
        else:
            if self._crowd is None:  # drawn once: a walk through a polytope costs more than an ask
                self._crowd = self.sampler.draw(CROWD, np.random.default_rng(7))
            codes = domain.restricted(self._crowd[rng.choice(CROWD, 2**RAW_LOG2, replace=False)])
        if len(incumbents):
            near = [self._mutate(domain, base, LOCAL // len(incumbents), rng) for base in incumbents]
            codes = np.vstack([codes, *near])
        if domain.region is not None and len(incumbents):
            codes = np.vstack([codes, domain.fitted(incumbents.copy())])
        if not len(codes):
            raise SpaceExhausted("no candidate of the space was found within the region")
        return codes

    def _mutate(
        self, domain: Domain, base: Array, n: int, rng: np.random.Generator, width: float = 0.05
    ) -> Array:
        """Codes around `base`: continuous parameters shifted by `width` of the cube, a discrete one redrawn at times,
        as is which components of a mixture are present."""
        e = self.encoder
        codes = np.repeat(base[None], n, axis=0)
        low, high = domain.bounds(base[None])
        at = e.unit(base[None])[:, e.continuous_columns]
        shifted = e.move(codes, np.clip(at + width * rng.standard_normal((n, len(e.continuous))), 0, 1))
        codes = np.where(low == high, codes, shifted)
        redraw = (rng.random((n, e.n_parameters)) < 1.0 / e.n_parameters) & e.discrete & ~e.context
        codes = np.where(redraw, domain.spread(rng.random((n, e.n_parameters))), codes)
        if domain.supports:
            others = domain.supports.others(domain.supports.present(base[None])[0], n // 2, rng)
            codes[: len(others)] = _supported(domain, codes[: len(others)], others)
        return domain.fitted(codes)

    def _refine(
        self,
        domain: Domain,
        acquisition: Acquisition,
        belief: Belief,
        codes: Array,
        rng: np.random.Generator,
        steps: int,
    ) -> Array:
        codes = climb(domain, acquisition, belief, codes, steps)
        if not self.encoder.discrete.any() and not domain.supports:
            return codes
        for _ in range(ROUNDS):
            values = score(acquisition, belief, self.encoder.unit(codes))
            better = []
            for code, value in zip(codes[:3], values[:3], strict=False):
                options = self._neighbours(domain, code, rng)
                if len(options):
                    option_values = score(acquisition, belief, self.encoder.unit(options))
                    i = int(np.argmax(option_values))
                    if option_values[i] > value:
                        better.append(options[i])
            if not better:
                break
            codes = np.vstack([climb(domain, acquisition, belief, np.array(better), steps), codes])
            order = np.argsort(-score(acquisition, belief, self.encoder.unit(codes)), kind="stable")
            codes = codes[order[:RESTARTS]]
        return codes

    def _options(self, j: int) -> Array:
        """The codes that a discrete parameter is changed to."""
        e = self.encoder
        return e.levels[j] if len(e.levels[j]) else np.arange(e.low[j], e.high[j] + 1)

    def _neighbours(self, domain: Domain, code: Array, rng: np.random.Generator) -> Array:
        """Every change of one discrete parameter: all choices, the levels on either side and a few far ones; and of
        one component of a mixture of few parts."""
        e, out = self.encoder, []
        for j in np.flatnonzero(e.discrete & ~e.context & ~domain.pinned).tolist():
            levels = self._options(j)
            at = int(np.argmin(np.abs(levels - code[j])))
            if e.ordered[j]:
                near = {at - 2, at - 1, at + 1, at + 2, *rng.integers(0, len(levels), 4).tolist()}
                keep = sorted(i for i in near if 0 <= i < len(levels) and i != at)
            else:
                keep = np.flatnonzero(levels != code[j]).tolist()
            for i in keep:
                other = code.copy()
                other[j] = levels[i]
                out.append(other)
        codes = np.array(out).reshape(-1, e.n_parameters)
        if domain.supports:
            others = domain.supports.others(domain.supports.present(code[None])[0], EXCHANGES, rng)
            codes = np.vstack([codes, _supported(domain, np.repeat(code[None], len(others), axis=0), others)])
        return domain.fitted(codes) if len(codes) else codes

    def _choose(
        self,
        domain: Domain,
        acquisition: Acquisition,
        belief: Belief,
        codes: Array,
        avoid: Array,
        apart: Array | None,
    ) -> Found:
        """The best of `codes` that settles to an allowed candidate; as a last resort one that is merely feasible."""
        e = self.encoder
        values = score(acquisition, belief, e.unit(codes))
        taken, distant = e.unit(avoid), None if apart is None or not len(apart) else e.unit(apart)
        spare: Found | None = None
        for i in np.argsort(-values, kind="stable"):
            candidate = domain.settle(codes[i])
            if candidate is None:
                continue
            code = e.codes([candidate])[0]
            if domain.region is not None and not domain.in_region(code[None])[0]:
                continue
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


def _supported(domain: Domain, codes: Array, present: Array) -> Array:
    """Codes (n, p) with the components `present` (n, p) instead of those they have, amounts to be made to fit."""
    low, high = domain.supports.box(present)
    fresh = present & (codes == 0)
    inside = domain.supports.columns
    start = codes.copy()
    start[:, inside] = 0.75 * low[:, inside] + 0.25 * high[:, inside]
    return np.where(~present, 0.0, np.where(fresh, start, np.clip(codes, low, high)))
