"""From a log to `Records`: what report, export and status read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from campaigns.campaign import Campaign
from orchestrator.errors import Refused
from orchestrator.lab import LabState, fold
from orchestrator.lifecycle import Lab
from orchestrator.log.sqlite import LogReader
from orchestrator.records import (
    ActionRecord,
    ConsumableRecord,
    DiagnosisRecord,
    EventRecord,
    ExpectedRecord,
    ExperimentRecord,
    GateRecord,
    LoopRecord,
    NearestRecord,
    PhaseRecord,
    ProposalRecord,
    Records,
    RefillRecord,
    SampleRecord,
)
from orchestrator.supply import experiments_left, low
from orchestrator.waits import late, waits


def read_records(path: Path) -> Records:
    """Everything that the log at `path` holds. Raises `Refused` where it holds no campaign."""
    with LogReader(path) as log:
        events = tuple(log.events())
    state = fold(events)
    if state.campaign is None:
        raise Refused("E503", f"{path} holds no campaign", cure="begin one with `alquimia run`")
    return records(state, events)


def records(state: LabState, events: tuple[EventRecord, ...] = ()) -> Records:
    """The records of a state, with the events that made it."""
    opened, main = state.opened, state.of("")
    campaign = Campaign.from_json(opened["campaign"])
    gates, diagnoses = _of_the_model(events)
    here = state.samples.here.values()
    return Records(
        campaign=campaign,
        fingerprint=opened["fingerprint"],
        lab=opened["lab"]["name"],
        reality=opened["reality"],
        state=str(state.campaign),
        reason=state.reason,
        versions=opened["versions"],
        phases=_phases(main),
        experiments=_experiments(main),
        actions=tuple(
            ActionRecord(
                id=a.id,
                experiment=a.experiment,
                step=a.id.split(".")[1],  # experiment.step.attempt,
                device=a.device,
                verb=a.verb,
                args=a.args,
                state=str(a.state),
                repeat=a.repeat,
                began_s=state.lab_time(a.began_s),
                ended_s=state.lab_time(a.ended_s),
                reason=a.reason,
                together=a.together,
                used=a.used,
            )
            for a in state.actions.values()
        ),
        events=events,
        lab_elapsed_s=state.lab_elapsed_s,
        gates=gates,
        diagnoses=diagnoses,
        loops=[
            LoopRecord(
                loop.name,
                _phases(state.of(loop.name)),
                _experiments(state.of(loop.name)),
                state.loops_ended.get(loop.name),
            )
            for loop in campaign.loops
        ],
        stopped=state.lab is Lab.STOPPED,
        waits=waits(state, campaign),
        late=late(state),
        expected=_expected(state, events),
        samples=[SampleRecord(s.name, s.at, s.maybe if s.at is None else (), False) for s in here]
        + [SampleRecord(name, place, (), True) for name, place in state.samples.left.items()],
        low=list(low(state).values()),
        consumables=consumables(state),
        refills=_refills(events),
    )


def _expected(state: LabState, events: tuple[EventRecord, ...]) -> list[ExpectedRecord]:
    """What was foretold of each action, the first time that it was."""
    first: dict[str, ExpectedRecord] = {}
    origin_s = state.lab_origin_s or 0.0
    for event in events:
        if event.kind == "schedule.forecast":
            for action, _, device, began_s, ended_s in event.body["rows"]:
                made = ExpectedRecord(action, device, began_s - origin_s, ended_s - origin_s)
                first.setdefault(action, made)
    return list(first.values())


def consumables(state: LabState) -> list[ConsumableRecord]:
    """How much there is of each consumable, by name."""
    left = experiments_left(state)
    return [
        ConsumableRecord(
            name=name,
            unit=one.unit,
            began=one.began,
            filled=one.filled,
            unaccounted=one.unaccounted if one.unaccounted > one.rounding else 0.0,
            on_hand=one.on_hand,
            reserved=one.held,
            used=one.used,
            low=one.low,
            state=str(one.state),
            enough_for=left[name],
        )
        for name, one in sorted(state.stock.items())
    ]


def _refills(events: tuple[EventRecord, ...]) -> list[RefillRecord]:
    return [
        RefillRecord(b["consumable"], event.at, event.actor, b["added"], b["there"], b["reason"])
        for event in events
        if event.kind == "consumable.filled"
        for b in (event.body,)
    ]


def _phases(state: LabState) -> list[PhaseRecord]:
    return [PhaseRecord(p.index, p.mode, p.method, p.entered_after, p.rule) for p in state.phases]


def _experiments(state: LabState) -> tuple[ExperimentRecord, ...]:
    return tuple(
        ExperimentRecord(
            id=e.id,
            number=e.number,
            state=str(e.state),
            candidate=e.candidate,
            proposal=_proposal(e.proposal),
            values=e.values,
            proposed_at=e.proposed_at,
            started_at=e.started_at,
            ended_at=e.ended_at,
            lab_began_s=state.lab_time(e.lab_began_s),
            lab_ended_s=state.lab_time(e.lab_ended_s),
            failure=e.failure,
            loop=e.loop,
            structures=e.structures,
            arrays=e.arrays,
        )
        for e in state.experiments.values()
    )


def _proposal(why: Mapping[str, Any]) -> ProposalRecord:
    known = {name: why[name] for name in ProposalRecord.__dataclass_fields__ if name in why}
    if known.get("nearest") is not None:
        known["nearest"] = NearestRecord(**known["nearest"])
    known["predictions"] = {name: (mean, sd) for name, (mean, sd) in known.get("predictions", {}).items()}
    return ProposalRecord(**known)


def _of_the_model(events: tuple[EventRecord, ...]) -> tuple[list[GateRecord], list[DiagnosisRecord]]:
    """When gates were found shut, and what the main loop's model said of itself, with the place of each among the
    proposals."""
    gates, diagnoses = [], []
    phase = after = 0
    for event in events:
        body = event.body
        if body.get("loop"):
            continue
        if event.kind == "phase.entered":
            phase = body["index"]
        elif event.kind == "experiment.proposed":
            after = body["number"]
        elif event.kind == "model.gated":
            gates.append(
                GateRecord(phase, after, body["n_told"], body["reason"], body["otherwise"], event.at)
            )
        elif event.kind == "model.diagnosed":
            said = body["diagnostics"]
            diagnoses.append(
                DiagnosisRecord(after, body["n_told"], said.get("n", 0), said.get("coverage_90"))
            )
    return gates, diagnoses
