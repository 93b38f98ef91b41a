"""The one door. Candidates beyond a limit of device, laboratory or campaign: none passes, by however little."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from campaigns.campaign import Budget, Campaign, Limit, Objective, Phase, Quantity, Reference, Step
from campaigns.space import Continuous, Parameter, Space
from drivers.driver import Action
from drivers.host.spec import Bound, HostedDevice
from drivers.host.spec import beyond as host_beyond
from drivers.protocol import ActionSpec, ParameterSpec, Repeat, ResultSpec
from orchestrator import guard
from orchestrator.binding import BoundCampaign, BoundStep, bind_campaign
from orchestrator.decide import decide
from orchestrator.decision import Around
from orchestrator.lifecycle import Campaign as CampaignState
from tests.orchestrator.builders import GOOD, bound, enter, laboratory, opened, propose

CANDIDATES = 10_000


def step(the_bound: BoundCampaign, step_id: str) -> BoundStep:
    return next(s for s in the_bound.steps if s.step.id == step_id)


def passes(the_bound: BoundCampaign, candidate: dict[str, Any]) -> bool:
    """Whether guard, and after it host, let every step of the candidate through."""
    for one in the_bound.steps:
        arguments = one.arguments(candidate)
        if guard.beyond(one, arguments) is not None:
            return False
        lab = the_bound.laboratory.limits[one.step.device]
        action = Action(id="a", device=one.step.device, verb=one.step.verb, args=arguments, epoch=1)
        refused = host_beyond(action, one.spec, HostedDevice(driver="d", limits=lab))
        assert refused is None, f"the guard passes what the host refuses in the middle of a recipe: {refused}"
    return True


# A limit of the device (600 K), of the laboratory (520 K) and of the campaign (200 degC = 473.15 K).
LIMITS = {"device": 600.0, "laboratory": 520.0, "campaign": 473.15}


def limited_by(whom: str) -> BoundCampaign:
    lab = {"oven": {"heat.temperature": Bound(at_least=260.0, at_most=520.0)}}
    campaign_limit = Limit(device="oven", argument="temperature", at_most=Quantity(value=200.0, unit="degC"))
    return bound(
        lab if whom == "laboratory" else None, limits=(campaign_limit,) if whom == "campaign" else ()
    )


@pytest.mark.parametrize("whom", LIMITS)
def test_ten_thousand_candidates_beyond_a_limit_and_none_is_admitted(whom: str) -> None:
    the_bound, dice = limited_by(whom), random.Random(1)
    limit_c = LIMITS[whom] - 273.15
    for _ in range(CANDIDATES):
        excess = 10 ** dice.uniform(-8, 5)
        candidate = {**GOOD, "temperature": limit_c + excess, "fraction": dice.random()}
        assert not passes(the_bound, candidate), candidate
        assert passes(the_bound, {**candidate, "temperature": limit_c - min(excess, 100.0)})
    assert passes(the_bound, {**GOOD, "temperature": limit_c}), "the limit itself is allowed"


def test_the_fuzz_finds_a_guard_that_is_too_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: with the campaign's limit forgotten, the same candidates get through."""
    the_bound = limited_by("campaign")
    monkeypatch.setattr(BoundStep, "bounds", lambda self, name: ())
    assert (
        guard.beyond(
            step(the_bound, "bake"), step(the_bound, "bake").arguments({**GOOD, "temperature": 900.0})
        )
        is None
    )


def test_nothing_beyond_a_limit_becomes_an_experiment_that_is_begun() -> None:
    dice = random.Random(2)
    the_bound = bound(plan=(Phase(mode="explore", method="sobol"),), budget=Budget(experiments=10))
    log = opened(the_bound)
    enter(log, 0, the_bound)
    beyond = [
        {"temperature": 200.0 + 10 ** dice.uniform(-6, 4)}, {"fraction": 1 + 10 ** dice.uniform(-9, 3)},
        {"fraction": -(10 ** dice.uniform(-9, 3))}, {"strokes": dice.randint(21, 10**9)}, {"solvent": "acid"},
        {"temperature": math.inf}, {"temperature": math.nan}, {"temperature": None}, {"fraction": True},
        {"fraction": "0.5"}, {"strokes": 2.5}, {"hold": 3.0}, {"extra": 1.0},
    ]  # fmt: skip
    for wrong in beyond:
        candidate = {**GOOD, **wrong}
        name = propose(
            log, {k: v if v == v and v not in (math.inf, None) else "NaN" for k, v in candidate.items()}
        )
        log.apply(*decide(log.state, the_bound, Around()).events)
        assert log.state.experiments[name].state == "rejected", wrong
    assert not log.state.actions


@pytest.mark.parametrize(
    ("argument", "value"),
    [("temperature", math.nan), ("temperature", math.inf), ("temperature", -math.inf), ("temperature", "hot"),
     ("temperature", True), ("temperature", 600.0000001), ("hold", -1e-12), ("covered", 1.0), ("ramp", 5.1)],
)  # fmt: skip
def test_arguments_that_no_candidate_should_lead_to_are_refused_all_the_same(
    argument: str, value: Any
) -> None:
    one = step(bound(limits=()), "bake")
    arguments = one.arguments(GOOD)
    assert guard.beyond(one, arguments) is None
    said = guard.beyond(one, {**arguments, argument: value})
    assert said is not None and said.startswith(f"oven.{argument}: ")


@pytest.mark.parametrize(
    ("argument", "value"), [("strokes", 2.0), ("strokes", 0), ("solvent", "acid"), ("solvent", 1.0)]
)
def test_whole_numbers_and_choices_too(argument: str, value: Any) -> None:
    one = step(bound(), "mix")
    assert guard.beyond(one, {**one.arguments(GOOD), argument: value}) is not None


def test_the_refusal_names_device_value_unit_and_limit() -> None:
    one = step(bound(), "bake")
    said = guard.beyond(one, one.arguments({**GOOD, "temperature": 300.0}))
    assert said == "oven.temperature: 573.15 K asked, limit is at most 473.15"


# -- small quantities and conversions -------------------------------------------------------------------------
def one_step(
    argument: ParameterSpec, parameter: Parameter, lab: Bound | None = None, limits: tuple[Limit, ...] = ()
) -> BoundCampaign:
    """A campaign whose only step passes one parameter on to one argument."""
    action = ActionSpec(
        parameters={"depth": argument}, results={"seen": ResultSpec()}, repeat=Repeat.REPEATABLE
    )
    campaign = Campaign(
        name="one", space=Space(parameters=(parameter,)), lab="bench", limits=limits,
        objectives=(Objective(name="y", direction="maximise"),), budget=Budget(experiments=5),
        plan=(Phase(mode="explore", method="sobol"),),
        recipe=(Step(id="go", device="stage", verb="move", gives={"y": "seen"},
                     arguments={"depth": Reference(parameter=parameter.name)}),),
    )  # fmt: skip
    limited = {} if lab is None else {"stage": {"move.depth": lab}}
    return bind_campaign(campaign, laboratory(limited, bench={"stage": {"move": action}}))


@pytest.mark.parametrize("scale", [1e-12, 1e-9, 1e-6, 1.0, 1e6])
def test_a_limit_is_as_sharp_on_small_numbers_as_on_large_ones(scale: float) -> None:
    """Drivers get SI floats: fifty nanometres are 5e-8, and a tolerance of 1e-9 would be no limit at all."""
    the_bound = one_step(
        ParameterSpec(kind="number", unit="m", at_least=0, at_most=50 * scale),
        Continuous(name="depth", low=0, high=50 * scale, unit="m"),
    )
    one = the_bound.steps[0]
    for factor in (1 + 1e-9, 1.0001, 1.02, 2.0):
        assert guard.beyond(one, one.arguments({"depth": 50 * scale * factor})) is not None
    assert guard.beyond(one, one.arguments({"depth": -1e-9 * scale})) is not None
    assert guard.beyond(one, one.arguments({"depth": 50 * scale})) is None


@pytest.mark.parametrize(
    ("unit", "to", "high"),
    [("degC", "K", 246.85), ("degF", "K", 70.0), ("rpm", "rad/s", 5730.0), ("mbar", "Pa", 1013.25),
     ("uL/min", "m^3/s", 0.1), ("nm", "m", 0.1), ("min", "s", 0.1), ("degF", "degC", 32.0), ("%", "", 33.3)],
)  # fmt: skip
def test_a_range_that_ends_at_the_limit_in_another_unit_is_whole(unit: str, to: str, high: float) -> None:
    """What only the rounding of a conversion carries over a bound is put back on it: guard and host agree."""
    from campaigns.units import convert

    for limit in (convert(high, unit, to), math.nextafter(convert(high, unit, to), -math.inf)):
        the_bound = one_step(
            ParameterSpec(kind="number", unit=to), Continuous(name="depth", low=0, high=high, unit=unit),
            lab=Bound(at_most=limit),
            limits=(Limit(device="stage", argument="depth", at_most=Quantity(value=high, unit=unit)),),
        )  # fmt: skip
        assert passes(the_bound, {"depth": high})
        assert the_bound.steps[0].arguments({"depth": high})["depth"] <= limit
        assert not passes(the_bound, {"depth": high + abs(high) * 1e-6})


# -- closed doors ---------------------------------------------------------------------------------------------
def test_a_door_is_closed_while_device_or_sample_are_in_use_or_the_campaign_rests() -> None:
    the_bound = bound()
    log = opened(the_bound)
    enter(log, 0, the_bound)
    propose(log), propose(log)
    for _ in range(3):
        log.apply(*decide(log.state, the_bound, Around()).events)
    assert guard.closed(log.state, "mixer", "x0002") == "mixer is busy with x0001.mix.1"
    assert guard.closed(log.state, "oven", "x0001") == "sample x0001 is in another device"
    assert guard.closed(log.state, "oven", "x0002") is None
    log.say("oven", "device.absent", reason="unplugged")
    assert guard.closed(log.state, "oven", "x0002") == "oven is absent: unplugged"
    log.say("oven", "device.ready", driver="d")
    for kind, rests in (
        ("campaign.paused", True),
        ("campaign.continued", False),
        ("campaign.waiting", False),
    ):
        log.say("campaign", kind, reason="so")
        assert (guard.closed(log.state, "oven", "x0002") is not None) == rests, kind
    assert log.state.campaign is CampaignState.WAITING
    log.say("x0001.mix.1", "action.doubted", reason="?")
    assert guard.closed(log.state, "mixer", "x0002") == "mixer is busy with x0001.mix.1", "a doubt blocks too"
