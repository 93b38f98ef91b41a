"""The plan: phases in order, each with a mode, a method and the rule that ends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from campaigns.errors import Problem, did_you_mean, shown
from campaigns.model import BaseCampaignModel

Mode = Literal["explore", "learn", "optimise"]
# The only list of methods: the language, its JSON Schema and the planner all read it.
METHODS: dict[Mode, tuple[str, ...]] = {
    "explore": ("sobol", "random"),
    "learn": ("variance", "integrated_variance"),
    "optimise": ("ucb", "log_ei", "log_nei"),
}


class Until(BaseCampaignModel):
    """What ends a phase early; any one that holds is enough.

    calibrated: the share of measured values inside their own 90 % leave-one-out intervals is at least this.
    stalled_for: so many experiments have passed without a better one.
    variance_below: the largest predictive variance is below this (the objective's unit, squared).
    reached: a measured value at least as good as this (the objective's unit).
    """

    calibrated: float | None = Field(default=None, gt=0, lt=1)
    stalled_for: int | None = Field(default=None, ge=1, le=1_000_000)
    variance_below: float | None = Field(default=None, gt=0)
    reached: float | None = None

    def problems(self) -> Iterator[Problem]:
        if all(
            rule is None for rule in (self.calibrated, self.stalled_for, self.variance_below, self.reached)
        ):
            yield Problem(
                "E207",
                (),
                wanted="calibrated, stalled_for, variance_below or reached",
                got="no rule",
                cure="name a rule",
            )


class Phase(BaseCampaignModel):
    """`experiments` is how many the phase has; `at_most` bounds a phase that `until` may end earlier.

    With neither, the phase goes on until its rule holds or the budget is spent. `beta` belongs to `ucb`
    (mean + beta * sd); `batch` is how many candidates are asked for at once.
    """

    mode: Mode
    method: str
    experiments: int | None = Field(default=None, ge=1, le=1_000_000)
    at_most: int | None = Field(default=None, ge=1, le=1_000_000)
    until: Until | None = None
    batch: int = Field(default=1, ge=1, le=1000)
    beta: float | None = Field(default=None, ge=0, le=1000)
    timeout_s: float | None = Field(default=None, gt=0)

    @property
    def bound(self) -> int | None:
        """The most experiments the phase can have; None where only a rule or the budget ends it."""
        return self.experiments if self.experiments is not None else self.at_most

    def problems(self) -> Iterator[Problem]:
        methods = METHODS[self.mode]
        if self.method not in methods:
            other = next((mode for mode, known in METHODS.items() if self.method in known), None)
            yield Problem(
                "E250",
                (self.mode,),
                wanted=f"a method of '{self.mode}': {', '.join(methods)}",
                got=shown(self.method),
                cure=f"'{self.method}' belongs to '{other}'" if other else did_you_mean(self.method, methods),
            )
        elif self.beta is not None and self.method != "ucb":
            yield Problem(
                "E253", ("beta",), wanted="beta only with 'optimise: ucb'", got=f"'{self.method}'", key=True
            )
        if self.experiments is not None and self.at_most is not None:
            yield Problem(
                "E253",
                ("at_most",),
                wanted="'experiments' (exactly so many) or 'at_most' (until a rule ends it), not both",
                got=f"experiments {self.experiments} and at_most {self.at_most}",
                key=True,
            )
        if self.experiments is not None and self.until is not None:
            yield Problem(
                "E253",
                ("until",),
                wanted="no rule in a phase of exactly so many experiments",
                got=f"'until' beside experiments: {self.experiments}",
                cure="write 'at_most' in place of 'experiments'",
                key=True,
            )
        if self.bound is not None and self.batch > self.bound:
            yield Problem(
                "E253", ("batch",), wanted=f"at most {self.bound}, as the phase has", got=shown(self.batch)
            )


def plan_problems(phases: Mapping[int, Phase], *, n: int, budget: int | None) -> Iterator[Problem]:
    """What is wrong between phases; `n` counts the phases in the file, of which `phases` are the sound ones."""
    if not n:
        yield Problem(
            "E207",
            ("plan",),
            wanted="at least one phase",
            got="none",
            cure="add {explore: sobol, experiments: 8}",
        )
    first = phases.get(0)
    if first is not None and first.mode != "explore":
        yield Problem(
            "E252",
            ("plan", 0),
            message=f"nothing is measured yet that '{first.mode}' could learn from",
            wanted="a plan that begins with 'explore'",
            got=shown(first.mode),
            cure="put {explore: sobol, experiments: 8} in front",
        )
    spent = 0
    for index, phase in phases.items():
        unbounded = phase.bound is None and phase.until is None and phase.timeout_s is None
        if unbounded and index + 1 < n:
            yield Problem(
                "E251",
                ("plan", index + 1),
                wanted="a phase before it that ends",
                got=f"plan[{index}] without experiments, at_most, until or timeout",
                cure=f"give plan[{index}] 'experiments' or 'until'",
            )
            return
        if budget is not None and phase.experiments is not None and phase.mode == "explore":
            explored = sum(
                p.experiments or 0 for i, p in phases.items() if i <= index and p.mode == "explore"
            )
            if explored > budget:
                yield Problem(
                    "E254",
                    ("budget", "experiments"),
                    wanted=f"at least the {explored} experiments that the plan explores with",
                    got=shown(budget),
                    cure="raise the budget, or explore less",
                )
                return
        if budget is not None and spent >= budget:
            yield Problem(
                "E251",
                ("plan", index),
                wanted=f"a phase that the budget of {budget} experiments reaches",
                got=f"{spent} experiments before it",
                cure="raise budget.experiments, or shorten the phases before",
            )
            return
        spent += phase.experiments or 0
