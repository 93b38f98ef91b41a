"""What ends a phase before it has had all its experiments."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from campaigns.errors import Problem
from campaigns.model import BaseCampaignModel


class Until(BaseCampaignModel):
    """What ends a phase early; any one that holds is enough.

    calibrated: the share of measured values inside their own 90 % leave-one-out intervals is at least this.
    stalled_for: so many experiments have passed without a better one (pareto: without more hypervolume).
    variance_below: the largest predictive variance is below this (the first objective's unit, squared).
    mean_variance_below: the same of the mean over the space.
    reached: a measured value at least as good as this (the objective's unit; of desirability, its 0 to 1).
    error_below: leave-one-out root-mean-square error, as a share of the spread of the results, is below this.
    improvement_below: the probability that the best candidate improves on what is known is below this.
    value_below_cost: the cost that one unit of the objective is worth; the expected improvement, so valued, is
        below the cost of the next experiment.
    share: this share of the budget's experiments is used.
    """

    calibrated: float | None = Field(default=None, gt=0, lt=1)
    stalled_for: int | None = Field(default=None, ge=1, le=1_000_000)
    variance_below: float | None = Field(default=None, gt=0)
    mean_variance_below: float | None = Field(default=None, gt=0)
    reached: float | None = None
    error_below: float | None = Field(default=None, gt=0)
    improvement_below: float | None = Field(default=None, gt=0, lt=1)
    value_below_cost: float | None = Field(default=None, gt=0)
    share: float | None = Field(default=None, gt=0, lt=1)

    def problems(self) -> Iterator[Problem]:
        rules = list(type(self).model_fields)
        if all(getattr(self, rule) is None for rule in rules):
            wanted = ", ".join(rules[:-1]) + f" or {rules[-1]}"
            yield Problem("E207", (), wanted=wanted, got="no rule", cure="name a rule")
