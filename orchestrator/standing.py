"""How the results stand against what the campaign seeks: which is the best, which form the front, and since when. Pure.

Results that break an outcome constraint come after all that keep them. One objective needs plain comparison only;
goals over several are those of `surrogates.goals`, so that the planner and the record mean the same by "better".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from campaigns.campaign import Campaign
from orchestrator.records import MeasuredValue

if TYPE_CHECKING:
    from surrogates.encode import Array


MANY = ("pareto", "hull")  # goals that seek a set
ON_THE_HULL = (
    5e-5  # eV per atom: no further off counts as on it, as in GNoME's release (Merchant et al., 2023)
)


class Judged(Protocol):
    """The part of an experiment, in the engine's state or in the record, that is looked at here."""

    @property
    def number(self) -> int: ...

    @property
    def values(self) -> Mapping[str, MeasuredValue]: ...


E = TypeVar("E", bound=Judged)


def keeps_constraints(experiment: Judged, campaign: Campaign) -> bool:
    """Whether every bounded reading that was obtained is within its bounds."""
    return all(
        constraint.met(experiment.values[constraint.name].value)
        for constraint in campaign.outcome_constraints
        if constraint.name in experiment.values
    )


def scores(experiments: Sequence[Judged], campaign: Campaign) -> list[float]:
    """One number for each measured experiment, larger is better: the value itself (negated to minimise), minus the
    distance from a target, the overall desirability, or the place in the hierarchy.

    Raises ValueError for a Pareto front and for the convex hull, which have no such number."""
    objectives = campaign.objectives
    if campaign.goal == "single":
        one = objectives[0]
        return [one.gain(experiment.values[one.name].value) for experiment in experiments]
    if campaign.goal in MANY:
        raise ValueError("a set of results has no single score")
    if not experiments:
        return []
    # numpy only where several objectives are sought: the engine starts without it otherwise.
    import numpy as np

    from surrogates.goals.desirability import Desirability
    from surrogates.goals.hierarchy import Chimera

    Y = np.array([[experiment.values[o.name].value for o in objectives] for experiment in experiments])
    found = (
        Desirability(objectives).exact(Y) if campaign.goal == "desirability" else Chimera(objectives, Y)(Y)
    )
    return [float(score) for score in found]


def best_of(experiments: Sequence[E], campaign: Campaign) -> E | None:
    """The best measured experiment, the first of equals; None of a Pareto front, of a convex hull and where nothing is
    measured."""
    if not experiments or campaign.goal in MANY:
        return None
    ranked = scores(experiments, campaign)
    kept = [keeps_constraints(experiment, campaign) for experiment in experiments]
    i = max(range(len(ranked)), key=lambda k: (kept[k], ranked[k], -k))
    return experiments[i]


def front_of(experiments: Sequence[E], campaign: Campaign) -> list[E]:
    """The measured experiments that keep the constraints and that no other such one is better than in everything."""
    kept = [e for e in experiments if keeps_constraints(e, campaign)]
    if not kept:
        return []
    from surrogates.goals.pareto import non_dominated

    return [e for e, on_it in zip(kept, non_dominated(_turned(kept, campaign)), strict=True) if on_it]


def hypervolume_of(experiments: Sequence[Judged], campaign: Campaign) -> float | None:
    """What the front dominates, in the product of the objectives' units; None where nothing is measured."""
    kept = [e for e in experiments if keeps_constraints(e, campaign)]
    if not kept:
        return None
    from surrogates.goals.pareto import hypervolume, reference_point

    turned = _turned(kept, campaign)
    directions = ["maximise"] * len(campaign.objectives)
    given = [None if o.reference is None else o.gain(o.reference) for o in campaign.objectives]
    return hypervolume(turned, reference_point(turned, directions, given), directions)


def last_better(experiments: Sequence[Judged], campaign: Campaign) -> int:
    """Number of the last experiment that made the results better; 0 where none did."""
    if campaign.goal == "hull":
        return max((e.number for e in experiments if is_hit(e, campaign)), default=0)
    if campaign.goal != "pareto":
        best = best_of(experiments, campaign)
        return 0 if best is None else best.number
    kept = [e for e in experiments if keeps_constraints(e, campaign)]
    if not kept:
        return 0
    turned = _turned(kept, campaign)
    improving = [e.number for i, e in enumerate(kept) if not (turned[:i] >= turned[i]).all(axis=1).any()]
    return max(improving)


def improves(earlier: Sequence[E], experiment: E, campaign: Campaign) -> bool:
    """Whether a measured experiment made the results better than those `earlier` ones."""
    if campaign.goal == "hull":
        return is_hit(experiment, campaign)
    every = [*earlier, experiment]
    if campaign.goal != "pareto":
        return best_of(every, campaign) is experiment
    return experiment in front_of(every, campaign)


def over_hull(experiment: Judged, campaign: Campaign) -> float | None:
    """Energy (eV per atom) of a measured crystal over the hull that was known when it was asked for; None where none
    was known at its composition, as for what was explored."""
    proposal: Any = getattr(experiment, "proposal", {})
    material = proposal.get("material", {}) if isinstance(proposal, Mapping) else proposal.material
    reference = material.get("hull_reference")
    measured = experiment.values.get(campaign.objectives[0].name)
    return None if reference is None or measured is None else measured.value - reference


def is_hit(experiment: Judged, campaign: Campaign) -> bool:
    """Whether a measured crystal turned out to be on or below that hull: a new stable phase as far as was known."""
    over = over_hull(experiment, campaign)
    return over is not None and over <= ON_THE_HULL


def _turned(experiments: Sequence[Judged], campaign: Campaign) -> Array:
    """Values (n, k), larger is better."""
    import numpy as np

    from surrogates.goals.sought import larger_is_better

    values = [[e.values[o.name].value for o in campaign.objectives] for e in experiments]
    return larger_is_better(np.array(values, float), campaign.objectives)
