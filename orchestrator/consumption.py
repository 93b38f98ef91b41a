"""What actions take of a laboratory's consumables: bound to its devices, units resolved, or every fault with its place.

Amounts are in the unit that the lab file counts the consumable in, "" for pieces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from campaigns.errors import did_you_mean
from campaigns.units import UnitError, convert, parse_quantity, same_dimension
from drivers.binding import BoundDevice
from drivers.consumable import ARGUMENT, USER, ConsumableEntry, UseEntry
from drivers.lab import LabFile
from drivers.protocol import ActionSpec, Argument
from orchestrator.lab_arguments import Where, Wrong, arguments_of

SAME = 1e-9  # relative: two numbers that a unit conversion may have set apart are the same argument


@dataclass(frozen=True)
class Use:
    """`consumable` is taken by `takes` (a number, or an argument's name) times the argument `per`, times `scale`, which
    makes of their units the consumable's, where the action has the arguments of `when`."""

    consumable: str
    takes: float | str
    per: str | None = None
    scale: float = 1.0
    when: Mapping[str, Any] = field(default_factory=dict)

    def amount(self, arguments: Mapping[str, Argument]) -> float:
        """What an action with these arguments takes; 0 where it is none of those meant."""
        if not all(_same(arguments.get(name), value) for name, value in self.when.items()):
            return 0.0
        takes = _number(arguments, self.takes) if isinstance(self.takes, str) else self.takes
        per = 1.0 if self.per is None else _number(arguments, self.per)
        return max(self.scale * takes * per, 0.0)


@dataclass(frozen=True)
class Consumption:
    """All uses of a laboratory, by (device, verb), and the unit of each consumable."""

    uses: Mapping[tuple[str, str], tuple[Use, ...]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


NOTHING_USED = Consumption()


def needs(
    consumption: Consumption, device: str, verb: str, arguments: Mapping[str, Argument]
) -> dict[str, float]:
    """What an action takes: consumable -> amount above 0, in the consumable's unit."""
    out: dict[str, float] = {}
    for use in consumption.uses.get((device, verb), ()):
        if (amount := use.amount(arguments)) > 0:
            out[use.consumable] = out.get(use.consumable, 0.0) + amount
    return out


def counted(entry: ConsumableEntry) -> tuple[float, str, float | None]:
    """(amount, its unit, from where on it is low or None) of an entry, in the unit of `amount`. Raises UnitError."""
    amount, unit = _quantity(entry.amount)
    if entry.low is None:
        return amount, unit, None
    low, of = _quantity(entry.low)
    return amount, unit, convert(low, of, unit)


def bind_consumption(
    file: LabFile, devices: Mapping[str, BoundDevice], say: Callable[[Where, str], None]
) -> Consumption:
    """Bind what the file says; each fault goes to `say(place in the file, message)`."""
    uses: dict[tuple[str, str], tuple[Use, ...]] = {}
    units: dict[str, str] = {}
    for name, entry in file.consumables.items():
        here: Where = ("consumables", name)
        try:
            units[name] = _unit(entry, here)
        except Wrong as wrong:
            say(wrong.place, wrong.message)
        for user in entry.uses:
            several = not isinstance(entry.uses[user], UseEntry)
            for i, use in enumerate(entry.entries(user)):
                place = (*here, "uses", user, i) if several else (*here, "uses", user)
                try:
                    members, verb, spec = _user(user, file, devices, (*here, "uses", user))
                    bound = _use(name, use, spec, units.get(name), place)
                except Wrong as wrong:
                    say(wrong.place, wrong.message)
                    continue
                for device in members:
                    uses[device, verb] = (*uses.get((device, verb), ()), bound)
    return Consumption(uses, units)


def _unit(entry: ConsumableEntry, here: Where) -> str:
    for key in ("amount", "low"):
        given = getattr(entry, key)
        if given is None:
            continue
        try:
            value, unit = _quantity(given)
            if value < 0:
                raise UnitError(f"wanted nothing or more, got {given}")
            convert(value, unit, _quantity(entry.amount)[1])
            if same_dimension(unit, "K"):
                raise UnitError(f"a temperature is nothing that is used up, got {given}")
        except UnitError as error:
            raise Wrong((*here, key), str(error)) from error
    return _quantity(entry.amount)[1]


def _user(
    user: str, file: LabFile, devices: Mapping[str, BoundDevice], here: Where
) -> tuple[tuple[str, ...], str, ActionSpec]:
    match = USER.fullmatch(user)
    assert match is not None  # the model has seen to it
    members = file.members(match["device"])
    if not members:
        known = did_you_mean(match["device"], (*devices, *file.groups))
        raise Wrong(here, f"there is no device {match['device']!r}: {known}")
    actions = devices[members[0]].spec.actions
    if match["verb"] not in actions:
        known = did_you_mean(match["verb"], actions)
        raise Wrong(here, f"{match['device']} has no action {match['verb']!r}: {known}")
    return members, match["verb"], actions[match["verb"]]


def _use(name: str, entry: UseEntry, spec: ActionSpec, unit: str | None, here: Where) -> Use:
    when = arguments_of(entry.when, spec.parameters, (*here, "when"), whole=False)
    takes: float | str
    if isinstance(entry.takes, str) and (match := ARGUMENT.fullmatch(entry.takes)) is not None:
        takes = match["name"]
        of = _argument_unit(takes, spec, (*here, "takes"))
    else:
        try:
            takes, of = _quantity(entry.takes)
        except UnitError as error:
            cure = "as in 0.5 g, 4 or $mass"
            raise Wrong((*here, "takes"), f"wanted an amount or an argument, {cure}: {error}") from error
        if takes <= 0:
            raise Wrong((*here, "takes"), f"wanted more than nothing, got {entry.takes}")
    per = None
    if entry.per is not None:
        per = entry.per.removeprefix("$")
        other = _argument_unit(per, spec, (*here, "per"))
        of = f"({of})*({other})" if of and other else of or other
    if unit is None:  # the consumable's own unit is at fault, and that was said
        raise Wrong(here)
    try:
        zero, one = convert(0.0, of, unit), convert(1.0, of, unit)
    except UnitError as error:
        wanted, got = unit or "pieces", f"in {of}" if of else "without a unit"
        raise Wrong((*here, "takes"), f"{name} is counted in {wanted}, and this comes {got}") from error
    return Use(name, takes, per, one - zero, when)


def _argument_unit(name: str, spec: ActionSpec, here: Where) -> str:
    declared = spec.parameters.get(name)
    if declared is None:
        raise Wrong(here, f"there is no argument {name!r}: {did_you_mean(name, spec.parameters)}")
    if declared.kind not in ("number", "integer"):
        raise Wrong(here, f"the argument {name!r} is a {declared.kind}, and a number is wanted")
    return declared.unit


def _quantity(given: float | str) -> tuple[float, str]:
    return parse_quantity(given) if isinstance(given, str) else (float(given), "")


def _number(arguments: Mapping[str, Argument], name: str) -> float:
    value = arguments.get(name, 0.0)
    return 0.0 if isinstance(value, str | Mapping) else float(value)


def _same(value: object, wanted: object) -> bool:
    if isinstance(value, float | int) and isinstance(wanted, float | int) and not isinstance(value, bool):
        return math.isclose(value, wanted, rel_tol=SAME)
    return value == wanted
