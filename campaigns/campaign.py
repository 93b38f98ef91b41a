"""The campaign: the frozen statement of what is sought, known by its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints

from campaigns.aim import Aim
from campaigns.budget import Budget
from campaigns.cost import Cost, cost_problems
from campaigns.errors import Path, Problem
from campaigns.fidelity import Fidelity, fidelity_problems
from campaigns.funnel import Funnel, funnel_problems
from campaigns.goal import ALONE, objective_problems, plan_goal_problems
from campaigns.history import History, history_problems
from campaigns.limits import Limit, limit_problems
from campaigns.loop import Loop, loop_problems, steps_of
from campaigns.materials_across import material_problems
from campaigns.model import BaseCampaignModel
from campaigns.objective import Goal, Objective
from campaigns.outcome_constraint import OutcomeConstraint, outcome_problems
from campaigns.plan import METHODS, Gate, Phase, Turn, Until, plan_problems
from campaigns.pretraining import Lesson
from campaigns.recipe import (
    Quantity,
    Reference,
    Step,
    context_problems,
    recipe_problems,
    unused_problems,
)
from campaigns.schedule import QuietHours, Schedule
from campaigns.share import share_problems
from campaigns.space import Fixed, Space
from campaigns.surrogate_choice import SurrogateChoice, derivation_problems, per_atom_problems
from campaigns.synthesis import Synthesis, route_problems, synthesis_problems

__all__ = [
    "METHODS",
    "Budget",
    "Campaign",
    "Cost",
    "Fidelity",
    "Funnel",
    "Gate",
    "Goal",
    "History",
    "LabReference",
    "Limit",
    "Loop",
    "Objective",
    "OutcomeConstraint",
    "Phase",
    "Quantity",
    "QuietHours",
    "Reference",
    "Schedule",
    "Step",
    "SurrogateChoice",
    "Synthesis",
    "Turn",
    "Until",
]

CAMPAIGN_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
# A name, never a path: a campaign file cannot make anybody open a file of its choosing.
LAB = r"^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$"
LabReference = Annotated[str, StringConstraints(pattern=LAB, max_length=200)]

# What may change without the search becoming another one.
_NOT_THE_SEARCH = frozenset({"description", "schedule"})


class Campaign(BaseCampaignModel):
    """Everything a YAML file says, checked. `lab` is the name of the laboratory it was written for."""

    name: Annotated[str, StringConstraints(pattern=CAMPAIGN_NAME, max_length=100)]
    description: str = ""
    space: Space
    objectives: tuple[Objective, ...]
    goal: Goal = "single"
    outcome_constraints: tuple[OutcomeConstraint, ...] = ()
    cost: Cost | None = None
    fidelity: Fidelity | None = None
    funnel: Funnel | None = None
    synthesis: Synthesis | None = None
    surrogate: SurrogateChoice = SurrogateChoice()
    history: tuple[History, ...] = ()
    recipe: tuple[Step, ...]
    plan: tuple[Phase, ...]
    budget: Budget
    limits: tuple[Limit, ...] = ()
    loops: tuple[Loop, ...] = ()
    schedule: Schedule = Schedule()
    lab: LabReference
    seed: int = Field(default=0, ge=0, le=2**53)

    def problems(self) -> Iterator[Problem]:
        steps = dict(enumerate(self.recipe))
        objectives = dict(enumerate(self.objectives))
        phases = dict(enumerate(self.plan))
        parameters = {parameter.name: parameter for parameter in self.space.parameters}
        mixtures = {mixture.name: mixture.components for mixture in self.space.mixtures}
        given = [name for step in self.recipe for name in step.gives]
        if not steps:
            yield Problem("E207", ("recipe",), wanted="at least one step", got="none")
        yield from recipe_problems(steps, names=self.space.names, mixtures=mixtures)
        yield from context_problems(steps, [p.name for p in self.space.context], whole=True)
        yield from unused_problems(self.recipe, [p.name for p in self.space.chosen])
        yield from objective_problems(objectives, n=len(objectives), given=given, goal=self.goal)
        constraints = dict(enumerate(self.outcome_constraints))
        yield from outcome_problems(constraints, objectives, given=given)
        if self.cost is not None:
            yield from cost_problems(self.cost, parameters, names=self.space.names)
        if self.fidelity is not None:
            yield from fidelity_problems(self.fidelity, parameters, names=self.space.names)
        if self.synthesis is not None:
            yield from synthesis_problems(self.synthesis, parameters, self.recipe, names=self.space.names)
        yield from route_problems(phases, self.synthesis, parameters, said=self.synthesis is not None)
        sought = [o.name for o in self.objectives] + [c.name for c in self.outcome_constraints]
        yield from history_problems(dict(enumerate(self.history)), self.space, sought=sought)
        yield from plan_problems(phases, n=len(phases), budget=self.budget.experiments)
        if (len(objectives) == 1) == (self.goal in ALONE):
            yield from plan_goal_problems(phases, self.goal)
        yield from share_problems(phases, parameters, names=self.space.names, allowed=self.space.allowed)
        yield from loop_problems({loop.name: loop for loop in self.loops}, parameters, names=self.space.names)
        plans = {"": self.plan, **{loop.name: loop.plan for loop in self.loops}}
        yield from funnel_problems(
            self.funnel, self.objectives, self.goal, parameters, plans, names=self.space.names
        )
        yield from material_problems(self.goal, objectives, parameters, names=self.space.names)
        yield from derivation_problems(self.surrogate, given=given)
        yield from per_atom_problems(self.surrogate, given=given, objectives=len(objectives))
        limits = {limit.key: limit for limit in self.limits}
        yield from limit_problems(limits, steps_of(steps, self.loops), parameters, whole=True)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the canonical JSON of all that defines the search (not description, not schedule)."""
        defining = {key: value for key, value in self.to_json().items() if key not in _NOT_THE_SEARCH}
        text = json.dumps(defining, sort_keys=True, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The campaign in JSON types only; `from_json` gives back an equal campaign."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The campaign that `to_json` wrote. Raises pydantic.ValidationError for anything else."""
        return cls.model_validate_json(json.dumps(data, allow_nan=False))

    @property
    def aim(self) -> Aim:
        """What the search is for, without laboratory, plan or budget."""
        return Aim.model_construct(**{name: getattr(self, name) for name in Aim.model_fields})

    def written_at(self, loop: str) -> Path:
        """Where the recipe of a loop ("": the main one) stands in the file: below a stage, where a funnel made it."""
        stage = None if self.funnel is None else self.funnel.path(loop)
        return stage or (("loops", loop) if loop else ())

    @property
    def lessons(self) -> tuple[Lesson, ...]:
        """The pools that the networks learn from before they learn what the campaign measures."""
        pretrained = self.surrogate.materials.pretrained
        return () if pretrained is None else pretrained.lessons

    @property
    def fixed(self) -> tuple[Fixed, ...]:
        """The parameters whose value the file itself sets."""
        return tuple(parameter for parameter in self.space.parameters if isinstance(parameter, Fixed))
