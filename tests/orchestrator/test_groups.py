"""Devices that can stand in for one another: whichever is free acts, and the limits of all hold."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from campaigns.campaign import Phase, Reference, Step
from campaigns.errors import CampaignError
from campaigns.space import Continuous, Space
from drivers.binding import bind
from drivers.errors import LabError
from drivers.host.spec import Bound
from drivers.lab import DeviceEntry, LabFile
from drivers.protocol import ActionSpec, ParameterSpec, Repeat, ResultSpec
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.decide import decide
from orchestrator.decision import Around, Send
from tests.orchestrator.builders import campaign, enter, laboratory, opened, propose

HEAT = {
    "heat": ActionSpec(
        parameters={"temperature": ParameterSpec(kind="number", unit="K", at_least=0, at_most=900)},
        results={"colour": ResultSpec()},
        repeat=Repeat.OPAQUE,
    )
}


def the_bound(high: float = 500.0, device: str = "oven") -> BoundCampaign:
    step = Step(
        id="heat",
        device=device,
        verb="heat",
        arguments={"temperature": Reference(parameter="temperature")},
        gives={"conductance": "colour"},
    )
    made = campaign(
        space=Space(parameters=(Continuous(name="temperature", low=300, high=high, unit="K"),)),
        recipe=(step,),
        plan=(Phase(mode="explore", method="sobol", batch=3),),
        limits=(),
    )
    limits = {"oven_2": {"heat.temperature": Bound(at_most=600)}}
    bench = {"oven_1": HEAT, "oven_2": HEAT, "probe": HEAT}
    return bind_campaign(made, laboratory(limits, bench, groups={"oven": ("oven_1", "oven_2")}))


def test_whichever_is_free_acts() -> None:
    bound = the_bound()
    log = opened(bound)
    enter(log, 0, bound)
    for _ in range(3):
        propose(log, {"temperature": 400.0})
    sent = []
    while (decision := decide(log.state, bound, Around(asking=True))).events:
        log.apply(*decision.events)
        sent += [effect for effect in decision.effects if isinstance(effect, Send)]
    devices = [log.state.actions[send.action].device for send in sent]
    assert devices == ["oven_1", "oven_2"], "the third waits"
    log.say("oven_2", "device.absent", host="h", reason="unplugged")
    log.say(sent[0].action, "action.failed", attribution="instrument", reason="broken")
    while (decision := decide(log.state, bound, Around(asking=True))).events:
        log.apply(*decision.events)
        sent += [effect for effect in decision.effects if isinstance(effect, Send)]
    assert [log.state.actions[send.action].device for send in sent[2:]] == ["oven_1"], (
        "not the one that is absent"
    )


def test_the_limits_of_every_member_hold() -> None:
    the_bound(high=600)
    with pytest.raises(CampaignError, match="at most 600"):
        the_bound(high=700)


def test_a_group_that_is_none_is_refused() -> None:
    with pytest.raises(CampaignError, match=r"no device 'ovem'.*did you mean 'oven'"):
        the_bound(device="ovem")
    devices = {"a": DeviceEntry(driver="sim.instant"), "b": DeviceEntry(driver="sim.furnace")}
    for groups, message in (
        ({"g": ("a", "c")}, "'c', which is no device"),
        ({"g": ("a", "a")}, "one twice"),
        ({"a": ("b",)}, "unlike every device"),
    ):
        with pytest.raises(ValidationError, match=message):
            LabFile(alquimia_lab=1, name="x", devices=devices, groups=groups)
    with pytest.raises(LabError, match="b does not do what a does"):
        bind(LabFile(alquimia_lab=1, name="x", devices=devices, groups={"g": ("a", "b")}))
