"""Whether there is enough of every consumable: what may begin, what waits, what is said of it. Pure; of the log alone.

An action begins when what it takes is there. An experiment begins when what its whole recipe takes is there beyond what
the experiments that began still need, so that no sample is begun that cannot be finished.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.consumption import Consumption, needs
from orchestrator.events import Event
from orchestrator.lifecycle import Campaign, Experiment, Stock
from orchestrator.states import ExperimentState
from orchestrator.stock import StockState, quantity

if TYPE_CHECKING:
    from orchestrator.binding import BoundCampaign, BoundStep
    from orchestrator.lab import LabState

Amounts = Mapping[str, float]


def recipe_needs(bound: BoundCampaign, experiment: ExperimentState) -> dict[str, Any]:
    """What the event that admits an experiment says of its consumables: per step the most that any of its devices
    takes; nothing where the recipe takes nothing."""
    consumption = bound.laboratory.consumption
    if not consumption.uses:
        return {}
    every = []
    for step in bound.steps:
        arguments = step.arguments(experiment.candidate, experiment.structures)
        most: dict[str, float] = {}
        for device in step.devices:
            for name, amount in needs(consumption, device, step.step.verb, arguments).items():
                most[name] = max(amount, most.get(name, 0.0))
        every.append(most)
    return {"needs": every} if any(every) else {}


class Book:
    """What is free while several actions are decided upon together, which the log does not know of yet."""

    def __init__(self, state: LabState, consumption: Consumption) -> None:
        self._state, self._consumption = state, consumption
        self._waits: dict[str, tuple[ExperimentState, Amounts]] = {}  # experiment -> what it lacks
        self._begun: set[str] = set()  # experiments that begin now
        self._counts = bool(consumption.uses and state.stock)  # a backtest has no stock: nothing is used up
        if self._counts:
            self._free = {name: one.on_hand for name, one in state.stock.items()}
            self._promised = _promised(state)

    def has(self, experiment: ExperimentState, step: BoundStep, device: str) -> bool:
        """Whether the next step of an experiment may begin on `device`; what it lacks is kept for `out`."""
        if not self._counts:
            return True
        now = self._of(experiment, step, device)
        lacks = _lacks(self._state, self._free, self._promised, experiment, now, self._is_begun(experiment))
        if lacks:
            self._waits[experiment.id] = experiment, lacks
        return not lacks

    def begin(self, experiment: ExperimentState) -> None:
        """An experiment goes on; one that had not begun has now, and what its whole recipe takes is kept for it."""
        self._waits.pop(experiment.id, None)  # another device of the group takes less
        if self._counts and not self._is_begun(experiment):
            self._begun.add(experiment.id)
            self._promise(_sum(experiment.needs), 1.0)

    def take(self, experiments: Sequence[ExperimentState], step: BoundStep, device: str) -> Amounts:
        """Put aside what a step takes, once for all experiments whose samples it takes together; the first is asked."""
        if not self._counts:
            return {}
        for one in experiments:
            self.begin(one)
            self._promise(_planned(one, one.step), -1.0)
        now = self._of(experiments[0], step, device)
        for name, amount in now.items():
            self._free[name] -= amount
        return now

    def out(self) -> Iterator[Event]:
        """What is said of consumables that something waits for, once until they are filled."""
        said = {name for name, one in self._state.stock.items() if one.state is Stock.OUT}
        for experiment, lacks in self._waits.values():
            for name in sorted(lacks.keys() - said):
                said.add(name)
                yield _out(self._state, name, experiment, lacks[name])

    def _is_begun(self, experiment: ExperimentState) -> bool:
        return experiment.started_at is not None or experiment.id in self._begun

    def _promise(self, amounts: Amounts, sign: float) -> None:
        for name, amount in amounts.items():
            self._promised[name] = self._promised.get(name, 0.0) + sign * amount

    def _of(self, experiment: ExperimentState, step: BoundStep, device: str) -> Amounts:
        arguments = step.arguments(experiment.candidate, experiment.structures)
        return needs(self._consumption, device, step.step.verb, arguments)


def warnings(state: LabState) -> Iterator[Event]:
    """What has become low since it was filled last."""
    for name, one in state.stock.items():
        if one.state is Stock.ENOUGH and one.low is not None and one.on_hand <= one.low + one.rounding:
            body = {"consumable": name, "on_hand": one.on_hand, "low": one.low, "unit": one.unit}
            yield Event(f"consumable/{name}", "consumable.low", body)


def low(state: LabState) -> dict[str, str]:
    """Consumables that were said to be low or out, and are: name -> a sentence."""
    return {
        name: f"{name}: {quantity(one.on_hand, one.unit)} on hand, low from {quantity(one.low, one.unit)} on"
        for name, one in state.stock.items()
        if one.state is not Stock.ENOUGH and one.low is not None and one.on_hand <= one.low + one.rounding
    }


def waiting(state: LabState) -> list[str]:
    """Of each consumable that experiments wait for, a sentence: who waits first, for how much, what helps."""
    found: dict[str, list[tuple[ExperimentState, float]]] = {}
    for experiment, lacks in _waiting(state):
        for name, wanted in lacks.items():
            found.setdefault(name, []).append((experiment, wanted))
    return [_said(state, name, *found[name][0], len(found[name])) for name in found]


def stalled(state: LabState) -> bool:
    """Whether every experiment that could go on waits for a consumable: only a person can help."""
    if not state.stock or state.campaign not in (Campaign.OPEN, Campaign.ENDING):
        return False
    able = {e.id for e in state.live.values() if e.state in (Experiment.QUEUED, Experiment.RUNNING)}
    return bool(able) and able == {experiment.id for experiment, _ in _waiting(state)}


def experiments_left(state: LabState) -> dict[str, int | None]:
    """How many more experiments each consumable is enough for, beyond those that began, by what a recipe took on
    average over the experiments so far; None where nobody knows."""
    admitted = [e for e in state.experiments.values() if e.needs]
    promised = _promised(state)
    left: dict[str, int | None] = {}
    for name, one in state.stock.items():
        wanted = [_sum(e.needs).get(name, 0.0) for e in admitted]
        mean = math.fsum(wanted) / len(wanted) if wanted else 0.0
        free = one.on_hand - promised.get(name, 0.0) + one.rounding
        left[name] = max(math.floor(free / mean), 0) if mean > 0 else None
    return left


# -- what is lacking ------------------------------------------------------------------------------------------
def _sum(needed: Iterable[Amounts]) -> dict[str, float]:
    total: dict[str, float] = {}
    for amounts in needed:
        for name, amount in amounts.items():
            total[name] = total.get(name, 0.0) + amount
    return total


def _planned(experiment: ExperimentState, step: int) -> Amounts:
    return experiment.needs[step] if step < len(experiment.needs) else {}


def _acting(experiment: ExperimentState, state: LabState) -> bool:
    return bool(experiment.actions) and state.actions[experiment.actions[-1]].open


def _reserved(experiment: ExperimentState, state: LabState) -> bool:
    """Whether an act in hand has reserved what the next step takes."""
    return _acting(experiment, state) and state.actions[experiment.actions[-1]].step == experiment.step


def _promised(state: LabState) -> dict[str, float]:
    """What experiments that began still need, beyond what their acts in hand have reserved."""
    begun = (e for e in state.live.values() if e.needs and e.started_at is not None)
    return _sum(amounts for e in begun for amounts in e.needs[e.step + _reserved(e, state) :])


def _lacks(
    state: LabState, free: Amounts, promised: Amounts, experiment: ExperimentState, now: Amounts, begun: bool
) -> dict[str, float]:
    """What is lacking for the next action of an experiment, which takes `now`: consumable -> amount wanted; empty where
    it may begin. One that has not begun wants what its whole recipe takes, beyond what others were promised."""
    whole = {} if begun else _sum(experiment.needs)
    kept = {} if begun else promised
    wanted = {name: max(now.get(name, 0.0), whole.get(name, 0.0)) for name in (*whole, *now)}
    return {
        name: amount
        for name, amount in wanted.items()
        if amount > free[name] - kept.get(name, 0.0) + state.stock[name].rounding
    }


def _waiting(state: LabState) -> Iterator[tuple[ExperimentState, dict[str, float]]]:
    """Experiments that wait for consumables, by what the log says of their recipes."""
    if not state.stock or not any(e.needs for e in state.live.values()):
        return
    free = {name: one.on_hand for name, one in state.stock.items()}
    promised = _promised(state)
    for experiment in state.live.values():
        if experiment.state in (Experiment.QUEUED, Experiment.RUNNING) and not _acting(experiment, state):
            now, begun = _planned(experiment, experiment.step), experiment.started_at is not None
            lacks = _lacks(state, free, promised, experiment, now, begun)
            if lacks:
                yield experiment, lacks


def _out(state: LabState, name: str, experiment: ExperimentState, wanted: float) -> Event:
    one = state.stock[name]
    body = {
        "consumable": name,
        "experiment": experiment.id,
        "wanted": wanted,
        "on_hand": one.on_hand,
        "unit": one.unit,
    }
    return Event(
        f"consumable/{name}", "consumable.out", {**body, "reason": _said(state, name, experiment, wanted, 1)}
    )


def _said(state: LabState, name: str, experiment: ExperimentState, wanted: float, n: int) -> str:
    one: StockState = state.stock[name]
    on_hand = f"{quantity(one.on_hand, one.unit)} on hand"
    takes = f"{experiment.id} wants {quantity(wanted, one.unit)}"
    if experiment.started_at is None:
        takes = f"{experiment.id} takes {quantity(wanted, one.unit)} and is not begun"
        if kept := _promised(state).get(name, 0.0):
            on_hand += f", {quantity(kept, one.unit)} of it for experiments that began"
    more = f", {n - 1} more wait" if n > 1 else ""
    return f"{name}: {on_hand}; {takes}{more}; `alquimia refill {name} AMOUNT` lets it go on"
