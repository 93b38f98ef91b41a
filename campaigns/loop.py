"""A loop of its own beside the main one: other experiments, over part of the space, in the same log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from campaigns.budget import Budget
from campaigns.errors import Path, Problem, did_you_mean, shown, shown_list
from campaigns.material import Material
from campaigns.model import BaseCampaignModel, Name
from campaigns.objective import Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.parameters import AnyParameter, Fixed, Searched
from campaigns.plan import PROMOTE, Phase, plan_problems
from campaigns.recipe import Reference, Step, recipe_problems, unused_problems
from campaigns.space import Space

if TYPE_CHECKING:
    from campaigns.campaign import Campaign


class Loop(BaseCampaignModel):
    """Experiments that choose only some parameters and learn readings of their own, with their own budget: the labels
    of a labeler, say, of the materials that films are made of in the main loop.

    What it measures is told to the planner of every loop. It ends by its own plan or budget, at the latest with the
    main loop. `plausible`, of a stage of a funnel: bounds beyond which a label is not believed.
    """

    name: Name
    chooses: tuple[Name, ...]
    learns: tuple[tuple[Name, str], ...]  # reading, unit
    plausible: tuple[OutcomeConstraint, ...] = ()
    recipe: tuple[Step, ...]
    plan: tuple[Phase, ...]
    budget: Budget

    def of(self, campaign: Campaign) -> Campaign:
        """The loop as a campaign by itself: what the engine's rules and the planner work with."""
        kept = [p for p in campaign.space.parameters if p.name in self.chooses or isinstance(p, Fixed)]
        changed: dict[str, Any] = {
            # Made anew: a copy would keep what the whole space had worked out about itself.
            "space": Space(parameters=tuple(kept)),
            "objectives": tuple(
                Objective(name=name, direction="maximise", unit=unit) for name, unit in self.learns
            ),
            "goal": "single" if len(self.learns) == 1 else "pareto",
            "outcome_constraints": self.plausible,
            "recipe": self.recipe,
            "plan": self.plan,
            "budget": self.budget,
        }
        own = ("cost", "fidelity", "synthesis", "history", "loops")
        same = {
            name: getattr(campaign, name)
            for name in type(campaign).model_fields
            if name not in own and name not in changed
        }
        return type(campaign).model_construct(**same, **changed)


def loop_problems(
    loops: Mapping[str, Loop], parameters: Mapping[str, AnyParameter], *, names: Sequence[str]
) -> Iterator[Problem]:
    """What is wrong between a loop and the space; `names` are those of all parameters, broken ones too."""
    for name, loop in loops.items():
        at: Path = ("loops", name)
        materials = [p.name for p in parameters.values() if isinstance(p, Material)]
        for index, chosen in enumerate(loop.chooses):
            if chosen not in names:
                wanted, cure = "a parameter of the space", did_you_mean(chosen, names)
                yield Problem("E283", (*at, "chooses", index), wanted=wanted, got=shown(chosen), cure=cure)
            elif chosen in parameters and not isinstance(parameters[chosen], Material):
                wanted = f"a material ({shown_list(materials) or 'the space has none'})"
                yield Problem("E283", (*at, "chooses", index), wanted=wanted, got=shown(chosen))
        steps = dict(enumerate(loop.recipe))
        yield from _below(at, recipe_problems(steps, names=names, mixtures={}))
        used = [p.name for p in parameters.values() if isinstance(p, Searched) and p.name in loop.chooses]
        for problem in unused_problems(loop.recipe, used):
            yield Problem("E242", (*at, "chooses"), wanted=problem.wanted, got=problem.got, cure=problem.cure)
        yield from _foreign(at, loop, parameters)
        given = [reading for step in loop.recipe for reading in step.gives]
        for reading, _ in loop.learns:
            if reading not in given:
                wanted, cure = "a name that a step of the loop's recipe gives", did_you_mean(reading, given)
                place = (*at, "learns", reading)
                yield Problem("E240", place, wanted=wanted, got=shown(reading), cure=cure, key=True)
        for index, bound in enumerate(loop.plausible):
            if bound.name not in given:
                wanted, cure = (
                    "a name that a step of the stage's recipe gives",
                    did_you_mean(bound.name, given),
                )
                place = (*at, "plausible", index, "reading")
                yield Problem("E247", place, wanted=wanted, got=shown(bound.name), cure=cure)
        phases = dict(enumerate(loop.plan))
        yield from _below(at, plan_problems(phases, n=len(phases), budget=loop.budget.experiments))
        for index, phase in phases.items():
            for method in {phase.method, *(turn.method for turn in phase.turns)} - {
                "",
                "random",
                "variance",
                PROMOTE,
            }:
                wanted = "explore: random, or learn: variance"
                yield Problem("E256", (*at, "plan", index), wanted=wanted, got=shown(method))
            if phase.share:
                wanted = "no shared parameters in a loop, which chooses crystals"
                place = (*at, "plan", index, "share")
                yield Problem("E253", place, wanted=wanted, got=shown_list(phase.share), key=True)


def steps_of(steps: Mapping[int, Step], loops: Iterable[Loop]) -> dict[Path, Step]:
    """The steps of the main recipe and of every loop's, by their places in the file."""
    own: dict[Path, Step] = {("recipe", index): step for index, step in steps.items()}
    for loop in loops:
        own |= {("loops", loop.name, "recipe", index): step for index, step in enumerate(loop.recipe)}
    return own


def _foreign(at: Path, loop: Loop, parameters: Mapping[str, AnyParameter]) -> Iterator[Problem]:
    """References to parameters that the loop does not choose."""
    for index, step in enumerate(loop.recipe):
        for argument, value in step.arguments.items():
            name = value.parameter if isinstance(value, Reference) else ""
            if name in parameters and name not in loop.chooses and not isinstance(parameters[name], Fixed):
                place = (*at, "recipe", index, "with", argument)
                cure = f"add it to 'chooses', or take it out of the step: {shown_list(loop.chooses)}"
                yield Problem(
                    "E283", place, wanted="a parameter that the loop chooses", got=f"${name}", cure=cure
                )


def _below(at: Path, problems: Iterator[Problem]) -> Iterator[Problem]:
    for p in problems:
        yield Problem(p.code, (*at, *p.at), p.message, p.wanted, p.got, p.cure, p.key)
