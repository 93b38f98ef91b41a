"""What the records say in numbers: counts, the best candidate, and how well predictions held.

Everything here is in the objective's own unit and sign; `minimise` is handled here and nowhere else.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.records import ExperimentRecord, MeasuredValue, Records

if TYPE_CHECKING:
    from campaigns.campaign import Objective

# Half-width of a central 90 % interval of a normal distribution, in standard deviations.
Z90 = 1.6448536269514722
ENDED = ("measured", "failed", "rejected", "cancelled")


@dataclass(frozen=True)
class Prediction:
    """A prediction written down before the experiment, next to what was then measured (objective's unit).

    `spread` is the standard deviation the measured value should show about `mean`: the model's own `sd`, the noise
    that it had learned, and, where the instrument stated one, the measurement's standard uncertainty, in quadrature.
    """

    experiment: ExperimentRecord
    mean: float
    sd: float
    measured: float
    sigma: float | None
    noise_sd: float | None

    @property
    def spread(self) -> float:
        return math.hypot(self.sd, self.noise_sd or 0.0, self.sigma or 0.0)

    @property
    def inside(self) -> bool:
        return abs(self.measured - self.mean) <= Z90 * self.spread

    @property
    def residual(self) -> float | None:
        """(measured - mean) / spread; None where the spread is zero."""
        return (self.measured - self.mean) / self.spread if self.spread > 0 else None


@dataclass(frozen=True)
class Coverage:
    """How many of `n` nominal 90 % intervals held the measured value.

    `low` and `high` bound the true fraction with 90 % confidence (Wilson score interval).
    """

    n: int
    inside: int

    @property
    def fraction(self) -> float | None:
        return self.inside / self.n if self.n else None

    @property
    def bounds(self) -> tuple[float, float] | None:
        if not self.n:
            return None
        z2, p = Z90**2, self.inside / self.n
        centre = (p + z2 / (2 * self.n)) / (1 + z2 / self.n)
        half = Z90 / (1 + z2 / self.n) * math.sqrt(p * (1 - p) / self.n + z2 / (4 * self.n**2))
        return max(0.0, centre - half), min(1.0, centre + half)


def state_of(experiment: ExperimentRecord) -> str:
    """The experiment's state in lower case."""
    return experiment.state.lower()


def mode_of(experiment: ExperimentRecord) -> str:
    """explore, learn or optimise; "fallback" where the planner could not be asked."""
    return "fallback" if experiment.proposal.fallback is not None else experiment.proposal.mode


def counts(records: Records) -> dict[str, int]:
    """Experiments by state: the four ends, `open` (all others) and `done` (carried out: measured or failed)."""
    tally = Counter(state_of(experiment) for experiment in records.experiments)
    found = {state: tally[state] for state in ENDED}
    found["open"] = tally.total() - sum(found.values())
    found["done"] = found["measured"] + found["failed"]
    return found


def measured(experiment: ExperimentRecord, objective: Objective) -> MeasuredValue | None:
    """The objective's value in the objective's unit, None where the experiment has not given one."""
    found = experiment.values.get(objective.name)
    if found is None or state_of(experiment) != "measured":
        return None
    if found.unit == objective.unit:
        return found
    from campaigns.units import convert  # the units registry is slow to load and seldom needed here

    value = convert(found.value, found.unit, objective.unit)
    sigma = found.sigma
    if sigma is not None:  # a difference, so that an offset (degC to K) does not enter
        sigma = abs(convert(found.value + sigma, found.unit, objective.unit) - value)
    return MeasuredValue(value, objective.unit, sigma)


def improves(objective: Objective, value: float, on: float | None) -> bool:
    """Whether `value` is strictly better than `on` (or `on` is None)."""
    if on is None:
        return True
    return value < on if objective.direction == "minimise" else value > on


def best(records: Records, objective: Objective) -> ExperimentRecord | None:
    """The experiment with the best measured value; the earliest one of equals."""
    found: ExperimentRecord | None = None
    value: float | None = None
    for experiment in records.experiments:
        got = measured(experiment, objective)
        if got is not None and improves(objective, got.value, value):
            found, value = experiment, got.value
    return found


def best_so_far(experiments: Sequence[ExperimentRecord], objective: Objective) -> list[tuple[int, float]]:
    """(experiment number, best value up to and with it), from the first measured experiment on."""
    path: list[tuple[int, float]] = []
    value: float | None = None
    for experiment in experiments:
        got = measured(experiment, objective)
        if got is not None and improves(objective, got.value, value):
            value = got.value
        if value is not None:
            path.append((experiment.number, value))
    return path


def predictions(records: Records) -> list[Prediction]:
    """Every measured experiment of the first objective that had been predicted when it was proposed."""
    found = []
    for experiment in records.experiments:
        got = measured(experiment, records.campaign.objectives[0])
        mean, sd = experiment.proposal.mean, experiment.proposal.sd
        if got is not None and mean is not None and sd is not None:
            found.append(Prediction(experiment, mean, sd, got.value, got.sigma, experiment.proposal.noise_sd))
    return found


def coverage(found: Sequence[Prediction]) -> Coverage:
    """Observed coverage of the nominal 90 % intervals."""
    return Coverage(len(found), sum(prediction.inside for prediction in found))
