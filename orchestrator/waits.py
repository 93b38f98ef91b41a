"""Why a campaign waits, and what takes long, in a line each: what status and progress show. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.campaign import Campaign, Step
from drivers.lab import LabFile
from orchestrator.binding import BoundCampaign
from orchestrator.interlocks import forbidden
from orchestrator.lab import LabState
from orchestrator.lifecycle import Experiment, Lab
from orchestrator.monitoring import unbound_rules
from orchestrator.proposing import needs_approval, waits_for_a_proposal
from orchestrator.samples import CARRIED_IN_VAIN
from orchestrator.states import ExperimentState
from orchestrator.supply import stalled, waiting


def waits(state: LabState, campaign: Campaign) -> list[str]:
    """Everything that keeps actions from beginning and that the log knows of; empty where nothing does."""
    return [
        *_standstill(state),
        *_people(state, campaign),
        *_lost(state),
        *_ruled(state, campaign),
        *waiting(state),
    ]


def for_a_person(state: LabState, bound: BoundCampaign) -> str:
    """What a person is waited for, or '': where nothing is in hand, nothing goes on before."""
    if state.lab is Lab.STOPPED:
        return "the laboratory is stopped"
    if state.doubts:
        return "doubts wait for a person"
    if state.lost:
        return f"nobody knows where {', '.join(state.lost)} is"
    if stalled(state):
        return f"consumables wait for a person: {'; '.join(waiting(state))}"
    live = state.live.values()
    if any(one.state is not Experiment.PROPOSED for one in live):
        return ""
    if state.campaign == "open" and waits_for_a_proposal(state.of(""), bound.campaign):
        return "a person is to propose"
    asked = any(needs_approval(one, bound.of(one.loop).campaign) for one in live)
    return "a person is to approve" if asked else ""


def late(state: LabState) -> list[str]:
    """Actions in hand for longer than they usually take."""
    return [
        f"{a.id}: {a.device}.{a.verb} is in hand for more than {a.late_s or a.deadline_s / 2:g} s"
        for a in state.open_actions.values()
        if a.late and a.state == "intended"
    ]


def _standstill(state: LabState) -> Iterator[str]:
    if state.lab is Lab.STOPPED:
        yield f"the laboratory is stopped ({state.stopped['reason']}); `alquimia release` lets it go on"
    for tripped in state.suspended.values():
        about = f" ({', '.join(tripped['devices'])} only)" if tripped["devices"] else ""
        yield f"suspended{about}: {tripped['reason']}"
    for device, said in state.out.items():
        yield f"{device} is out of use ({said['reason']}); `alquimia device {device} --in` puts it back"
    paused = [e.id for e in state.live.values() if e.state is Experiment.PAUSED]
    if paused:
        yield f"paused: {', '.join(paused)}; `alquimia continue --experiment ID` lets one go on"


def _people(state: LabState, campaign: Campaign) -> Iterator[str]:
    """What people are waited for: candidates, and their approval."""
    if state.campaign == "open" and waits_for_a_proposal(state.of(""), campaign) and not _in_hand(state):
        names = " ".join(
            f"{p.name}=…" for p in campaign.space.parameters if p.kind not in ("fixed", "context")
        )
        yield f"a person is to propose the next experiment: `alquimia propose {names}`"
    loops = {loop.name: loop.of(campaign) for loop in campaign.loops}
    asked = [e.id for e in state.live.values() if needs_approval(e, loops.get(e.loop, campaign))]
    if asked:
        yield f"approval is waited for: `alquimia approve {' '.join(asked)}` or `alquimia reject …`"


def _in_hand(state: LabState) -> bool:
    return any(not one.loop and one.state is not Experiment.PAUSED for one in state.live.values())


def _lost(state: LabState) -> Iterator[str]:
    """Samples that only a person can find, and those that cannot be cleared away."""
    for name in state.lost:
        maybe = ", ".join(state.samples.here[name].maybe)
        found = f"`alquimia sample {name} --at PLACE` says where it is"
        yield f"sample {name} may be at {maybe}: nothing goes there; {found}"
    for one in state.samples.here.values():
        if one.failures >= CARRIED_IN_VAIN and state.experiments[one.name].over:
            again = f"`alquimia sample {one.name} --at {one.at}` has it tried again"
            yield f"sample {one.name} could not be taken away from {one.at}; {again}"


def _ruled(state: LabState, campaign: Campaign) -> Iterator[str]:
    """Rules that forbid what is next of an experiment. Of arguments nothing is known here: such a rule is left out."""
    if not state.opened.get("lab", {}).get("rules"):
        return
    file = LabFile.model_validate(dict(state.opened["lab"]))
    rules = [rule for rule in unbound_rules(file) if not rule.arguments]
    loops = {loop.name: loop.recipe for loop in campaign.loops}
    for experiment in state.live.values():
        step = _next(experiment, loops.get(experiment.loop, campaign.recipe), state)
        members = () if step is None else file.members(step.device)
        found = [forbidden(rules, state, device, step.verb, {}) for device in members] if step else []
        if found and all(found) and (first := found[0]) is not None and step is not None:
            yield f"{experiment.id}: {step.device}.{step.verb} is forbidden while {first.reason}"


def _next(experiment: ExperimentState, recipe: tuple[Step, ...], state: LabState) -> Step | None:
    if experiment.state not in (Experiment.QUEUED, Experiment.RUNNING) or experiment.step >= len(recipe):
        return None
    acting = experiment.actions and state.actions[experiment.actions[-1]].open
    return None if acting else recipe[experiment.step]
