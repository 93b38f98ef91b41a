"""The places of a laboratory bound to its devices: positions for one sample each, and the ways between them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from campaigns.errors import did_you_mean
from campaigns.units import UnitError, convert, parse_quantity
from drivers.binding import BoundDevice
from drivers.lab import LabFile
from drivers.place import TransportEntry
from drivers.protocol import ActionSpec, Argument

Where = tuple[str | int, ...]
Say = Callable[[Where, str], None]


def place_of(position: str) -> str:
    """The place that a position belongs to: `rack` of `rack.3`."""
    return position.partition(".")[0]


@dataclass(frozen=True)
class Transport:
    """An action of a device that carries a sample from any of its places to any other."""

    device: str
    verb: str
    spec: ActionSpec
    to: str
    source: str | None
    between: frozenset[str]
    gripper: str | None
    names: Mapping[str, str | int | float]

    @property
    def reaches_from(self) -> frozenset[str]:
        """Places that it can take a sample from: its own hand as well."""
        return self.between if self.gripper is None else self.between | {self.gripper}

    def arguments(self, source: str, to: str) -> dict[str, Argument]:
        """The action's arguments for a move between two positions."""
        out: dict[str, Argument] = {
            name: declared.default
            for name, declared in self.spec.parameters.items()
            if declared.default is not None
        }
        out[self.to] = self.names.get(to, to)
        if self.source is not None:
            out[self.source] = self.names.get(source, source)
        return out


@dataclass(frozen=True)
class Layout:
    """Where samples can be. A position is a place for one sample: `rack.3` of sixteen, `mill` where there is one.

    An unbounded place has itself as its only position, which any number of samples may have.
    """

    slots: Mapping[str, tuple[str, ...]]  # place -> its positions
    unbounded: frozenset[str]
    device_of: Mapping[str, str]  # place -> the device that acts on what stands there
    transports: tuple[Transport, ...]
    begin: str
    end: str | None

    @cached_property
    def of_device(self) -> Mapping[str, tuple[str, ...]]:
        """Device -> the positions that it acts on."""
        out: dict[str, tuple[str, ...]] = {}
        for place, device in self.device_of.items():
            out[device] = (*out.get(device, ()), *self.slots[place])
        return out

    def has(self, position: str) -> bool:
        """Whether there is such a position."""
        return position in self.slots.get(place_of(position), ())

    def next_stops(self, source: str, goal: str) -> tuple[tuple[Transport, str], ...]:
        """The first carriages, each with the place it goes to, of the ways with fewest carriages between two places."""
        return self._ways.get((source, goal), ())

    def way_s(self, source: str, goal: str) -> float:
        """How long the carriages from one place to another usually take, one after the other, s; 0 where no way is."""
        here, total_s = source, 0.0
        while here != goal and (stops := self.next_stops(here, goal)):
            transport, here = stops[0]
            total_s += transport.spec.takes_s
        return total_s

    @cached_property
    def _ways(self) -> Mapping[tuple[str, str], tuple[tuple[Transport, str], ...]]:
        ways: dict[tuple[str, str], tuple[tuple[Transport, str], ...]] = {}
        for goal in self.slots:
            # Backwards from the goal, so that each place learns how far it is and which carriages lead nearer.
            far, ahead = {goal: 0}, deque([goal])
            while ahead:
                here = ahead.popleft()
                for transport in self.transports:
                    if here not in transport.between:
                        continue
                    for place in sorted(transport.reaches_from - {here}):
                        if place not in far:
                            far[place] = far[here] + 1
                            ahead.append(place)
                        if far[place] == far[here] + 1:
                            ways[place, goal] = (*ways.get((place, goal), ()), (transport, here))
        return ways


def bind_layout(file: LabFile, devices: Mapping[str, BoundDevice], say: Say) -> Layout | None:
    """The places of a lab file, None where it has none; each fault goes to `say(place in the file, message)`."""
    if not file.places:
        for section in ("samples", "transports"):
            if getattr(file, section):
                say((section,), "there are no places for it: name them under 'places'")
        return None
    if file.samples is None:
        say(("places",), "where do samples begin? Say samples: {begin: PLACE}")
        return None
    known = set(file.places)
    wrong = False

    def there(name: str | None, where: Where) -> None:
        nonlocal wrong
        if name is not None and name not in known:
            wrong = True
            say(where, f"there is no place {name!r}: {did_you_mean(name, known)}")

    there(file.samples.begin, ("samples", "begin"))
    there(file.samples.end, ("samples", "end"))
    for name, place in file.places.items():
        if place.device is not None and place.device not in devices:
            wrong = True
            say(
                ("places", name, "device"),
                f"no device {place.device!r}: {did_you_mean(place.device, devices)}",
            )
    transports = []
    for i, entry in enumerate(file.transports):
        for j, name in enumerate(entry.between):
            there(name, ("transports", i, "between", j))
        there(entry.gripper, ("transports", i, "gripper"))
        for name in entry.names:
            there(place_of(name), ("transports", i, "names", name))
        found = _transport(entry, devices, partial(_say_of, say, i))
        if found is None:
            wrong = True
        else:
            transports.append(found)
    if wrong:
        return None
    layout = Layout(
        slots={name: positions(name, place.slots) for name, place in file.places.items()},
        unbounded=frozenset(name for name, place in file.places.items() if place.slots == "many"),
        device_of={name: place.device for name, place in file.places.items() if place.device is not None},
        transports=tuple(transports),
        begin=file.samples.begin,
        end=file.samples.end,
    )
    for text in _unreachable(layout):
        say(("transports",), text)
    return layout


def _say_of(say: Say, transport: int, key: str, message: str) -> None:
    say(("transports", transport, key), message)


def positions(name: str, slots: int | str) -> tuple[str, ...]:
    """The positions of a place with so many slots."""
    if slots in (1, "many"):
        return (name,)
    return tuple(f"{name}.{k}" for k in range(1, int(slots) + 1))


def _transport(
    entry: TransportEntry, devices: Mapping[str, BoundDevice], say: Callable[[str, str], None]
) -> Transport | None:
    device, _, verb = entry.do.partition(".")
    if device not in devices:
        say("do", f"there is no device {device!r}: {did_you_mean(device, devices)}")
        return None
    spec = devices[device].spec.actions.get(verb)
    if spec is None:
        say("do", f"{device} has no action {verb!r}: {did_you_mean(verb, devices[device].spec.actions)}")
        return None
    ok = True
    for key, argument in (("to", entry.to), ("from", entry.source)):
        if argument is None:
            continue
        declared = spec.parameters.get(argument)
        if declared is None:
            ok = False
            say(key, f"{entry.do} has no argument {argument!r}: {did_you_mean(argument, spec.parameters)}")
    missing = [
        name
        for name, declared in spec.parameters.items()
        if declared.default is None and name not in (entry.to, entry.source)
    ]
    if ok and missing:
        ok = False
        say("do", f"{entry.do} also needs {missing[0]!r}, which a transport cannot know")
    if not ok:
        return None
    return Transport(
        device, verb, spec, entry.to, entry.source, frozenset(entry.between), entry.gripper, dict(entry.names)
    )


def _unreachable(layout: Layout) -> Iterator[str]:
    """Places that matter and that no way leads to or from."""
    wanted = {*layout.device_of, *([layout.end] if layout.end is not None else [])} - {layout.begin}
    for place in sorted(wanted):
        if not layout.next_stops(layout.begin, place):
            yield f"no transport leads from {layout.begin!r} to {place!r}"
    for transport in layout.transports:
        declared = transport.spec.parameters[transport.to]
        if declared.kind != "choice":
            continue
        for place in sorted(transport.between):
            for position in layout.slots[place]:
                if (called := transport.names.get(position, position)) not in declared.choices:
                    known = did_you_mean(str(called), declared.choices)
                    yield f"{transport.device}.{transport.verb} knows no {called!r}: {known}"
                    break


def seconds(raw: float | str) -> float:
    """A duration of a lab file, s. Raises UnitError."""
    if not isinstance(raw, str):
        return float(raw)
    return convert(*parse_quantity(raw), "s")


def bind_rests(
    file: LabFile, devices: Mapping[str, BoundDevice], say: Say
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Device -> verb -> s that it rests afterwards; device -> s that it waits to be filled."""
    rests: dict[str, dict[str, float]] = {}
    fills: dict[str, float] = {}

    def bound(raw: float | str, where: Where) -> float | None:
        try:
            value = seconds(raw)
        except UnitError as error:
            say(where, str(error))
            return None
        if not 0 <= value < 1e9:
            say(where, f"wanted a duration of zero or more, got {raw}")
            return None
        return value

    for name, entry in file.devices.items():
        for verb, raw in entry.rest.items():
            where: Where = ("devices", name, "rest", verb)
            if verb not in devices[name].spec.actions:
                say(where, f"{name} has no action {verb!r}: {did_you_mean(verb, devices[name].spec.actions)}")
            elif (value := bound(raw, where)) is not None:
                rests.setdefault(name, {})[verb] = value
        if file.clock == "virtual" and len(file.hosts) > 1 and (entry.rest or entry.fill is not None):
            say(
                ("devices", name),
                "virtual hosts have no common time to rest or wait in: name one host for all",
            )
        if entry.fill is not None and (value := bound(entry.fill, ("devices", name, "fill"))) is not None:
            fills[name] = value
    return rests, fills
