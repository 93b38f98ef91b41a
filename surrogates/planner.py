"""Ask and tell. Pure and seeded: the same tells, seed, number of proposals made before and package versions give
bit-identical proposals, one BLAS thread being used whatever the machine offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from campaigns.aim import Aim
from campaigns.campaign import Campaign
from campaigns.objective import Objective
from campaigns.space import Space, Value
from surrogates import constant
from surrogates.chooser import Chooser
from surrogates.encode import Array
from surrogates.errors import (
    InvalidObservation,
    SpaceExhausted,
    SurrogateError,
    UnsupportedMethod,
)
from surrogates.explain import nearest, proposal
from surrogates.knowledge import Knowledge
from surrogates.learn import learn
from surrogates.models.calibration import Diagnostics
from surrogates.models.gp import GP
from surrogates.observation import Observations
from surrogates.proposal import Method, Proposal
from surrogates.sampling import Sampler, key
from surrogates.search import Found, Search
from surrogates.shared import agreeing, columns

if TYPE_CHECKING:
    from botorch.models import SingleTaskGP

__all__ = ["Diagnostics", "Method", "Planner", "Proposal"]

THREADS = ThreadpoolController()
# What broken arithmetic raises. A bug raises something else and is meant to be seen.
ARITHMETIC = (ArithmeticError, ValueError, np.linalg.LinAlgError, MemoryError)
Batch = Sequence[Mapping[str, Value]]
# What is used, and said, where a method cannot be.
INSTEAD = {"learn": "integrated_variance", "optimise": "ucb"}


class Planner:
    """Proposes candidates of a space for what is sought there.

    >>> planner = Planner(space, [Objective(name="yield", direction="maximise")], seed=1)
    >>> proposal = planner.ask()[0]
    >>> planner.tell(proposal.candidate, 0.62)
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        *,
        seed: int = 0,
        index: int = 0,
        search: Search | None = None,
        **more: Any,
    ) -> None:
        """`more`: the other fields of `campaigns.aim.Aim` (goal, outcome_constraints, cost, fidelity, surrogate,
        history). `index`: proposals made before by a planner whose work this one continues; `search`: one made for
        an equal space, so that a large table need not be encoded again.

        Raises ValueError for what is no aim, InfeasibleSpace for an empty space.
        """
        self.aim = Aim(space=space, objectives=tuple(objectives), **more)
        self.space, self.seed, self.index = space, seed, index
        self.observations = Observations(space)
        self._search = search or Search(Sampler(space))
        self._sampler = self._search.sampler
        self._pending: list[dict[str, Value]] = []
        self._knowledge: Knowledge | str | None = None
        self._take_history()

    @classmethod
    def of(cls, campaign: Campaign, *, seed: int | None = None, index: int = 0) -> Planner:
        """For what a campaign seeks; the seed is the campaign's own where none is given."""
        return cls.after(campaign.aim, seed=campaign.seed if seed is None else seed, index=index)

    @classmethod
    def after(cls, aim: Aim, *, seed: int = 0, index: int = 0, search: Search | None = None) -> Planner:
        fields = {name: getattr(aim, name) for name in Aim.model_fields}
        return cls(
            fields.pop("space"), fields.pop("objectives"), seed=seed, index=index, search=search, **fields
        )

    def _take_history(self) -> None:
        """Results of the same set-up are results like any other; related ones are left to the models."""
        for part in self.aim.history:
            if not part.related:
                for row, values in zip(part.rows, part.values, strict=True):
                    candidate = dict(zip(part.columns, row, strict=True))
                    self.observations.add(candidate, dict(zip(part.results, values, strict=True)))

    # -- tell -----------------------------------------------------------------
    @property
    def pending(self) -> tuple[dict[str, Value], ...]:
        """Candidates proposed and not yet told or forgotten, oldest first."""
        return tuple(dict(candidate) for candidate in self._pending)

    def tell(
        self,
        candidate: Mapping[str, Value],
        value: float | Mapping[str, float | None] | None,
        *,
        sigma: float | Mapping[str, float | None] | None = None,
        failed: bool = False,
    ) -> None:
        """One result: the first objective's value, or values by reading, each in its own unit; of several readings some
        may be missing. `sigma` is the known standard deviation of this one measurement. Context parameters take the
        values that the candidate brings; one that it lacks has the assumed value.
        A failed candidate is no value of anything: it is not proposed again, and its neighbourhood is avoided. What
        was merely busy is not told at all but forgotten.

        Raises InvalidObservation for a value that is not finite (nothing is kept then).
        """
        first = self.aim.objectives[0].name
        values = value if isinstance(value, Mapping) else {first: value}
        sigmas = sigma if isinstance(sigma, Mapping) else {first: sigma}
        known = self.aim.readings
        if not failed and not any(name in values for name in known):
            raise InvalidObservation(
                f"no value for {' or '.join(known)}; got {', '.join(values) or 'nothing'}"
            )
        values = {name: values[name] for name in known if name in values}
        row = self.observations.add(candidate, values, sigmas, failed=failed)
        self._knowledge = None
        self.forget(row.candidate)

    def forget(self, candidate: Mapping[str, Value]) -> None:
        """Drop a pending candidate that will not be measured; nothing happens if it is not pending."""
        wanted = self._chosen(self.space.canonical(candidate))
        for i, other in enumerate(self._pending):
            if self._chosen(other) == wanted:
                del self._pending[i]
                return

    def _chosen(self, candidate: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
        context = {p.name for p in self.space.context}
        return key({name: value for name, value in candidate.items() if name not in context})

    def expect(self, candidate: Mapping[str, Value]) -> None:
        """Count a candidate as pending although another planner proposed it."""
        self._pending.append(self.observations.check(candidate))

    # -- ask ------------------------------------------------------------------
    def ask(self, n: int = 1, method: Method = Method()) -> list[Proposal]:
        """The next `n` candidates; they are pending until told.

        One after another, each as if those before it had given what the model expects: eight cost 20 ms, where
        the joint optimum of a Monte-Carlo acquisition (`botorch_model` gives what that needs) costs seconds.
        Where the model has no data or cannot answer, a space-filling candidate, and its `fallback` says why.
        Raises SpaceExhausted when a finite space has fewer than `n` candidates left, or fewer that have in common what
        the method says they share (none is pending then); ValueError for a share that is nothing to choose.
        """
        columns(self._sampler.encoder, method.share)
        before = len(self._pending), self.index
        out: list[Proposal] = []
        with THREADS.limit(limits=1), np.errstate(all="ignore"):
            try:
                while len(out) < n:
                    out += self._propose(n - len(out), method, [p.candidate for p in out])
            except SurrogateError:
                del self._pending[before[0] :]
                self.index = before[1]
                raise
        return out

    def _propose(self, n: int, method: Method, batch: Batch) -> list[Proposal]:
        """`batch`: the candidates of this ask so far."""
        if method.mode == "explore" or method.name in ("sobol", "random"):
            return self._spread(1, method, batch)
        knowledge = self._believe()
        if isinstance(knowledge, str):
            return self._spread(1, method, batch, knowledge)
        try:
            return self._choose(knowledge, n, method, batch)
        except UnsupportedMethod as fault:
            instead = replace(method, name=INSTEAD[method.mode])
            return [replace(p, fallback=str(fault)) for p in self._choose(knowledge, n, instead, batch)]
        except SpaceExhausted as fault:
            if batch and method.share and method.trust_region != "off":
                # Near the best nothing else agrees with the first of the batch.
                return self._propose(n, replace(method, trust_region="off"), batch)
            if self._sampler.pool is not None:
                raise
            return self._spread(1, method, batch, str(fault))
        except ARITHMETIC as fault:
            if isinstance(fault, SurrogateError):
                raise
            return self._spread(1, method, batch, f"{type(fault).__name__}: {fault}")

    def _spread(self, n: int, method: Method, batch: Batch, fallback: str | None = None) -> list[Proposal]:
        found = constant.propose(
            self._sampler,
            n,
            seed=self.seed,
            index=self.index,
            avoid=self.observations.candidates() + self._pending,
            method="random" if method.name == "random" else "sobol",
            mode=method.mode,
            n_observed=len(self.observations.measured),
            fallback=fallback,
            share=method.share,
            batch=batch if method.share else (),
        )
        encoder, first = self._sampler.encoder, self.aim.objectives[0].name
        return [
            self._keep(replace(p, nearest=nearest(encoder, self.observations, first, p.candidate)))
            for p in found
        ]

    def _choose(self, knowledge: Knowledge, n: int, method: Method, batch: Batch) -> list[Proposal]:
        chooser = Chooser(self.aim, knowledge, self._search, method, self.seed, self.index, self._pending)
        if chooser.restarting is not None:
            return self._spread(1, method, batch, chooser.restarting)
        first = batch[0] if batch else None
        if first is not None:
            chooser.share(knowledge.encoder.codes([first])[0])
        out: list[Proposal] = []
        for last in [False] * (n - 1) + [True]:
            try:
                found = chooser.next(self.index)
            except SpaceExhausted:
                if not (out and method.share):
                    raise
                return out  # those that agree with the first; the next of the batch is sought by another way
            if first is not None and method.share:
                found = self._agreeing(found, first, method)
            first = first or found.candidate
            if not np.isfinite(found.value):
                raise FloatingPointError(f"{method.name} is {found.value}")
            cost, feasible = chooser.cost(found.code), chooser.chance(found.code)
            made = proposal(found, knowledge, self.aim, method, seed=self.seed, cost=cost, feasible=feasible)
            out.append(self._keep(made))
            if not last:
                chooser.believe(found.code)
                if len(batch) + len(out) == 1:
                    chooser.share(found.code)
        return out

    def _agreeing(self, found: Found, first: Mapping[str, Value], method: Method) -> Found:
        """What was found with the very values that the batch shares: a search is right up to rounding only."""
        same = agreeing(self.space, found.candidate, first, method.share)
        if same is None:
            raise SpaceExhausted(f"no other candidate was found with the same {', '.join(method.share)}")
        return Found(same, self._sampler.encoder.codes([same])[0], found.value)

    def _keep(self, proposal: Proposal) -> Proposal:
        self._pending.append(dict(proposal.candidate))
        self.index += 1
        return proposal

    # -- belief ---------------------------------------------------------------
    def predict(
        self, candidates: Iterable[Mapping[str, Value]], reading: str | None = None
    ) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free reading (default: the first objective), in its own unit and sign.

        Without a usable model: the mean and standard deviation of the results (0 and 1 where there are none).
        """
        reading = reading or self.aim.objectives[0].name
        rows = [self.space.canonical(candidate) for candidate in candidates]
        with THREADS.limit(limits=1), np.errstate(all="ignore"):
            knowledge = self._believe()
            if not isinstance(knowledge, str):
                return knowledge.readings[reading].predict(self._sampler.encoder.codes(rows))
        values = self.observations.values(reading)
        mean, sd = (values.mean(), values.std()) if len(values) else (0.0, 1.0)
        return np.full(len(rows), mean), np.full(len(rows), sd)

    def diagnose(self, *, improvement: bool = False) -> Diagnostics:
        """How good the belief is; fields are None where there are too few results to say. Of several readings the worst
        calibrated counts, and the others' figures are the first objective's. `improvement`: also what the next
        experiment is expected to bring, which costs a search."""
        with THREADS.limit(limits=1), np.errstate(all="ignore"):
            knowledge = self._believe()
            if isinstance(knowledge, str):
                return Diagnostics(n=len(self.observations.measured))
            stand_in = self._sampler.stand_in(512, np.random.default_rng(self.seed))
            found = knowledge.diagnose(stand_in)
            if not improvement:
                return found
            chooser = Chooser(
                self.aim, knowledge, self._search, Method("optimise", "log_ei"), self.seed, self.index, []
            )
            return chooser.outlook(self.index, found)

    def botorch_model(self) -> SingleTaskGP | None:
        """The fitted model for botorch (loads torch), None where there is none: inputs are the planner's unit
        columns, outcomes transformed and standardised, larger is better.

        Raises TypeError where the model is no Gaussian process."""
        knowledge = self._believe()
        if isinstance(knowledge, str):
            return None
        from surrogates.models.botorch_model import load  # torch takes two seconds: only for those who ask

        if not isinstance(knowledge.sought, GP):
            raise TypeError(f"wanted a Gaussian process of one objective, got {knowledge.sought.name}")
        return load(knowledge.sought)

    def _believe(self) -> Knowledge | str:
        """What is believed, or why nothing is."""
        if self._knowledge is None:
            try:
                self._knowledge = self._learn()
            except ARITHMETIC as fault:
                return f"{type(fault).__name__}: {fault}"
        return self._knowledge

    def _learn(self) -> Knowledge | str:
        return learn(self.aim, self._sampler.encoder, self.observations, self.seed)
