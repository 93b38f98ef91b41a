"""From the name of a method to what the search maximises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from surrogates.acquisition.averaged import Averaged
from surrogates.acquisition.base import Acquisition
from surrogates.acquisition.confidence_bound import UpperConfidenceBound
from surrogates.acquisition.improvement import LogExpectedImprovement
from surrogates.acquisition.variance import IntegratedVariance, PosteriorStandardDeviation
from surrogates.encode import Array
from surrogates.errors import UnsupportedMethod
from surrogates.knowledge import Knowledge
from surrogates.models.base import Model
from surrogates.models.gp import GP
from surrogates.models.surrogate import Surrogate
from surrogates.proposal import Method

REFERENCE = 256  # points that stand for the space in integrals over it
MAXIMA = 96  # points among which the knowledge gradient looks for the best


@dataclass(frozen=True)
class Ranking:
    """`acquisition` ranks candidates by `belief`; `floor` is its value where an experiment comes to nothing, None where
    it is a logarithm, of which nothing is minus infinity."""

    acquisition: Acquisition
    belief: Model
    floor: float | None


@dataclass(frozen=True)
class Situation:
    """What a ranking may be made from. `stand_in(n)` gives at most n unit rows that stand for the part of the space
    that is searched; `near` are those of the best results; `seed` and `index` fix every random number."""

    knowledge: Knowledge
    stand_in: Callable[[int], Array]
    seed: int
    index: int
    near: Array = field(default_factory=lambda: np.zeros((0, 0)))  # unit rows of the best results

    @property
    def sought(self) -> Model:
        return self.knowledge.sought


def ranking(method: Method, s: Situation) -> Ranking:
    """Raises UnsupportedMethod where what is known does not allow the method."""
    try:
        make = _RANKINGS[method.name]
    except KeyError:
        raise UnsupportedMethod(f"no acquisition is called {method.name!r}") from None
    return make(method, s)


# -- optimise -------------------------------------------------------------------------------------------------
def _ucb(method: Method, s: Situation) -> Ranking:
    beta = method.beta
    if beta == "scheduled":
        from surrogates.acquisition.schedule import scheduled_beta

        beta = scheduled_beta(s.knowledge.n, s.sought.U.shape[1])
    return Ranking(UpperConfidenceBound(float(beta)), s.sought, _worst(s))


def _log_ei(method: Method, s: Situation) -> Ranking:
    return Ranking(LogExpectedImprovement(s.knowledge.best()), s.sought, None)


def _log_nei(method: Method, s: Situation) -> Ranking:
    from surrogates.acquisition.noisy_improvement import LogNoisyExpectedImprovement  # loads torch

    if not isinstance(s.sought, GP):
        raise UnsupportedMethod(f"log_nei needs a Gaussian process of one objective, got {s.sought.name}")
    return Ranking(LogNoisyExpectedImprovement(s.seed, s.knowledge.best()), s.sought, None)


def _thompson(method: Method, s: Situation) -> Ranking:
    from surrogates.acquisition.thompson import ThompsonSampling

    return Ranking(ThompsonSampling(s.seed, s.index), s.sought, _worst(s))


def _knowledge_gradient(method: Method, s: Situation) -> Ranking:
    from surrogates.acquisition.knowledge_gradient import KnowledgeGradient

    reference = np.vstack([s.near, s.stand_in(MAXIMA - len(s.near))]) if len(s.near) else s.stand_in(MAXIMA)
    return Ranking(KnowledgeGradient(reference, s.sought.noise), s.sought, None)


def _worst(s: Situation) -> float:
    return float(s.sought.z.min(initial=-3.0 if not len(s.sought.z) else np.inf))


# -- learn ----------------------------------------------------------------------------------------------------
def _of_each(s: Situation, make: Callable[[Surrogate], Acquisition]) -> Ranking:
    """One reading: the acquisition itself; several: its mean over them."""
    surrogates = list(s.knowledge.readings.values())
    if len(surrogates) == 1:
        return Ranking(make(surrogates[0]), surrogates[0].belief, 0.0)
    from surrogates.goals.outputs import Outputs

    outputs = Outputs(tuple(s.knowledge.readings), tuple(surrogate.belief for surrogate in surrogates))
    return Ranking(Averaged(tuple(make(surrogate) for surrogate in surrogates)), outputs, 0.0)


def _variance(method: Method, s: Situation) -> Ranking:
    return _of_each(s, lambda _: PosteriorStandardDeviation())


def _integrated_variance(method: Method, s: Situation) -> Ranking:
    reference = s.stand_in(REFERENCE)
    return _of_each(s, lambda surrogate: IntegratedVariance(reference, surrogate.belief.noise))


_RANKINGS: dict[str, Callable[[Method, Situation], Ranking]] = {
    "ucb": _ucb,
    "log_ei": _log_ei,
    "log_nei": _log_nei,
    "thompson": _thompson,
    "knowledge_gradient": _knowledge_gradient,
    "variance": _variance,
    "integrated_variance": _integrated_variance,
}
