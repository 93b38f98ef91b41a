"""Asking the planner: what the log tells it, how long it may take, and what happens when it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import structlog

from campaigns.campaign import Campaign as CampaignFile
from campaigns.plan import ROUTE_METHODS
from campaigns.rules import RuleError
from campaigns.space import Space
from orchestrator import rules
from orchestrator.brain.client import Brain, BrainFailed
from orchestrator.contexts import as_made
from orchestrator.crystals import Crystals, record_of
from orchestrator.decide import CAMPAIGN
from orchestrator.decision import Ask
from orchestrator.errors import Refused
from orchestrator.events import Event
from orchestrator.lab import LabState
from orchestrator.lifecycle import Campaign, Experiment
from orchestrator.promotion import promotion
from orchestrator.records import ProposalRecord
from orchestrator.routes import Routes
from orchestrator.states import ExperimentState

log = structlog.get_logger()

WITHIN_S = 300.0
WITH_NETWORKS_S = 3600.0  # graph networks are trained before they answer
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

    def __init__(
        self,
        brain: Brain,
        *,
        crystals: Crystals | None = None,
        routes: Routes | None = None,
        within_s: float | None = None,
    ) -> None:
        """`crystals`: the pools of the campaign, where it has any; `routes`: what its log says of phases, where the
        plan has a method that asks for it."""
        self.brain = brain
        self._routes = routes
        self._crystals = crystals
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
        materials = campaign.space.materials
        if mode == "explore" and not ask.diagnose:
            advice = await asyncio.to_thread(self._explore, ask, campaign, request, design, None)
            if not advice.exhausted or not materials or not materials[0].generate:
                return advice
            # Every crystal of the pool is tried: its generators, which the brain has, make more.
        try:
            if materials and self._crystals is not None:
                folder = self._crystals.folder
                places = {"directory": str(folder), "pool": str(self._crystals.path(materials[0]))}
                request = {**request, "materials": {**request["materials"], **places}}
            if design in ROUTE_METHODS and self._routes is not None:
                try:
                    request = {**request, **await asyncio.to_thread(self._routes.told, ask.read_to)}
                except (OSError, Refused) as error:
                    raise BrainFailed(f"the log could not be read: {error}") from error
            usual = WITHIN_S if not materials else WITH_NETWORKS_S
            reply = await self.brain.ask(
                request, within_s=usual if self._within_s is None else self._within_s
            )
            if "exhausted" in reply:
                return Advice(ask, [], None, exhausted=str(reply["exhausted"]))
            return _checked(reply, ask)
        except BrainFailed as failed:
            log.warning("the planner did not answer", reason=str(failed))
            design = design if mode == "explore" else "sobol"
            why = f"the planner failed: {failed}"
            advice = await asyncio.to_thread(self._explore, ask, campaign, request, design, why)
            return replace(advice, failure=str(failed))

    def _explore(
        self, ask: Ask, campaign: CampaignFile, request: Mapping[str, Any], design: Any, fallback: str | None
    ) -> Advice:
        if not campaign.space.materials:
            return _explore(ask, campaign, request, design, fallback)
        assert self._crystals is not None
        seen = [row["candidate"] for row in request["observations"]] + request["pending"]
        try:
            space, rows = self._crystals.untried(campaign, seen, request.get("promoted"))
        except LookupError as few:
            return Advice(ask, [], None, exhausted=str(few))
        advice = _explore(
            ask, campaign.model_copy(update={"space": space}), _known_to(request, space), design, fallback
        )
        (material,) = campaign.space.materials
        told: list[Mapping[str, Any]] = [
            {**proposal, "structures": {id_: record_of(rows[id_])}}
            for proposal in advice.proposals
            for id_ in [proposal["candidate"][material.name]]
        ]
        return replace(advice, proposals=told)

    def events(self, advice: Advice, state: LabState, campaign: CampaignFile) -> list[Event]:
        """What the log is told of an answer. Proposals of a phase that the answer itself ends are not taken.

        `state` is the whole one, `campaign` that of the loop that asked.
        """
        return list(_events(advice, state.of(advice.ask.loop), campaign, len(state.experiments)))


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


def _known_to(request: Mapping[str, Any], space: Space) -> Mapping[str, Any]:
    """The question with those of its candidates that a space has: generated crystals are in no pool."""

    def known(candidate: Mapping[str, Any]) -> bool:
        return not space.violations(candidate)

    rows = [row for row in request["observations"] if known(row["candidate"])]
    return {**request, "observations": rows, "pending": [c for c in request["pending"] if known(c)]}


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
                share=tuple(request["method"].get("share", ())),
            )  # fmt: skip
        except (SpaceExhausted, InfeasibleSpace, RuleError) as error:
            exhausted = str(error)
        else:
            return Advice(ask, [p.to_json() for p in proposals], None)
    return Advice(ask, [], None, exhausted=exhausted)


def question(ask: Ask, state: LabState, campaign: CampaignFile) -> dict[str, Any]:
    """What the planner is asked, as JSON: a function of the log up to here, so that it can be asked again.

    It is made in the very turn that decided to ask: `ask.read_to` is what it has read. `state` and `campaign` are the
    whole ones, whichever loop asks.
    """
    whole, state = state, state.of(ask.loop)
    loops = {"": campaign, **{loop.name: loop.of(campaign) for loop in campaign.loops}}
    offered = promotion(whole, campaign, ask.loop)
    campaign = loops[ask.loop]
    observations, pending = _told(state, campaign)
    phase, turn = campaign.plan[ask.phase], rules.turn(state, campaign, ask.phase)
    method = {
        "mode": turn.mode,
        "name": turn.method,
        "beta": "auto" if turn.beta is None else turn.beta,
        "level": turn.level,
        "trust_region": turn.trust_region,
        "share": list(phase.share),
    }
    # What a person let pass at the gate, by continuing the campaign, is not held up again before the next result.
    passed = phase.gate is None or (
        phase.gate.otherwise == "approval" and state.model.gated_at_n == state.n_told
    )
    asked = {
        "op": "propose",
        "aim": campaign.aim.model_dump(mode="json"),
        "observations": observations,
        "pending": pending,
        "n": ask.n,
        "method": method,
        "gate": None if passed or phase.gate is None else {"low": phase.gate.low, "high": phase.gate.high},
        "outlook": rules.needs_outlook(phase),
        "seed": campaign.seed,
        "index": len(whole.experiments),
    }
    if campaign.space.materials:
        met = {key: each for e in whole.experiments.values() for key, each in e.structures.items()}
        # In one order, whatever the order in which the log gives the keys of an object back.
        relaxed = {next(iter(e.structures)): e.relaxed for e in whole.experiments.values() if e.relaxed}
        asked["materials"] = {
            name: {key: record_of(each[key]) for key in sorted(each)}
            for name, each in (("structures", met), ("relaxed", relaxed))
        }
        asked["loop"] = ask.loop
        if offered is not None:
            asked["promoted"] = list(offered.ids)
        asked["others"] = {
            name: _told(whole.of(name), its)[0] for name, its in loops.items() if name != ask.loop
        }
    return asked


def _told(state: LabState, campaign: CampaignFile) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    """What the experiments of one loop teach, and the candidates that are being measured."""
    observations, pending = [], []
    for experiment in state.experiments.values():
        if experiment.over and experiment.lesson is None:
            experiment.lesson = (_observation(experiment, campaign),)
        row = experiment.lesson[0] if experiment.over else None
        if row is not None:
            observations.append(row)
        elif not experiment.over:
            pending.append(experiment.candidate)
    return observations, pending


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
    row = {"candidate": as_made(experiment, campaign), "values": {} if failed else values, "failed": failed}
    if experiment.arrays and not failed:
        row["arrays"] = {
            name: {"values": each.values, "unit": each.unit}
            for name, each in sorted(experiment.arrays.items())
        }
    return row


def _outside(candidate: Mapping[str, Any], campaign: CampaignFile) -> bool:
    try:
        return bool(campaign.space.violations(candidate))
    except RuleError:
        return True  # a constraint that breaks says nothing about the candidate


def _events(advice: Advice, state: LabState, campaign: CampaignFile, n_before: int) -> Iterator[Event]:
    """`state` and `campaign` are those of the loop that asked; `n_before` experiments were proposed in all loops."""
    loop = advice.ask.loop
    of_loop = {"loop": loop} if loop else {}
    if advice.failure:
        yield Event("brain", "brain.failed", {"reason": advice.failure})
    if state.campaign in (Campaign.ENDING, Campaign.FINISHED):
        return
    if advice.exhausted:
        reason = f"space: {advice.exhausted}"
        if loop:
            yield Event(f"loop/{loop}", "loop.ended", {"loop": loop, "reason": reason})
        else:
            yield Event(CAMPAIGN, "campaign.ending", {"reason": reason})
        return
    if advice.diagnostics is not None:
        yield Event(
            "model",
            "model.diagnosed",
            {"n_told": advice.ask.n_told, "diagnostics": advice.diagnostics, **of_loop},
        )
        now = replace(state.model, diagnostics=advice.diagnostics, diagnosed_at_n=advice.ask.n_told)
        told = replace(state, said={**state.said, state.loop: now})
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
            {"n_told": advice.ask.n_told, "reason": advice.gated, "otherwise": otherwise, **of_loop},
        )
        if otherwise == "approval":
            reason = f"gate: {advice.gated}; 'alquimia continue' lets the next experiments pass all the same"
            yield Event(CAMPAIGN, "campaign.paused", {"reason": reason})
            return
        rule = f"{rule}; gate: {advice.gated}"
    number = n_before
    last = number + (advice.ask.n if advice.ask.n_experiments is None else advice.ask.n_experiments)
    for proposal in advice.proposals:
        why = {key: value for key, value in proposal.items() if key not in ("candidate", "structures")}
        why |= {"phase": advice.ask.phase, "rule": rule, "read_to": advice.ask.read_to}
        for _ in range(min(phase.replicates, last - number)):
            number += 1
            body = {"number": number, "candidate": proposal["candidate"], "proposal": why}
            if "structures" in proposal:
                body["structures"] = proposal["structures"]
            if loop:
                body["loop"] = loop
            yield Event(f"x{number:04d}", "experiment.proposed", body)
