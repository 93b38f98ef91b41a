"""Bound campaigns, logs and states, for tests of what is pure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from campaigns.campaign import Budget, Campaign, Limit, Objective, Phase, Quantity, Reference, Step
from campaigns.space import Categorical, Continuous, Fixed, Integer, Parameter, Space
from drivers.binding import BoundDevice
from drivers.driver import Driver
from drivers.host.spec import Bound
from drivers.lab import DeviceEntry, LabFile
from drivers.protocol import (
    ActionSpec,
    DeviceSpec,
    ParameterSpec,
    Repeat,
    ResultSpec,
)
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.consumption import bind_consumption
from orchestrator.events import Event, Numbering
from orchestrator.lab import LabState, fold
from orchestrator.labfile import Laboratory
from orchestrator.records import EventRecord

# device -> verb -> what it declares
BENCH: Mapping[str, Mapping[str, ActionSpec]] = {
    "mixer": {
        "mix": ActionSpec(
            parameters={
                "fraction": ParameterSpec(kind="number", at_least=0, at_most=1),
                "solvent": ParameterSpec(kind="choice", choices=("water", "toluene")),
                "strokes": ParameterSpec(kind="integer", at_least=1, at_most=50, default=10),
            },
            repeat=Repeat.OPAQUE,
        )
    },
    "oven": {
        "heat": ActionSpec(
            parameters={
                "temperature": ParameterSpec(kind="number", unit="K", at_least=250, at_most=600),
                "hold": ParameterSpec(kind="number", unit="s", at_least=0, at_most=3600),
                "ramp": ParameterSpec(kind="number", unit="K/s", at_least=0.01, at_most=5, default=1.0),
                "covered": ParameterSpec(kind="flag", default=True),
            },
            repeat=Repeat.TESTABLE,
            takes_s=60,
        )
    },
    "coater": {
        "spin": ActionSpec(
            parameters={"speed": ParameterSpec(kind="number", unit="rad/s", at_least=0, at_most=600)},
            repeat=Repeat.OPAQUE,
        )
    },
    "probe": {
        "measure": ActionSpec(
            results={
                "signal": ResultSpec(unit="S", at_least=0, at_most=10),
                "count": ResultSpec(),
            },
            repeat=Repeat.REPEATABLE,
            takes_s=10,
        )
    },
}

SPACE: tuple[Parameter, ...] = (
    Continuous(name="fraction", low=0, high=1),
    Continuous(name="temperature", low=20, high=200, unit="degC"),
    Categorical(name="solvent", choices=("water", "toluene")),
    Integer(name="strokes", low=1, high=20),
    Fixed(name="hold", value=2.0, unit="min"),
)

RECIPE: tuple[Step, ...] = (
    Step(
        id="mix",
        device="mixer",
        verb="mix",
        arguments={
            "fraction": Reference(parameter="fraction"),
            "solvent": Reference(parameter="solvent"),
            "strokes": Reference(parameter="strokes"),
        },
    ),
    Step(id="coat", device="coater", verb="spin", arguments={"speed": Quantity(value=2000.0, unit="rpm")}),
    Step(
        id="bake",
        device="oven",
        verb="heat",
        arguments={
            "temperature": Reference(parameter="temperature"),
            "hold": Reference(parameter="hold"),
        },
    ),
    Step(id="look", device="probe", verb="measure", gives={"conductance": "signal"}),
)

LIMIT = Limit(device="oven", argument="temperature", at_most=Quantity(value=200.0, unit="degC"))
PLAN = (Phase(mode="explore", method="sobol", experiments=4), Phase(mode="optimise", method="ucb"))


def campaign(**changes: Any) -> Campaign:
    """A campaign of four steps on the bench; any field may be replaced."""
    fields: dict[str, Any] = {
        "name": "walk",
        "space": Space(parameters=SPACE),
        "objectives": (Objective(name="conductance", direction="maximise", unit="mS"),),
        "recipe": RECIPE,
        "plan": PLAN,
        "budget": Budget(experiments=10, failures=3),
        "limits": (LIMIT,),
        "lab": "bench",
    }
    return Campaign(**{**fields, **changes})


def laboratory(
    limits: Mapping[str, Mapping[str, Bound]] | None = None,
    bench: Mapping[str, Mapping[str, ActionSpec]] = BENCH,
    **file: Any,
) -> Laboratory:
    """The bench as a bound laboratory, without drivers; `limits` by device and verb.argument."""
    lab = LabFile(
        **{"alquimia_lab": 1, "name": "bench", "clock": "virtual", **file},
        devices={name: DeviceEntry(driver="bench", host="all") for name in bench},
    )
    devices = {
        name: BoundDevice(
            name, name, Driver, Driver.Settings(), DeviceSpec(driver=name, version="1", simulated=True, actions=actions)
        )
        for name, actions in bench.items()
    }  # fmt: skip

    def wrong(place: tuple[str | int, ...], text: str) -> None:
        raise AssertionError(f"{place}: {text}")

    bounds = {name: (limits or {}).get(name, {}) for name in bench}
    return Laboratory(lab, devices, bounds, consumption=bind_consumption(lab, devices, wrong))


def bound(lab_limits: Mapping[str, Mapping[str, Bound]] | None = None, **changes: Any) -> BoundCampaign:
    """The campaign bound to the bench."""
    return bind_campaign(campaign(**changes), laboratory(lab_limits))


GOOD = {"fraction": 0.5, "temperature": 100.0, "solvent": "water", "strokes": 5, "hold": 2.0}


def proposal(phase: int = 0, **said: Any) -> dict[str, Any]:
    """Why a candidate was asked for, as the log keeps it."""
    why = {
        "mode": "explore", "acquisition": "sobol", "value": None, "mean": None, "sd": None, "model": "constant",
        "seed": 0, "read_to": 0, "rule": "", "fallback": None, "phase": phase,
    }  # fmt: skip
    return {**why, **said}


class Log:
    """A state and the events that made it."""

    def __init__(self) -> None:
        self.state = LabState()
        self.events: list[EventRecord] = []
        self._number()

    def _number(self) -> None:
        ticks = iter(range(10**9))
        self._numbering = Numbering(
            self.state.seq, self.state.epoch + 1, self.state.versions,
            now=lambda: f"2026-01-01T00:00:{next(ticks) % 60:02d}Z",
        )  # fmt: skip

    def apply(self, *events: Event) -> None:
        for event in events:
            record = self._numbering.place(event)
            self.state.apply(record)
            self.events.append(record)

    def say(self, stream: str, kind: str, **body: Any) -> None:
        self.apply(Event(stream, kind, body))

    def restart(self) -> None:
        """What an engine that takes the log over holds: the fold of the events, under a new epoch."""
        folded = fold(self.events)
        assert folded == self.state, "the fold of the log is not the state that wrote it"
        self.state = folded
        self._number()
        self.say("engine", "engine.started", reality="simulated")


def opened(bound_campaign: BoundCampaign) -> Log:
    """A log with its campaign and its first phase."""
    log = Log()
    log.say(
        "campaign", "campaign.opened", campaign=bound_campaign.campaign.to_json(), reality="simulated",
        lab=bound_campaign.laboratory.to_json(), fingerprint=bound_campaign.campaign.fingerprint, versions={},
    )  # fmt: skip
    return log


def enter(log: Log, index: int, bound_campaign: BoundCampaign) -> None:
    phase = bound_campaign.campaign.plan[index]
    log.say(
        f"phase/{index}", "phase.entered", index=index, mode=phase.mode, method=phase.method,
        entered_after=len(log.state.experiments), rule="told to", lab_s=0.0,
    )  # fmt: skip


def propose(log: Log, candidate: Mapping[str, Any] = GOOD, phase: int = 0) -> str:
    number = len(log.state.experiments) + 1
    name = f"x{number:04d}"
    log.say(name, "experiment.proposed", number=number, candidate=dict(candidate), proposal=proposal(phase))
    return name


async def until(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait for a condition, looking often; AssertionError where it does not come to hold."""
    for _ in range(int(within_s / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


def run_one(log: Log, value: float | None, *, phase: int = 0, attribution: str = "instrument") -> str:
    """One experiment of a single act, measured with `value`, or failed where it is None."""
    name = propose(log, phase=phase)
    action = f"{name}.look.1"
    log.say(name, "experiment.queued")
    log.say(name, "experiment.started")
    intend(log, name, "look", device="probe", verb="measure", step=3)
    if value is None:
        log.say(action, "action.failed", attribution=attribution, reason="broken")
        log.say(name, "experiment.failed", attribution=attribution, reason="broken")
        return name
    log.say(action, "action.succeeded", reason="")
    log.say(
        f"measurement/{action}", "measurement.recorded", experiment=name, action=action, name="conductance",
        value=value, unit="mS", sigma=None, reality="simulated",
    )  # fmt: skip
    log.say(name, "experiment.measured", values={"conductance": value})
    return name


def intend(
    log: Log, experiment: str, step_id: str, *, device: str, verb: str, step: int = 0, **body: Any
) -> str:
    attempt = 1 + sum(log.state.actions[a].step == step for a in log.state.experiments[experiment].actions)
    name = f"{experiment}.{step_id}.{attempt}"
    said = {
        "experiment": experiment, "step": step, "step_id": step_id, "device": device, "verb": verb, "args": {},
        "sample": experiment, "repeat": "repeatable", "attempt": attempt, "deadline_s": 60.0,
    }  # fmt: skip
    log.say(name, "action.intended", **{**said, **body})
    return name
