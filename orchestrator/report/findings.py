"""What the records say in numbers: counts, the best candidate, and how well predictions held.

Everything here is in the objective's own unit and sign, and about one reading at a time; what the campaign seeks among
several is in `standings`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from orchestrator.records import ExperimentRecord, MeasuredValue, ProposalRecord, Records

if TYPE_CHECKING:
    from campaigns.campaign import Campaign, Objective

# Half-width of a central 90 % interval of a normal distribution, in standard deviations.
Z90 = 1.6448536269514722
ENDED = ("measured", "failed", "rejected", "cancelled")


class Reading(Protocol):
    """What is measured: an objective or an outcome constraint."""

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str: ...


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


def every(records: Records) -> Iterator[ExperimentRecord]:
    """The experiments of all loops, the main one's first."""
    yield from records.experiments
    for loop in records.loops:
        yield from loop.experiments


def after(records: Records, n: int) -> int:
    """The number of the n-th experiment of the main loop, 0 before the first: numbers are shared with other loops."""
    return (
        records.experiments[min(n, len(records.experiments)) - 1].number if n and records.experiments else 0
    )


def counts(records: Records) -> dict[str, int]:
    """Experiments by state: the four ends, `open` (all others) and `done` (carried out: measured or failed)."""
    tally = Counter(state_of(experiment) for experiment in records.experiments)
    found = {state: tally[state] for state in ENDED}
    found["open"] = tally.total() - sum(found.values())
    found["done"] = found["measured"] + found["failed"]
    return found


def measured(experiment: ExperimentRecord, reading: Reading) -> MeasuredValue | None:
    """The value in the reading's unit, None where the experiment was not measured or did not give it."""
    found = experiment.values.get(reading.name)
    return None if found is None or state_of(experiment) != "measured" else in_unit(found, reading.unit)


def in_unit(found: MeasuredValue, unit: str) -> MeasuredValue:
    """The same quantity in another unit."""
    if found.unit == unit:
        return found
    from campaigns.units import convert  # the units registry is slow to load and seldom needed here

    value = convert(found.value, found.unit, unit)
    sigma = found.sigma
    if sigma is not None:  # a difference, so that an offset (degC to K) does not enter
        sigma = abs(convert(found.value + sigma, found.unit, unit) - value)
    return MeasuredValue(value, unit, sigma)


def readings(campaign: Campaign) -> dict[str, Reading]:
    """What is looked at of a result, by name: the objectives first, then what the outcome constraints bound."""
    found: dict[str, Reading] = {objective.name: objective for objective in campaign.objectives}
    for constraint in campaign.outcome_constraints:
        found.setdefault(constraint.name, constraint)
    return found


def beyond(experiment: ExperimentRecord, campaign: Campaign) -> list[str]:
    """The names of the bounded readings that a measured experiment has beyond their bounds."""
    return [
        constraint.name
        for constraint in campaign.outcome_constraints
        if (found := measured(experiment, constraint)) is not None and not constraint.met(found.value)
    ]


def best(records: Records, objective: Objective) -> ExperimentRecord | None:
    """The experiment with the best measured value, of one objective alone; the earliest one of equals. One that is
    beyond an outcome constraint comes after all that are not."""
    found: ExperimentRecord | None = None
    rank: tuple[bool, float] | None = None
    for experiment in records.experiments:
        got = measured(experiment, objective)
        if got is None:
            continue
        kept = not beyond(experiment, records.campaign)
        better = rank is None or kept > rank[0] or (kept == rank[0] and objective.better(got.value, rank[1]))
        if better:
            found, rank = experiment, (kept, got.value)
    return found


def best_so_far(records: Records, objective: Objective) -> list[tuple[int, float]]:
    """(experiment number, best value up to and with it), from the first measured experiment on that is not beyond an
    outcome constraint; those that are do not count."""
    path: list[tuple[int, float]] = []
    value: float | None = None
    for experiment in records.experiments:
        got = measured(experiment, objective)
        counts_here = got is not None and not beyond(experiment, records.campaign)
        if got is not None and counts_here and (value is None or objective.better(got.value, value)):
            value = got.value
        if value is not None:
            path.append((experiment.number, value))
    return path


def predicted(proposal: ProposalRecord, campaign: Campaign, name: str) -> tuple[float, float] | None:
    """Mean and standard deviation of a reading as predicted when it was proposed; None without a prediction."""
    if name in proposal.predictions:
        return proposal.predictions[name]
    if name == campaign.objectives[0].name and proposal.mean is not None and proposal.sd is not None:
        return proposal.mean, proposal.sd
    return None


def predictions(records: Records, objective: Objective | None = None) -> list[Prediction]:
    """Every measured experiment that had been predicted when it was proposed; of the first objective by default.

    The noise that a model had learned is in the log for the first objective only.
    """
    first = records.campaign.objectives[0]
    objective = objective or first
    found = []
    for experiment in records.experiments:
        got = measured(experiment, objective)
        said = predicted(experiment.proposal, records.campaign, objective.name)
        if got is not None and said is not None:
            noise = experiment.proposal.noise_sd if objective.name == first.name else None
            found.append(Prediction(experiment, *said, got.value, got.sigma, noise))
    return found


def coverage(found: Sequence[Prediction]) -> Coverage:
    """Observed coverage of the nominal 90 % intervals."""
    return Coverage(len(found), sum(prediction.inside for prediction in found))
