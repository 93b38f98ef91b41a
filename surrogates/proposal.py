"""What the planner says: the next candidate, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from campaigns.space import Value

Mode = Literal["explore", "learn", "optimise"]


@dataclass(frozen=True)
class Method:
    """How to choose: `name` is one of `campaigns.plan.METHODS` for the mode.

    beta          weighs the sd in ucb = mean + beta * sd (maximisation form); "auto" is 2, and where parameters can
                  move 2, 2, 0 in turn: every third candidate is where the best is believed to be; "scheduled" grows
                  with the results
    level         of `straddle`, in the objective's unit
    trust_region  whether to search near the best only: "auto" does so in many dimensions or after many results
    share         parameters that all candidates of one ask have in common: those of the first
    """

    mode: Mode = "optimise"
    name: str = "ucb"
    beta: float | Literal["auto", "scheduled"] = "auto"
    level: float | None = None
    trust_region: Literal["auto", "on", "off"] = "auto"
    share: tuple[str, ...] = ()


@dataclass(frozen=True)
class Nearest:
    """The closest candidate told before, by Euclidean `distance` in the unit cube; `value` of the first objective."""

    candidate: dict[str, Value]
    value: float | None
    distance: float


@dataclass(frozen=True)
class Proposal:
    """One candidate to measure.

    acquisition  what chose it; `value` is that function's value there, in standardised units
    mean, sd     belief about the first objective there, in its own unit and sign; None without a model
    noise_sd     what the model has learned of the spread of one measurement there, in the objective's unit
    predictions  mean and sd of every reading that is modelled, each in its own unit
    sensitivity  per free parameter, how much the predicted mean changes (one sd) when it alone is varied from here
    feasible     probability that the experiment comes to a result and meets the outcome constraints; None where nothing
                 speaks against it
    cost         of this experiment, in the campaign's unit of cost; None where no cost is stated
    model        the surrogate, `constant` where there is none
    seed         with the number of proposals made before it, fixes every random number used
    n_observed   results that the model was fitted to
    fallback     why this is not what the method asked for; None where it is
    reasons      why it was chosen, in words, where the method has some
    """

    candidate: dict[str, Value]
    mode: Mode
    acquisition: str
    value: float | None
    mean: float | None
    sd: float | None
    model: str
    seed: int
    n_observed: int
    fallback: str | None = None
    nearest: Nearest | None = None
    noise_sd: float | None = None
    predictions: dict[str, tuple[float, float]] = field(default_factory=dict)
    sensitivity: dict[str, float] = field(default_factory=dict)
    feasible: float | None = None
    cost: float | None = None
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
