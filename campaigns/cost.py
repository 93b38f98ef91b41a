"""What an experiment costs, as far as it depends on the candidate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from campaigns.model import BaseCampaignModel, Value

Amount = Annotated[float, Field(ge=0)]


class Cost(BaseCampaignModel):
    """The cost of one experiment, in `unit` (which may be any word: min, mL, EUR).

    base: what every experiment costs.
    per: (parameter, cost of one unit of it).
    of: (parameter, (value, cost) of each of its values that cost extra).
    changes: (parameter, what it costs to change it from one experiment to the next).
    """

    base: float = Field(default=1.0, gt=0)
    unit: str = Field(default="", max_length=60)
    per: tuple[tuple[str, Amount], ...] = ()
    of: tuple[tuple[str, tuple[tuple[Value, Amount], ...]], ...] = ()
    changes: tuple[tuple[str, Amount], ...] = ()

    def of_candidate(self, candidate: Mapping[str, Value], before: Mapping[str, Value] | None) -> float:
        """The cost of a candidate made right after `before`; None: it is the first, and nothing needs changing.

        Raises KeyError where a candidate lacks a parameter that costs something.
        """
        total = self.base
        total += sum(cost * float(candidate[name]) for name, cost in self.per)
        total += sum(dict(costs).get(candidate[name], 0.0) for name, costs in self.of)
        if before is not None:
            total += sum(cost for name, cost in self.changes if candidate[name] != before[name])
        return total
