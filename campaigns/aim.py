"""What a search is for: the part of a campaign that the planner reads. It can be sought without any laboratory."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.cost import Cost
from campaigns.errors import Problem
from campaigns.fidelity import Fidelity
from campaigns.funnel import Funnel
from campaigns.goal import ALONE
from campaigns.history import History
from campaigns.model import BaseCampaignModel
from campaigns.objective import Goal, Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.space import Space
from campaigns.surrogate_choice import SurrogateChoice
from campaigns.synthesis import Synthesis


class Aim(BaseCampaignModel):
    """The space, what is sought there, and what is known beforehand."""

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

    def problems(self) -> Iterator[Problem]:
        if not self.objectives:
            yield Problem("E207", ("objectives",), wanted="an objective", got="none")
        if (self.goal in ALONE) != (len(self.objectives) == 1) and self.objectives:
            yield Problem(
                "E241",
                ("objectives",),
                wanted="one objective, or a goal of several (pareto, desirability, hierarchy)",
                got=f"{len(self.objectives)} with goal {self.goal}",
            )

    @property
    def readings(self) -> tuple[str, ...]:
        """The measured names that matter: objectives first, then what the outcome constraints bound and what the
        surrogate derives these from, each once."""
        names = [o.name for o in self.objectives] + [c.name for c in self.outcome_constraints]
        names += self.surrogate.materials.learned
        return tuple(dict.fromkeys(names))
