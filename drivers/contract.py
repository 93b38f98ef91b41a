"""What every driver must keep, whatever it drives: one function a promise, tried on a fresh device each.

For a driver of your own, make a `Case` and await every one of PROMISES on `case.ready(directory)`, as the test that
`alquimia drivers new` writes does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers import registry
from drivers.clock import VirtualClock
from drivers.driver import Driver, LabContext
from drivers.errors import ArgumentRejected, UnknownVerb
from drivers.protocol import Action, ActionSpec, Argument, DeviceSpec, Outcome, ParameterSpec, Repeat
from drivers.sim.world import World


@dataclass(frozen=True)
class Case:
    """How to try one driver (its name, or the class): its settings, its world, and what must have been done to the
    sample before."""

    driver: str | type[Driver]
    settings: Mapping[str, Any] = field(default_factory=dict)
    world: str | None = None
    before: tuple[tuple[str, str, Mapping[str, Argument]], ...] = ()  # (driver, verb, arguments)

    def context(self, directory: Path) -> LabContext:
        world = None if self.world is None else World(directory / "world", model=self.world)
        return LabContext(VirtualClock(), world, 0, directory)

    def make(self, context: LabContext) -> Driver:
        kind = registry.driver(self.driver) if isinstance(self.driver, str) else self.driver
        return kind("device", kind.Settings.model_validate(dict(self.settings)), context)

    async def ready(self, directory: Path) -> Driver:
        """The device, with a sample called "s1" that it can work on."""
        context = self.context(directory)
        for i, (name, verb, args) in enumerate(self.before):
            kind = registry.driver(name)
            other = kind(name, kind.Settings(), context)
            done = await other.act(
                Action(id=f"before{i}", device=name, verb=verb, args=args, sample="s1", epoch=1)
            )
            assert done.status == "succeeded", done
        return self.make(context)


def allowed(spec: ParameterSpec) -> Argument:
    """A value in the middle of what is allowed."""
    if spec.default is not None:
        return spec.default
    match spec.kind:
        case "flag":
            return False
        case "text":
            return "text"
        case "choice":
            return spec.choices[0]
        case "structure":
            copper = [[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]]
            return {"lattice": copper, "species": ["Cu"], "frac": [[0, 0, 0]]}
    low = spec.at_least if spec.at_least is not None else (spec.at_most or 0.0) - 1
    high = spec.at_most if spec.at_most is not None else low + 2
    middle = (low + high) / 2
    return math.floor(middle) if spec.kind == "integer" else middle


def refused(spec: ParameterSpec) -> list[Argument]:
    """Values beyond what is allowed, or of another kind."""
    match spec.kind:
        case "flag":
            return ["yes", 1]
        case "text":
            return [1.0, True]
        case "choice":
            return ["no such choice", 1.0]
        case "structure":
            return ["Cu", {}, {"lattice": [], "species": [], "frac": []}]
    beyond: list[Argument] = ["text", True]
    if spec.at_least is not None:
        beyond += [math.nextafter(spec.at_least, -math.inf), spec.at_least - 1e6]
    if spec.at_most is not None:
        beyond += [math.nextafter(spec.at_most, math.inf), spec.at_most + 1e6]
    return beyond


def asked(verb: str, spec: ActionSpec, id: str = "a", **changes: Argument) -> Action:
    args = {name: allowed(one) for name, one in spec.parameters.items()} | changes
    return Action(id=id, device="device", verb=verb, args=args, sample="s1", epoch=1)


async def keeps_its_description(device: Driver) -> None:
    """It crosses a process border and comes back the same, and the class says the same as the instance."""
    spec = type(device).describe(device.settings)
    assert spec == device.spec
    text = json.dumps(spec.model_dump(mode="json"), allow_nan=False)
    assert DeviceSpec.model_validate(json.loads(text)) == spec
    assert spec.doc and spec.actions and all(one.doc for one in spec.actions.values())


async def keeps_strangers_out(device: Driver) -> None:
    """Unknown verbs, unknown, missing or disallowed arguments: a typed error, and nothing was done."""
    facts = len(device.lab.world.facts) if device.lab.world else 0
    stranger = Action(id="x", device="device", verb="no_such_verb", sample="s1", epoch=1)
    await _refuses(device, stranger, UnknownVerb)
    for verb, spec in device.spec.actions.items():
        good = asked(verb, spec)
        bad = [good.model_copy(update={"args": {**good.args, "no_such_argument": 1.0}})]
        for name, parameter in spec.parameters.items():
            bad += [good.model_copy(update={"args": {**good.args, name: v}}) for v in refused(parameter)]
            if parameter.default is None:
                left = {key: value for key, value in good.args.items() if key != name}
                bad.append(good.model_copy(update={"args": left}))
        for action in bad:
            await _refuses(device, action, ArgumentRejected)
    assert (len(device.lab.world.facts) if device.lab.world else 0) == facts


async def keeps_its_results(device: Driver) -> None:
    """Every action ends as it is declared, with readings of the declared names, units and bounds."""
    for verb, spec in device.spec.actions.items():
        outcome = await device.act(asked(verb, spec, id=f"do-{verb}"))
        assert outcome.status == "succeeded", outcome
        assert outcome.ended_s >= outcome.began_s
        assert set(outcome.readings) == set(spec.results)
        for name, result in spec.results.items():
            reading = outcome.readings[name]
            assert math.isfinite(reading.value) and reading.unit == result.unit
            assert result.at_least is None or reading.value >= result.at_least
            assert result.at_most is None or reading.value <= result.at_most
            assert reading.sigma is None or reading.sigma > 0
        assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome


async def keeps_what_repeatable_means(device: Driver) -> None:
    """The same action again is the same reading."""
    for verb, spec in device.spec.actions.items():
        if spec.repeat is Repeat.REPEATABLE:
            action = asked(verb, spec, id=f"again-{verb}")
            assert (await device.act(action)).readings == (await device.act(action)).readings


async def keeps_testimony(device: Driver) -> None:
    """A testable action not done is not testified as done; done, never as not done; others know nothing."""
    for verb, spec in device.spec.actions.items():
        action = asked(verb, spec, id=f"ask-{verb}")
        before = await device.testify(action)
        await device.act(action)
        after = await device.testify(action)
        if spec.repeat is Repeat.TESTABLE:
            assert before.verdict != "done" and after.verdict != "not done"
        elif spec.repeat is Repeat.OPAQUE:
            assert before.verdict == after.verdict == "unknown"


async def keeps_stops_idempotent(device: Driver) -> None:
    """Connect, halt, make safe, disconnect: at any time, any number of times, and it still works."""
    for state in (device.connect, device.halt, device.make_safe, device.disconnect, device.connect):
        await state()
        await state()
    for verb, spec in device.spec.actions.items():
        assert (await device.act(asked(verb, spec, id=f"after-{verb}"))).status == "succeeded"


async def keeps_its_safe_state(device: Driver) -> None:
    """It says in words what it leaves behind, and leaves it after any act, once and again."""
    assert device.spec.safe_state
    await device.connect()
    for verb, spec in device.spec.actions.items():
        assert (await device.act(asked(verb, spec, id=f"safe-{verb}"))).status == "succeeded"
        for _ in range(2):
            await device.make_safe()
            assert await device.is_safe() is not False


PROMISES: tuple[Callable[[Driver], Awaitable[None]], ...] = (
    keeps_its_description,
    keeps_strangers_out,
    keeps_its_results,
    keeps_what_repeatable_means,
    keeps_testimony,
    keeps_stops_idempotent,
    keeps_its_safe_state,
)


async def _refuses(device: Driver, action: Action, error: type[Exception]) -> None:
    try:
        done = await device.act(action)
    except error:
        return
    raise AssertionError(f"wanted {error.__name__} for {action.verb} with {dict(action.args)}, got {done}")
