"""Ask and tell. Pure and seeded: the same tells, seed, number of proposals made before and package versions give
bit-identical proposals, one BLAS thread being used whatever the machine offers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from campaigns.space import Space, Value
from surrogates import constant
from surrogates.acquisition.base import Acquisition
from surrogates.acquisition.confidence_bound import UpperConfidenceBound
from surrogates.acquisition.feasible import WhereFeasible
from surrogates.acquisition.improvement import LogExpectedImprovement
from surrogates.acquisition.variance import IntegratedVariance, PosteriorStandardDeviation
from surrogates.encode import Array
from surrogates.errors import InvalidObservation, SpaceExhausted, SurrogateError, UnsupportedObjectives
from surrogates.models.calibration import Diagnostics
from surrogates.models.feasibility import Feasibility
from surrogates.models.gp import GP, Columns
from surrogates.models.surrogate import Surrogate
from surrogates.observation import Observation, Observations
from surrogates.proposal import Method, Nearest, Proposal
from surrogates.sampling import Sampler, key
from surrogates.search import Found, Search

if TYPE_CHECKING:
    from botorch.models import SingleTaskGP

__all__ = ["Diagnostics", "Method", "Planner", "Proposal"]

INCUMBENTS = 4
REFERENCE = 256  # points that stand for the space in integrals over it
THREADS = ThreadpoolController()
# What broken arithmetic raises. A bug raises something else and is meant to be seen.
ARITHMETIC = (ArithmeticError, ValueError, np.linalg.LinAlgError, MemoryError)


class Named(Protocol):
    """The part of `campaigns.campaign.Objective` that is read here."""

    @property
    def name(self) -> str: ...

    @property
    def direction(self) -> str: ...


class Planner:
    """Proposes candidates of `space` for one objective.

    >>> planner = Planner(space, [Objective(name="yield", direction="maximise")], seed=1)
    >>> proposal = planner.ask()[0]
    >>> planner.tell(proposal.candidate, 0.62)
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Named],
        *,
        seed: int = 0,
        index: int = 0,
        search: Search | None = None,
    ) -> None:
        """`index`: proposals made before by a planner whose work this one continues; `search`: one made for an
        equal space, so that a large table need not be encoded again.

        Raises UnsupportedObjectives unless there is exactly one objective, InfeasibleSpace for an empty space.
        """
        if len(objectives) != 1:
            raise UnsupportedObjectives(f"wanted one objective, got {len(objectives)}")
        self.space, self.objective, self.seed, self.index = space, objectives[0], seed, index
        self.observations = Observations(space)
        self._search = search or Search(Sampler(space))
        self._sampler = self._search.sampler
        self._pending: list[dict[str, Value]] = []
        self._surrogate: Surrogate | None = None

    # -- tell -----------------------------------------------------------------
    @property
    def pending(self) -> tuple[dict[str, Value], ...]:
        """Candidates proposed and not yet told or forgotten, oldest first."""
        return tuple(dict(candidate) for candidate in self._pending)

    def tell(
        self,
        candidate: Mapping[str, Value],
        value: float | Mapping[str, float] | None,
        *,
        sigma: float | None = None,
        failed: bool = False,
    ) -> None:
        """One result, in the objective's unit. `sigma` is the known standard deviation of this one measurement.
        A failed candidate is no value of the objective: it is not proposed again, and its neighbourhood is avoided.

        Raises InvalidObservation for a value that is not finite (nothing is kept then).
        """
        if isinstance(value, Mapping):
            if self.objective.name not in value and not failed:
                raise InvalidObservation(
                    f"no value for {self.objective.name}; got {', '.join(value) or 'nothing'}"
                )
            value = value.get(self.objective.name)
        row = self.observations.add(candidate, value, sigma, failed)
        self._surrogate = None
        self.forget(row.candidate)

    def forget(self, candidate: Mapping[str, Value]) -> None:
        """Drop a pending candidate that will not be measured; nothing happens if it is not pending."""
        wanted = key(self.space.canonical(candidate))
        for i, other in enumerate(self._pending):
            if key(other) == wanted:
                del self._pending[i]
                return

    def expect(self, candidate: Mapping[str, Value]) -> None:
        """Count a candidate as pending although another planner proposed it."""
        self._pending.append(self.observations.check(candidate))

    # -- ask ------------------------------------------------------------------
    def ask(self, n: int = 1, method: Method = Method()) -> list[Proposal]:
        """The next `n` candidates; they are pending until told.

        One after another, each as if those before it had given what the model expects: eight cost 20 ms, where
        the joint optimum of a Monte-Carlo acquisition (`botorch_model` gives what that needs) costs seconds.
        Where the model has no data or cannot answer, a space-filling candidate, and its `fallback` says why.
        Raises SpaceExhausted when a finite space has fewer than `n` candidates left (none is pending then).
        """
        before = len(self._pending), self.index
        out: list[Proposal] = []
        with THREADS.limit(limits=1), np.errstate(all="ignore"):
            try:
                while len(out) < n:
                    out += self._propose(n - len(out), method)
            except SurrogateError:
                del self._pending[before[0] :]
                self.index = before[1]
                raise
        return out

    def _propose(self, n: int, method: Method) -> list[Proposal]:
        if method.mode == "explore" or method.name in ("sobol", "random"):
            return self._spread(1, method)
        surrogate = self._believe()
        if isinstance(surrogate, str):
            return self._spread(1, method, surrogate)
        try:
            return self._optimise(surrogate, n, method)
        except SpaceExhausted as fault:
            if self._sampler.pool is not None:
                raise
            return self._spread(1, method, str(fault))
        except ARITHMETIC as fault:
            if isinstance(fault, SurrogateError):
                raise
            return self._spread(1, method, f"{type(fault).__name__}: {fault}")

    def _spread(self, n: int, method: Method, fallback: str | None = None) -> list[Proposal]:
        avoid = [row.candidate for row in self.observations.rows] + self._pending
        found = constant.propose(
            self._sampler,
            n,
            seed=self.seed,
            index=self.index,
            avoid=avoid,
            method="random" if method.name == "random" else "sobol",
            mode=method.mode,
            n_observed=len(self.observations.measured),
            fallback=fallback,
        )
        return [self._keep(replace(p, nearest=self._nearest(p.candidate))) for p in found]

    def _optimise(self, surrogate: Surrogate, n: int, method: Method) -> list[Proposal]:
        encoder, out = self._sampler.encoder, []
        pending = encoder.codes(self._pending)
        avoid = np.vstack([encoder.codes([row.candidate for row in self.observations.rows]), pending])
        belief = self._padded(surrogate, method).condition(encoder.unit(pending))
        incumbents = surrogate.best_codes(INCUMBENTS)
        acquisition = self._acquisition(method, surrogate)
        crowd = self._search.crowd(incumbents, np.random.default_rng([self.seed, self.index, 6]))
        for _ in range(n):
            rng = np.random.default_rng([self.seed, self.index])
            found = self._search.best(acquisition, belief, incumbents, avoid, rng, pending, crowd)
            if not np.isfinite(found.value):
                raise FloatingPointError(f"{method.name} is {found.value}")
            out.append(self._keep(self._explain(found, surrogate, method)))
            pending, avoid = np.vstack([pending, found.code]), np.vstack([avoid, found.code])
            if len(out) < n:
                belief = belief.condition(encoder.unit(found.code))
        return out

    def _padded(self, surrogate: Surrogate, method: Method) -> GP:
        """The belief for choosing. Expected improvement falls by many powers of ten where it is known, so that no
        probability of failure keeps it from a promising but hopeless region: instead of being weighed, it believes
        that failures gave the worst result seen (floor padding, Wakabayashi et al., npj Comput. Mater. 8, 180, 2022),
        by conditioning only."""
        failed = [row.candidate for row in self.observations.rows if row.failed]
        if method.name not in ("log_ei", "log_nei") or not failed:
            return surrogate.gp
        units = self._sampler.encoder.unit(self._sampler.encoder.codes(failed))
        return surrogate.gp.condition(units, np.full(len(failed), surrogate.gp.z.min()))

    def _acquisition(self, method: Method, surrogate: Surrogate) -> Acquisition:
        """Where something has failed, weighed with the probability that there will be a result: a failure is worth
        nothing learned, or the worst result so far."""
        acquisition, floor = self._plain(method, surrogate)
        failed = np.array([row.failed for row in self.observations.rows], bool)
        if floor is None or not failed.any():
            return acquisition
        encoder = self._sampler.encoder
        units = encoder.unit(encoder.codes([row.candidate for row in self.observations.rows]))
        columns = Columns(encoder.group, encoder.numeric_columns)
        return WhereFeasible(acquisition, Feasibility(units, failed, columns), floor)

    def _plain(self, method: Method, surrogate: Surrogate) -> tuple[Acquisition, float | None]:
        """The acquisition, and its value where an experiment comes to nothing (None: see `_padded`)."""
        if method.name == "log_ei":
            return LogExpectedImprovement(surrogate.best_mean()), None
        if method.name == "log_nei":
            from surrogates.acquisition.noisy_improvement import LogNoisyExpectedImprovement  # loads torch

            return LogNoisyExpectedImprovement(self.seed, surrogate.best_mean()), None
        if method.name == "variance":
            return PosteriorStandardDeviation(), 0.0
        if method.name == "integrated_variance":
            codes = self._sampler.stand_in(REFERENCE, np.random.default_rng(self.seed))
            return IntegratedVariance(self._sampler.encoder.unit(codes), surrogate.gp.noise), 0.0
        return UpperConfidenceBound(method.beta), float(surrogate.gp.z.min())

    def _explain(self, found: Found, surrogate: Surrogate, method: Method) -> Proposal:
        mean, sd = surrogate.predict(found.code[None])
        whole = float(surrogate.measured_sd(found.code[None])[0])
        return Proposal(
            candidate=found.candidate,
            mode=method.mode,
            acquisition=method.name,
            value=found.value,
            mean=float(mean[0]),
            sd=float(sd[0]),
            model=surrogate.name,
            seed=self.seed,
            n_observed=surrogate.n,
            nearest=self._nearest(found.candidate),
            noise_sd=math.sqrt(max(whole**2 - float(sd[0]) ** 2, 0.0)) if whole < 1e150 else whole,
        )

    def _keep(self, proposal: Proposal) -> Proposal:
        self._pending.append(dict(proposal.candidate))
        self.index += 1
        return proposal

    def _nearest(self, candidate: Mapping[str, Value]) -> Nearest | None:
        rows = self.observations.rows
        if not rows:
            return None
        encoder = self._sampler.encoder
        away = encoder.unit(encoder.codes(row.candidate for row in rows)) - encoder.unit(
            encoder.codes([candidate])
        )
        distance = np.sqrt((away**2).sum(axis=1))
        i = int(np.argmin(distance))
        row: Observation = rows[i]
        return Nearest(dict(row.candidate), row.value, float(distance[i]))

    # -- belief ---------------------------------------------------------------
    def predict(self, candidates: Iterable[Mapping[str, Value]]) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free objective, in its own unit and sign.

        Without a usable model: the mean and standard deviation of the results (0 and 1 where there are none).
        """
        rows = [self.space.canonical(candidate) for candidate in candidates]
        with THREADS.limit(limits=1), np.errstate(all="ignore"):
            surrogate = self._believe()
            if not isinstance(surrogate, str):
                return surrogate.predict(self._sampler.encoder.codes(rows))
        values = self.observations.values()
        mean, sd = (values.mean(), values.std()) if len(values) else (0.0, 1.0)
        return np.full(len(rows), mean), np.full(len(rows), sd)

    def diagnose(self) -> Diagnostics:
        """How good the belief is; fields are None where there are too few results to say."""
        with THREADS.limit(limits=1), np.errstate(all="ignore"):
            surrogate = self._believe()
            if isinstance(surrogate, str):
                return Diagnostics(n=len(self.observations.measured))
            return surrogate.diagnose(self._sampler.stand_in(512, np.random.default_rng(self.seed)))

    def botorch_model(self) -> SingleTaskGP | None:
        """The fitted model for botorch (loads torch), None where there is none: inputs are the planner's unit
        columns, outcomes transformed and standardised, larger is better."""
        surrogate = self._believe()
        if isinstance(surrogate, str):
            return None
        from surrogates.models.botorch_model import load  # torch takes two seconds: only for those who ask

        return load(surrogate.gp)

    def _believe(self) -> Surrogate | str:
        """The fitted surrogate, or why there is none."""
        if self._surrogate is None:
            if not self.observations.measured:
                return "no result yet" if not self.observations.rows else "no experiment has succeeded yet"
            try:
                self._surrogate = Surrogate(
                    self._sampler.encoder, self.observations, maximise=self.objective.direction == "maximise"
                )
            except ARITHMETIC as fault:
                return f"{type(fault).__name__}: {fault}"
        return self._surrogate
