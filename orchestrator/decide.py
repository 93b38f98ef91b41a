"""What follows from what the log says: the next events, and what to do once they are on disk. Pure.

`decide` is called after every commit until it has nothing more to say. Being a function of the log, it says the
same after a restart as it would have said before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from campaigns.campaign import Campaign as CampaignFile
from campaigns.rules import RuleError
from orchestrator import guard, interlocks, precedence, rules, supply
from orchestrator.binding import BoundCampaign, BoundStep
from orchestrator.events import Event
from orchestrator.lab import ActionState, ExperimentState, LabState
from orchestrator.lifecycle import Action, Campaign, Experiment

ATTEMPTS = 3  # how often a step is tried where trying again is harmless
BUSY_ATTEMPTS = 20  # 'busy' teaches nothing and uses up no failure budget, but not for ever
CAMPAIGN = "campaign"
# An action is late beyond so many times its usual duration, s of the wall clock; an hour of virtual time is no time.
LATE, SOONEST_LATE_S, LATE_VIRTUAL_S = 1.5, 5.0, 30.0
RESTING = frozenset(
    {Experiment.HELD, Experiment.PAUSED}
)  # they wait for a person and do not hold up the rest


@dataclass(frozen=True)
class Ask:
    """Ask the planner for `n` candidates with the method of a phase. `diagnose` wants its model's state first."""

    phase: int
    n: int
    rule: str
    read_to: int
    n_told: int  # results that the log held then
    diagnose: bool
    n_experiments: int | None = None  # at most so many, replicates of a candidate counted; None: one for each
    loop: str = ""  # the loop that asks; empty: the main one


@dataclass(frozen=True)
class Send:
    """Send an intended action to its host."""

    action: str


@dataclass(frozen=True)
class Around:
    """What the engine knows beside the log: nothing here changes what is decided, only when."""

    asking: bool = False  # a question to the planner is under way
    stopping: bool = False  # the engine is to end after the acts in hand
    resting: frozenset[str] = frozenset()  # experiments whose busy device is given a pause
    may_begin: bool = True  # neither before the start nor in quiet hours


@dataclass
class Decision:
    """Events to commit together, then effects to carry out, in this order."""

    events: list[Event] = field(default_factory=list)
    effects: list[Ask | Send] = field(default_factory=list)


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
    _actions(state, bound, around, decision)
    if not decision.events and not around.asking and state.campaign is Campaign.OPEN:
        _plan(state.of(""), bound.campaign, decision)
        for loop, its in bound.loops.items():
            if decision.events or decision.effects:  # one question at a time
                break
            if loop not in state.loops_ended:
                _plan_beside(state.of(loop), its.campaign, decision)
    return decision


# -- experiments that move by themselves ----------------------------------------------------------------------
def _lives(state: LabState, bound: BoundCampaign) -> Iterator[Event]:
    ending = state.campaign is Campaign.ENDING
    for experiment in list(state.live.values()):
        match experiment.state:
            case Experiment.PROPOSED if ending:
                yield _cancelled(experiment, state.reason)
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
    if experiment.step == len(bound.steps):
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


# -- actions --------------------------------------------------------------------------------------------------
def _actions(state: LabState, bound: BoundCampaign, around: Around, decision: Decision) -> None:
    taken: dict[str, str] = {}  # device -> verb of what is about to be sent
    book = supply.Book(state, bound.laboratory.consumption)
    ready = [
        one
        for one in state.live.values()
        if (one.state is Experiment.RUNNING or (one.state is Experiment.QUEUED and around.may_begin))
        and one.id not in around.resting
        and not (one.actions and state.actions[one.actions[-1]].open)
    ]
    for experiment in precedence.ordered(ready, bound):
        step = bound.of(experiment.loop).steps[experiment.step]
        refused: list[str] = []
        device = None
        for one in step.devices:
            if one in taken or guard.closed(state, one, experiment.id) is not None:
                continue
            ruled = None
            if bound.laboratory.monitoring.rules:
                arguments = step.arguments(experiment.candidate, experiment.structures)
                ruled = interlocks.forbidden(
                    bound.laboratory.monitoring.rules, state, one, step.step.verb, arguments, taken.items()
                )
            if ruled is None and book.has(experiment, step, one):
                device = one
                break
            refused += [ruled.reason] if ruled is not None and ruled.refuse else []
        if device is None:
            if len(refused) == len(step.devices):
                decision.events.append(_ruled_out(experiment, step, refused[0]))
            continue
        taken[device] = step.step.verb
        if experiment.state is Experiment.QUEUED:
            decision.events.append(Event(experiment.id, "experiment.started", {}))
        intended = _intend(experiment, step, device, state, bound, book.take([experiment], step, device))
        decision.events.append(intended)
        decision.effects.append(Send(intended.stream))
    decision.events += book.out()


def _ruled_out(experiment: ExperimentState, step: BoundStep, rule: str) -> Event:
    """What becomes of an experiment whose next action a rule of the laboratory refuses."""
    reason = f"{step.step.device}.{step.step.verb} is forbidden while {rule}"
    if experiment.state is Experiment.QUEUED:
        return Event(experiment.id, "experiment.rejected", {"reason": reason})
    return Event(experiment.id, "experiment.failed", {"attribution": "logistics", "reason": reason})


def _intend(
    experiment: ExperimentState,
    step: BoundStep,
    device: str,
    state: LabState,
    bound: BoundCampaign,
    reserves: Mapping[str, float],
) -> Event:
    attempt = 1 + sum(state.actions[a].step == experiment.step for a in experiment.actions)
    wall = bound.laboratory.file.clock == "wall"
    arguments = step.arguments(experiment.candidate, experiment.structures)
    lasts_s = step.spec.lasts_s(arguments)
    body = {
        "experiment": experiment.id,
        "step": experiment.step,
        "step_id": step.step.id,
        "device": device,
        "verb": step.step.verb,
        "args": arguments,
        "sample": experiment.id,
        "repeat": str(step.spec.repeat),
        "attempt": attempt,
        "deadline_s": 60.0 + (3 * lasts_s if wall else 0.0),
        "late_s": max(LATE * lasts_s, SOONEST_LATE_S) if wall else LATE_VIRTUAL_S,
        **({"reserves": reserves} if reserves else {}),
    }
    return Event(f"{experiment.id}.{step.step.id}.{attempt}", "action.intended", body)


# -- the schedule and the plan --------------------------------------------------------------------------------
def _schedule(state: LabState, around: Around) -> Iterator[Event]:
    if state.campaign is Campaign.OPEN and not around.may_begin:
        yield Event(CAMPAIGN, "campaign.waiting", {"reason": "before the start, or in quiet hours"})
    elif state.campaign is Campaign.WAITING and around.may_begin:
        yield Event(CAMPAIGN, "campaign.continued", {"reason": "the time has come"})


def _plan(state: LabState, campaign: CampaignFile, decision: Decision) -> None:
    in_hand = any(e.state not in RESTING for e in state.live.values())
    spent = None if in_hand else rules.budget_used(state, campaign)
    if spent is not None:
        decision.events.append(Event(CAMPAIGN, "campaign.ending", {"reason": f"budget: {spent}"}))
        return
    if not state.phases:
        decision.events.append(_enter(0, state, campaign, "the plan begins"))
        return
    if in_hand:
        return  # a batch is asked for when the one before has ended; a doubt does not hold up the rest
    over = rules.phase_over(state, campaign)
    current = state.phases[-1]
    if over is not None and current.index + 1 == len(campaign.plan):
        decision.events.append(Event(CAMPAIGN, "campaign.ending", {"reason": f"plan: {over}"}))
    elif over is not None:
        decision.events.append(_enter(current.index + 1, state, campaign, over))
    else:
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


def _plan_beside(state: LabState, campaign: CampaignFile, decision: Decision) -> None:
    """The same for a loop beside the main one, whose end is not the campaign's."""
    in_hand = any(e.state not in RESTING for e in state.live.values())
    ended = rules.budget_overrun(state, campaign)
    if ended is None and not in_hand:
        ended = rules.budget_used(state, campaign)
    if ended is None and not in_hand:
        _plan(state, campaign, decision)
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
