"""From the name of a method to what the search maximises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from campaigns.objective import Objective
from campaigns.plan import PARETO_METHODS
from surrogates.acquisition.averaged import Averaged
from surrogates.acquisition.base import Acquisition
from surrogates.acquisition.confidence_bound import UpperConfidenceBound
from surrogates.acquisition.disagreement import IntegratedDisagreement
from surrogates.acquisition.hypervolume import LogNoisyHypervolumeImprovement
from surrogates.acquisition.improvement import LogExpectedImprovement
from surrogates.acquisition.knowledge_gradient import KnowledgeGradient
from surrogates.acquisition.model_change import ExpectedModelChange
from surrogates.acquisition.novelty import Novelty
from surrogates.acquisition.phase_boundary import PhaseBoundary
from surrogates.acquisition.schedule import scheduled_beta
from surrogates.acquisition.straddle import Straddle
from surrogates.acquisition.thompson import ThompsonSampling
from surrogates.acquisition.variance import IntegratedVariance, PosteriorStandardDeviation
from surrogates.encode import Array
from surrogates.errors import UnsupportedMethod
from surrogates.goals.chebyshev import simplex_weights
from surrogates.goals.outputs import Outputs
from surrogates.goals.scalarised import scalarised, standard_reference
from surrogates.knowledge import Knowledge
from surrogates.models.base import Model
from surrogates.models.hyperparameters import neighbours
from surrogates.models.labels import integers
from surrogates.models.mixture import processes_of
from surrogates.models.surrogate import Surrogate
from surrogates.proposal import Method

REFERENCE = 256  # points that stand for the space in integrals over it
MAXIMA = 96  # points among which the knowledge gradient looks for the best
NEIGHBOURS = 8  # models around the fitted one, whose disagreement `bald` looks at
# Two candidates where the best may be, then one where it is believed to be: where parameters can move, the third
# refines what is known, which under noise leaves a third of the regret. Among listed candidates, each measured once,
# there is nothing to refine, and it finds less (docs/planner.md).
ALTERNATING, LISTED = (2.0, 2.0, 0.0), 2.0


@dataclass(frozen=True)
class Ranking:
    """`acquisition` ranks candidates by `belief`; `floor` is its value where an experiment comes to nothing, None where
    it is a logarithm, of which nothing is minus infinity."""

    acquisition: Acquisition
    belief: Model | Outputs
    floor: float | None


@dataclass(frozen=True)
class Situation:
    """What a ranking may be made from. `stand_in(n)` gives at most n unit rows that stand for the part of the space
    that is searched; `near` are those of the best results; `seed` and `index` fix every random number."""

    objectives: tuple[Objective, ...]
    knowledge: Knowledge
    stand_in: Callable[[int], Array]
    seed: int
    index: int
    near: Array  # unit rows of the best results
    listed: bool  # whether the candidates are those of a list
    answer: tuple[Array, Array] | None = None  # unit columns of the fidelity and their values at its target

    @property
    def sought(self) -> Model:
        return self.knowledge.sought


def ranking(method: Method, s: Situation) -> Ranking:
    """Raises UnsupportedMethod where what is known does not allow the method."""
    name = method.name
    if s.knowledge.reaching and name in PARETO_METHODS:
        name = "log_ei"  # before the constraints are met there is one thing to improve
    try:
        make = _RANKINGS[name]
    except KeyError:
        raise UnsupportedMethod(f"no acquisition is called {method.name!r}") from None
    return make(method, s)


def redrawn(method: Method) -> bool:
    """Whether each candidate of a batch has an acquisition of its own."""
    return method.name in ("thompson", "parego")


# -- optimise -------------------------------------------------------------------------------------------------
def _ucb(method: Method, s: Situation) -> Ranking:
    return Ranking(UpperConfidenceBound(_beta(method, s)), s.sought, _worst(s))


def _beta(method: Method, s: Situation) -> float:
    if method.beta == "scheduled":
        return scheduled_beta(s.knowledge.n, s.knowledge.encoder.n_parameters)
    if method.beta == "auto":
        return LISTED if s.listed else alternating(s.index)
    return method.beta


def alternating(index: int) -> float:
    """The weight of the sd for candidate number `index`."""
    return ALTERNATING[index % len(ALTERNATING)]


def _log_ei(method: Method, s: Situation) -> Ranking:
    return Ranking(LogExpectedImprovement(s.knowledge.best()), s.sought, None)


def _log_nei(method: Method, s: Situation) -> Ranking:
    from surrogates.acquisition.noisy_improvement import LogNoisyExpectedImprovement  # loads torch

    processes = processes_of(s.sought)
    if len(processes) != 1:
        raise UnsupportedMethod(f"log_nei needs one Gaussian process, got {s.sought.name}")
    return Ranking(LogNoisyExpectedImprovement(s.seed, s.knowledge.best()), processes[0], None)


def _thompson(method: Method, s: Situation) -> Ranking:
    return Ranking(ThompsonSampling(s.seed, s.index), s.sought, _worst(s))


def _knowledge_gradient(method: Method, s: Situation) -> Ranking:
    reference = np.vstack([s.near, s.stand_in(MAXIMA - len(s.near))])
    return Ranking(KnowledgeGradient(reference, s.sought.noise, s.answer), s.sought, None)


def _log_nehvi(method: Method, s: Situation) -> Ranking:
    if s.knowledge.outputs is None:
        raise UnsupportedMethod("log_nehvi needs the goal pareto")
    surrogates = [s.knowledge.readings[o.name] for o in s.objectives]
    reference = standard_reference(s.objectives, surrogates, s.knowledge.outputs)
    acquisition = LogNoisyHypervolumeImprovement(s.seed, reference, s.knowledge.promised)
    return Ranking(acquisition, s.knowledge.outputs, None)


def _parego(method: Method, s: Situation) -> Ranking:
    """The weights of each candidate are other ones; improvement is over the best of the results by these weights."""
    surrogates = [s.knowledge.readings[o.name] for o in s.objectives]
    weights = simplex_weights(len(surrogates), s.seed, s.index)
    belief = scalarised(s.objectives, surrogates, "pareto", weights)
    best = float(belief.posterior(belief.U)[0].max())
    return Ranking(LogExpectedImprovement(best), belief, None)


def _worst(s: Situation) -> float:
    return float(s.sought.z.min(initial=-3.0 if not len(s.sought.z) else np.inf))


# -- learn ----------------------------------------------------------------------------------------------------
def _of_each(s: Situation, make: Callable[[Surrogate], Acquisition]) -> Ranking:
    """One reading: the acquisition itself; several: its mean over them."""
    surrogates = list(s.knowledge.readings.values())
    if len(surrogates) == 1:
        return Ranking(make(surrogates[0]), surrogates[0].belief, 0.0)
    outputs = Outputs(tuple(s.knowledge.readings), tuple(surrogate.belief for surrogate in surrogates))
    each = Averaged(tuple(make(surrogate) for surrogate in surrogates))
    return Ranking(each, outputs, 0.0)  # type: ignore[arg-type]


def _variance(method: Method, s: Situation) -> Ranking:
    return _of_each(s, lambda _: PosteriorStandardDeviation())


def _integrated_variance(method: Method, s: Situation) -> Ranking:
    reference = s.stand_in(REFERENCE)
    return _of_each(s, lambda surrogate: IntegratedVariance(reference, surrogate.belief.noise))


def _model_change(method: Method, s: Situation) -> Ranking:
    reference = s.stand_in(REFERENCE)
    return _of_each(s, lambda surrogate: ExpectedModelChange(reference, surrogate.belief.noise))


def _bald(method: Method, s: Situation) -> Ranking:
    reference = s.stand_in(REFERENCE)

    def of(surrogate: Surrogate) -> Acquisition:
        processes = processes_of(surrogate.belief)
        if not processes:
            raise UnsupportedMethod(f"bald needs Gaussian processes, got {surrogate.belief.name}")
        if len(processes) == 1:
            processes = neighbours(processes[0], NEIGHBOURS, s.seed)
        return IntegratedDisagreement(processes, reference)

    return _of_each(s, of)


def _straddle(method: Method, s: Situation) -> Ranking:
    if method.level is None:
        raise UnsupportedMethod("straddle needs a level, the value whose contour is sought")
    first = next(iter(s.knowledge.readings.values()))
    acquisition = Straddle(float(first.outcome.forward(np.array([method.level]))[0]))
    return Ranking(acquisition, first.belief, float(acquisition.value(first.belief, first.belief.U).min()))


def _novelty(method: Method, s: Situation) -> Ranking:
    surrogates = list(s.knowledge.readings.values())
    models = tuple(surrogate.belief for surrogate in surrogates)
    if any(not np.array_equal(model.U, models[0].U) for model in models):
        raise UnsupportedMethod("novelty needs every reading of every result; some are missing")
    acquisition = Novelty(models, np.stack([model.z for model in models], axis=1))
    return Ranking(acquisition, models[0], float(acquisition.value(models[0], models[0].U).min()))


def _phase_boundary(method: Method, s: Situation) -> Ranking:
    first = next(iter(s.knowledge.readings.values()))
    labels = first.y[first.kept]
    try:
        integers(labels)
    except ValueError as fault:
        raise UnsupportedMethod(str(fault)) from fault
    acquisition = PhaseBoundary(first.belief.U, labels, s.stand_in(2 * REFERENCE))
    return Ranking(acquisition, first.belief, 0.0)


_RANKINGS: dict[str, Callable[[Method, Situation], Ranking]] = {
    "ucb": _ucb,
    "log_ei": _log_ei,
    "log_nei": _log_nei,
    "thompson": _thompson,
    "knowledge_gradient": _knowledge_gradient,
    "log_nehvi": _log_nehvi,
    "parego": _parego,
    "variance": _variance,
    "integrated_variance": _integrated_variance,
    "model_change": _model_change,
    "bald": _bald,
    "straddle": _straddle,
    "novelty": _novelty,
    "phase_boundary": _phase_boundary,
}
