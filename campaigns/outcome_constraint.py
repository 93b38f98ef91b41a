"""Bounds on what is measured: a candidate counts as good only where its other readings are acceptable."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.errors import Problem, shown
from campaigns.model import BaseCampaignModel, Name
from campaigns.units import known, unknown_unit


class OutcomeConstraint(BaseCampaignModel):
    """A measured name and the bounds, in `unit`, that its value should keep. It is learnt from the results."""

    name: Name
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    def problems(self) -> Iterator[Problem]:
        if not known(self.unit):
            yield unknown_unit(self.unit, ("unit",))
        if self.at_least is None and self.at_most is None:
            yield Problem("E223", wanted="at_least or at_most", got="no bound", cure="add {at_most: 2}")
        elif self.at_least is not None and self.at_most is not None and not self.at_least <= self.at_most:
            yield Problem(
                "E223",
                ("at_least",),
                wanted=f"at_least not above at_most ({self.at_most:.12g})",
                got=shown(self.at_least),
            )

    def met(self, value: float) -> bool:
        """Whether a measured value keeps the bounds."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )
