"""What people propose, approve and turn down. Pure: a person's word is checked like a planner's."""

from __future__ import annotations

import math
from collections.abc import Mapping

from campaigns.campaign import Campaign as CampaignFile
from campaigns.errors import did_you_mean
from campaigns.plan import PERSON
from campaigns.rules import RuleError
from campaigns.space import Categorical, Fixed, Material, Parameter, Space, Value
from campaigns.units import UnitError, begins_with_number, convert, parse_quantity
from orchestrator import rules
from orchestrator.errors import Refused
from orchestrator.events import Event
from orchestrator.lab import LabState
from orchestrator.lifecycle import Campaign, Experiment
from orchestrator.states import ExperimentState

NOTHING_SAID = {
    "value": None, "mean": None, "sd": None, "model": "a person", "seed": 0, "fallback": None, "nearest": None,
}  # fmt: skip


def waits_for_a_proposal(state: LabState, campaign: CampaignFile) -> bool:
    """Whether it is a person's turn to propose."""
    return bool(state.phases) and rules.turn(state, campaign, state.phases[-1].index).method == PERSON


def needs_approval(experiment: ExperimentState, campaign: CampaignFile) -> bool:
    """Whether a proposed experiment waits for a person's approval."""
    phase = campaign.plan[experiment.proposal["phase"]]
    return phase.approve is not None and experiment.state is Experiment.PROPOSED and not experiment.approved


def proposed(state: LabState, said: Mapping[str, str], by: str, note: str, cause: str) -> list[Event]:
    """An experiment that a person asks for. Raises `Refused` (E505) for what is none, or cannot be begun."""
    campaign = CampaignFile.from_json(state.opened["campaign"])
    if state.campaign not in (Campaign.OPEN, Campaign.WAITING, Campaign.PAUSED) or not state.phases:
        raise Refused("E505", f"nothing can be proposed to a campaign that is {state.campaign}")
    view = state.of("")
    if (spent := rules.budget_used(view, campaign)) is not None:
        raise Refused("E505", f"the budget is used up: {spent}")
    candidate = candidate_of(said, campaign.space)
    current = view.phases[-1]
    why = {
        **NOTHING_SAID, "mode": rules.turn(view, campaign, current.index).mode, "acquisition": PERSON,
        "phase": current.index, "rule": f"{by}: {note}", "read_to": state.seq,
    }  # fmt: skip
    number = len(state.experiments) + 1
    body = {"number": number, "candidate": candidate, "proposal": why}
    return [Event(f"x{number:04d}", "experiment.proposed", body, actor=by, cause=cause)]


def candidate_of(said: Mapping[str, str], space: Space) -> dict[str, Value]:
    """Values as a person writes them ("400 K", "toluene") in the units of the space. Raises `Refused`, all faults at
    once."""
    candidate: dict[str, Value] = {}
    faults: list[str] = []
    known = {parameter.name: parameter for parameter in space.parameters}
    for name, text in said.items():
        if name not in known:
            faults.append(f"{name} is no parameter: {did_you_mean(name, known)}")
            continue
        try:
            candidate[name] = _value(text, known[name])
        except (ValueError, UnitError) as error:
            faults.append(f"{name}: {error}")
    if not faults:
        for parameter in space.parameters:
            if isinstance(parameter, Fixed):
                candidate.setdefault(parameter.name, parameter.value)
        try:
            faults = space.violations(candidate)
            candidate = candidate if faults else dict(space.canonical(candidate))
        except RuleError as error:
            faults = [f"it cannot be judged: {error}"]
    if faults:
        raise Refused("E505", "; ".join(faults), cure=f"say {' '.join(f'{name}=…' for name in known)}")
    return candidate


def _value(text: str, parameter: Parameter) -> Value:
    if isinstance(parameter, Material):
        raise ValueError("a crystal is proposed by planners only")
    if isinstance(parameter, Categorical) or (
        isinstance(parameter, Fixed) and isinstance(parameter.value, str)
    ):
        return text
    if not begins_with_number(text):
        raise ValueError(f"wanted a number, got {text!r}")
    value, unit = parse_quantity(text)
    own = getattr(parameter, "unit", "")
    number = convert(value, unit, own) if unit else value
    if not math.isfinite(number):
        raise ValueError(f"wanted a finite number, got {text!r}")
    return round(number) if parameter.kind == "integer" and abs(number - round(number)) < 1e-9 else number


def judged(state: LabState, names: str, *, approved: bool, by: str, note: str, cause: str) -> list[Event]:
    """Approve or turn down experiments that wait for it: their ids, or "all". Raises `Refused` (E505)."""
    campaign = CampaignFile.from_json(state.opened["campaign"])
    waiting = {
        one.id: one
        for one in state.live.values()
        if one.state is Experiment.PROPOSED and not one.approved and _asks(one, campaign)
    }
    wanted = list(waiting) if names == "all" else names.split()
    strangers = [name for name in wanted if name not in waiting]
    if strangers or not wanted:
        what = f"{strangers[0]} does not wait for approval" if strangers else "nothing waits for approval"
        raise Refused("E505", what, cure=f"those that do are: {', '.join(waiting) or 'none'}")
    kind = "experiment.approved" if approved else "experiment.rejected"
    reason = f"{by}: {note}" if note else f"{'approved' if approved else 'turned down'} by {by}"
    return [Event(name, kind, {"reason": reason}, actor=by, cause=cause) for name in wanted]


def _asks(experiment: ExperimentState, campaign: CampaignFile) -> bool:
    its = {loop.name: loop.of(campaign) for loop in campaign.loops}.get(experiment.loop, campaign)
    return needs_approval(experiment, its)
