"""The accuracy funnel: stages of rising fidelity and cost, from many candidates to few.

When a campaign is built its stages become loops and, the last one, the main recipe: what runs them knows loops only,
and of the funnel who goes before whom.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

from pydantic import Field

from campaigns.errors import Path, Problem, shown, shown_list
from campaigns.material import Material
from campaigns.model import BaseCampaignModel, Name
from campaigns.objective import Goal, Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.parameters import AnyParameter, chosen
from campaigns.plan import PROMOTE, Phase

Rule = Literal["ucb", "thompson", "greedy", "rank", "random", "variance"]
Pace = Literal["together", "after"]
BETA = 2.0


class Screen(BaseCampaignModel):
    """The networks, which predict the reading `predicts` of every crystal, of `take` of them at most."""

    name: Name
    predicts: Name
    take: int | None = Field(default=None, ge=1)


class FunnelStage(BaseCampaignModel):
    """A stage that labels. `loop`: the loop that it has become, "" for the last; `reading`: its estimate of the
    objective; `learns`: what else it reads that the networks learn; a label that breaks one of `plausible` is not
    believed: nothing is learned from it, and it does not go up."""

    name: Name
    loop: str
    reading: Name
    take: int = Field(ge=1)
    learns: tuple[Name, ...] = ()
    plausible: tuple[OutcomeConstraint, ...] = ()


class Funnel(BaseCampaignModel):
    """Every stage estimates the one objective. `promote`: by what the next stage's candidates are
    chosen; `beta` weighs the sd in `ucb`. `pace`: a stage runs together with the one before, no more of its capacity
    used than of that one's, or after it."""

    promote: Rule = "ucb"
    beta: float = Field(default=BETA, ge=0, le=1000)
    pace: Pace = "after"
    screen: Screen | None = None
    stages: tuple[FunnelStage, ...]

    def place(self, loop: str) -> int | None:
        """The number of the stage that is `loop` ("": the main one), from 0; None where it is none."""
        return next((k for k, stage in enumerate(self.stages) if stage.loop == loop), None)

    def before(self, loop: str) -> FunnelStage | None:
        """The stage whose labels `loop` takes from; None for the first, which takes from all."""
        at = self.place(loop)
        return self.stages[at - 1] if at else None

    def path(self, loop: str) -> Path | None:
        """Where the stage stands in the file; None where `loop` is none."""
        at = self.place(loop)
        return None if at is None else ("funnel", "stages", at + (self.screen is not None))

    @property
    def screens(self) -> str:
        """The reading with whose prediction the chain of stages begins."""
        return self.stages[0].reading if self.screen is None else self.screen.predicts

    def described(self) -> str:
        """In a line: screen 100000 → quick 40 → exact 20."""
        parts = [f"{stage.name} {stage.take}" for stage in self.stages]
        if self.screen is not None:
            parts.insert(0, f"{self.screen.name} {self.screen.take or 'all'}")
        return " → ".join(parts)

    def problems(self) -> Iterator[Problem]:
        first = int(self.screen is not None)
        at: Path = ("stages",)
        if len(self.stages) < 2:
            yield Problem(
                "E285", at, wanted="at least two stages that label", got=str(len(self.stages)),
                cure="add a cheap one before it, or write 'recipe', 'plan' and 'budget' without a funnel",
            )  # fmt: skip
        for k, (one, other) in enumerate(pairwise(self.stages), start=1 + first):
            if other.take > one.take:
                wanted = f"at most the {one.take} that '{one.name}' passes on"
                yield Problem("E285", (*at, k, "take"), wanted=wanted, got=str(other.take))
        looked_at = None if self.screen is None else self.screen.take
        if looked_at is not None and self.stages and self.stages[0].take > looked_at:
            wanted = f"at most the {looked_at} that the networks look at"
            yield Problem("E285", (*at, 1, "take"), wanted=wanted, got=str(self.stages[0].take))
        names: dict[str, str] = {} if self.screen is None else {self.screen.name: ""}
        readings: dict[str, str] = {}
        for k, stage in enumerate(self.stages, start=first):
            if stage.name in names:
                yield Problem("E211", (*at, k, "name"), wanted="each name once", got=shown(stage.name))
            names[stage.name] = ""
            for reading in dict.fromkeys((stage.reading, *stage.learns, *(c.name for c in stage.plausible))):
                if reading in readings:
                    yield Problem(
                        "E285", (*at, k), wanted="names of its own for what each stage reads",
                        got=f"{shown(reading)} in '{readings[reading]}' too",
                        cure="call it otherwise in 'gives': stages are compared with each other",
                    )  # fmt: skip
                readings[reading] = stage.name


def funnel_problems(
    funnel: Funnel | None,
    objectives: Sequence[Objective],
    goal: Goal | None,
    parameters: Mapping[str, AnyParameter],
    plans: Mapping[str, Sequence[Phase]],
    *,
    names: Sequence[str],
) -> Iterator[Problem]:
    """What a funnel asks of the campaign around it. `plans`: phases by loop ("" the main one); `names` are those of all
    parameters of the space, broken ones too."""
    if funnel is None:
        for loop, phases in plans.items():
            base: Path = ("loops", loop) if loop else ()
            for index, phase in enumerate(phases):
                if phase.method == PROMOTE or any(turn.method == PROMOTE for turn in phase.turns):
                    wanted, cure = "a method that a plan may have", "write a 'funnel', which promotes"
                    yield Problem(
                        "E285", (*base, "plan", index), wanted=wanted, got=shown(PROMOTE), cure=cure
                    )
        return
    searched = chosen(parameters.values())
    if len(parameters) == len(names) and not (len(searched) == 1 and isinstance(searched[0], Material)):
        yield Problem(
            "E285", ("funnel",), wanted="one parameter that is chosen, a material",
            got=shown_list(p.name for p in searched) or "none", key=True,
            cure="add crystal: {material: NAME OF A POOL}; process parameters may be fixed",
        )  # fmt: skip
    if goal is not None and goal != "single":
        yield Problem("E285", ("goal",), wanted="a single objective with a funnel", got=shown(goal), key=True)
    elif len(objectives) == 1 and objectives[0].direction == "match":
        wanted = "an objective to maximise or minimise with a funnel"
        yield Problem("E285", ("objectives", 0, "match"), wanted=wanted, got="match", key=True)
    elif len(objectives) == 1 and funnel.stages and funnel.stages[-1].reading != objectives[0].name:
        path = funnel.path("") or ("funnel",)
        wanted = f"the objective, {objectives[0].name}, as the last stage's reading"
        yield Problem("E285", (*path, "reading"), wanted=wanted, got=shown(funnel.stages[-1].reading))
