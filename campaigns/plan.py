"""The plan: phases in order, each with a mode, a method and the rule that ends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from campaigns.errors import Problem, did_you_mean, shown
from campaigns.model import BaseCampaignModel, Name
from campaigns.until import Until

__all__ = [
    "HULL_METHODS",
    "METHODS",
    "PARETO_METHODS",
    "PROMOTE",
    "ROUTE_METHODS",
    "Gate",
    "Mode",
    "Phase",
    "Turn",
    "TurnMode",
    "Until",
    "plan_problems",
]

TurnMode = Literal["explore", "learn", "optimise"]
Mode = Literal[TurnMode, "alternate"]
PERSON = "person"  # whoever says `alquimia propose`
# The only list of methods: the language, its JSON Schema and the planner all read it.
METHODS: dict[TurnMode, tuple[str, ...]] = {
    "explore": ("sobol", "random", PERSON),
    "learn": (
        "variance",
        "integrated_variance",
        "bald",
        "straddle",
        "phase_boundary",
        "novelty",
        "model_change",
        PERSON,
    ),
    "optimise": (
        "ucb",
        "log_ei",
        "log_nei",
        "log_nehvi",
        "parego",
        "thompson",
        "knowledge_gradient",
        "probability",
        "pairwise_reactions",
        PERSON,
    ),
}
# Those that seek a set of trade-offs; all others of 'optimise' seek one best value.
PARETO_METHODS = ("log_nehvi", "parego")
# Those that seek crystals on or below the convex hull.
HULL_METHODS = ("probability", "ucb", "thompson")

# Those that choose precursors and temperatures by what reacts with what; the chemistry is known before any result.
ROUTE_METHODS = ("pairwise_reactions",)
# The method of a funnel's stages, which no file names: see `campaigns.funnel`.
PROMOTE = "promote"

Beta = Annotated[float, Field(ge=0, le=1000)] | Literal["scheduled"]
TrustRegion = Literal["auto", "on", "off"]


class Gate(BaseCampaignModel):
    """The model may choose only while the coverage of its 90 % leave-one-out intervals is in [low, high].

    Otherwise the next experiments are those of 'learn', or wait for the approval of a person.
    """

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    otherwise: Literal["learn", "approval"] = "learn"

    def problems(self) -> Iterator[Problem]:
        if not self.low < self.high:
            got = f"[{self.low:g}, {self.high:g}]"
            yield Problem(
                "E212",
                ("coverage",),
                wanted="a lower bound below the upper bound",
                got=got,
                cure="swap the bounds",
            )


class Turn(BaseCampaignModel):
    """A method and how many experiments it has before the next one's turn."""

    mode: TurnMode
    method: str
    experiments: int = Field(ge=1, le=1_000_000)
    beta: Beta | None = None
    level: float | None = None
    trust_region: TrustRegion = "auto"

    def problems(self) -> Iterator[Problem]:
        yield from method_problems(self)


class Phase(BaseCampaignModel):
    """`experiments` is how many the phase has; `at_most` bounds a phase that `until` may end earlier.

    With neither, the phase goes on until its rule holds or the budget is spent. `beta` belongs to `ucb`
    (mean + beta * sd), `level` to `straddle` (the first objective's unit); `batch` is how many candidates are
    asked for at once, `replicates` how often each is made, `share` the parameters that all of one batch have in common.
    `approve`: what is proposed waits until a person has approved it.
    With `in_flight` more is asked for before all has ended, so that no more than so many experiments are in hand.
    `turns`, of 'alternate' alone, take the place of a method.
    """

    mode: Mode
    method: str = ""
    experiments: int | None = Field(default=None, ge=1, le=1_000_000)
    at_most: int | None = Field(default=None, ge=1, le=1_000_000)
    until: Until | None = None
    batch: int = Field(default=1, ge=1, le=1000)
    beta: Beta | None = None
    level: float | None = None
    trust_region: TrustRegion = "auto"
    in_flight: int | None = Field(default=None, ge=1, le=1000)
    replicates: int = Field(default=1, ge=1, le=1000)
    approve: Literal["person"] | None = None
    share: tuple[Name, ...] = ()
    gate: Gate | None = None
    turns: tuple[Turn, ...] = ()
    timeout_s: float | None = Field(default=None, gt=0)

    @property
    def bound(self) -> int | None:
        """The most experiments the phase can have; None where only a rule or the budget ends it."""
        return self.experiments if self.experiments is not None else self.at_most

    def turn(self, n_asked: int) -> Turn:
        """Whose turn experiment number `n_asked` of the phase is, counted from 0; turns come round and round.

        A phase that does not alternate is one turn that lasts as long as it does.
        """
        return self._turn(n_asked)[0]

    def left_in_turn(self, n_asked: int) -> int | None:
        """How many experiments that turn still has, this one included; None for a phase that does not alternate."""
        return self._turn(n_asked)[1]

    def _turn(self, n_asked: int) -> tuple[Turn, int | None]:
        if self.mode != "alternate":
            own = Turn(
                mode=self.mode,
                method=self.method,
                experiments=self.bound or self.batch,
                beta=self.beta,
                level=self.level,
                trust_region=self.trust_region,
            )
            return own, None
        place = n_asked % sum(turn.experiments for turn in self.turns)
        for turn in self.turns:
            if place < turn.experiments:
                return turn, turn.experiments - place
            place -= turn.experiments
        raise AssertionError("the place is within the turns")

    def problems(self) -> Iterator[Problem]:
        if self.mode == "alternate":
            yield from self._turn_problems()
        else:
            yield from method_problems(self)
            if self.turns:
                yield Problem("E253", ("turns",), wanted="turns only with 'alternate'", got=f"'{self.mode}'")
        if self.gate is not None and self.mode != "optimise":
            yield Problem(
                "E253", ("gate",), wanted="a gate only with 'optimise'", got=f"'{self.mode}'", key=True
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
        if self.in_flight is not None and self.in_flight < self.batch * self.replicates:
            yield Problem(
                "E253",
                ("in_flight",),
                wanted=f"at least what is asked for at once, {self.batch * self.replicates}",
                got=shown(self.in_flight),
                cure="make the batch smaller",
            )
        for key in ("batch", "replicates"):
            n = getattr(self, key)
            if self.bound is not None and n > self.bound:
                wanted = f"at most {self.bound}, as the phase has"
                yield Problem("E253", (key,), wanted=wanted, got=shown(n))

    def _turn_problems(self) -> Iterator[Problem]:
        if len(self.turns) < 2:
            yield Problem(
                "E207", ("alternate",), wanted="at least two turns", got=str(len(self.turns)), cure="add one"
            )
        elif self.turns[0].mode == "explore":
            yield Problem(
                "E258",
                ("alternate", 0),
                wanted="first a turn of 'learn' or 'optimise'",
                got="'explore'",
                cure="explore in a phase before, or in a later turn",
            )
        for key in ("method", "beta", "level", "trust_region"):
            if getattr(self, key) not in ("", None, "auto"):
                wanted = f"'{key}' in the turns of a phase that alternates"
                yield Problem("E253", (key,), wanted=wanted, got="one for the phase", key=True)


def method_problems(turn: Turn | Phase) -> Iterator[Problem]:
    """A method that the mode does not have, and settings that the method lacks or has no use for."""
    if turn.mode == "alternate":
        return
    method, methods = turn.method, METHODS[turn.mode]
    if method not in methods and (turn.mode, method) != ("optimise", PROMOTE):
        other = next((mode for mode, known in METHODS.items() if method in known), None)
        yield Problem(
            "E250",
            (turn.mode,),
            wanted=f"a method of '{turn.mode}': {', '.join(methods)}",
            got=shown(method),
            cure=f"'{method}' belongs to '{other}'" if other else did_you_mean(method, methods),
        )
        return
    if turn.beta is not None and method != "ucb":
        yield Problem("E253", ("beta",), wanted="beta only with 'optimise: ucb'", got=f"'{method}'", key=True)
    if turn.level is not None and method != "straddle":
        yield Problem(
            "E253", ("level",), wanted="level only with 'learn: straddle'", got=f"'{method}'", key=True
        )
    if turn.level is None and method == "straddle":
        yield Problem(
            "E255",
            (turn.mode,),
            wanted="the level whose contour is to be found",
            got="'straddle' without a level",
            cure="add 'level: 0.5', a value of the objective",
        )
    if turn.trust_region != "auto" and (turn.mode != "optimise" or method in ROUTE_METHODS):
        yield Problem(
            "E253",
            ("trust_region",),
            wanted="trust_region only with 'optimise', by a model of the results",
            got=f"'{turn.mode}: {method}'",
            key=True,
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
    if (
        first is not None
        and first.mode != "explore"
        and first.method not in (*ROUTE_METHODS, PERSON, PROMOTE)
    ):
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
