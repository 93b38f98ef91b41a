"""Which crystals a stage of a funnel may take: those that the stage before has labelled. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from campaigns.campaign import Campaign as CampaignFile
from campaigns.funnel import Funnel, FunnelStage
from orchestrator.lab import LabState
from orchestrator.lifecycle import Experiment
from orchestrator.states import ExperimentState


@dataclass(frozen=True)
class Promotion:
    """Of a stage that takes from another. `ids`: crystals passed on to it and not tried there, in the order of their
    labels; `ready`: it may take a batch now; `why`: what it waits for, else ""; `over`: why nothing will be left for it
    to take, else ""."""

    ids: tuple[str, ...]
    ready: bool
    why: str = ""
    over: str = ""


def promotion(state: LabState, campaign: CampaignFile, loop: str) -> Promotion | None:
    """What the stage that is `loop` ("": the main one) may take; None where it takes from the whole pool. `state` and
    `campaign` are the whole ones."""
    funnel = campaign.funnel
    before = None if funnel is None else funnel.before(loop)
    if funnel is None or before is None:
        return None
    (material,) = campaign.space.materials
    own = [e for e in state.experiments.values() if e.loop == loop]
    tried = {e.candidate[material.name] for e in own}
    ids = [str(e.candidate[material.name]) for e in _passed_on(state, before)]
    open_ = tuple(id for id in dict.fromkeys(ids) if id not in tried)
    if before.loop in state.loops_ended and not any(e.loop == before.loop for e in state.live.values()):
        return Promotion(
            open_, bool(open_), over="" if open_ else f"{before.name} passes on no other crystal"
        )
    why = _held_back(state, campaign, funnel, loop, before, own, len(open_))
    return Promotion(open_, not why, why)


def _passed_on(state: LabState, stage: FunnelStage) -> Iterator[ExperimentState]:
    """Experiments of a stage whose labels are there and believed."""
    for one in state.experiments.values():
        if one.loop != stage.loop or one.state is not Experiment.MEASURED:
            continue
        values = one.values
        if all(bound.name in values and bound.met(values[bound.name].value) for bound in stage.plausible):
            yield one


def _held_back(
    state: LabState,
    campaign: CampaignFile,
    funnel: Funnel,
    loop: str,
    before: FunnelStage,
    own: list[ExperimentState],
    n_open: int,
) -> str:
    """Why a stage takes nothing yet while the one before goes on, or ""."""
    if funnel.pace == "after":
        return f"waits until {before.name} has ended"
    stage = funnel.stages[funnel.place(loop) or 0]
    asked = sum(e.state is not Experiment.REJECTED for e in own)
    batch = max(min(_batch(campaign, loop), stage.take - asked), 0)
    if n_open < batch:
        return f"waits for {batch} crystals that {before.name} passes on"
    done = sum(e.over and e.loop == before.loop for e in state.experiments.values())
    # In step: no more of its capacity than of the one's before.
    if (asked + batch) * before.take > done * stage.take:
        needed = -(-(asked + batch) * before.take // stage.take)
        return f"waits until {before.name} has tried {needed} of {before.take} crystals"
    return ""


def _batch(campaign: CampaignFile, loop: str) -> int:
    plan = campaign.plan if not loop else next(each.plan for each in campaign.loops if each.name == loop)
    return plan[-1].batch
