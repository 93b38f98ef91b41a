"""What a batch may share, and what is said where it may not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from campaigns.campaign import Campaign
from campaigns.errors import Fault
from campaigns.load import loads
from campaigns.plan import Phase

WITH = """space:
  x: {continuous: [0, 1]}
  t: {continuous: [300, 500], unit: K}
"""
FLOW = """space:
  x: {continuous: [0, 1]}
  gas: {categorical: [air, argon]}
  flow: {continuous: [1, 9], when: {gas: argon}}
  pressure: {fixed: 1}
  wet: {context: [0, 1]}
  t: {continuous: [300, 500], unit: K}
"""
STEP = "with: {x: $x, temperature: $t}, gives: {y: reading}"
ALL = "with: {x: $x, temperature: $t, gas: $gas, flow: $flow, p: $pressure}, gives: {y: reading, wet: rh}"


def shared(text: str) -> tuple[str, str]:
    return "{optimise: ucb}", f"{{optimise: ucb, batch: 4, share: {text}}}"


def test_a_phase_shares_parameters(base: str) -> None:
    campaign = loads(base.replace(*shared("[t]")))
    assert campaign.plan[1].share == ("t",) and campaign.plan[0].share == ()
    assert Campaign.from_json(campaign.to_json()) == campaign
    turns = "{learn: bald, experiments: 4}, {optimise: ucb, experiments: 4}"
    phase = loads(base, overrides=[f"plan.1={{alternate: [{turns}], batch: 4, share: [t]}}"]).plan[1]
    assert phase.share == ("t",)
    assert loads(base.replace("{explore: sobol,", "{explore: sobol, share: [x],")).plan[0].share == ("x",)


def test_what_is_shared_with_its_condition(bent: Callable[..., str]) -> None:
    text = bent((WITH, FLOW), (STEP, ALL), shared("[gas, flow]"))
    assert loads(text).plan[1].share == ("gas", "flow")


@pytest.mark.parametrize(
    ("share", "code", "at", "wanted", "cure"),
    [
        ("[tt]", "E210", "plan[1].share[0]", "a parameter of the space", "did you mean 't'"),
        ("[t, t]", "E211", "plan[1].share[1]", "each shared parameter once", ""),
        ("[wet]", "E265", "plan[1].share[0]", "a context is measured", "leave it out"),
        ("[pressure]", "E253", "plan[1].share[0]", "the same for all anyway", "leave it out"),
        ("[flow]", "E253", "plan[1].share[0]", "depends on shared as well: gas", "add gas to 'share'"),
        ("[x, t, gas, flow]", "E253", "plan[1].share", "the candidates of a batch must differ", "leave one"),
        ("[]", "E207", "plan[1].share", "", ""),
        ("t", "E203", "plan[1].share", "a list", ""),
    ],
)
def test_what_cannot_be_shared(
    bent: Callable[..., str],
    faults: Callable[..., tuple[Fault, ...]],
    share: str,
    code: str,
    at: str,
    wanted: str,
    cure: str,
) -> None:
    (fault,) = faults(bent((WITH, FLOW), (STEP, ALL), shared(share)))
    assert (fault.code, fault.path) == (code, at)
    assert wanted in fault.wanted and cure in fault.cure


def test_rows_of_which_no_two_agree(
    bent: Callable[..., str], faults: Callable[..., tuple[Fault, ...]]
) -> None:
    apart = "allowed: {rows: [{x: 0, t: 300}, {x: 1, t: 400}, {x: 1, t: 500}]}\nobjectives:"
    text = bent(("objectives:", apart), shared("[t]"))
    (fault,) = faults(text)
    assert (fault.code, fault.path) == ("E253", "plan[1].share")
    assert fault.got == "no two that do" and "batch: 1" in fault.cure
    assert loads(text.replace("share: [t]", "share: [x]")).plan[1].share == ("x",)
    assert loads(text.replace("batch: 4", "batch: 1")).plan[1].batch == 1


def test_a_crystal_is_not_shared(
    faults: Callable[..., tuple[Fault, ...]], shipped: Callable[[str], Campaign]
) -> None:
    campaign = shipped("co_search")
    (crystal,) = campaign.space.materials
    phase = campaign.plan[-1].model_copy(update={"share": (crystal.name,)})
    with pytest.raises(ValidationError, match="a crystal of its own"):
        Campaign.model_validate({**dict(campaign), "plan": (*campaign.plan[:-1], phase)})
    process = next(p.name for p in campaign.space.chosen if p is not crystal)
    right = phase.model_copy(update={"share": (process,)})
    assert Campaign.model_validate({**dict(campaign), "plan": (*campaign.plan[:-1], right)})


def test_loops_share_nothing(shipped: Callable[[str], Campaign]) -> None:
    campaign = shipped("co_search")
    loop = campaign.loops[0]
    plan = (*loop.plan[:-1], Phase(**{**dict(loop.plan[-1]), "share": loop.chooses}))
    with pytest.raises(ValidationError, match="no shared parameters in a loop"):
        Campaign.model_validate(
            {**dict(campaign), "loops": (loop.model_copy(update={"plan": plan}), *campaign.loops[1:])}
        )
