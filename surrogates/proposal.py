"""What the planner says: the next candidate, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from campaigns.space import Value

Mode = Literal["explore", "learn", "optimise"]
MethodName = Literal["sobol", "random", "variance", "integrated_variance", "ucb", "log_ei", "log_nei"]


@dataclass(frozen=True)
class Method:
    """How to choose. `beta` weighs the sd in ucb = mean + beta * sd (maximisation form)."""

    mode: Mode = "optimise"
    name: MethodName = "ucb"
    beta: float = 2.0


@dataclass(frozen=True)
class Nearest:
    """The closest candidate told before, by Euclidean `distance` in the unit cube."""

    candidate: dict[str, Value]
    value: float | None
    distance: float


@dataclass(frozen=True)
class Proposal:
    """One candidate to measure.

    acquisition  what chose it; `value` is that function's value there, in standardised units
    mean, sd     belief about the objective there, in the objective's own unit and sign; None without a model
    noise_sd     what the model has learned of the spread of one measurement there, in the objective's unit
    model        the surrogate, `constant` where there is none
    seed         with the number of proposals made before it, fixes every random number used
    n_observed   results that the model was fitted to
    fallback     why this is not what the method asked for; None where it is
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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
