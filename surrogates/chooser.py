"""One batch being chosen: what is pending, where to look, what weighs against a candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtr

from campaigns.aim import Aim
from campaigns.space import Value
from surrogates.acquisition.base import Acquisition
from surrogates.acquisition.catalogue import Ranking, Situation, ranking
from surrogates.acquisition.feasible import Chance, WhereFeasible
from surrogates.encode import Array
from surrogates.knowledge import Knowledge
from surrogates.models.calibration import Diagnostics
from surrogates.models.gp import GP
from surrogates.proposal import Method
from surrogates.region import Region
from surrogates.search import Found, Search

INCUMBENTS = 4
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


class Chooser:
    """Chooses candidates one after another, each as if those before it had given what the model expects."""

    def __init__(
        self,
        aim: Aim,
        knowledge: Knowledge,
        search: Search,
        method: Method,
        seed: int,
        index: int,
        pending: Sequence[Mapping[str, Value]],
    ) -> None:
        """`index`: of the first candidate; with `seed` it fixes every random number."""
        self.aim, self.knowledge, self.search, self.method, self.seed = aim, knowledge, search, method, seed
        encoder = self.encoder = knowledge.encoder
        self.pending = encoder.codes(pending)
        told = encoder.codes(knowledge.observations.candidates())
        self.avoid = np.vstack([told, self.pending])
        self.incumbents = knowledge.incumbents(INCUMBENTS)
        self.within = self._within()
        self._last = self.avoid[-1] if len(self.avoid) else None
        self._believed = np.zeros((0, encoder.n_columns))  # unit rows, in the order believed
        self._ranked: Ranking | None = None
        self.crowd = search.crowd(self.incumbents, np.random.default_rng([seed, index, 6]))
        self._believe(encoder.unit(self.pending))

    # -- one candidate --------------------------------------------------------
    def next(self, index: int) -> Found:
        """The best candidate for now."""
        rank = self._ranking(index)
        found = self.search.best(
            rank.acquisition,
            rank.belief,
            self.incumbents,
            self.avoid,
            np.random.default_rng([self.seed, index]),
            self.pending,
            self.crowd,
        )
        return found if self.aim.fidelity is None else self._at_its_fidelity(found, rank)

    def believe(self, code: Array) -> None:
        """The candidate just chosen is pending from now on."""
        self.pending, self.avoid = np.vstack([self.pending, code]), np.vstack([self.avoid, code])
        self._last = code
        self._believe(self.encoder.unit(code[None]))

    def _believe(self, units: Array) -> None:
        self._believed = np.vstack([self._believed, units])
        if self._ranked is not None:
            self._ranked = replace(self._ranked, belief=self._ranked.belief.condition(units))

    def _ranking(self, index: int) -> Ranking:
        anew = self._ranked is None or self.method.name in (
            "thompson",
            "parego",
        )  # these draw for each candidate
        if anew:
            base = ranking(self.method, self._situation(index))
            self._ranked = replace(base, belief=self._padded(base).condition(self._believed))
            self._weighed = self._weigh(base.acquisition, base.floor)
        assert self._ranked is not None
        acquisition = self._weighed
        if self.aim.cost is not None:
            acquisition = self._per_cost(acquisition, self._ranked.floor)
        return replace(self._ranked, acquisition=acquisition)

    def _situation(self, index: int) -> Situation:
        encoder = self.encoder

        def stand_in(n: int) -> Array:
            codes = self.search.sampler.stand_in(n, np.random.default_rng(self.seed))
            return encoder.unit(self._pinned(codes))

        return Situation(
            self.knowledge, stand_in, self.seed, index, encoder.unit(self._pinned(self.incumbents))
        )

    def _pinned(self, codes: Array) -> Array:
        """`codes` (m, p) with what is pinned at its pin."""
        if self.within is None:
            return codes
        pinned = self.within.low == self.within.high
        return np.where(pinned, self.within.low, codes)

    # -- what weighs against a candidate ---------------------------------------
    def _padded(self, rank: Ranking) -> Any:
        """The belief for choosing. Expected improvement falls by many powers of ten where it is known, so that no
        probability of failure keeps it from a promising but hopeless region: instead of being weighed, it believes
        that failures gave the worst result seen (floor padding, Wakabayashi et al., npj Comput. Mater. 8, 180, 2022),
        by conditioning only."""
        failed = [row.candidate for row in self.knowledge.observations.rows if row.failed]
        if rank.floor is not None or not failed or not isinstance(rank.belief, GP):
            return rank.belief
        units = self.encoder.unit(self.encoder.codes(failed))
        return rank.belief.condition(units, np.full(len(failed), rank.belief.z.min()))

    def _weigh(self, acquisition: Acquisition, floor: float | None) -> Acquisition:
        """Where experiments fail or outcome constraints may not hold, weighed with the probability of success: a
        failure is worth nothing learned, or the worst result so far. While learning, a result beyond a constraint is
        a result like any other."""
        chances: list[Chance] = []
        padded = floor is None and isinstance(self.knowledge.sought, GP)
        if self.knowledge.achievable is not None and not padded:
            chances.append(self.knowledge.achievable)
        if self.knowledge.promised is not None and self.method.mode == "optimise":
            chances.append(self.knowledge.promised)
        if not chances:
            return acquisition
        if floor is not None and len(chances) == 1:
            return WhereFeasible(acquisition, chances[0], floor)
        from surrogates.acquisition.outcome_constraints import LogWhereFeasible, Together

        chance = chances[0] if len(chances) == 1 else Together(tuple(chances))
        return (
            LogWhereFeasible(acquisition, chance)
            if floor is None
            else WhereFeasible(acquisition, chance, floor)
        )

    def chance(self, code: Array) -> float | None:
        """Probability (of one code (p,)) that there is a result and that it meets the outcome constraints."""
        chances = [c for c in (self.knowledge.achievable, self.knowledge.promised) if c is not None]
        if not chances:
            return None
        unit = self.encoder.unit(code[None])
        return float(np.exp(sum(c.log_probability(unit)[0] for c in chances)))

    def cost(self, code: Array) -> float | None:
        """Of the experiment with `code` (p,) after the one that was chosen or told last."""
        if self.aim.cost is None:
            return None
        return self.aim.cost.of_candidate(self.encoder.candidate(code), self._before())

    def _before(self) -> Mapping[str, Value] | None:
        return None if self._last is None else self.encoder.candidate(self._last)

    def _per_cost(self, acquisition: Acquisition, floor: float | None) -> Acquisition:
        from surrogates.acquisition.cost import CostOfCandidates, PerCost

        assert self.aim.cost is not None
        return PerCost(acquisition, CostOfCandidates(self.aim.cost, self.encoder, self._before()), floor)

    # -- where to look ---------------------------------------------------------
    def _within(self) -> Region | None:
        """Contexts as they were when last measured, the fidelity at its target, and near the best where asked for."""
        encoder, region = self.encoder, Region(self.encoder.low.copy(), self.encoder.high.copy())
        whole = True
        rows = self.knowledge.observations.rows
        assumed = encoder.codes([rows[-1].candidate])[0] if rows else None
        for j, parameter in enumerate(encoder.parameters):
            at = None
            if getattr(parameter, "role", "chosen") == "context" and assumed is not None:
                at = float(assumed[j])
            if self.aim.fidelity is not None and parameter.name == self.aim.fidelity.parameter:
                at = self.aim.fidelity.target
            if at is not None:
                whole, region.low[j], region.high[j] = False, at, at
        return None if whole else region

    def _at_its_fidelity(self, found: Found, rank: Ranking) -> Found:
        """The candidate as it is measured: at the fidelity that tells most, for its cost, of the target."""
        raise NotImplementedError

    # -- outlook ---------------------------------------------------------------
    def outlook(self, index: int, found: Diagnostics) -> Diagnostics:
        """`found` with what the next experiment may bring, which stop rules ask for."""
        best = self.next(index)
        unit = self.encoder.unit(best.code[None])
        sought = self.knowledge.sought
        mean, sd = sought.posterior(unit)
        at = (mean - self.knowledge.best()) / sd
        first = next(iter(self.knowledge.readings.values()))
        nodes = mean + sd * NODES
        gain = np.abs(
            first.outcome.backward(nodes) - first.outcome.backward(np.array([self.knowledge.best()]))
        )
        return replace(
            found,
            improvement_probability=float(ndtr(at[0])),
            expected_improvement=float((gain * (nodes > self.knowledge.best()) * WEIGHTS).sum()),
            next_cost=1.0 if self.aim.cost is None else self.cost(best.code),
        )
