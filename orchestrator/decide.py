"""What follows from what the log says: the next events, and what to do once they are on disk. Pure.

`decide` is called after every commit until it has nothing more to say. Being a function of the log, it says the
same after a restart as it would have said before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from campaigns.campaign import Campaign as CampaignFile
from campaigns.rules import RuleError
from orchestrator import guard, proposing, rules, supply
from orchestrator.binding import BoundCampaign
from orchestrator.decision import Around, Ask, Decision
from orchestrator.events import Event
from orchestrator.lab import LabState
from orchestrator.lifecycle import Action, Campaign, Experiment
from orchestrator.promotion import Promotion, promotion
from orchestrator.scheduling import dispatch
from orchestrator.states import ActionState, ExperimentState

ATTEMPTS = 3  # how often a step is tried where trying again is harmless
BUSY_ATTEMPTS = 20  # 'busy' teaches nothing and uses up no failure budget, but not for ever
CAMPAIGN = "campaign"
RESTING = frozenset(
    {Experiment.HELD, Experiment.PAUSED}
)  # they wait for a person and do not hold up the rest


def decide(state: LabState, bound: BoundCampaign, around: Around) -> Decision:
    """The next step from here; an empty decision means: wait for the world."""
    decision = Decision()
    if state.campaign is Campaign.FINISHED:
        return decision
    decision.events += [*_lives(state, bound), *supply.warnings(state)]
    if decision.events:
        return decision
    decision.events += _schedule(state, around)
    if decision.events or around.stopping:
        return decision
    if state.campaign is Campaign.ENDING and not state.live:
        if guard.standstill(state) is None:
            dispatch.begin(state, bound, around, decision)  # samples are cleared away first
        if not (decision.events or decision.effects or state.open_actions):
            decision.events.append(Event(CAMPAIGN, "campaign.finished", {"reason": state.reason}))
        return decision
    # Before any action: of an overrun budget not one more experiment is begun. Those that began go on to their
    # end: what they cost is spent, what they measure is not yet known.
    overrun = rules.budget_overrun(state.of(""), bound.campaign)
    if overrun is not None and state.campaign in (Campaign.OPEN, Campaign.WAITING):
        decision.events.append(Event(CAMPAIGN, "campaign.ending", {"reason": f"budget: {overrun}"}))
        return decision
    if guard.standstill(state) is not None:
        return decision
    dispatch.begin(state, bound, around, decision)
    if not decision.events and not around.asking and state.campaign is Campaign.OPEN:
        _plan(state.of(""), bound.campaign, decision, partial(promotion, state, bound.campaign, ""))
        for loop, its in bound.loops.items():
            if decision.events or any(isinstance(effect, Ask) for effect in decision.effects):
                break  # one question at a time
            if loop not in state.loops_ended:
                may_take = partial(promotion, state, bound.campaign, loop)
                _plan_beside(state.of(loop), its.campaign, decision, may_take)
    return decision


# -- experiments that move by themselves ----------------------------------------------------------------------
def _lives(state: LabState, bound: BoundCampaign) -> Iterator[Event]:
    ending = state.campaign is Campaign.ENDING
    for experiment in list(state.live.values()):
        match experiment.state:
            case Experiment.PROPOSED if ending:
                yield _cancelled(experiment, state.reason)
            case Experiment.PROPOSED if experiment.asked == "abort":
                yield _cancelled(experiment, experiment.asked_why)
            case Experiment.PROPOSED if proposing.needs_approval(
                experiment, bound.of(experiment.loop).campaign
            ):
                continue
            case Experiment.PROPOSED:
                yield _admit(experiment, bound.of(experiment.loop))
            case Experiment.QUEUED | Experiment.PAUSED if ending and experiment.started_at is None:
                yield _cancelled(experiment, state.reason)
            case Experiment.QUEUED | Experiment.PAUSED if experiment.asked == "abort":
                yield _cancelled(experiment, experiment.asked_why)
            case Experiment.PAUSED if state.aborted:
                yield _cancelled(experiment, state.reason)
            case Experiment.QUEUED if experiment.asked == "pause":
                yield _paused(experiment)
            case Experiment.HELD:
                yield from _settled(experiment, state)
            case Experiment.RUNNING:
                yield from _run_on(experiment, state, bound.of(experiment.loop), state.aborted)


def _admit(experiment: ExperimentState, bound: BoundCampaign) -> Event:
    """Every step's arguments pass the guard before the first is sent: no sample is begun that cannot be finished."""
    try:
        faults = bound.campaign.space.violations(experiment.candidate)
    except RuleError as fault:
        faults = [f"it cannot be judged: {fault}"]
    for step in bound.steps:
        if faults:
            break
        try:
            reason = guard.beyond(step, step.arguments(experiment.candidate, experiment.structures))
        except KeyError as missing:
            reason = f"{step.step.device}: nobody said what the crystal {missing} is"
        faults = [reason] if reason is not None else []
    if faults:
        return Event(experiment.id, "experiment.rejected", {"reason": "; ".join(faults)})
    return Event(experiment.id, "experiment.queued", supply.recipe_needs(bound, experiment))


def _cancelled(experiment: ExperimentState, reason: str) -> Event:
    return Event(experiment.id, "experiment.cancelled", {"reason": reason})


def _paused(experiment: ExperimentState) -> Event:
    return Event(experiment.id, "experiment.paused", {"reason": experiment.asked_why})


def _given_up(experiment: ExperimentState, last: ActionState) -> Event:
    return _cancelled(experiment, f"{last.id} was given up: {last.reason}")


def _settled(experiment: ExperimentState, state: LabState) -> Iterator[Event]:
    last = state.actions[experiment.actions[-1]]
    if last.state is Action.DISCARDED:
        yield _given_up(experiment, last)
    elif not last.open:
        yield Event(experiment.id, "experiment.resumed", {"action": last.id})


def _run_on(
    experiment: ExperimentState, state: LabState, bound: BoundCampaign, aborted: bool
) -> Iterator[Event]:
    last = state.actions[experiment.actions[-1]] if experiment.actions else None
    if last is not None and last.open:
        if last.state is Action.IN_DOUBT:
            yield Event(experiment.id, "experiment.held", {"action": last.id, "reason": last.reason})
        return
    if (
        last is not None and last.state is Action.DISCARDED
    ):  # given up while no engine ran to hold the experiment
        yield _given_up(experiment, last)
        return
    if last is not None:
        verdict = _verdict(last, [state.actions[a] for a in experiment.actions], experiment.step, bound)
        if verdict is not None:
            yield Event(experiment.id, "experiment.failed", {"attribution": verdict[0], "reason": verdict[1]})
            return
    if experiment.started_at is not None and experiment.id in state.samples.left:
        body = {"attribution": "logistics", "reason": "its sample was taken out of the laboratory"}
        yield Event(experiment.id, "experiment.failed", body)
    elif experiment.step == len(bound.steps):
        missing = [o.name for o in bound.campaign.objectives if o.name not in experiment.values]
        if missing:  # a person said 'done' of an act whose reading nobody has
            body = {"attribution": "bad reading", "reason": f"no reading of {', '.join(missing)}"}
            yield Event(experiment.id, "experiment.failed", body)
            return
        values = {name: m.value for name, m in experiment.values.items()}
        yield Event(experiment.id, "experiment.measured", {"values": values})
    elif aborted or experiment.asked == "abort":
        yield _cancelled(experiment, state.reason if aborted else experiment.asked_why)
    elif experiment.asked == "pause":
        yield _paused(experiment)


def _verdict(
    last: ActionState, actions: Sequence[ActionState], next_step: int, bound: BoundCampaign
) -> tuple[str, str] | None:
    """Whether the last action ends the experiment: (attribution, reason), or None where it goes on or tries again."""
    if last.step is None:
        return _carried(last, actions)
    step = bound.steps[last.step]
    # What went wrong in another way counts for itself: a device that was busy twice may be misread once.
    how = (last.state, last.attribution, last.again, last.halted)
    tries = sum(a.step == last.step and (a.state, a.attribution, a.again, a.halted) == how for a in actions)
    if last.state is Action.REFUSED:
        return "logistics", f"{last.id} was refused: {last.reason}"
    if last.state is Action.NOT_DONE and not last.halted and tries >= ATTEMPTS:
        return "instrument", f"{last.device}.{last.verb} was not done in {tries} attempts: {last.reason}"
    if last.state is Action.FAILED:
        if last.attribution != "busy":
            return last.attribution, last.reason
        if tries >= BUSY_ATTEMPTS:
            return "logistics", f"{last.device} was busy {tries} times: {last.reason}"
    if last.again and next_step == last.step and (tries >= ATTEMPTS or step.spec.repeat != "repeatable"):
        return "bad reading", f"{last.device}.{last.verb} gave no usable reading in {tries} attempts"
    return None


def _carried(last: ActionState, actions: Sequence[ActionState]) -> tuple[str, str] | None:
    """The same of an action that carried the sample: what went wrong since something else was done counts."""
    tries = 0
    for action in reversed(actions):
        if action.step is not None or action.state is Action.SUCCEEDED:
            break
        tries += action.state is last.state and action.halted is last.halted
    if last.state is Action.REFUSED:
        return "logistics", f"{last.id} was refused: {last.reason}"
    if last.state is Action.FAILED and (last.attribution != "busy" or tries >= BUSY_ATTEMPTS):
        return last.attribution if last.attribution != "busy" else "logistics", last.reason
    if last.state is Action.NOT_DONE and not last.halted and tries >= ATTEMPTS:
        return "instrument", f"{last.device}.{last.verb} was not done in {tries} attempts: {last.reason}"
    return None


# -- the schedule and the plan --------------------------------------------------------------------------------
def _schedule(state: LabState, around: Around) -> Iterator[Event]:
    if state.campaign is Campaign.OPEN and not around.may_begin:
        yield Event(CAMPAIGN, "campaign.waiting", {"reason": "before the start, or in quiet hours"})
    elif state.campaign is Campaign.WAITING and around.may_begin:
        yield Event(CAMPAIGN, "campaign.continued", {"reason": "the time has come"})


def _plan(
    state: LabState, campaign: CampaignFile, decision: Decision, may_take: Callable[[], Promotion | None]
) -> None:
    """`may_take`: what a stage of a funnel may take, None where it may take anything; asked for only where it asks."""
    n_in_hand = sum(e.state not in RESTING for e in state.live.values())
    if not rules.may_ask(state, campaign, n_in_hand):
        return  # a doubt does not hold up the rest
    spent = rules.budget_used(state, campaign)
    if spent is not None:
        decision.events.append(Event(CAMPAIGN, "campaign.ending", {"reason": f"budget: {spent}"}))
        return
    if not state.phases:
        decision.events.append(_enter(0, state, campaign, "the plan begins"))
        return
    over = rules.phase_over(state, campaign)
    current = state.phases[-1]
    if over is not None and current.index + 1 == len(campaign.plan):
        decision.events.append(Event(CAMPAIGN, "campaign.ending", {"reason": f"plan: {over}"}))
    elif over is not None:
        decision.events.append(_enter(current.index + 1, state, campaign, over))
    elif (offered := may_take()) is not None and offered.over:
        decision.events.append(Event(CAMPAIGN, "campaign.ending", {"reason": f"funnel: {offered.over}"}))
    elif (offered is None or offered.ready) and not proposing.waits_for_a_proposal(state, campaign):
        n = rules.room(state, campaign)
        ask = Ask(
            current.index,
            -(-n // campaign.plan[current.index].replicates),
            f"plan[{current.index}]: {current.rule}",
            state.seq,
            state.n_told,
            rules.needs_diagnosis(state, campaign),
            n,
            state.loop,
        )
        decision.effects.append(ask)


def _plan_beside(
    state: LabState, campaign: CampaignFile, decision: Decision, may_take: Callable[[], Promotion | None]
) -> None:
    """The same for a loop beside the main one, whose end is not the campaign's."""
    in_hand = any(e.state not in RESTING for e in state.live.values())
    ended = rules.budget_overrun(state, campaign)
    if ended is None and not in_hand:
        ended = rules.budget_used(state, campaign)
    if ended is None:
        _plan(state, campaign, decision, may_take)
        if any(event.kind == "campaign.ending" for event in decision.events):
            ended = next(e.body["reason"] for e in decision.events if e.kind == "campaign.ending")
            decision.events.clear()
    if ended is not None:
        body = {"loop": state.loop, "reason": ended}
        decision.events.append(Event(f"loop/{state.loop}", "loop.ended", body))


def _enter(index: int, state: LabState, campaign: CampaignFile, rule: str) -> Event:
    phase = campaign.plan[index]
    body = {
        "index": index,
        "mode": phase.mode,
        "method": phase.method or ", ".join(f"{t.experiments} {t.method}" for t in phase.turns),
        "entered_after": len(state.experiments),
        "rule": rule,
        "lab_s": state.lab_elapsed_s,
    }
    if state.loop:
        return Event(f"phase/{state.loop}/{index}", "phase.entered", body | {"loop": state.loop})
    return Event(f"phase/{index}", "phase.entered", body)
