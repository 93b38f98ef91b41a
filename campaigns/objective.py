"""What is sought: one measured quantity, and which way is better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from campaigns.errors import Problem
from campaigns.model import BaseCampaignModel, Name
from campaigns.units import known, unknown_unit


class Objective(BaseCampaignModel):
    """A measured name (one that a step of the recipe gives), in `unit`."""

    name: Name
    direction: Literal["maximise", "minimise"]
    unit: str = ""

    def problems(self) -> Iterator[Problem]:
        if not known(self.unit):
            yield unknown_unit(self.unit, ("unit",))

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is strictly better than `b`."""
        return a > b if self.direction == "maximise" else a < b
