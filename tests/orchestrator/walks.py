"""A whole engine without time, disk or hosts: `decide` decides, and dice say what becomes of it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from campaigns.campaign import Budget, Phase, Until
from campaigns.plan import Gate
from drivers.protocol import Attribution, Outcome, Reading
from orchestrator import decide
from orchestrator.advice import Advice, Adviser
from orchestrator.binding import BoundCampaign
from orchestrator.brain.client import Brain
from orchestrator.commands import Command, obey
from orchestrator.decision import Around, Ask, Effect, Send, Wake
from orchestrator.errors import Refused
from orchestrator.events import Event
from orchestrator.hands import Fate
from orchestrator.lab import LabState, fold
from orchestrator.lifecycle import OPEN_ACTIONS, Action, Experiment
from orchestrator.lifecycle import Campaign as CampaignState
from orchestrator.outcomes import learn
from orchestrator.states import ExperimentState
from tests.orchestrator.builders import opened, proposal

CLEARLY_BEYOND = ({"temperature": 200.1}, {"fraction": -0.001}, {"solvent": "ether"}, {"strokes": 51},
                  {"temperature": "hot"}, {"hold": 61.0})  # fmt: skip
READINGS = (
    Reading(value=0.004, unit="S", sigma=0.001), Reading(value=3.0, unit="mS"), Reading(value=0.002),
    Reading(value=math.nan, unit="S"), Reading(value=math.inf, unit="S"), Reading(value=1.0, unit="m"),
    Reading(value=11.0, unit="S"), Reading(value=1.0, unit="S", sigma=-1.0), None,
)  # fmt: skip
GOOD_READINGS = 3
VERDICTS = ("done", "not-done", "discard")


class Stuck(AssertionError):
    """Nothing is under way, nobody is waited for, and the campaign is not over."""


class Walk:
    """An engine without time, disk or hosts: `decide` decides, dice say what becomes of it.

    Every event is looked at before it is applied: what must never be intended raises AssertionError.
    """

    def __init__(self, bound_campaign: BoundCampaign, seed: int, *, trouble: float = 0.3) -> None:
        self.bound, self.dice, self.trouble = bound_campaign, random.Random(seed), trouble
        self.log = opened(bound_campaign)
        self.sent: set[str] = set()  # actions whose fate is still to come
        self.asked: Ask | None = None
        self.resting: set[str] = set()
        self.may_begin = True
        self.steps = 0
        self._adviser = Adviser(Brain.__new__(Brain))  # never asked: the dice are the planner
        self._keys = iter(range(10**9))
        self._timed_out: set[int] = set()
        self._clock_s = 0.0
        self._waits_to_s: float | None = None  # what only time is waited for

    @property
    def state(self) -> LabState:
        return self.log.state

    @property
    def over(self) -> bool:
        return self.state.campaign is CampaignState.FINISHED

    def run(self, steps: int = 150, calm: int = 2000) -> LabState:
        """So many steps of whatever may happen, then a benevolent world in which all must come to its end."""
        self.turn()
        for _ in range(steps):
            if self.over:
                break
            self.step()
        self.trouble = 0.0
        for _ in range(calm):
            if self.over:
                break
            self.step()
        assert self.over, f"no end after {self.steps} steps: {self.state.campaign} {self.state.reason}"
        assert not self.state.live and not self.state.open_actions
        assert fold(self.log.events) == self.state
        decision = decide.decide(self.state, self.bound, self._around())
        assert not decision.events and not decision.effects
        return self.state

    # -- the engine's turn ------------------------------------------------------------------------------------
    def turn(self, events: Sequence[Event] = ()) -> None:
        self._take(events)
        effects: list[Effect] = []
        for _ in range(10_000):
            decision = decide.decide(self.state, self.bound, self._around())
            self._take(decision.events)
            effects += decision.effects
            wakes = [effect.at_s for effect in decision.effects if isinstance(effect, Wake)]
            self._waits_to_s = min(wakes) if wakes else None
            for effect in decision.effects:
                if isinstance(effect, Ask):
                    assert self.asked is None, "two questions at a time"
                    assert effect.n > 0 and effect.read_to == self.state.seq
                    self.asked = effect
            if not decision.events:
                break
        else:
            raise Stuck("decide never comes to rest")
        for effect in effects:
            if isinstance(effect, Send):
                assert self.state.actions[effect.action].state == "intended", "sent what was not intended"
                assert effect.action not in self.sent
                self.sent.add(effect.action)

    def _around(self) -> Around:
        return Around(
            asking=self.asked is not None,
            resting=frozenset(self.resting),
            may_begin=self.may_begin,
            now_s=self._clock_s,
        )

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            check(event, self.state, self.bound, may_begin=self.may_begin)
            self.log.apply(event)

    # -- the world --------------------------------------------------------------------------------------------
    def step(self) -> None:
        self.steps += 1
        if self.dice.random() < self.trouble and self._mischief():
            return
        ways = [self._fate] * bool(self.sent) + [self._answer] * (self.asked is not None)
        ways += [self._rested] * bool(self.resting)
        if ways:
            self.dice.choice(ways)()
        elif self._waits_to_s is not None:
            self._clock_s = max(self._clock_s, self._waits_to_s)
            self.turn()
        else:
            self._person()

    def _person(self) -> None:
        """Whoever can help where the machine waits. Nobody who could: it is stuck."""
        state = self.state
        if state.lab == "stopped":
            self._command("release", note="all is well")
        elif state.suspended:
            self._clear(next(iter(state.suspended)))
        elif state.out:
            self._command("device", device=next(iter(state.out)), to="in", note="mended")
        elif state.absent:
            self.turn([Event(device, "device.ready", {"driver": "d"}) for device in list(state.absent)])
        elif not self.may_begin:
            self.may_begin = True
            self._command("timer", key=f"quiet-ends@{next(self._keys)}")
        elif state.campaign is CampaignState.PAUSED:
            self._command("continue")
        elif asked := [e.id for e in state.live.values() if self._waits(e)]:
            self._command(self.dice.choice(("approve", "approve", "reject")), experiments=asked[0], note="")
        elif state.doubts:
            self._settle(self.dice.choice(state.doubts).id)
        elif paused := [e.id for e in state.live.values() if e.state is Experiment.PAUSED]:
            self._command("continue", experiment=self.dice.choice(paused))
        else:
            told = {e.id: (str(e.state), e.actions) for e in state.live.values()}
            raise Stuck(f"campaign {state.campaign} ({state.reason}), live {told}")

    def _waits(self, experiment: ExperimentState) -> bool:
        phase = self.bound.campaign.plan[experiment.proposal["phase"]]
        return (
            experiment.state is Experiment.PROPOSED and phase.approve is not None and not experiment.approved
        )

    def _mischief(self) -> bool:
        """Something that nobody wished for. False where it could not happen now."""
        kind = self.dice.choice(
            ("pause", "continue", "abort", "settle", "timer", "quiet", "crash", "away", "halt", "one", "stop",
             "release", "device", "signal", "late")
        )  # fmt: skip
        match kind:
            case "one":
                return self._one_experiment()
            case "stop" | "release":
                self._command(kind, note="so")
            case "device":
                name = self.dice.choice(self.bound.campaign.recipe).device
                self._command("device", device=name, to=self.dice.choice(("in", "out")), note="so")
            case "signal" if self.state.suspended:
                self._clear(self.dice.choice(sorted(self.state.suspended)))
            case "signal":
                devices = self.dice.choice(([], [self.dice.choice(self.bound.campaign.recipe).device]))
                body = {
                    "signal": "o2",
                    "value": 20.0,
                    "unit": "ppm",
                    "reason": "o2 is 20 ppm",
                    "devices": devices,
                }
                self.turn([Event("suspender/o2", "suspender.tripped", body)])
            case "late":
                acts = [self.state.actions[name] for name in sorted(self.sent)]
                if not (waited := [a.id for a in acts if a.state == "intended" and not a.late]):
                    return False
                self.turn([Event(self.dice.choice(waited), "action.late", {"reason": "slow"})])
            case "abort" if self.dice.random() > 0.1:
                return False
            case "pause" | "continue" | "abort":
                self._command(kind)
            case "settle":
                if not self.state.doubts:
                    return False
                self._settle(self.dice.choice(self.state.doubts).id)
            case "timer":
                if not self.state.phases or self.dice.random() > 0.2:
                    return False
                index = self.state.phases[-1].index
                self._command("timer", key=f"phase-{index}-timeout@2026-01-01")
                self._timed_out.add(index)
            case "quiet":
                self.may_begin = not self.may_begin
                self.turn()
            case "crash":
                self._crash()
            case "halt":
                self._halt()
            case "away":
                self._away()
        return True

    def _command(self, kind: Any, key: str = "", **arguments: str) -> None:
        command = Command(key or f"k{next(self._keys)}", kind, "somebody", arguments)
        try:
            events = obey(self.state, command)
        except Refused:
            return
        self.turn(events)
        assert obey(self.state, command) == [], "a command is obeyed twice"

    def _one_experiment(self) -> bool:
        """Something is asked for one experiment."""
        if not self.state.live:
            return False
        what = self.dice.choice(("pause", "pause", "continue", "abort"))
        if what == "abort" and self.dice.random() > 0.3:
            return False
        self._command(what, experiment=self.dice.choice(list(self.state.live)))
        return True

    def _clear(self, signal: str) -> None:
        body = {"signal": signal, "value": 1.0, "unit": "ppm", "reason": "back"}
        self.turn([Event(f"suspender/{signal}", "suspender.cleared", body)])

    def _settle(self, action: str) -> None:
        self._command("settle", action=action, verdict=self.dice.choice(VERDICTS), note="looked at it")

    def _crash(self) -> None:
        """kill -9 of the engine: what it remembered is gone, what the log says is not."""
        self.log.restart()
        self.asked, self.resting = None, set()
        self.sent = set(a.id for a in self.state.open_actions.values())  # each is inquired after
        self.turn()

    def _halt(self) -> None:
        """Stop now: acts in hand become doubts and the engine is gone. A person may say a word before the next one."""
        for action in list(self.state.open_actions.values()):
            if action.state == "intended":
                self._take([Event(action.id, "action.doubted", {"reason": "halted during the act"})])
        for action in self.state.doubts:
            if self.dice.random() < 0.5:
                said = {"action": action.id, "verdict": self.dice.choice(VERDICTS), "note": "looked at it"}
                self._take(obey(self.state, Command(f"k{next(self._keys)}", "settle", "somebody", said)))
        self._crash()

    def _away(self) -> None:
        device = self.dice.choice(self.bound.campaign.recipe).device
        if device in self.state.absent:
            return
        events = [Event(device, "device.absent", {"reason": "unplugged"})]
        action = self.state.open_actions.get(device)
        if action is not None and action.state == "intended":
            events.append(Event(action.id, "action.doubted", {"reason": "unplugged"}))
            self.sent.discard(action.id)
        self.turn(events)

    def _rested(self) -> None:
        self.resting.discard(self.dice.choice(sorted(self.resting)))
        self.turn()

    def _fate(self) -> None:
        action = self.state.actions[self.dice.choice(sorted(self.sent))]
        self.sent.discard(action.id)
        verdict = "ended"
        if self.dice.random() < self.trouble:
            verdict = self.dice.choice(("doubt", "not done", "refused", "ended"))
        outcome = self._outcome(action.device) if verdict == "ended" else None
        halted = verdict == "not done" and self.dice.random() < 0.5
        events = learn(Fate(action.id, verdict, "so it was", outcome, halted=halted), self.state, self.bound)
        if any(e.body.get("attribution") == "busy" for e in events):
            self.resting.add(action.experiment)
        self.turn(events)

    def _outcome(self, device: str) -> Outcome:
        began_s, self._clock_s = self._clock_s, self._clock_s + 10.0
        times = {"began_s": began_s, "ended_s": self._clock_s}
        if self.dice.random() < self.trouble:
            why = self.dice.choice([None, *Attribution])
            return Outcome(status="failed", attribution=why, reason="it broke", **times)
        n = len(READINGS) if self.dice.random() < self.trouble else GOOD_READINGS
        reading = self.dice.choice(READINGS[:n]) if device == "probe" else None
        return Outcome(status="succeeded", readings={} if reading is None else {"signal": reading}, **times)

    def _answer(self) -> None:
        ask, self.asked = self.asked, None
        assert ask is not None
        dice, exhausted = self.dice, ""
        if dice.random() < self.trouble / 20:
            exhausted = "nothing is left"
        proposals = [self._proposal() for _ in range(dice.randint(1, ask.n))]
        diagnostics = {"n": self.state.n_told, "coverage_90": dice.random(), "max_sd": dice.random()}
        advice = Advice(
            ask, [] if exhausted else proposals, dice.choice((None, diagnostics)), exhausted=exhausted,
            failure="the brain was killed" if dice.random() < self.trouble else "",
            gated="it covers half" if self._may_be_gated(ask) and dice.random() < 0.3 else "",
        )  # fmt: skip
        self.turn(self._adviser.events(advice, self.state, self.bound.campaign))

    def _may_be_gated(self, ask: Ask) -> bool:
        gate = self.bound.campaign.plan[ask.phase].gate
        return gate is not None and not (
            gate.otherwise == "approval" and self.state.model.gated_at_n == self.state.n_told
        )

    def _proposal(self) -> dict[str, Any]:
        dice = self.dice
        candidate = {
            "fraction": dice.choice((0.0, 1.0, dice.random())), "temperature": dice.choice((20.0, 200.0, 77.7)),
            "solvent": dice.choice(("water", "toluene")), "strokes": dice.randint(1, 20), "hold": 2.0,
        }  # fmt: skip
        if dice.random() < self.trouble:
            candidate |= dice.choice(CLEARLY_BEYOND)
        return {**proposal(), "candidate": candidate}


def check(event: Event, state: LabState, bound_campaign: BoundCampaign, *, may_begin: bool) -> None:
    """What no event may do, whatever happened before. Asks nothing of guard and decide: it looks for itself."""
    campaign_of = bound_campaign.campaign
    began = {e.id for e in state.experiments.values() if e.started_at is not None}
    if event.kind == "experiment.started":
        assert may_begin, "begun before the start or in quiet hours"
        assert state.campaign is CampaignState.OPEN, f"begun while {state.campaign}"
        assert not _overrun(state, campaign_of.budget), "begun beyond the budget"
    if event.kind == "experiment.queued" and state.experiments[event.stream].state is Experiment.PROPOSED:
        known = state.experiments[event.stream]
        approve = campaign_of.plan[known.proposal["phase"]].approve
        assert approve is None or known.approved, "queued without the approval that its phase wants"
    if event.kind == "experiment.proposed":
        asked = [e for e in state.experiments.values() if e.state is not Experiment.REJECTED]
        assert len(asked) < campaign_of.budget.experiments, "more experiments than the budget has"
    if event.kind == "measurement.recorded":
        assert math.isfinite(event.body["value"]) and event.body["unit"] == "mS"
        assert 0 <= event.body["value"] <= 10_000
    if event.kind != "action.intended":
        return
    body = event.body
    experiment: ExperimentState = state.experiments[body["experiment"]]
    ends = [state.actions[name].state for name in experiment.actions]
    assert Action.DISCARDED not in ends, "a sample that was given up is taken up again"
    assert experiment.id in began and (experiment.state is Experiment.RUNNING or body["step"] is None)
    for action in state.actions.values():
        if action.state in OPEN_ACTIONS:
            about = {body["sample"], *body.get("together", ())}
            leased, wanted = {action.device, *action.holds}, {body["device"], *body.get("holds", ())}
            assert not leased & wanted, f"two open actions on {leased & wanted}"
            assert not about & set(action.experiments), f"two open actions on {about}"
    assert body["device"] not in state.absent, "sent to a device that is absent"
    assert body["device"] not in state.out, "sent to a device that is out of use"
    assert state.lab == "open", "an action begun in a stopped laboratory"
    for tripped in state.suspended.values():
        assert tripped["devices"] and body["device"] not in tripped["devices"], (
            "begun while a signal is out of band"
        )
    assert experiment.asked == "" or experiment.over, (
        "an action begun for an experiment that is to pause or to end"
    )
    assert state.campaign in (CampaignState.OPEN, CampaignState.WAITING, CampaignState.ENDING)
    if body["step"] is None:  # a sample is carried; whether rightly, `test_places` says
        return
    assert not state.aborted, "an action begun after the abort"
    assert body["step"] == experiment.step < len(campaign_of.recipe)
    assert not [a for a in map(state.actions.get, experiment.actions) if a and a.step == body["step"]
                and a.state == "succeeded" and not a.again], "a step done twice"  # fmt: skip
    args = body["args"]
    if "temperature" in args:  # the campaign's limit, in the device's kelvin
        assert 250 <= args["temperature"] <= 200 + 273.15
        assert args["hold"] == 120.0 and args["ramp"] == 1.0 and args["covered"] is True
    if "fraction" in args:
        assert 0 <= args["fraction"] <= 1 and args["solvent"] in ("water", "toluene")
        assert isinstance(args["strokes"], int) and 1 <= args["strokes"] <= 50


def _overrun(state: LabState, budget: Budget) -> bool:
    failed = sum(e.state is Experiment.FAILED for e in state.experiments.values())
    ends = [a.ended_s for a in state.actions.values() if a.ended_s is not None]
    begins = [a.began_s for a in state.actions.values() if a.began_s is not None]
    used_s = max(ends) - min(begins) if ends and begins else 0.0
    too_long = budget.duration_s is not None and used_s >= budget.duration_s
    return too_long or (budget.failures is not None and failed > budget.failures)


def plan_of(dice: random.Random) -> tuple[Phase, ...]:
    """A random plan of explore, learn and optimise."""
    until = Until(
        calibrated=dice.choice((None, 0.5, 0.9)), stalled_for=dice.choice((None, 2, 5)),
        variance_below=dice.choice((None, 0.1)), reached=dice.choice((2.5, 9.0)),
    )  # fmt: skip
    phases = [
        Phase(
            mode="explore",
            method="sobol",
            experiments=dice.randint(4, 6),
            batch=dice.randint(1, 4),
            in_flight=dice.choice((None, 4, 6)),
            approve=dice.choice((None, None, "person")),
            timeout_s=9.0,
        )
    ]
    if dice.random() < 0.6:
        phases.append(
            Phase(mode="learn", method="variance", until=until, at_most=6, batch=dice.randint(1, 3))
        )
    if dice.random() < 0.6:
        gate = dice.choice((None, Gate(low=0.7, high=1, otherwise=dice.choice(("learn", "approval")))))
        phases.append(
            Phase(
                mode="optimise", method="ucb", until=dice.choice((until, None)), batch=2, gate=gate,
                replicates=dice.choice((1, 1, 2)),
            )
        )  # fmt: skip
    return tuple(phases)
