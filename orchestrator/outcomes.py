"""From what became of an action to events: readings become measurements, or are rejected with the reason. Pure."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Any

from campaigns.units import UnitError
from drivers.arguments import array_fault, n_atoms
from drivers.protocol import Outcome, Reading
from orchestrator.affine import Affine
from orchestrator.binding import BoundCampaign
from orchestrator.events import Event
from orchestrator.gift import Gift
from orchestrator.hands import Fate
from orchestrator.lab import LabState
from orchestrator.states import ActionState
from orchestrator.stock import told


def learn(fate: Fate, state: LabState, bound: BoundCampaign) -> list[Event]:
    """What the log is told of a fate; nothing where the action is settled already, or is in doubt as before."""
    action = state.actions[fate.action]
    if not action.open:
        return []
    match fate.verdict:
        case "ended":
            assert fate.outcome is not None
            its = bound.of(state.experiments[action.experiment].loop)
            return list(
                _ended(action, fate, fate.outcome, its, told(state.stock, action.id, fate.outcome.used))
            )
        case "not done":
            halted = {"halted": True} if fate.halted else {}
            return [Event(action.id, "action.not_done", {"reason": fate.reason, **halted}, actor=fate.by)]
        case "refused" if action.state == "intended":
            return [Event(action.id, "action.refused", {"reason": fate.reason}, actor=fate.by)]
        case "doubt" if action.state == "intended":
            return [Event(action.id, "action.doubted", {"reason": fate.reason}, actor=fate.by)]
    return []


def _ended(
    action: ActionState, fate: Fate, outcome: Outcome, bound: BoundCampaign, used: dict[str, Any]
) -> Iterator[Event]:
    # A testimony says that an act was done, not when.
    times = {"began_s": outcome.began_s, "ended_s": outcome.ended_s} if fate.by == "host" else {}
    if outcome.status == "failed":
        body = {"attribution": str(outcome.attribution or "instrument"), "reason": outcome.reason, **times}
        body |= used | ({"record": outcome.record} if outcome.record else {})
        yield Event(action.id, "action.failed", body, actor=fate.by)
        return
    arrays = {}
    if action.step is not None:
        arrays = {
            name: gift for name, gift in bound.steps[action.step].gives.items() if gift.array is not None
        }
    # What becomes a measurement is not written twice.
    taken = {gift.reading for gift in arrays.values()}
    record = {name: one for name, one in outcome.record.items() if name not in taken}
    kept: dict[str, Any] = used | ({"record": record} if record else {})
    if readings := _watched(action, outcome, bound):
        kept["readings"] = readings
    yield Event(action.id, "action.succeeded", {"reason": fate.reason, **times, **kept}, actor=fate.by)
    if action.step is None:
        return
    for name, gift in bound.steps[action.step].gives.items():
        for experiment in action.experiments:  # what is read of a batch is so of each sample in it
            if name in arrays:
                yield _listed(action, experiment, name, gift, outcome, bound)
                continue
            yield _measured(action, experiment, name, gift, outcome.readings.get(gift.reading), bound)


def _watched(
    action: ActionState, outcome: Outcome, bound: BoundCampaign
) -> dict[str, tuple[float | None, str]]:
    """Of the readings those that rules of the laboratory ask for: {name: (value, or None for no number, unit)}."""
    declared = bound.laboratory.devices[action.device].spec.actions[action.verb].results
    return {
        name: (reading.value if math.isfinite(reading.value) else None, reading.unit or declared[name].unit)
        for name, reading in outcome.readings.items()
        if (action.device, name) in bound.laboratory.monitoring.logged and name in declared
    }


def _measured(
    action: ActionState, experiment: str, name: str, gift: Gift, reading: Reading | None, bound: BoundCampaign
) -> Event:
    fault = _fault(gift, reading)
    if reading is None or fault:
        sought = name in bound.campaign.aim.readings
        return _rejected(action, experiment, name, reading, fault, sought)
    conversion = Affine.between(reading.unit or gift.device_unit, gift.unit)
    device = bound.laboratory.devices[action.device].spec
    body = {
        "experiment": experiment,
        "action": action.id,
        "name": name,
        "value": _normal(conversion(reading.value)),
        "unit": gift.unit,
        "sigma": None if reading.sigma is None else abs(conversion.scale) * reading.sigma,
        "device": action.device,
        "driver": device.driver,
        "driver_version": device.version,
        "reality": bound.laboratory.file.reality,
    }
    return Event(f"measurement/{action.id}", "measurement.recorded", body, cause=action.id)


def _listed(
    action: ActionState, experiment: str, name: str, gift: Gift, outcome: Outcome, bound: BoundCampaign
) -> Event:
    """Of what a device gives for each atom."""
    assert gift.array is not None
    spec = bound.laboratory.devices[action.device].spec
    values = outcome.record.get(gift.reading)
    wrong = array_fault(gift.array, values, n_atoms(spec.actions[action.verb], action.args))
    if wrong is not None:
        return _rejected(action, experiment, name, None, f"{gift.reading}: {wrong}", False)
    body = {
        "experiment": experiment,
        "action": action.id,
        "name": name,
        "values": values,
        "unit": gift.unit,
        "device": action.device,
        "driver": spec.driver,
        "driver_version": spec.version,
        "reality": bound.laboratory.file.reality,
    }
    return Event(f"measurement/{action.id}", "measurement.array", body, cause=action.id)


def _rejected(
    action: ActionState, experiment: str, name: str, reading: Reading | None, reason: str, sought: bool
) -> Event:
    """`sought`: it is an objective's, and without it the step is worth nothing."""
    raw = None if reading is None else {"value": repr(reading.value), "unit": reading.unit}
    body = {
        "experiment": experiment,
        "action": action.id,
        "name": name,
        "raw": raw,
        "reason": reason,
        "sought": sought,
    }
    return Event(f"measurement/{action.id}", "measurement.rejected", body, cause=action.id)


def _normal(value: float) -> float:
    """Less than the smallest normal number is nothing: its sign may be that of a rounding."""
    return value if abs(value) >= sys.float_info.min else 0.0


def _fault(gift: Gift, reading: Reading | None) -> str:
    """What keeps a reading from being a measurement, or ''."""
    if reading is None:
        return f"the device gave no {gift.reading!r}"
    if not math.isfinite(reading.value):
        return f"{gift.reading} is {reading.value}"
    if reading.sigma is not None and not (math.isfinite(reading.sigma) and reading.sigma >= 0):
        return f"the uncertainty of {gift.reading} is {reading.sigma}"
    try:
        value = Affine.between(reading.unit, gift.device_unit)(reading.value)
        conversion = Affine.between(reading.unit or gift.device_unit, gift.unit)
    except UnitError as error:
        return str(error)
    kept = (conversion(reading.value), abs(conversion.scale) * (reading.sigma or 0.0))
    if not all(-1.7e308 <= number <= 1.7e308 for number in kept):
        return f"{gift.reading} is {reading.value:g} {reading.unit}, beyond every number that is kept"
    if gift.at_least is not None and value < gift.at_least:
        return f"{gift.reading} is {value:g} {gift.device_unit}, below the possible {gift.at_least:g}"
    if gift.at_most is not None and value > gift.at_most:
        return f"{gift.reading} is {value:g} {gift.device_unit}, above the possible {gift.at_most:g}"
    return ""
