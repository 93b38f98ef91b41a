"""A laboratory's signals, rules and suspenders, bound to its devices: units resolved, or every fault with its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from campaigns.errors import did_you_mean
from campaigns.units import UnitError, convert, parse_quantity, same_dimension
from drivers.binding import BoundDevice
from drivers.interlock import COMPARISON, FORBIDDEN, IN_HAND, RuleEntry, SourceEntry, SuspenderEntry
from drivers.lab import LabFile
from drivers.protocol import Repeat
from orchestrator.interlocks import Comparison, Condition, InHand, Rule
from orchestrator.lab_arguments import Where, Wrong, arguments_of

Bound = TypeVar("Bound", "Source", Rule, "Suspender")
FASTEST_S = 0.05


@dataclass(frozen=True)
class Source:
    """Where a signal is read. Seconds are of the wall clock; `unit` is what the device declares for the reading."""

    signal: str
    device: str
    verb: str
    arguments: Mapping[str, Any]
    reading: str
    unit: str
    every_s: float
    stale_s: float


@dataclass(frozen=True)
class Suspender:
    """A band for a signal, in `unit`; no action begins on `devices` (empty: on none at all) while it is out of it."""

    signal: str
    low: float
    high: float
    unit: str
    resume_s: float
    devices: tuple[str, ...]

    def covers(self, device: str) -> bool:
        """Whether actions of `device` wait for it."""
        return not self.devices or device in self.devices


@dataclass(frozen=True)
class Monitoring:
    """What a laboratory watches, and what follows from it."""

    sources: tuple[Source, ...] = ()
    rules: tuple[Rule, ...] = ()
    suspenders: tuple[Suspender, ...] = ()

    @property
    def logged(self) -> frozenset[tuple[str, str]]:
        """(device, reading) that rules ask for and that only actions measure: kept in the log with their outcomes."""
        polled = {source.signal for source in self.sources}
        asked = {c.signal for rule in self.rules for c in rule.when if isinstance(c, Comparison)}
        return frozenset((s.partition(".")[0], s.partition(".")[2]) for s in asked - polled)


def bind_monitoring(
    file: LabFile, devices: Mapping[str, BoundDevice], say: Callable[[Where, str], None]
) -> Monitoring:
    """Bind what the file says; each fault goes to `say(place in the file, message)`."""
    binder = _Binder(file, devices)

    def tried(bound: Callable[[], Bound]) -> list[Bound]:
        try:
            return [bound()]
        except Wrong as wrong:
            if wrong.message:
                say(wrong.place, wrong.message)
            return []

    sources: list[Source] = []
    for signal, entry in file.sources.items():
        sources += tried(partial(binder.source, signal, entry, _place(file, signal)))
    binder.units = {source.signal: source.unit for source in sources}
    rules: list[Rule] = []
    for i, rule in enumerate(file.rules):
        rules += tried(partial(binder.rule, rule, ("rules", i)))
    bands: list[Suspender] = []
    for i, band in enumerate(file.suspenders):
        bands += tried(partial(binder.suspender, band, ("suspenders", i)))
    return Monitoring(tuple(sources), tuple(rules), tuple(bands))


def unbound_rules(file: LabFile) -> list[Rule]:
    """The rules of a file that was bound before, to be read without its drivers: a bare number compares as it came."""
    rules = []
    for entry in file.rules:
        when: list[Condition] = []
        for text in entry.conditions:
            if (hand := IN_HAND.fullmatch(text)) is not None:
                when.append(InHand(file.members(hand["device"]), hand["verb"], " ".join(text.split())))
            elif (match := COMPARISON.fullmatch(text)) is not None:
                bound, unit = parse_quantity(match["bound"])
                when.append(Comparison(match["signal"], match["sense"], bound, unit or None))
        match = FORBIDDEN.fullmatch(entry.forbid)
        assert match is not None
        verb = None if match["verb"] == "*" else match["verb"]
        how = (entry.then == "refuse", entry.unknown == "forbid", entry.why)
        rules.append(Rule(tuple(when), file.members(match["device"]), verb, dict(entry.arguments), *how))
    return rules


def _place(file: LabFile, signal: str) -> Where:
    """Where the source of a signal stands."""
    if signal in file.signals:
        return ("signals", signal)
    return ("suspenders", [one.signal for one in file.suspenders].index(signal), "source")


class _Binder:
    def __init__(self, file: LabFile, devices: Mapping[str, BoundDevice]) -> None:
        self.file, self.devices = file, devices
        self.units: Mapping[str, str] = {}  # signal -> the unit that its source declares

    def source(self, signal: str, entry: SourceEntry, here: Where) -> Source:
        device = self.devices.get(entry.device)
        if device is None:
            known = did_you_mean(entry.device, self.devices)
            raise Wrong((*here, "device"), f"there is no device {entry.device!r}: {known}")
        spec = device.spec.actions.get(entry.action)
        if spec is None:
            known = did_you_mean(entry.action, device.spec.actions)
            raise Wrong((*here, "action"), f"{entry.device} has no action {entry.action!r}: {known}")
        if spec.repeat is not Repeat.REPEATABLE:
            raise Wrong(
                (*here, "action"),
                f"{entry.device}.{entry.action} is {spec.repeat}: only a repeatable action can be read on and on",
            )
        reading = spec.results.get(entry.reading)
        if reading is None:
            known = did_you_mean(entry.reading, spec.results)
            raise Wrong(
                (*here, "reading"), f"{entry.device}.{entry.action} gives no {entry.reading!r}: {known}"
            )
        arguments = arguments_of(entry.arguments, spec.parameters, (*here, "with"), whole=True)
        every_s = self.seconds(entry.every, (*here, "every"), FASTEST_S)
        stale = entry.stale_after
        stale_s = 3 * every_s if stale is None else self.seconds(stale, (*here, "stale_after"), every_s)
        return Source(
            signal, entry.device, entry.action, arguments, entry.reading, reading.unit, every_s, stale_s
        )

    def rule(self, entry: RuleEntry, here: Where) -> Rule:
        conditions = tuple(
            self.condition(text, (*here, "when") if isinstance(entry.when, str) else (*here, "when", i))
            for i, text in enumerate(entry.conditions)
        )
        match = FORBIDDEN.fullmatch(entry.forbid)
        assert match is not None
        verb = None if match["verb"] == "*" else match["verb"]
        members = self.members(match["device"], verb, (*here, "forbid"))
        arguments: dict[str, Any] = {}
        if entry.arguments:
            if verb is None:
                raise Wrong((*here, "with"), f"{entry.forbid} is every action: arguments need one by name")
            parameters = self.devices[members[0]].spec.actions[verb].parameters
            arguments = arguments_of(entry.arguments, parameters, (*here, "with"), whole=False)
        return Rule(
            conditions,
            members,
            verb,
            arguments,
            refuse=entry.then == "refuse",
            unknown_forbids=entry.unknown == "forbid",
            why=entry.why,
        )

    def condition(self, text: str, here: Where) -> Condition:
        if (match := IN_HAND.fullmatch(text)) is not None:
            members = self.members(match["device"], match["verb"], here)
            return InHand(members, match["verb"], " ".join(text.split()))
        match = COMPARISON.fullmatch(text)
        assert match is not None
        declared = self.unit_of(match["signal"], here)
        try:
            bound, unit = parse_quantity(match["bound"])
        except UnitError as error:
            raise Wrong(here, str(error)) from error
        if unit and not same_dimension(unit, declared):
            raise Wrong(here, f"{match['signal']} comes in {declared!r}, which is unlike {unit!r}")
        return Comparison(match["signal"], match["sense"], bound, unit or declared)

    def unit_of(self, signal: str, here: Where) -> str:
        """The unit of a polled signal, or of a reading that actions of a device give. Says what is wrong with it."""
        if signal in self.units:
            return self.units[signal]
        if signal in self.file.sources:
            raise Wrong(here)
        name, _, reading = signal.partition(".")
        device = self.devices.get(name)
        if device is None:
            known = did_you_mean(name, (*self.devices, *self.file.sources))
            raise Wrong(here, f"{signal} is neither a signal nor a reading of a device: {known}")
        gives = {
            r: spec.unit for action in device.spec.actions.values() for r, spec in action.results.items()
        }
        if reading not in gives:
            raise Wrong(here, f"no action of {name} gives {reading!r}: {did_you_mean(reading, gives)}")
        return gives[reading]

    def members(self, name: str, verb: str | None, here: Where) -> tuple[str, ...]:
        members = self.file.members(name)
        if not members:
            known = did_you_mean(name, (*self.devices, *self.file.groups))
            raise Wrong(here, f"there is no device {name!r}: {known}")
        actions = self.devices[members[0]].spec.actions
        if verb is not None and verb not in actions:
            raise Wrong(here, f"{name} has no action {verb!r}: {did_you_mean(verb, actions)}")
        return members

    def suspender(self, entry: SuspenderEntry, here: Where) -> Suspender:
        if entry.signal not in self.file.sources:
            known = did_you_mean(entry.signal, self.file.sources)
            raise Wrong(
                (*here, "signal"),
                f"nobody reads {entry.signal!r}: give it a source, here or under signals: {known}",
            )
        declared = self.units.get(entry.signal)
        if declared is None:
            raise Wrong(here)
        for i, device in enumerate(entry.devices):
            if device not in self.devices:
                known = did_you_mean(device, self.devices)
                raise Wrong((*here, "devices", i), f"there is no device {device!r}: {known}")
        try:
            ends = [parse_quantity(end) if isinstance(end, str) else (end, "") for end in entry.band]
            unit = next((unit for _, unit in ends if unit), declared)
            low, high = (
                None if value is None else float(value) if not of else convert(value, of, unit)
                for value, of in ends
            )
            if not same_dimension(unit, declared):
                raise UnitError(f"{entry.signal} comes in {declared!r}, which is unlike {unit!r}")
        except UnitError as error:
            raise Wrong((*here, "band"), str(error)) from error
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        if low > high:
            raise Wrong((*here, "band"), f"the band ends at {high:g} {unit} before it begins at {low:g}")
        resume_s = self.seconds(entry.resume_after, (*here, "resume_after"), 0.0)
        return Suspender(entry.signal, low, high, unit, resume_s, entry.devices)

    def seconds(self, given: float | str, here: Where, least: float) -> float:
        """Seconds of a duration, at least `least`."""
        try:
            seconds = convert(*parse_quantity(given), "s") if isinstance(given, str) else float(given)
        except UnitError as error:
            raise Wrong(here, f"wanted a duration such as 5 s: {error}") from error
        if not (math.isfinite(seconds) and seconds >= least):
            raise Wrong(here, f"wanted at least {least:g} s, got {given}")
        return seconds
