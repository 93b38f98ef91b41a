"""One batch being chosen: what is pending, where to look, what weighs against a candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from campaigns.aim import Aim
from campaigns.space import Value
from surrogates.acquisition.base import Acquisition
from surrogates.acquisition.catalogue import Ranking, Situation, ranking, redrawn
from surrogates.acquisition.cost import CostOfCandidates, PerCost
from surrogates.acquisition.feasible import Chance, WhereFeasible
from surrogates.acquisition.fidelity import choose_fidelity
from surrogates.acquisition.outcome_constraints import LogWhereFeasible, Together
from surrogates.encode import Array
from surrogates.goals.composite import Composite
from surrogates.goals.outputs import Outputs
from surrogates.knowledge import Knowledge
from surrogates.models.base import Model
from surrogates.models.calibration import Diagnostics
from surrogates.models.gp import GP, Columns
from surrogates.proposal import Method
from surrogates.region import Region
from surrogates.search import Crowd, Found, Search
from surrogates.shared import pinned
from surrogates.trust_region import as_region, trust_region, wanted

INCUMBENTS, NEAR = 4, 16
FIDELITIES = 5  # levels of a continuous fidelity that are compared
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


class Chooser:
    """Chooses candidates one after another, each as if those before it had given what the model expects.

    restarting  why the whole space is to be looked at again before there is another trust region; None where not
    """

    restarting: str | None = None

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
        self.avoid = np.vstack([encoder.codes(knowledge.observations.candidates()), self.pending])
        self._last = self.avoid[-1] if len(self.avoid) else None
        self._since = 0
        self.within = self._within()
        self.incumbents = self._pinned(knowledge.incumbents(INCUMBENTS, self._since))
        self._believed = encoder.unit(self.pending)
        self._base: Model | Outputs | None = None
        self._belief: Model | Outputs | None = None
        self._index = index
        self._shared_fidelity: float | None = None
        self._look_around()

    # -- one candidate --------------------------------------------------------
    def next(self, index: int) -> Found:
        """The best candidate for now."""
        rank = ranking(self.method, self._situation(index))
        belief = self._conditioned(rank)
        acquisition = self._weighed(rank)
        if self.aim.cost is not None and not self._reaching:
            acquisition = PerCost(acquisition, self._costs(), self._worthless(rank))
        best = self._best(acquisition, belief, index, self.within)
        for region in self._unchanged():
            other = self._best(acquisition, belief, index, region)
            best = other if other.value > best.value else best
        return best if self.aim.fidelity is None else self._at_its_fidelity(best)

    def believe(self, code: Array) -> None:
        """The candidate just chosen is pending from now on."""
        self.pending, self.avoid = np.vstack([self.pending, code]), np.vstack([self.avoid, code])
        self._last = code
        unit = self.encoder.unit(code[None])
        self._believed = np.vstack([self._believed, unit])
        if self._belief is not None:
            self._belief = self._belief.condition(unit)

    def share(self, code: Array) -> None:
        """From now on candidates have the shared parameters of `code` (p,)."""
        names = self.method.share
        if not names:
            return
        fidelity = self.aim.fidelity
        if fidelity is not None and fidelity.parameter in names and self.method.name != "knowledge_gradient":
            # Candidates are compared at the target, and then measured as the first one is.
            self._shared_fidelity = float(code[self.encoder.names.index(fidelity.parameter)])
            names = tuple(name for name in names if name != fidelity.parameter)
        self.within = pinned(self.encoder, code, names, self.within)
        self.incumbents = self._pinned(self.incumbents)
        if (
            self.search.pool is None
        ):  # among rows, what they were worth before still bounds what they are worth
            self._look_around()

    def _look_around(self) -> None:
        rng = np.random.default_rng([self.seed, self._index, 6])
        self._crowd = self.search.crowd(self.incumbents, rng, self.within)

    def _best(
        self, acquisition: Acquisition, belief: Model | Outputs, index: int, within: Region | None
    ) -> Found:
        crowd: Crowd | None = self._crowd
        if self.search.remembers_values:
            # What each row was worth is remembered for one acquisition, and is no bound to another.
            changing = self.aim.cost is not None and bool(self.aim.cost.changes)
            crowd = None if changing or redrawn(self.method) else crowd
        elif within is not self.within:
            crowd = self.search.crowd(self.incumbents, np.random.default_rng([self.seed, index, 6]), within)
        rng = np.random.default_rng([self.seed, index])
        return self.search.best(
            acquisition, belief, self.incumbents, self.avoid, rng, self.pending, crowd, within
        )

    def _conditioned(self, rank: Ranking) -> Model | Outputs:
        """The belief that the ranking is about, told the pending candidates; a drawn function is as it was drawn, the
        candidates of one batch being independent draws."""
        if self.method.name == "thompson":
            return rank.belief
        if self._base is not rank.belief or self._belief is None:
            self._base = rank.belief
            self._belief = self._padded(rank).condition(self._believed)
        return self._belief

    def _situation(self, index: int) -> Situation:
        encoder = self.encoder

        def stand_in(n: int) -> Array:
            codes = self.search.sampler.stand_in(n, np.random.default_rng(self.seed))
            return encoder.unit(self._pinned(codes))

        target = self.knowledge.target
        near = encoder.unit(self._pinned(self.knowledge.incumbents(NEAR, self._since)))
        if target is not None:
            near = target.of(near)
        answer = None if target is None else (target.columns, target.values)
        return Situation(
            self.aim.objectives,
            self.knowledge,
            stand_in,
            self.seed,
            index,
            near,
            self.search.pool is not None,
            answer,
        )

    # -- what weighs against a candidate ---------------------------------------
    def _padded(self, rank: Ranking) -> Model | Outputs:
        """The belief for choosing. Expected improvement falls by many powers of ten where it is known, so that no
        probability of failure keeps it from a promising but hopeless region: instead of being weighed, it believes
        that failures gave the worst result seen (floor padding, Wakabayashi et al., npj Comput. Mater. 8, 180, 2022),
        by conditioning only."""
        failed = [row.candidate for row in self.knowledge.observations.rows if row.failed]
        if rank.floor is not None or not failed or not isinstance(rank.belief, GP):
            return rank.belief
        units = self.encoder.unit(self.encoder.codes(failed))
        return rank.belief.condition(units, np.full(len(failed), rank.belief.z.min()))

    def _weighed(self, rank: Ranking) -> Acquisition:
        """Where experiments fail or outcome constraints may not hold, weighed with the probability of success: a
        failure is worth nothing learned, or the worst result so far. While learning, a result beyond a constraint is
        a result like any other."""
        chances: list[Chance] = []
        padded = rank.floor is None and isinstance(rank.belief, GP)
        if self.knowledge.achievable is not None and not padded:
            chances.append(self.knowledge.achievable)
        if self.knowledge.promised is not None and self.method.mode == "optimise" and not self._reaching:
            chances.append(self.knowledge.promised)
        if not chances:
            return rank.acquisition
        chance = chances[0] if len(chances) == 1 else Together(tuple(chances))
        if rank.floor is None:
            return LogWhereFeasible(rank.acquisition, chance)
        return WhereFeasible(rank.acquisition, chance, rank.floor)

    def chance(self, code: Array) -> float | None:
        """Probability (of one code (p,)) that there is a result and that it meets the outcome constraints."""
        chances = [c for c in (self.knowledge.achievable, self.knowledge.promised) if c is not None]
        if not chances:
            return None
        unit = self.encoder.unit(code[None])
        return float(np.exp(sum(c.log_probability(unit)[0] for c in chances)))

    @property
    def _reaching(self) -> bool:
        """Whether the first result that meets the outcome constraints is still sought: whatever it costs."""
        return self.method.mode == "optimise" and self.knowledge.reaching

    # -- what it costs ----------------------------------------------------------
    def cost(self, code: Array) -> float | None:
        """Of the experiment with `code` (p,) after the one that was chosen or told last."""
        return None if self.aim.cost is None else float(self._costs().of_codes(code[None])[0])

    def _costs(self) -> CostOfCandidates:
        assert self.aim.cost is not None
        before = None if self._last is None else self.encoder.candidate(self._last)
        return CostOfCandidates(self.aim.cost, self.encoder, before)

    def _worthless(self, rank: Ranking) -> float | None:
        """The value of an experiment that brings nothing: no rise above the best, nothing learned."""
        if rank.floor is None:
            return None
        return self.knowledge.best() if self.method.mode == "optimise" else 0.0

    def _unchanged(self) -> list[Region]:
        """Where to look besides: with all that is dear to change as it was. A step in the cost has no slope that a
        search could follow."""
        if self.aim.cost is None or not self.aim.cost.changes or self._last is None:
            return []
        if self.search.pool is not None:
            return []
        region = self.within or Region(self.encoder.low, self.encoder.high)
        low, high = region.low.copy(), region.high.copy()
        for name, _ in self.aim.cost.changes:
            if name in self.encoder.names:
                j = self.encoder.names.index(name)
                low[j] = high[j] = self._last[j]
        return [Region(low, high)]

    # -- where to look ---------------------------------------------------------
    def _pinned(self, codes: Array) -> Array:
        """`codes` (m, p) with what is pinned at its pin."""
        if self.within is None:
            return codes
        return np.where(self.within.low == self.within.high, self.within.low, codes)

    def _within(self) -> Region | None:
        """Contexts as they were when last measured, the fidelity at its target, and near the best where asked for."""
        encoder, whole = self.encoder, True
        region = Region(encoder.low.copy(), encoder.high.copy())
        rows = self.knowledge.observations.rows
        for j in np.flatnonzero(encoder.context).tolist():
            whole = False
            region.low[j] = region.high[j] = (
                encoder.codes([rows[-1].candidate])[0, j] if rows else encoder.assumed[j]
            )
        if self.aim.fidelity is not None and self.method.name != "knowledge_gradient":
            j, whole = encoder.names.index(self.aim.fidelity.parameter), False
            region.low[j] = region.high[j] = self.aim.fidelity.target
        near = self._trusted()
        if near is not None:
            return near.meet(region)
        return None if whole else region

    def _trusted(self) -> Region | None:
        sought, encoder = self.knowledge.sought, self.encoder
        setting = self.method.trust_region
        if self.method.mode != "optimise" or not wanted(self.knowledge.n, encoder.n_parameters, setting):
            return None
        columns = Columns(encoder.group, encoder.numeric_columns)
        trust = trust_region(sought.U, sought.z, columns, sought.lengths)
        if trust.missing:
            # Where only many results ask for a region, most were not asked for by it: then the whole space is searched.
            if trust.restarts and (setting == "on" or wanted(0, encoder.n_parameters, setting)):
                self.restarting = (
                    f"the trust region became too small; {trust.missing} more results, then a new one"
                )
            return None
        self._since = trust.since
        return as_region(trust, encoder)

    # -- how well to measure ---------------------------------------------------
    def _at_its_fidelity(self, found: Found) -> Found:
        """The candidate as it is measured: at the fidelity that tells most of the target for its cost, unless it was
        measured so before."""
        fidelity, encoder = self.aim.fidelity, self.encoder
        assert fidelity is not None and self.knowledge.target is not None
        if self.method.name == "knowledge_gradient" or self.search.pool is not None:
            return found
        j = encoder.names.index(fidelity.parameter)
        if self._shared_fidelity is not None:
            code = found.code.copy()
            code[j] = self._shared_fidelity
            candidate = self.search.sampler.settle(code)
            return (
                found if candidate is None else Found(candidate, encoder.codes([candidate])[0], found.value)
            )
        axis = encoder.axes[j]
        levels = axis.levels if len(axis.levels) else np.linspace(axis.low, axis.high, FIDELITIES)
        levels = np.unique(np.append(axis.snap(levels), fidelity.target))
        codes = np.repeat(found.code[None], len(levels), axis=0)
        codes[:, j] = levels
        costs = np.ones(len(levels)) if self.aim.cost is None else self._costs().of_codes(codes)
        sought = self.knowledge.sought.condition(self._believed)
        unit = encoder.unit(codes)
        at_target = int(np.argmin(np.abs(levels - fidelity.target)))
        best = choose_fidelity(
            sought,
            unit[at_target],
            self.knowledge.target.columns,
            unit[:, encoder.columns[j]],
            costs,
            sought.noise,
        )
        code = codes[best]
        if (np.abs(self.avoid - code).max(axis=1, initial=0.0) == 0).any():
            code = codes[at_target]
        candidate = self.search.sampler.settle(code)
        return found if candidate is None else Found(candidate, encoder.codes([candidate])[0], found.value)

    # -- outlook ---------------------------------------------------------------
    def outlook(self, index: int, found: Diagnostics) -> Diagnostics:
        """`found` with what the next experiment may bring, which stop rules ask for."""
        if self.knowledge.reaching:
            return found  # nothing is good enough yet: there is no best to improve on, and nothing to be ended by it
        code = self.next(index).code
        sought, best = self.knowledge.sought, self.knowledge.best()
        mean, sd = sought.posterior(self.encoder.unit(code[None]))
        nodes = mean + sd * NODES
        if isinstance(sought, Composite):
            gain = (nodes - best) * sought.width
        else:
            outcome = self.knowledge.readings[self.aim.objectives[0].name].outcome
            gain = np.abs(outcome.backward(nodes) - outcome.backward(np.array([best])))
        return replace(
            found,
            improvement_probability=float(ndtr((mean - best) / sd)[0]),
            expected_improvement=float((gain * (nodes > best)) @ WEIGHTS),
            next_cost=1.0 if self.aim.cost is None else self.cost(code),
        )
