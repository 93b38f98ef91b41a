"""What a driver's author declares, what fails while the class is made, what is refused at the door."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.arguments import fault
from drivers.clock import VirtualClock
from drivers.driver import (
    Action,
    ActionFailed,
    Attribution,
    Driver,
    Gives,
    LabContext,
    Quantity,
    Reading,
    Repeat,
    Testimony,
    action,
)
from drivers.errors import ArgumentRejected, DeclarationError, UnknownVerb
from drivers.protocol import DeviceSpec, ParameterSpec
from tests.drivers.laboratory import request


class Oven(Driver):
    """A small oven."""

    version = "3"

    class Settings(Driver.Settings):
        returns: Any = {"reached": 350.0}
        fails: bool = False

    settings: Settings

    def __init__(self, name: str, settings: Settings, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self.calls: list[dict[str, Any]] = []

    @action(Repeat.TESTABLE, takes_s=60, gives={"reached": Gives("K", at_least=0, doc="at the end")})
    async def heat(
        self,
        sample: str,
        temperature: Annotated[float, Quantity("K", at_least=290, at_most=600, doc="set point")],
        steps: int,
        gas: Literal["air", "argon"],
        fan: bool = False,
        note: str = "",
    ) -> Mapping[str, float | Reading]:
        """Be at a temperature."""
        self.calls.append(
            {"sample": sample, "temperature": temperature, "steps": steps, "gas": gas, "fan": fan}
        )
        await self.lab.clock.sleep(60)
        if self.settings.fails:
            raise ActionFailed(Attribution.INSTRUMENT, "the heater is broken")
        returned: Mapping[str, float | Reading] = self.settings.returns
        return returned

    @heat.testify
    async def heat_testimony(self, action: Action) -> Testimony:
        return Testimony(verdict="done", reason=f"it is hot after {action.id}")

    @action(Repeat.REPEATABLE)
    async def open_door(self) -> None:
        """Be open."""


def oven(**settings: Any) -> Oven:
    lab = LabContext(VirtualClock(5.0), None, 0, Path())
    return Oven("oven", Oven.Settings(**settings), lab)


GOOD: dict[str, Any] = {"temperature": 350.0, "steps": 2, "gas": "argon"}


def test_a_class_describes_itself_and_the_description_crosses_processes() -> None:
    spec = Oven.describe(Oven.Settings())
    heat = spec.actions["heat"]
    assert spec.doc == "A small oven." and spec.version == "3" and not spec.simulated
    assert heat.doc == "Be at a temperature." and heat.takes_s == 60 and heat.repeat is Repeat.TESTABLE
    assert list(heat.parameters) == ["temperature", "steps", "gas", "fan", "note"]
    assert heat.parameters["temperature"] == ParameterSpec(
        kind="number", unit="K", at_least=290, at_most=600, doc="set point"
    )
    assert heat.parameters["gas"].choices == ("air", "argon")
    assert heat.parameters["fan"].default is False
    assert heat.results["reached"].unit == "K"
    assert DeviceSpec.model_validate(json.loads(spec.model_dump_json())) == spec


async def test_an_act_is_dispatched_and_stamped_with_lab_time() -> None:
    device = oven()
    outcome = await device.act(request("oven", "heat", **GOOD))
    assert (outcome.status, outcome.began_s, outcome.ended_s) == ("succeeded", 5.0, 65.0)
    assert outcome.readings == {"reached": Reading(value=350.0, unit="K")}
    assert device.calls == [{"sample": "s1", "temperature": 350.0, "steps": 2, "gas": "argon", "fan": False}]


async def test_a_known_failure_is_an_outcome() -> None:
    outcome = await oven(fails=True).act(request("oven", "heat", **GOOD))
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.INSTRUMENT)
    assert outcome.reason == "the heater is broken" and outcome.ended_s == 65.0


async def test_an_unforeseen_error_is_nobodys_outcome() -> None:
    class Broken(Driver):
        version = "1"

        @action(Repeat.OPAQUE)
        async def crash(self) -> None:
            raise RuntimeError("a bug")

    device = Broken("broken", Broken.Settings(), LabContext(VirtualClock(), None, 0, Path()))
    with pytest.raises(RuntimeError, match="a bug"):
        await device.act(request("broken", "crash"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"temperature": 600.0001}, "at most 600 K"),
        ({"temperature": 289.9}, "at least 290 K"),
        ({"temperature": "hot"}, "wanted a number K"),
        ({"temperature": True}, "wanted a number K"),
        ({"steps": 2.5}, "wanted a whole number"),
        ({"gas": "oxygen"}, "wanted one of air, argon"),
        ({"fan": 1}, "wanted true or false"),
        ({"note": 3}, "wanted a text"),
        ({"pressure": 1.0}, "no argument 'pressure'"),
    ],
)
async def test_a_bad_argument_is_refused_before_the_method_runs(
    change: dict[str, Any], complaint: str
) -> None:
    device = oven()
    with pytest.raises(ArgumentRejected, match=complaint):
        await device.act(request("oven", "heat", **{**GOOD, **change}))
    assert device.calls == []


async def test_all_faults_of_a_request_are_told_at_once() -> None:
    device = oven()
    with pytest.raises(ArgumentRejected) as refused:
        await device.act(request("oven", "heat", temperature=1000.0, gas="oxygen"))
    assert len(refused.value.faults) == 3  # the third: steps is missing
    with pytest.raises(ArgumentRejected, match="a sample"):
        device.check(request("oven", "heat", sample=None, **GOOD))
    assert device.calls == []


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_number_beyond_the_bounds_passes(value: float) -> None:
    spec = Oven.describe(Oven.Settings()).actions["heat"].parameters["temperature"]
    allowed = math.isfinite(value) and 290 <= value <= 600
    assert (fault(spec, value) is None) == allowed


def test_a_whole_float_is_an_integer_and_an_int_is_a_number() -> None:
    arguments = oven().check(request("oven", "heat", temperature=300, steps=2.0, gas="air"))
    assert type(arguments["temperature"]) is float and type(arguments["steps"]) is int


async def test_an_unknown_verb_is_a_typed_error() -> None:
    with pytest.raises(UnknownVerb, match="it has heat, open_door"):
        await oven().act(request("oven", "melt"))
    with pytest.raises(UnknownVerb):
        await oven().testify(request("oven", "melt"))


@pytest.mark.parametrize(
    "returned",
    [{}, None, {"reached": 1.0, "more": 2.0}, {"other": 1.0}, {"reached": "hot"}, {"reached": True}],
)
async def test_results_that_were_not_declared_are_a_bad_reading(returned: object) -> None:
    outcome = await oven(returns=returned).act(request("oven", "heat", **GOOD))
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.BAD_READING)
    assert outcome.readings == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -5.0])
async def test_broken_values_pass_for_the_engine_to_reject(value: float) -> None:
    outcome = await oven(returns={"reached": value}).act(request("oven", "heat", **GOOD))
    assert outcome.status == "succeeded"
    assert str(outcome.readings["reached"].value) == str(value)


async def test_a_reading_keeps_its_own_unit_and_gets_the_declared_one_where_it_has_none() -> None:
    for given_unit, unit in (("", "K"), ("degC", "degC")):
        reading = Reading(value=1.0, unit=given_unit, sigma=0.1)
        outcome = await oven(returns={"reached": reading}).act(request("oven", "heat", **GOOD))
        assert outcome.readings["reached"] == Reading(value=1.0, unit=unit, sigma=0.1)


async def test_the_hook_of_the_action_testifies_and_others_know_nothing() -> None:
    testimony = await oven().testify(request("oven", "heat", id="a-7", **GOOD))
    assert (testimony.verdict, testimony.reason) == ("done", "it is hot after a-7")
    assert (await oven().testify(request("oven", "open_door"))).verdict == "unknown"


async def test_halting_and_making_safe_do_nothing_by_default() -> None:
    device = oven()
    for _ in range(2):
        await device.connect()
        await device.halt()
        await device.make_safe()
        await device.disconnect()


def test_actions_are_inherited_and_can_be_replaced_only_by_actions() -> None:
    class Bigger(Oven):
        @action(Repeat.OPAQUE)
        async def tilt(self) -> None:
            """Be tilted."""

    assert list(Bigger.actions) == ["heat", "open_door", "tilt"]
    with pytest.raises(DeclarationError, match="replaces an action"):

        class Worse(Oven):
            async def open_door(self) -> None: ...  # type: ignore[override]


def declare(method: Any, repeat: Repeat = Repeat.OPAQUE, **options: Any) -> type:
    """A driver class with one action made of `method`."""
    body: dict[str, Any] = {"version": "1", "verb": action(repeat, **options)(method)}
    return type("Made", (Driver,), body)


async def no_annotation(self: Any, speed) -> None: ...  # type: ignore[no-untyped-def]
async def bare_float(self: Any, speed: float) -> None: ...
async def odd_type(self: Any, speed: list[float]) -> None: ...
async def two_units(self: Any, speed: Annotated[float, Quantity("K"), Quantity("m")]) -> None: ...
async def unit_on_text(self: Any, speed: Annotated[str, Quantity("K")]) -> None: ...
async def crossed(self: Any, speed: Annotated[float, Quantity("K", at_least=2, at_most=1)]) -> None: ...
async def infinite(self: Any, speed: Annotated[float, Quantity("K", at_most=math.inf)]) -> None: ...
async def number_choice(self: Any, speed: Literal[1, 2]) -> None: ...
async def bad_default(self: Any, speed: Annotated[float, Quantity("K", at_most=1)] = 2.0) -> None: ...
async def by_place(self: Any, *speeds: int) -> None: ...
async def unknown_name(self: Any, speed: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
async def gives_none(self: Any) -> dict[str, float]: ...  # type: ignore[empty-body]
async def returns_none(self: Any) -> None: ...
async def returns_any(self: Any, **arguments: Any) -> dict[str, float]: ...  # type: ignore[empty-body]
def not_async(self: Any) -> None: ...


@pytest.mark.parametrize(
    ("method", "options", "complaint"),
    [
        (no_annotation, {}, r"Made\.verb\(speed\).*no annotation"),
        (bare_float, {}, "a float needs its unit"),
        (odd_type, {}, r"wanted Annotated\[float"),
        (two_units, {}, "more than one Quantity"),
        (unit_on_text, {}, "belongs to float or int"),
        (crossed, {}, "at_least 2 is above at_most 1"),
        (infinite, {}, "a bound is inf"),
        (number_choice, {}, "must be texts"),
        (bad_default, {}, "its own default"),
        (by_place, {}, "cannot be given by name"),
        (unknown_name, {}, "Nowhere"),
        (gives_none, {}, "declares no result"),
        (returns_none, {"gives": {"mass": Gives("g")}}, "annotated '-> None'"),
        (returns_none, {"takes_s": -1.0}, "takes_s"),
        (returns_none, {"repeat": Repeat.TESTABLE}, "nothing asks the device"),
        (returns_any, {"gives": {}}, "does not override describe"),
        (not_async, {}, "must be 'async def'"),
    ],
)
def test_a_class_that_cannot_be_understood_fails_while_it_is_made(
    method: Any, options: dict[str, Any], complaint: str
) -> None:
    method.__name__ = "verb"
    with pytest.raises(DeclarationError, match=complaint):
        declare(method, **options)


def test_a_hook_must_have_a_name_of_its_own_and_a_testable_action() -> None:
    async def hook(self: Any, action: Action) -> Testimony: ...  # type: ignore[empty-body]

    declared = action(Repeat.TESTABLE)(returns_none)
    hook.__name__ = declared.name
    with pytest.raises(DeclarationError, match="same name"):
        declared.testify(hook)
    opaque = action(Repeat.OPAQUE)(returns_none)
    hook.__name__ = "look"
    opaque.testify(hook)
    with pytest.raises(DeclarationError, match="declared OPAQUE"):
        type("Made", (Driver,), {"version": "1", opaque.name: opaque, "look": hook})


def test_a_driver_has_a_version_and_settings_of_its_own_kind() -> None:
    with pytest.raises(DeclarationError, match="no version"):
        type("Made", (Driver,), {"verb": action(Repeat.OPAQUE)(returns_none)})
    with pytest.raises(DeclarationError, match="Settings"):
        type("Made", (Driver,), {"Settings": dict})
