"""Bounds on what is measured: a candidate counts as good only where its other readings are acceptable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from campaigns.errors import Problem, did_you_mean, shown
from campaigns.model import BaseCampaignModel, Name
from campaigns.objective import Objective
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


def outcome_problems(
    constraints: Mapping[int, OutcomeConstraint],
    objectives: Mapping[int, Objective],
    *,
    given: list[str] | None,
) -> Iterator[Problem]:
    """Constraints on what nothing measures, twice on one name, or in another unit than the objective of that name.

    `given` are the names that the recipe gives; None: the recipe is broken.
    """
    units = {objective.name: objective.unit for objective in objectives.values()}
    seen: set[str] = set()
    for index, constraint in constraints.items():
        at = ("outcome_constraints", index)
        if given is not None and constraint.name not in given:
            yield Problem(
                "E247",
                (*at, "reading"),
                wanted="a name that a step of the recipe gives",
                got=shown(constraint.name),
                cure=did_you_mean(constraint.name, given)
                or f"add gives: {{{constraint.name}: <reading of the device>}} to the step that measures it",
            )
        if constraint.name in seen:
            cure = "write both bounds in one entry"
            wanted = "each reading constrained once"
            yield Problem("E211", (*at, "reading"), wanted=wanted, got=shown(constraint.name), cure=cure)
        seen.add(constraint.name)
        unit = units.get(constraint.name, constraint.unit)
        if unit != constraint.unit:
            yield Problem(
                "E215",
                (*at, "unit"),
                wanted=f"the unit of the objective '{constraint.name}', {unit or 'none'}",
                got=constraint.unit or "none",
                cure="bounds may be text with a unit of their own",
            )
