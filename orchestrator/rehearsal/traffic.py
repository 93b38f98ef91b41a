"""What a rehearsal says of places: who carried how often, how full places were, how long samples only stood about, and
how well the forecasts foretold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from orchestrator.records import ActionRecord, Records
from orchestrator.scheduling.layout import Layout, place_of


@dataclass(frozen=True)
class Carrier:
    """An action that carries: how often it did and failed to, the lab seconds all of it took, and how many of the
    carriages were back to a sample's own slot before its experiment was over, out of the way of others."""

    action: str
    carriages: int
    failed: int
    busy_s: float
    back: int


@dataclass(frozen=True)
class Filled:
    """The most samples that a place had at a time. `slots`: what it has room for, None where it never fills up."""

    place: str
    slots: int | None
    most: int


@dataclass(frozen=True)
class Foretold:
    """`forecasts` were made in all, and the first of each of `actions` said when it would end: so far off, lab s."""

    forecasts: int
    actions: int
    median_off_s: float
    worst_off_s: float


@dataclass(frozen=True)
class Traffic:
    """`idle_share`: of the time that samples were in the laboratory, how much nobody acted on them or carried them."""

    carriers: tuple[Carrier, ...]
    places: tuple[Filled, ...]
    idle_share: float
    foretold: Foretold | None


def traffic(records: Records, layout: Layout | None) -> Traffic | None:
    """What happened by a log in a laboratory of these places; None without places."""
    if layout is None:
        return None
    moves: dict[str, Mapping[str, Any]] = {}
    n_forecasts = 0
    for event in records.events:
        if event.kind == "action.intended" and event.body.get("moves"):
            moves[event.stream] = event.body["moves"]
        n_forecasts += event.kind == "schedule.forecast"
    carried = [(action, moves[action.id]) for action in records.actions if action.id in moves]
    return Traffic(
        carriers=tuple(_carriers(carried, layout)),
        places=tuple(_filled(records, carried, layout)),
        idle_share=_idle(records),
        foretold=_foretold(records, n_forecasts),
    )


def _carriers(carried: Iterable[tuple[ActionRecord, Mapping[str, Any]]], layout: Layout) -> Iterable[Carrier]:
    carried = list(carried)
    for transport in layout.transports:
        own = [(a, m) for a, m in carried if (a.device, a.verb) == (transport.device, transport.verb)]
        done = [(a, m) for a, m in own if a.state == "succeeded"]
        yield Carrier(
            action=f"{transport.device}.{transport.verb}",
            carriages=len(done),
            failed=len(own) - len(done),
            busy_s=sum(_lasted(a) for a, _ in own),
            back=sum(place_of(m["to"]) == layout.begin for _, m in done),
        )


def _filled(
    records: Records, carried: Iterable[tuple[ActionRecord, Mapping[str, Any]]], layout: Layout
) -> Iterable[Filled]:
    """A sample is in a place until the carriage to the next has ended; its slot in `begin` is kept all the time."""
    changes: dict[str, list[tuple[float, int]]] = {place: [] for place in layout.slots}
    latest: dict[str, tuple[str, float]] = {}
    for action in sorted(_acted(records), key=lambda a: a.began_s or 0.0):
        for name in (action.experiment, *action.together):
            if name not in latest:
                latest[name] = (layout.begin, action.began_s or 0.0)
                changes[layout.begin].append((action.began_s or 0.0, 1))
    for action, way in sorted(carried, key=lambda one: one[0].ended_s or 0.0):
        if action.state != "succeeded" or action.ended_s is None or action.experiment not in latest:
            continue
        there = place_of(way["to"])
        place, _ = latest[action.experiment]
        if place != layout.begin:
            changes[place].append((action.ended_s, -1))
        if there != layout.begin:
            changes[there].append((action.ended_s, 1))
        if way.get("last"):
            changes[layout.begin].append((action.ended_s, -1))
        latest[action.experiment] = (there, action.ended_s)
    for place, positions in layout.slots.items():
        yield Filled(place, None if place in layout.unbounded else len(positions), _most(changes[place]))


def _most(changes: Iterable[tuple[float, int]]) -> int:
    now = most = 0
    for _, change in sorted(changes):  # who leaves at a moment makes room for who comes then
        now += change
        most = max(most, now)
    return most


def _idle(records: Records) -> float:
    busy: dict[str, float] = {}
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for action in _acted(records):
        assert action.began_s is not None and action.ended_s is not None
        for name in (action.experiment, *action.together):
            busy[name] = busy.get(name, 0.0) + _lasted(action)
            first[name] = min(first.get(name, action.began_s), action.began_s)
            last[name] = max(last.get(name, action.ended_s), action.ended_s)
    there = sum(last[name] - first[name] for name in first)
    return 1.0 - sum(busy.values()) / there if there > 0 else 0.0


def _foretold(records: Records, n_forecasts: int) -> Foretold | None:
    ended = {a.id: a.ended_s for a in _acted(records)}
    off = [
        abs(foretold - one.ended_s)
        for one in records.expected
        if (foretold := ended.get(one.action)) is not None
    ]
    return Foretold(n_forecasts, len(off), median(off), max(off)) if off else None


def _acted(records: Records) -> list[ActionRecord]:
    return [a for a in records.actions if a.began_s is not None and a.ended_s is not None]


def _lasted(action: ActionRecord) -> float:
    return (action.ended_s or 0.0) - (action.began_s or 0.0)
