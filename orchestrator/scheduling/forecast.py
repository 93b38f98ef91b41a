"""When each action of the experiments in hand is expected: the engine's own decisions, played forward.

There is no plan to keep to: who goes first is decided anew each time something has ended. What is played here is what
these decisions will be if everything takes as long as it usually does, so that a person can see when what will be done.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.binding import BoundCampaign
from orchestrator.decide import decide
from orchestrator.decision import Around, Wake
from orchestrator.events import Event, Numbering
from orchestrator.lab import LabState
from orchestrator.lifecycle import Action
from orchestrator.states import ActionState

MOST = 20_000  # actions that are played at most
SHORTEST_S = 600.0  # of less work nobody needs a forecast
DEPARTS, DEPARTS_S = 0.05, 60.0  # of the forecast's length, and at least: reality is elsewhere then


@dataclass(frozen=True)
class Expected:
    """One action as it is expected, lab seconds."""

    action: str
    experiment: str
    device: str
    began_s: float
    ended_s: float


class Forecast:
    """What a state leads to. The state is copied at once; `rows` may be asked for in another thread."""

    def __init__(self, state: LabState, bound: BoundCampaign, now_s: float) -> None:
        self._copy, self._bound, self._now_s = _copy(state), bound, now_s

    def rows(self) -> list[Expected]:
        """Every action that is open or still to come of the experiments in hand, by its beginning."""
        return _played(self._copy, self._bound, self._now_s)


def _played(played: LabState, bound: BoundCampaign, now_s: float) -> list[Expected]:
    rows: list[Expected] = []
    number = Numbering(played.seq, played.epoch, played.versions)

    def apply(events: Iterable[Event]) -> None:
        for event in events:
            played.apply(number.place(event))

    ends: list[tuple[float, str]] = []
    began = dict[str, float]()
    for action in played.open_actions.values():
        if action.state is Action.INTENDED and action.ends_s is not None:
            began[action.id] = action.ends_s - _lasts_s(action, bound)
            heapq.heappush(ends, (max(action.ends_s, now_s), action.id))
    while len(rows) < MOST:
        wakes = []
        while True:
            decision = decide(played, bound, Around(asking=True, now_s=now_s))
            apply(decision.events)
            wakes = [effect.at_s for effect in decision.effects if isinstance(effect, Wake)]
            for event in decision.events:
                if event.kind == "action.intended":
                    began[event.stream] = now_s
                    heapq.heappush(ends, (event.body["ends_s"], event.stream))
            if not decision.events:
                break
        if wakes and (not ends or min(wakes) < ends[0][0]):
            if min(wakes) <= now_s:
                break
            now_s = min(wakes)
            continue
        if not ends:
            break
        now_s, name = heapq.heappop(ends)
        action = played.actions[name]
        rows.append(Expected(name, action.experiment, action.device, began[name], now_s))
        its = bound.of(played.experiments[action.experiment].loop)
        apply(_done(action, its, began[name], now_s))
    return sorted(rows, key=lambda row: (row.began_s, row.action))


def event_of(rows: Iterable[Expected], now_s: float, why: str) -> Event:
    """A forecast as the log keeps it."""
    body = {
        "now_s": now_s,
        "why": why,
        "rows": [[r.action, r.experiment, r.device, round(r.began_s, 3), round(r.ended_s, 3)] for r in rows],
    }
    return Event("schedule", "schedule.forecast", body)


def departed(action: ActionState, latest: Mapping[str, Any]) -> bool:
    """Whether an action that ended did so at another time than the latest forecast has it, by enough to say so."""
    if action.ended_s is None or not latest.get("rows"):
        return False
    expected = next((row[4] for row in latest["rows"] if row[0] == action.id), None)
    if expected is None:
        return True
    whole_s = max(row[4] for row in latest["rows"]) - latest["now_s"]
    return bool(abs(action.ended_s - expected) > max(DEPARTS_S, DEPARTS * whole_s))


def _done(action: ActionState, bound: BoundCampaign, began_s: float, ended_s: float) -> Iterable[Event]:
    yield Event(action.id, "action.succeeded", {"reason": "", "began_s": began_s, "ended_s": ended_s})
    if action.step is None:
        return
    for name in action.experiments:
        for reading, gift in bound.steps[action.step].gives.items():
            if gift.array is not None:
                continue  # nothing waits for it
            body = {
                "experiment": name, "action": action.id, "name": reading,
                "value": 0.0, "unit": gift.unit, "sigma": None,
            }  # fmt: skip
            yield Event(f"measurement/{action.id}", "measurement.recorded", body)


def _lasts_s(action: ActionState, bound: BoundCampaign) -> float:
    spec = bound.laboratory.devices[action.device].spec.actions[action.verb]
    return spec.lasts_s(action.args)


def _copy(state: LabState) -> LabState:
    """The part of a state that what comes next depends on, free to be changed; nothing that grows with the log."""
    kept = {**state.live, **{name: state.experiments[name] for name in state.samples.here}}
    actions = {name: state.actions[name] for one in kept.values() for name in one.actions}
    small = replace(
        state,
        experiments=kept,
        actions=actions | {a.id: a for a in (*state.open_actions.values(), *state.last_of.values())},
        ended=[],
        versions={},
        commands=set(),
        samples=replace(
            state.samples, left={name: place for name, place in state.samples.left.items() if name in kept}
        ),
        forecast={},
        story=[],
    )
    same = (state.opened, state.devices, *(one.structures for one in kept.values()))
    return deepcopy(small, {id(one): one for one in same})
