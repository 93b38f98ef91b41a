"""A campaign against its laboratory: every fault once, with where, what, and a cure; units for what they are."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.campaign import Campaign, Limit, Objective, Quantity, Reference, Step
from campaigns.errors import CampaignError, Fault
from campaigns.space import Continuous, Fixed, Integer, Ordinal, Space
from drivers.host.spec import Bound
from orchestrator.affine import Affine
from orchestrator.binding import bind_campaign
from tests.orchestrator.builders import GOOD, RECIPE, SPACE, bound, campaign, laboratory


def with_step(index: int, **changes: Any) -> dict[str, Any]:
    """The recipe with one step changed; arguments given as None are left out."""
    recipe = list(RECIPE)
    step = recipe[index]
    arguments = {**step.arguments, **changes.pop("arguments", {})}
    fields: dict[str, Any] = {
        "id": step.id, "device": step.device, "verb": step.verb, "gives": step.gives,
        "arguments": {name: value for name, value in arguments.items() if value is not None}, **changes,
    }  # fmt: skip
    recipe[index] = Step(**fields)
    return {"recipe": tuple(recipe)}


def with_parameter(parameter: Any) -> dict[str, Any]:
    return {"space": Space(parameters=tuple(parameter if p.name == parameter.name else p for p in SPACE))}


def faults(lab_limits: Any = None, **changes: Any) -> tuple[Fault, ...]:
    # Not validated as a whole: what the language refuses by itself must be refused here as well.
    the_campaign = Campaign.model_construct(**{**dict(campaign()), **changes})
    with pytest.raises(CampaignError) as caught:
        bind_campaign(the_campaign, laboratory(lab_limits), source="walk.yaml")
    return caught.value.faults


def the_fault(lab_limits: Any = None, **changes: Any) -> Fault:
    """The only fault."""
    found = faults(lab_limits, **changes)
    assert len(found) == 1, [fault.render() for fault in found]
    assert found[0].file == "walk.yaml" and found[0].path and found[0].message
    return found[0]


MIX, COAT, BAKE, LOOK = range(4)
K200 = Limit(device="oven", argument="temperature", at_most=Quantity(value=200.0, unit="degC"))
CASES: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "a device that is not there": (
        "E302", with_step(COAT, device="coatr"), "recipe[coat].do",
        "the laboratory 'bench' has no device 'coatr'", "did you mean 'coater'?"),
    "a verb that the device has not": (
        "E303", with_step(COAT, verb="spinn"), "recipe[coat].do",
        "coater has no action 'spinn'", "did you mean 'spin'?"),
    "an argument that is not there": (
        "E304", with_step(BAKE, arguments={"rampe": 1.0}), "recipe[bake].with.rampe",
        "oven.heat has no argument 'rampe'", "did you mean 'ramp'?"),
    "an argument that is missing": (
        "E305", with_step(COAT, arguments={"speed": None}), "recipe[coat].with.speed",
        "coater.spin needs 'speed'", "add speed: …"),
    "text for a number": (
        "E306", with_step(COAT, arguments={"speed": "fast"}), "recipe[coat].with.speed",
        "wants a number, got the text 'fast'", ""),
    "a flag for a number": (
        "E306", with_step(COAT, arguments={"speed": True}), "recipe[coat].with.speed",
        "wants a number, got true", ""),
    "a number for a flag": (
        "E306", with_step(BAKE, arguments={"covered": 1.0}), "recipe[bake].with.covered",
        "wants a flag, got the number 1.0", ""),
    "a fraction for a whole number": (
        "E306", with_step(MIX, arguments={"strokes": 2.5}), "recipe[mix].with.strokes",
        "wants a whole number, got 2.5", ""),
    "a choice that is not possible": (
        "E306", with_step(MIX, arguments={"solvent": "tolune"}), "recipe[mix].with.solvent",
        "'tolune' is not possible", "did you mean 'toluene'?"),
    "a parameter of the wrong kind": (
        "E306", with_step(MIX, arguments={"solvent": Reference(parameter="fraction")}), "recipe[mix].with.solvent",
        "wants a choice and $fraction is a number", ""),
    "a real parameter for a whole number": (
        "E306", with_step(MIX, arguments={"strokes": Reference(parameter="fraction")}), "recipe[mix].with.strokes",
        "wants whole numbers and $fraction is not always one", ""),
    "a quantity of the wrong dimension": (
        "E307", with_step(COAT, arguments={"speed": Quantity(value=3.0, unit="m")}), "recipe[coat].with.speed",
        "wanted a unit like 'rad/s', got 'm'", "write the right unit"),
    "a unit for a plain number": (
        "E307", with_step(MIX, arguments={"fraction": Quantity(value=0.5, unit="m")}), "recipe[mix].with.fraction",
        "wanted a unit like '', got 'm'", "write the right unit"),
    "a parameter of the wrong dimension": (
        "E307", with_parameter(Continuous(name="temperature", low=20, high=200, unit="m")) | {"limits": ()},
        "recipe[bake].with.temperature", "wanted a unit like 'K', got 'm'", "write the right unit"),
    "a fixed parameter of the wrong dimension": (
        "E307", with_parameter(Fixed(name="hold", value=2.0, unit="m")), "recipe[bake].with.hold",
        "wanted a unit like 's', got 'm'", "write the right unit"),
    "a constant beyond the device's bound": (
        "E308", with_step(COAT, arguments={"speed": Quantity(value=6000.0, unit="rpm")}), "recipe[coat].with.speed",
        "is 628.319 rad/s, the limit is at most 600",
        "narrow the range, or change the limit if the device bears it"),
    "a fixed parameter beyond the device's bound": (
        "E308", with_parameter(Fixed(name="hold", value=61.0, unit="min")), "recipe[bake].with.hold",
        "is 3660 s, the limit is at most 3600", "narrow the range, or change the limit if the device bears it"),
    "a range beyond the campaign's limit": (
        "E308", with_parameter(Continuous(name="temperature", low=20, high=201, unit="degC")),
        "recipe[bake].with.temperature", "$temperature reaches 474.15 K, the limit is at most 473.15",
        "narrow the range, or change the limit if the device bears it"),
    "a reading that the action does not give": (
        "E309", with_step(LOOK, gives={"conductance": "signl"}), "recipe[look].gives.conductance",
        "probe.measure gives no 'signl'", "did you mean 'signal'?"),
    "a reading of the wrong dimension": (
        "E310", {"objectives": (Objective(name="conductance", direction="maximise", unit="m"),)},
        "recipe[look].gives.conductance", "signal comes in 'S', the campaign wants it in 'm'", ""),
    "a reading without a unit that may be a share or a percentage": (
        "E310", {
            "objectives": (Objective(name="count", direction="maximise", unit="%"),),
            **with_step(LOOK, gives={"count": "count"}),
        },
        "recipe[look].gives.count", "count comes without a unit, the campaign wants it in '%'",
        "leave the unit out, or have the device say its own"),
    "a limit in a unit of the wrong dimension": (
        "E311", {"limits": (Limit(device="oven", argument="temperature", at_most=Quantity(value=3.0, unit="m")),)},
        "recipe[bake].with.temperature", "the limit oven.temperature has a unit unlike 'K'", ""),
    "a limit on an argument that nobody has": (
        "E311", {"limits": (Limit(device="oven", argument="temprature", at_most=Quantity(value=400.0, unit="K")),)},
        "limits.oven.temprature", "no action of the recipe has the argument 'temprature'",
        "did you mean 'temperature'?"),
    "a limit on something that is no number": (
        "E311", {"limits": (Limit(device="mixer", argument="solvent", at_most=Quantity(value=4.0, unit="")),)},
        "recipe[mix].with.solvent", "the limit mixer.solvent is on a choice, no number", ""),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_a_fault_is_said_once_with_where_what_and_a_cure(what: str) -> None:
    code, changes, path, message, cure = CASES[what]
    fault = the_fault(**changes)
    assert (fault.code, fault.path, fault.message, fault.cure) == (code, path, message, cure)
    assert fault.render().startswith(f"walk.yaml {code} {path}: {message}")


def test_every_fault_is_said_at_once() -> None:
    recipe = [
        Step(id="mix", device="mixr", verb="mix"),
        Step(id="coat", device="coater", verb="spin", arguments={"sped": 1.0}),
        Step(id="bake", device="oven", verb="heat",
             arguments={"temperature": Quantity(value=1.0, unit="s"), "hold": 1e9}),
    ]  # fmt: skip
    found = faults(recipe=tuple(recipe), limits=())
    assert [f.code for f in found] == ["E302", "E305", "E304", "E307", "E308"]


def test_the_laboratorys_limit_binds_and_a_default_is_no_way_around_it() -> None:
    oven = {"oven": {"heat.temperature": Bound(at_most=450.0), "heat.ramp": Bound(at_most=0.5)}}
    found = faults(oven, limits=())
    assert [(f.code, f.path) for f in found] == [
        ("E308", "recipe[bake].with.temperature"), ("E308", "recipe[bake].with.ramp"),
    ]  # fmt: skip
    assert found[1].message == "is 1 K/s, the limit is at most 0.5"


def test_a_default_beyond_the_campaigns_limit_is_refused() -> None:
    """The host knows nothing of the campaign's limits: what is not seen here reaches the device."""
    limit = Limit(device="oven", verb="heat", argument="ramp", at_most=Quantity(value=30.0, unit="K/min"))
    assert the_fault(limits=(limit,)).message == "is 1 K/s, the limit is at most 0.5"
    step = bound(
        limits=(Limit(device="oven", argument="ramp", at_most=Quantity(value=60.0, unit="K/min")),)
    ).steps[2]
    assert step.limits["ramp"] == (Bound(at_most=1.0),) and step.arguments(GOOD)["ramp"] == 1.0


def test_quantities_are_converted_to_the_devices_units() -> None:
    the_bound = bound()
    coat, bake = the_bound.steps[1], the_bound.steps[2]
    assert coat.fixed["speed"] == pytest.approx(2000 * 2 * 3.141592653589793 / 60, rel=1e-12)
    assert bake.arguments(GOOD)["temperature"] == pytest.approx(373.15, abs=1e-9)
    assert bake.arguments(GOOD)["hold"] == 120.0
    assert bake.limits["temperature"] == (Bound(at_most=473.15),)


def test_a_percentage_is_a_hundredth_where_the_device_has_no_unit() -> None:
    """Passed on as it is, 50 % would be a fraction of fifty."""
    the_bound = bound(**with_parameter(Continuous(name="fraction", low=0, high=100, unit="%")))
    assert the_bound.steps[0].arguments({**GOOD, "fraction": 50.0})["fraction"] == 0.5
    fault = the_fault(**with_parameter(Continuous(name="fraction", low=0, high=101, unit="%")))
    assert fault.code == "E308" and "reaches 1.01" in fault.message


def test_a_number_without_a_unit_is_in_the_devices_unit() -> None:
    the_bound = bound(**with_step(COAT, arguments={"speed": 100.0}))
    assert the_bound.steps[1].fixed["speed"] == 100.0


def test_a_fixed_parameter_may_be_left_out_of_a_candidate() -> None:
    candidate = {name: value for name, value in GOOD.items() if name != "hold"}
    assert campaign().space.violations(candidate) == []
    assert bound().steps[2].arguments(candidate)["hold"] == 120.0


@pytest.mark.parametrize(
    ("parameter", "whole"),
    [
        (Integer(name="strokes", low=1, high=20), True),
        (Ordinal(name="strokes", levels=(1.0, 2.0, 8.0)), True),
        (Ordinal(name="strokes", levels=(1.0, 2.5)), False),
        (Continuous(name="strokes", low=1, high=20), False),
        (Integer(name="strokes", low=200, high=2000, unit="%"), False),
    ],
)
def test_whole_numbers_stay_whole(parameter: Any, whole: bool) -> None:
    changes = with_parameter(parameter)
    if not whole:
        assert the_fault(**changes).code == "E306"
        return
    value = bound(**changes).steps[0].arguments({**GOOD, "strokes": 2.0})["strokes"]
    assert value == 2 and isinstance(value, int)


@pytest.mark.parametrize(
    ("unit", "to", "value", "expected"),
    [("degC", "K", 25.0, 298.15), ("K", "degC", 0.0, -273.15), ("rpm", "rad/s", 60.0, 6.283185307179586),
     ("mS", "S", 5.0, 0.005), ("", "K", 7.0, 7.0), ("%", "", 50.0, 0.5), ("degF", "K", 212.0, 373.15)],
)  # fmt: skip
def test_conversions_are_affine(unit: str, to: str, value: float, expected: float) -> None:
    assert Affine.between(unit, to)(value) == pytest.approx(expected, rel=1e-9)
