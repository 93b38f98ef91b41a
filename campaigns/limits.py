"""Bounds that no action of this campaign may cross, besides those of the laboratory itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from campaigns.constraints import interval
from campaigns.errors import Path, Problem, did_you_mean, shown
from campaigns.model import BaseCampaignModel, Name
from campaigns.parameters import NUMERIC, AnyParameter, Fixed
from campaigns.recipe import DeviceName, Quantity, Reference, Step
from campaigns.units import UnitError, convert, same_dimension


class Limit(BaseCampaignModel):
    """A bound on an argument of a device, for one verb or (None) for all.

    A bound whose unit is empty is in the unit of the device's own argument.
    """

    device: DeviceName
    verb: Name | None = None
    argument: Name
    at_least: Quantity | None = None
    at_most: Quantity | None = None

    @property
    def key(self) -> str:
        """The limit's name in YAML: `furnace.temperature` or `furnace.heat.temperature`."""
        return ".".join(part for part in (self.device, self.verb, self.argument) if part is not None)

    def covers(self, step: Step) -> bool:
        """Whether the step is one that this limit is about."""
        return step.device == self.device and self.verb in (None, step.verb)

    def problems(self) -> Iterator[Problem]:
        low, high = self.at_least, self.at_most
        if low is None and high is None:
            yield Problem(
                "E207", (), wanted="at_least or at_most", got="no bound", cure="add {at_most: 520 K}"
            )
        if low is None or high is None:
            return
        if not same_dimension(low.unit, high.unit):
            yield Problem("E215", ("at_most",), wanted=f"a unit like that of at_least ({low})", got=str(high))
        elif low.value > convert(high.value, high.unit, low.unit):
            yield Problem("E212", ("at_least",), wanted=f"at_least below at_most ({high})", got=str(low))


def limit_problems(
    limits: Mapping[str, Limit],
    steps: Mapping[Path, Step],
    parameters: Mapping[str, AnyParameter],
    *,
    whole: bool,
) -> Iterator[Problem]:
    """Limits about nothing, and steps beyond a limit; `steps` by their places in
    the file, of every loop; `whole` says that these are all.

    Only numbers with a unit are compared here. Those without wait for the laboratory, which knows the unit.
    """
    devices = sorted({step.device for step in steps.values()})
    for limit in limits.values():
        covered = {at: step for at, step in steps.items() if limit.covers(step)}
        if whole and not covered:
            verbs = sorted({f"{step.device}.{step.verb}" for step in steps.values()})
            known = verbs if limit.verb is not None and limit.device in devices else devices
            what = limit.device if known is devices else f"{limit.device}.{limit.verb}"
            yield Problem(
                "E260",
                ("limits", limit.key),
                wanted="a device (and verb) that the recipe uses",
                got=shown(what),
                cure=did_you_mean(what, known),
                key=True,
            )
        for at, step in covered.items():
            value = step.arguments.get(limit.argument)
            for quantity in _extremes(value, parameters):
                yield from _beyond(limit, quantity, (*at, "with", limit.argument))


def _extremes(value: object, parameters: Mapping[str, AnyParameter]) -> Sequence[Quantity]:
    """The lowest and highest quantity that an argument can become; none where it has no unit."""
    if isinstance(value, Quantity):
        return [value]
    if not isinstance(value, Reference):
        return []
    parameter = parameters.get(value.parameter)
    if isinstance(parameter, NUMERIC) and parameter.unit:
        return [Quantity(value=end, unit=parameter.unit) for end in interval(parameter)]
    if isinstance(parameter, Fixed) and parameter.unit and isinstance(parameter.value, int | float):
        return [Quantity(value=float(parameter.value), unit=parameter.unit)]
    return []


def _beyond(limit: Limit, asked: Quantity, at: tuple[str | int, ...]) -> Iterator[Problem]:
    for bound, sign, word in ((limit.at_most, 1, "at most"), (limit.at_least, -1, "at least")):
        if bound is None or not bound.unit:
            continue
        try:
            value = convert(asked.value, asked.unit, bound.unit)
        except UnitError:
            yield Problem(
                "E215", at, wanted=f"a unit like that of the limit {limit.key} ({bound})", got=str(asked)
            )
            return
        if sign * (value - bound.value) > 1e-9 * abs(bound.value):
            yield Problem(
                "E261",
                at,
                wanted=f"{word} {bound}, the limit '{limit.key}'",
                got=str(asked),
                cure="narrow the parameter or the argument, or change the limit",
            )
