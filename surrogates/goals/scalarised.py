"""From a surrogate per objective to the belief about what is sought among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from campaigns.objective import Objective
from campaigns.outcome_constraint import OutcomeConstraint
from surrogates.encode import Array
from surrogates.goals.chebyshev import Chebyshev
from surrogates.goals.composite import Composite
from surrogates.goals.desirability import Desirability
from surrogates.goals.hierarchy import Chimera
from surrogates.goals.outputs import Outputs, complete_rows
from surrogates.goals.pareto import reference_point
from surrogates.goals.sought import larger_is_better
from surrogates.models.surrogate import Surrogate


def scalarised(
    objectives: Sequence[Objective], surrogates: Sequence[Surrogate], goal: str, weights: Array | None = None
) -> Composite:
    """The belief about one number made of several objectives: their desirability, their place in the hierarchy, the
    distance of one from its target, or (with `weights` (k,)) their Chebyshev distance from the best of each."""
    complete = complete_rows([surrogate.told for surrogate in surrogates])
    observed = _observed(surrogates)
    score: Callable[[Array], Array]
    if weights is not None:
        score, title = Chebyshev(objectives, observed, weights), "chebyshev"
    elif goal == "desirability":
        score, title = Desirability(objectives), "desirability"
    elif goal == "hierarchy":
        score, title = Chimera(objectives, observed), "hierarchy"
    else:
        score, title = _Match(objectives), "match"
    names = tuple(objective.name for objective in objectives)
    outputs = Outputs(names, tuple(surrogate.belief for surrogate in surrogates))
    backs = tuple(surrogate.outcome.backward for surrogate in surrogates)
    return Composite(outputs, backs, score, complete=complete, name=title)


def margin(constraints: Sequence[OutcomeConstraint], surrogates: Sequence[Surrogate]) -> Composite:
    """The belief about how well outcome constraints are met: the smallest distance of a reading from its bound, on the
    right side positive, in standard deviations of that reading's results."""
    scales = np.array([float(s.y.std()) or 1.0 for s in surrogates])
    low = np.array([-np.inf if c.at_least is None else c.at_least for c in constraints])
    high = np.array([np.inf if c.at_most is None else c.at_most for c in constraints])

    def smallest(Y: Array) -> Array:
        out: Array = (np.minimum(Y - low, high - Y) / scales).min(axis=-1)
        return out

    complete = complete_rows([surrogate.told for surrogate in surrogates])
    outputs = Outputs(
        tuple(f"{c.name} {j}" for j, c in enumerate(constraints)), tuple(s.belief for s in surrogates)
    )
    backs = tuple(surrogate.outcome.backward for surrogate in surrogates)
    return Composite(outputs, backs, smallest, complete=complete, name="margin")


class _Match:
    """Minus the distance from the target of one objective, for values (..., 1)."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = objectives

    def __call__(self, Y: Array) -> Array:
        out: Array = larger_is_better(Y, self._objectives)[..., 0]
        return out


def side_by_side(objectives: Sequence[Objective], surrogates: Sequence[Surrogate]) -> Outputs:
    """The objectives side by side, each so that larger is better: of a match, its distance from the target."""
    parts = [
        scalarised([o], [s], "single") if o.direction == "match" else s.belief
        for o, s in zip(objectives, surrogates, strict=True)
    ]
    return Outputs(tuple(o.name for o in objectives), tuple(parts))


def standard_reference(
    objectives: Sequence[Objective], surrogates: Sequence[Surrogate], outputs: Outputs
) -> Array:
    """The reference point (k,) of the hypervolume as `outputs` are standardised: what the objectives give, else
    inferred from the front of the results."""
    turned = larger_is_better(_observed(surrogates), objectives)
    given = [
        None if o.reference is None else float(larger_is_better(np.array([o.reference]), [o])[0])
        for o in objectives
    ]
    point = reference_point(turned, ["maximise"] * len(objectives), given)
    out = np.empty(len(objectives))
    for j, (o, s, part) in enumerate(zip(objectives, surrogates, outputs.parts, strict=True)):
        if isinstance(part, Composite):
            out[j] = (point[j] - part.center) / part.width
        else:
            out[j] = s.outcome.forward(np.array([-point[j] if o.direction == "minimise" else point[j]]))[0]
    return out


def _observed(surrogates: Sequence[Surrogate]) -> Array:
    """Values (n, k) in own units of the results that have every one."""
    complete = complete_rows([surrogate.told for surrogate in surrogates])
    return np.stack([s.y[s.kept][rows] for s, rows in zip(surrogates, complete, strict=True)], axis=1)
