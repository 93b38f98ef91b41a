"""Asking the planner: what the log tells it, how long it may take, and what happens when it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import structlog

from campaigns.campaign import Campaign as CampaignFile
from campaigns.rules import RuleError
from orchestrator import rules
from orchestrator.brain.client import Brain, BrainFailed
from orchestrator.contexts import as_made
from orchestrator.decide import CAMPAIGN, Ask
from orchestrator.events import Event
from orchestrator.lab import ExperimentState, LabState
from orchestrator.lifecycle import Campaign, Experiment
from orchestrator.records import ProposalRecord

log = structlog.get_logger()

WITHIN_S = 300.0
SAID_BY_THE_PLANNER = frozenset(
    field.name
    for field in fields(ProposalRecord)
    if field.default is MISSING and field.default_factory is MISSING
) - {"phase", "rule", "read_to"}  # fmt: skip


@dataclass(frozen=True)
class Advice:
    """The planner's answer, or its fall-back's, to one question."""

    ask: Ask
    proposals: list[Mapping[str, Any]]
    diagnostics: Mapping[str, Any] | None
    gated: str = ""  # why the gate of the phase is shut
    failure: str = ""  # why the brain did not answer
    exhausted: str = ""  # no candidate is left


class Adviser:
    """The planner as the engine uses it. Explores by itself; asks the brain for what needs a model."""

    def __init__(self, brain: Brain, *, within_s: float = WITHIN_S) -> None:
        self.brain = brain
        self._within_s = within_s
        self._warming: asyncio.Task[None] | None = None

    def warm(self) -> None:
        """Let the brain load its libraries before it is asked."""
        self._warming = asyncio.create_task(self.brain.start())

    async def close(self) -> None:
        """End the brain."""
        if self._warming is not None:
            await self._warming
        await self.brain.close()

    async def advise(self, ask: Ask, request: Mapping[str, Any], campaign: CampaignFile) -> Advice:
        """Candidates for `ask`, from its `question`. Always answers: a brain that fails is replaced by the belief
        that cannot."""
        mode, design = request["method"]["mode"], request["method"]["name"]
        if mode == "explore" and not ask.diagnose:
            return await asyncio.to_thread(_explore, ask, campaign, request, design, None)
        try:
            reply = await self.brain.ask(request, within_s=self._within_s)
            if "exhausted" in reply:
                return Advice(ask, [], None, exhausted=str(reply["exhausted"]))
            return _checked(reply, ask)
        except BrainFailed as failed:
            log.warning("the planner did not answer", reason=str(failed))
            design = design if mode == "explore" else "sobol"
            why = f"the planner failed: {failed}"
            advice = await asyncio.to_thread(_explore, ask, campaign, request, design, why)
            return replace(advice, failure=str(failed))

    def events(self, advice: Advice, state: LabState, campaign: CampaignFile) -> list[Event]:
        """What the log is told of an answer. Proposals of a phase that the answer itself ends are not taken."""
        return list(_events(advice, state, campaign))


def _checked(reply: Mapping[str, Any], ask: Ask) -> Advice:
    """The brain's reply, if it is one. Raises `BrainFailed`: nothing that the brain says may stop the engine."""
    proposals, diagnostics = reply.get("proposals"), reply.get("diagnostics")
    if not isinstance(proposals, list) or not proposals:
        raise BrainFailed("it answered without a proposal")
    for proposal in proposals:
        if not isinstance(proposal, dict) or not isinstance(proposal.get("candidate"), dict):
            raise BrainFailed("it proposed something that is no candidate")
        if missing := SAID_BY_THE_PLANNER - proposal.keys():
            raise BrainFailed(f"it did not say the {', '.join(sorted(missing))} of a proposal")
    if diagnostics is not None and not isinstance(diagnostics, dict):
        raise BrainFailed("it gave a diagnosis that is none")
    gated = reply.get("gated")
    if gated is not None and not isinstance(gated, str):
        raise BrainFailed("it gave a reason for the gate that is no sentence")
    return Advice(ask, proposals[: ask.n], diagnostics, gated=gated or "")


def _explore(
    ask: Ask, campaign: CampaignFile, request: Mapping[str, Any], design: Any, fallback: str | None
) -> Advice:
    from surrogates.constant import propose
    from surrogates.errors import InfeasibleSpace, SpaceExhausted

    seen = [row["candidate"] for row in request["observations"]] + request["pending"]
    for n in range(ask.n, 0, -1):  # the last few of a table are a smaller batch
        try:
            proposals = propose(
                campaign.space, n, seed=request["seed"], index=request["index"], avoid=seen, method=design,
                mode=request["method"]["mode"], n_observed=len(request["observations"]), fallback=fallback,
            )  # fmt: skip
        except (SpaceExhausted, InfeasibleSpace, RuleError) as error:
            exhausted = str(error)
        else:
            return Advice(ask, [p.to_json() for p in proposals], None)
    return Advice(ask, [], None, exhausted=exhausted)


def question(ask: Ask, state: LabState, campaign: CampaignFile) -> dict[str, Any]:
    """What the planner is asked, as JSON: a function of the log up to here, so that it can be asked again.

    It is made in the very turn that decided to ask: `ask.read_to` is what it has read.
    """
    observations, pending = [], []
    for experiment in state.experiments.values():
        row = _observation(experiment, campaign)
        if row is not None:
            observations.append(row)
        elif not experiment.over:
            pending.append(experiment.candidate)
    phase, turn = campaign.plan[ask.phase], rules.turn(state, campaign, ask.phase)
    method = {
        "mode": turn.mode,
        "name": turn.method,
        "beta": "auto" if turn.beta is None else turn.beta,
        "level": turn.level,
        "trust_region": turn.trust_region,
    }
    # What a person let pass at the gate, by continuing the campaign, is not held up again before the next result.
    passed = phase.gate is None or (phase.gate.otherwise == "approval" and state.gated_at_n == state.n_told)
    return {
        "op": "propose",
        "aim": campaign.aim.model_dump(mode="json"),
        "observations": observations,
        "pending": pending,
        "n": ask.n,
        "method": method,
        "gate": None if passed or phase.gate is None else {"low": phase.gate.low, "high": phase.gate.high},
        "outlook": rules.needs_outlook(phase),
        "seed": campaign.seed,
        "index": len(state.experiments),
    }


def _observation(experiment: ExperimentState, campaign: CampaignFile) -> dict[str, Any] | None:
    """What an experiment teaches: its readings, all or some; that it cannot be made; or nothing (None).

    Contexts are what was measured of them, not what was assumed. A device that was busy, or broke, teaches nothing.
    """
    infeasible = experiment.failure is not None and experiment.failure[0] == "infeasible"
    # A candidate that is not even in the space says nothing about it, and no model could read it.
    refused = experiment.state is Experiment.REJECTED and not _outside(experiment.candidate, campaign)
    failed = infeasible or refused
    values = {
        name: {"value": measured.value, "sigma": measured.sigma}
        for name, measured in experiment.values.items()
        if name in campaign.aim.readings
    }
    if not (experiment.over and (values or failed)):
        return None
    return {"candidate": as_made(experiment, campaign), "values": {} if failed else values, "failed": failed}


def _outside(candidate: Mapping[str, Any], campaign: CampaignFile) -> bool:
    try:
        return bool(campaign.space.violations(candidate))
    except RuleError:
        return True  # a constraint that breaks says nothing about the candidate


def _events(advice: Advice, state: LabState, campaign: CampaignFile) -> Iterator[Event]:
    if advice.failure:
        yield Event("brain", "brain.failed", {"reason": advice.failure})
    if state.campaign in (Campaign.ENDING, Campaign.FINISHED):
        return
    if advice.exhausted:
        yield Event(CAMPAIGN, "campaign.ending", {"reason": f"space: {advice.exhausted}"})
        return
    if advice.diagnostics is not None:
        yield Event(
            "model", "model.diagnosed", {"n_told": advice.ask.n_told, "diagnostics": advice.diagnostics}
        )
        told = replace(state, diagnostics=advice.diagnostics, diagnosed_at_n=advice.ask.n_told)
        if advice.ask.diagnose and rules.phase_over(told, campaign) is not None:
            return  # the answer itself ends the phase: its candidates were chosen by the wrong method
    rule, phase = advice.ask.rule, campaign.plan[advice.ask.phase]
    if advice.gated:
        otherwise = phase.gate.otherwise if phase.gate is not None else "learn"
        if otherwise == "approval" and state.campaign is Campaign.PAUSED:
            return  # paused by a person meanwhile: who continues it has not seen this, and is asked then
        yield Event(
            "model",
            "model.gated",
            {"n_told": advice.ask.n_told, "reason": advice.gated, "otherwise": otherwise},
        )
        if otherwise == "approval":
            reason = f"gate: {advice.gated}; 'alquimia continue' lets the next experiments pass all the same"
            yield Event(CAMPAIGN, "campaign.paused", {"reason": reason})
            return
        rule = f"{rule}; gate: {advice.gated}"
    number = len(state.experiments)
    last = number + (advice.ask.n if advice.ask.n_experiments is None else advice.ask.n_experiments)
    for proposal in advice.proposals:
        why = {key: value for key, value in proposal.items() if key != "candidate"}
        why |= {"phase": advice.ask.phase, "rule": rule, "read_to": advice.ask.read_to}
        for _ in range(min(phase.replicates, last - number)):
            number += 1
            body = {"number": number, "candidate": proposal["candidate"], "proposal": why}
            yield Event(f"x{number:04d}", "experiment.proposed", body)
