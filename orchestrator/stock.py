"""What the log says of consumables: how much is free, reserved and used of each. Pure; a part of the fold.

Nothing is lost or made here: `began + filled + unaccounted == on_hand + held + used`, always.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from campaigns.errors import did_you_mean
from campaigns.units import UnitError, convert, parse_quantity
from drivers.consumable import ConsumableEntry
from drivers.protocol import Reading
from orchestrator.errors import Refused
from orchestrator.lifecycle import STOCK, Action, Stock, passage
from orchestrator.records import EventRecord

ROUNDING = 1e-9  # of all there ever was: differences below are those of floating-point sums


@dataclass
class StockState:
    """One consumable, in `unit` ("": pieces). `on_hand` is what no action has reserved."""

    unit: str
    low: float | None
    began: float
    on_hand: float
    reserved: dict[str, float] = field(default_factory=dict)  # open action -> amount
    used: float = 0.0
    filled: float = 0.0  # refills; a correction downwards counts against them
    unaccounted: float = 0.0  # used beyond what there was by the log
    state: StrEnum = Stock.ENOUGH

    @property
    def held(self) -> float:
        """What open actions have reserved."""
        return math.fsum(self.reserved.values())

    @property
    def there(self) -> float:
        """What is in the bottle, reserved or not."""
        return self.on_hand + self.held

    @property
    def rounding(self) -> float:
        """Amounts below it are nothing."""
        return ROUNDING * max(self.began + self.filled, self.used)

    def draw(self, amount: float) -> None:
        """Take an amount away. Of what is not there the stock is 0, and the rest unaccounted for."""
        if amount > self.on_hand:
            self.unaccounted += amount - self.on_hand
            self.on_hand = 0.0
        else:
            self.on_hand -= amount


def opened(consumables: Mapping[str, Any]) -> dict[str, StockState]:
    """The stock that a campaign begins with, from the lab file that its first event holds."""
    from orchestrator.consumption import counted

    stock = {}
    for name, entry in consumables.items():
        amount, unit, low = counted(ConsumableEntry.model_validate(entry))
        stock[name] = StockState(unit, low, amount, amount)
    return stock


def reserve(stock: Mapping[str, StockState], action: str, amounts: Mapping[str, float]) -> None:
    """Put aside what an intended action is going to take."""
    for name, amount in amounts.items():
        stock[name].draw(amount)
        stock[name].reserved[action] = amount


def settle(
    stock: Mapping[str, StockState],
    action: str,
    reserved: Mapping[str, float],
    end: StrEnum,
    body: Mapping[str, Any],
) -> dict[str, float]:
    """Take off what an action that ended used, give back the rest; what it used.

    What its driver said counts. Otherwise it is what was reserved: of an act that failed or was given up it may be
    gone. An act that was refused or not done, or met a busy device, used nothing.
    """
    said = body.get("used", {})
    nothing = end in (Action.REFUSED, Action.NOT_DONE) or body.get("attribution") == "busy"
    used = {name: 0.0 if nothing else amount for name, amount in reserved.items()} | dict(said)
    for name, amount in used.items():
        one = stock[name]
        one.on_hand += one.reserved.pop(action, 0.0)
        one.draw(amount)
        one.used += amount
    return {name: amount for name, amount in used.items() if amount > 0}


def event(stock: Mapping[str, StockState], it: EventRecord) -> None:
    """Take in `consumable.low`, `.out` or `.filled`."""
    name = it.body["consumable"]
    one = stock[name]
    one.state = passage(STOCK, one.state, it.kind, of=f"consumable {name}", story=[])
    if it.kind == "consumable.filled":
        before, one.on_hand = one.on_hand, max(one.on_hand + it.body["added"], 0.0)
        one.filled += one.on_hand - before


def filled(stock: Mapping[str, StockState], name: str, amount: str) -> dict[str, Any]:
    """What `consumable.filled` says: how much is added, and how much there is then. Raises `Refused` (E505).

    `amount` is what is there now, with what acts in hand have reserved, or with a leading + what was added.
    """
    if name not in stock:
        known = did_you_mean(name, stock) or "the laboratory's file names none"
        raise Refused("E505", f"there is no consumable {name!r}", cure=known)
    one, text = stock[name], amount.strip()
    example = f"{one.began:g} {one.unit}".rstrip()
    try:
        value, unit = parse_quantity(text.removeprefix("+").strip())
        if bool(unit) != bool(one.unit):
            raise UnitError(f"{name} is counted in {one.unit or 'pieces'}")
        value = convert(value, unit, one.unit)
    except UnitError as error:
        cure = f"say what is there now, as in {example!r}, or what was added, as in '+{example}'"
        raise Refused("E505", f"{amount!r} is no amount of {name}: {error}", cure=cure) from error
    if value < 0:
        raise Refused(
            "E505",
            f"{amount!r}: there cannot be less than nothing",
            cure=f"say what is there, as in {example!r}",
        )
    added = value if text.startswith("+") else value - one.there
    return {"consumable": name, "added": added, "there": one.there + added, "unit": one.unit}


def told(stock: Mapping[str, StockState], action: str, used: Mapping[str, Reading]) -> dict[str, Any]:
    """What the event of an action's end says of a driver's word on what it used.

    `used`: amounts in the units of the consumables; `used_unclear`: name -> why the word does not count;
    `used_beyond`: name -> by how much it is more than there was.
    """
    good: dict[str, float] = {}
    unclear: dict[str, str] = {}
    beyond: dict[str, float] = {}
    for name, reading in used.items() if stock else ():
        one = stock.get(name)
        if one is None:
            unclear[name] = "the laboratory has no such consumable"
            continue
        fault, amount = _amount(reading, one.unit)
        if fault:
            unclear[name] = f"{fault}: what was reserved counts"
            continue
        good[name] = amount
        more = amount - one.on_hand - one.reserved.get(action, 0.0)
        if more > one.rounding:
            beyond[name] = more
    body = {"used": good, "used_unclear": unclear, "used_beyond": beyond}
    return {key: value for key, value in body.items() if value}


def _amount(reading: Reading, unit: str) -> tuple[str, float]:
    """(what is wrong with a driver's word or '', the amount in `unit`)."""
    if not math.isfinite(reading.value) or reading.value < 0:
        return f"the driver says {reading.value:g} {reading.unit}".rstrip(), 0.0
    if unit and not reading.unit:
        return f"the driver says {reading.value:g} without a unit", 0.0
    try:
        return "", convert(reading.value, reading.unit, unit)
    except UnitError as error:
        return str(error), 0.0


def quantity(amount: float | None, unit: str) -> str:
    """An amount for a person."""
    return "–" if amount is None else f"{amount:.6g} {unit}".rstrip()
