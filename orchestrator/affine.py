"""Unit conversion as arithmetic: worked out once when a campaign is bound, cheap and exact for every candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.units import convert
from drivers.host.spec import Bound

ROUNDING = 1e-12  # relative: some thousand times what a conversion loses


@dataclass(frozen=True)
class Affine:
    """unit -> unit as value * scale + offset, worked out once: every unit conversion here is of this form."""

    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def between(cls, unit: str, to: str) -> Affine:
        """Raises UnitError where the dimensions differ. A number without a unit is taken to be in `to` already."""
        if not unit or unit == to:
            return cls()
        zero = convert(0.0, unit, to)
        return cls(convert(1.0, unit, to) - zero, zero)

    def __call__(self, value: float) -> float:
        return value * self.scale + self.offset

    def within(self, value: float, bounds: Sequence[Bound]) -> float:
        """`value` converted; where only the rounding of the conversion carried it over a bound, the bound itself.

        So a limit of 520 K can be met exactly from degC, and guard and host compare without any tolerance.
        """
        number = self(value)
        slack = ROUNDING * (abs(value * self.scale) + abs(self.offset))
        lowest = max((b.at_least for b in bounds if b.at_least is not None), default=-math.inf)
        highest = min((b.at_most for b in bounds if b.at_most is not None), default=math.inf)
        if lowest - slack <= number < lowest:
            return lowest
        return highest if highest < number <= highest + slack else number
