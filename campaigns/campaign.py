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
from campaigns.cost import Cost
from campaigns.errors import Problem, did_you_mean, shown
from campaigns.fidelity import Fidelity
from campaigns.history import History
from campaigns.limits import Limit, limit_problems
from campaigns.model import BaseCampaignModel
from campaigns.objective import Goal, Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.plan import METHODS, Gate, Phase, Turn, Until, plan_problems
from campaigns.recipe import Quantity, Reference, Step, recipe_problems, unused_problems
from campaigns.schedule import QuietHours, Schedule
from campaigns.space import Fixed, Space
from campaigns.surrogate_choice import SurrogateChoice

__all__ = [
    "METHODS",
    "Budget",
    "Campaign",
    "Cost",
    "Fidelity",
    "Gate",
    "Goal",
    "History",
    "LabReference",
    "Limit",
    "Objective",
    "OutcomeConstraint",
    "Phase",
    "Quantity",
    "QuietHours",
    "Reference",
    "Schedule",
    "Step",
    "SurrogateChoice",
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
    surrogate: SurrogateChoice = SurrogateChoice()
    history: tuple[History, ...] = ()
    recipe: tuple[Step, ...]
    plan: tuple[Phase, ...]
    budget: Budget
    limits: tuple[Limit, ...] = ()
    schedule: Schedule = Schedule()
    lab: LabReference
    seed: int = Field(default=0, ge=0, le=2**53)

    def problems(self) -> Iterator[Problem]:
        steps = dict(enumerate(self.recipe))
        mixtures = {mixture.name: mixture.components for mixture in self.space.mixtures}
        if not steps:
            yield Problem("E207", ("recipe",), wanted="at least one step", got="none")
        yield from recipe_problems(steps, names=self.space.names, mixtures=mixtures)
        yield from unused_problems(self.recipe, [parameter.name for parameter in self.space.free])
        yield from objective_problems(
            dict(enumerate(self.objectives)), n=len(self.objectives), steps=self.recipe, goal=self.goal
        )
        yield from plan_problems(dict(enumerate(self.plan)), n=len(self.plan), budget=self.budget.experiments)
        yield from limit_problems(
            {limit.key: limit for limit in self.limits},
            steps,
            {parameter.name: parameter for parameter in self.space.parameters},
            whole=True,
        )

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

    @property
    def fixed(self) -> tuple[Fixed, ...]:
        """The parameters whose value the file itself sets."""
        return tuple(parameter for parameter in self.space.parameters if isinstance(parameter, Fixed))


def objective_problems(
    objectives: Mapping[int, Objective], *, n: int, steps: tuple[Step, ...] | None, goal: Goal = "single"
) -> Iterator[Problem]:
    """Objectives that nothing measures, and several of them without a goal; `steps` None: the recipe is broken."""
    if n == 0:
        yield Problem(
            "E207",
            ("objectives",),
            wanted="an objective",
            got="none",
            cure="add {maximise: yield, unit: '%'}",
        )
    if n > 1 and goal == "single":
        yield Problem(
            "E241",
            ("objectives", 1),
            wanted="one objective, or a goal that says what is sought among several",
            got=f"{n} objectives without a goal",
            cure="add 'goal: pareto', 'goal: desirability' or 'goal: hierarchy'",
        )
    if steps is None:
        return
    given = [name for step in steps for name in step.gives]
    for index, objective in objectives.items():
        if objective.name not in given:
            yield Problem(
                "E240",
                ("objectives", index, objective.direction),
                wanted="a name that a step of the recipe gives",
                got=shown(objective.name),
                cure=did_you_mean(objective.name, given)
                or f"add gives: {{{objective.name}: <reading of the device>}} to the step that measures it",
            )
