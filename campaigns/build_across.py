"""What the sections of a document say of each other; a section that is broken is taken as far as it could be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from campaigns.budget import Budget
from campaigns.build_space import SpaceParts
from campaigns.collect import Collector
from campaigns.cost import Cost, cost_problems
from campaigns.fidelity import Fidelity, fidelity_problems
from campaigns.funnel import Funnel, funnel_problems
from campaigns.goal import ALONE, objective_problems, plan_goal_problems
from campaigns.history import History, history_problems
from campaigns.limits import Limit, limit_problems
from campaigns.loop import Loop, loop_problems, steps_of
from campaigns.materials_across import material_problems
from campaigns.objective import Goal, Objective
from campaigns.outcome_constraint import OutcomeConstraint, outcome_problems
from campaigns.parameters import Fixed, chosen
from campaigns.plan import Phase, plan_problems
from campaigns.recipe import Step, context_problems, recipe_problems, unused_problems
from campaigns.share import share_problems
from campaigns.synthesis import Synthesis, route_problems, synthesis_problems


@dataclass(frozen=True)
class Sections:
    """What could be made of each section; entries of lists by their place in the file, the sound ones only."""

    parts: SpaceParts
    objectives: Mapping[int, Objective]
    goal: Goal | None
    outcome_constraints: Mapping[int, OutcomeConstraint]
    cost: Cost | None
    fidelity: Fidelity | None
    funnel: Funnel | None
    synthesis: Synthesis | None
    history: Mapping[int, History]
    steps: Mapping[int, Step]
    phases: Mapping[int, Phase]
    budget: Budget | None
    limits: Mapping[str, Limit]
    loops: Mapping[str, Loop]


def look_across(found: Collector, data: Mapping[str, Any], made: Sections) -> None:
    """Adds the faults that lie between sections."""

    def entries(section: str) -> int:
        return len(data[section]) if isinstance(data.get(section), list) else -1

    whole_recipe = len(made.steps) == entries("recipe") > 0
    if isinstance(data.get("space"), dict):
        _space_and_recipe(found, made, whole_recipe=whole_recipe)
    given = [name for step in made.steps.values() for name in step.gives] if whole_recipe else None
    n = entries("objectives")
    if n >= 0:
        found.add_all(objective_problems(made.objectives, n=n, given=given, goal=made.goal))
    found.add_all(outcome_problems(made.outcome_constraints, made.objectives, given=given))
    sought = None
    if len(made.objectives) == n and len(made.outcome_constraints) == max(0, entries("outcome_constraints")):
        sought = [o.name for o in made.objectives.values()]
        sought += [c.name for c in made.outcome_constraints.values()]
    found.add_all(history_problems(made.history, made.parts.space, sought=sought))
    if entries("plan") >= 0:
        n_budget = None if made.budget is None else made.budget.experiments
        found.add_all(plan_problems(made.phases, n=entries("plan"), budget=n_budget))
        if made.goal is not None and (n == 1) == (made.goal in ALONE):
            found.add_all(plan_goal_problems(made.phases, made.goal))
    if isinstance(data.get("space"), dict):
        allowed = None if made.parts.space is None else made.parts.space.allowed
        parameters, names = made.parts.parameters, made.parts.names
        if made.synthesis is not None:
            written = list(made.steps.values())
            found.add_all(synthesis_problems(made.synthesis, parameters, written, names=names))
        said = "synthesis" in data
        found.add_all(route_problems(made.phases, made.synthesis, parameters, said=said))
        found.add_all(share_problems(made.phases, parameters, names=names, allowed=allowed))
    found.add_all(loop_problems(made.loops, made.parts.parameters, names=made.parts.names))
    if made.funnel is not None or "funnel" not in data:
        plans = {"": list(made.phases.values()), **{name: loop.plan for name, loop in made.loops.items()}}
        sought_for = list(made.objectives.values())
        parameters, names = made.parts.parameters, made.parts.names
        found.add_all(funnel_problems(made.funnel, sought_for, made.goal, parameters, plans, names=names))
    found.add_all(
        material_problems(made.goal, made.objectives, made.parts.parameters, names=made.parts.names)
    )
    whole = whole_recipe and len(made.loops) == len(data.get("loops", {}))
    steps = steps_of(made.steps, made.loops.values())
    found.add_all(limit_problems(made.limits, steps, made.parts.parameters, whole=whole))


def _space_and_recipe(found: Collector, made: Sections, *, whole_recipe: bool) -> None:
    """What the recipe, the cost and the fidelity say of the space."""
    parts = made.parts
    mixtures = {name: mixture.components for name, mixture in parts.mixtures.items()}
    found.add_all(recipe_problems(made.steps, names=parts.names, mixtures=mixtures))
    searched = [parameter.name for parameter in chosen(parts.parameters.values())]
    context = [n for n, p in parts.parameters.items() if n not in searched and not isinstance(p, Fixed)]
    found.add_all(context_problems(made.steps, context, whole=whole_recipe))
    if whole_recipe:
        for problem in unused_problems(list(made.steps.values()), searched):
            owner = next((m.name for m in parts.mixtures.values() if problem.at[-1] in m.components), None)
            at = problem.at if owner is None else ("space", owner, "mixture", problem.at[-1])
            found.add(replace(problem, at=at))
    if made.cost is not None:
        found.add_all(cost_problems(made.cost, parts.parameters, names=parts.names))
    if made.fidelity is not None:
        found.add_all(fidelity_problems(made.fidelity, parts.parameters, names=parts.names))
