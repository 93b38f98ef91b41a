"""Rules between devices: what may not begin while something else holds. Pure; values are those that the log has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from campaigns.units import UnitError, convert
from orchestrator.lab import LabState

_SENSES = {
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
}


@dataclass(frozen=True)
class Comparison:
    """`signal sense bound unit`, as in furnace.temperature > 400 degC. '' is a number without dimension; None compares
    in whatever unit the value has."""

    signal: str
    sense: str
    bound: float
    unit: str | None

    def __str__(self) -> str:
        return f"{self.signal} {self.sense} {self.bound:g} {self.unit or ''}".rstrip()

    def of(self, value: float | None, unit: str) -> bool | None:
        """Whether it holds of a value in `unit`; None where the value is not known or of another dimension."""
        if value is None:
            return None
        try:
            return _SENSES[self.sense](in_unit(value, unit, self.unit), self.bound)
        except UnitError:
            return None

    def holds(self, state: LabState, coming: Iterable[tuple[str, str]]) -> bool | None:
        """Whether it holds by the log; None where that is not known."""
        known = state.signals.get(self.signal)
        return None if known is None else self.of(known.value, known.unit)


@dataclass(frozen=True)
class InHand:
    """A device of `devices` has an action in hand or in doubt; of `verb`, where one is named."""

    devices: tuple[str, ...]
    verb: str | None
    text: str

    def __str__(self) -> str:
        return self.text

    def holds(self, state: LabState, coming: Iterable[tuple[str, str]]) -> bool | None:
        """Whether it holds by the log, or will by what is about to be sent beside (device, verb)."""
        acting = [(a.device, a.verb) for a in state.open_actions.values()]
        return any(
            device in self.devices and self.verb in (None, verb) for device, verb in (*acting, *coming)
        )


Condition = Comparison | InHand


@dataclass(frozen=True)
class Rule:
    """While all of `when` holds, `verb` of `devices` with `arguments` waits, or is refused."""

    when: tuple[Condition, ...]
    devices: tuple[str, ...]
    verb: str | None  # None: every action
    arguments: Mapping[str, Any] = field(default_factory=dict)
    refuse: bool = False
    unknown_forbids: bool = True
    why: str = ""

    def concerns(self, device: str, verb: str, arguments: Mapping[str, Any]) -> bool:
        """Whether the rule is about such an action at all."""
        return (
            device in self.devices
            and self.verb in (None, verb)
            and all(arguments.get(name) == value for name, value in self.arguments.items())
        )

    def forbids(self, state: LabState, coming: Iterable[tuple[str, str]] = ()) -> Forbidden | None:
        """Why the rule forbids its actions now, or None. A condition that is not known never passes by itself."""
        found = [(condition, condition.holds(state, coming)) for condition in self.when]
        if any(holds is False for _, holds in found):
            return None
        unknown = [condition for condition, holds in found if holds is None]
        if unknown and not self.unknown_forbids:
            return None
        said = " and ".join(_said(condition, state) for condition in self.when)
        reason = f"{said}: {self.why}" if self.why else said
        # What is not known may be known in a moment: nothing is refused for good because of it.
        return Forbidden(reason, refuse=self.refuse and not unknown)


@dataclass(frozen=True)
class Forbidden:
    """Why an action may not begin; `refuse`: it need not be waited for."""

    reason: str
    refuse: bool


def forbidden(
    rules: Iterable[Rule],
    state: LabState,
    device: str,
    verb: str,
    arguments: Mapping[str, Any],
    coming: Iterable[tuple[str, str]] = (),
) -> Forbidden | None:
    """The first rule that forbids an action, one that refuses before one that waits; None where it may begin."""
    found = [
        said
        for rule in rules
        if rule.concerns(device, verb, arguments) and (said := rule.forbids(state, coming)) is not None
    ]
    return next((one for one in found if one.refuse), found[0] if found else None)


def changes_sides(
    rules: Iterable[Rule], state: LabState, signal: str, value: float | None, unit: str
) -> bool:
    """Whether any comparison with `signal` would come out otherwise than by what the log has."""
    known = state.signals.get(signal)
    for rule in rules:
        for condition in rule.when:
            if isinstance(condition, Comparison) and condition.signal == signal:
                before = None if known is None else condition.of(known.value, known.unit)
                if before is not condition.of(value, unit):
                    return True
    return False


def _said(condition: Condition, state: LabState) -> str:
    if isinstance(condition, InHand):
        return str(condition)
    known = state.signals.get(condition.signal)
    if known is None:
        return f"{condition} (not known: nothing has measured it since its device last acted)"
    if known.value is None or condition.of(known.value, known.unit) is None:
        return f"{condition} (not known: {known.reason or f'it comes in {known.unit!r}'})"
    return f"{condition} (it is {known.value:g} {known.unit})".replace(" )", ")")


def in_unit(value: float, unit: str, to: str | None) -> float:
    """`value` in another unit. Raises UnitError where the dimensions differ; here '' is a dimension as any other."""
    return value if to is None or unit == to else convert(value, unit, to)
