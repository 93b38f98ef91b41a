"""Rules between devices: of random laboratories and states, no forbidden action is ever intended."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from campaigns.campaign import Budget, Phase
from campaigns.units import convert
from drivers.interlock import RuleEntry
from orchestrator import interlocks
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.decide import decide
from orchestrator.decision import Around
from orchestrator.interlocks import Comparison, InHand, Rule
from orchestrator.labfile import Laboratory
from orchestrator.lifecycle import Experiment
from orchestrator.monitoring import Monitoring
from tests.orchestrator.builders import BENCH, GOOD, Log, campaign, laboratory, opened, propose

DRAWS = 10_000
VERBS = {device: next(iter(actions)) for device, actions in BENCH.items()}
UNITS = {"K": (200.0, 900.0), "degC": (-70.0, 630.0), "degF": (-90.0, 1100.0)}
SENSES = {">": float.__gt__, ">=": float.__ge__, "<": float.__lt__, "<=": float.__le__}


def with_rules(*rules: Rule, **changes: Any) -> BoundCampaign:
    lab = laboratory()
    return bind_campaign(
        campaign(plan=(Phase(mode="explore", method="sobol"),), budget=Budget(experiments=10), **changes),
        Laboratory(lab.file, lab.devices, lab.limits, Monitoring(rules=rules)),
    )


def hot(log: Log, value: float | None, unit: str = "degC", signal: str = "oven.temperature") -> None:
    body = {
        "signal": signal,
        "value": value,
        "unit": unit,
        "reason": "" if value is not None else "no answer",
    }
    log.say(f"signal/{signal}", "signal.read", **body)


HOT = Comparison("oven.temperature", ">", 400.0, "degC")


def next_of(log: Log, the_bound: BoundCampaign) -> list[str]:
    """What is intended or becomes of experiments next."""
    for _ in range(5):
        decision = decide(log.state, the_bound, Around(asking=True))
        log.apply(*decision.events)
        if not decision.events:
            break
    return list(log.state.actions)


@pytest.mark.parametrize(
    ("value", "unit", "passes"),
    [(400.0, "degC", True), (400.001, "degC", False), (673.15, "K", True), (680.0, "K", False), (700.0, "degF", True),
     (753.0, "degF", False), (None, "degC", False), (20.0, "", False), (3.0, "m", False)],
)  # fmt: skip
def test_a_value_forbids_in_whatever_unit_it_comes(value: float | None, unit: str, passes: bool) -> None:
    the_bound = with_rules(Rule((HOT,), ("mixer",), "mix"))
    log = opened(the_bound)
    hot(log, value, unit)
    propose(log)
    assert bool(next_of(log, the_bound)) == passes


@pytest.mark.parametrize("forbids", [True, False])
def test_what_was_never_measured_forbids_unless_the_rule_lets_it_pass(forbids: bool) -> None:
    the_bound = with_rules(Rule((HOT,), ("mixer",), None, unknown_forbids=forbids))
    log = opened(the_bound)
    propose(log)
    assert bool(next_of(log, the_bound)) != forbids
    hot(log, 20.0)
    assert next_of(log, the_bound)


def test_what_waits_goes_on_when_the_rule_lets_it() -> None:
    the_bound = with_rules(Rule((HOT,), ("mixer",), "mix"))
    log = opened(the_bound)
    hot(log, 500.0)
    name = propose(log)
    assert next_of(log, the_bound) == [] and log.state.experiments[name].state is Experiment.QUEUED
    hot(log, 399.0)
    assert next_of(log, the_bound) == ["x0001.mix.1"]


@pytest.mark.parametrize("begun", [False, True])
def test_what_is_refused_ends_the_experiment_with_the_rule_as_its_reason(begun: bool) -> None:
    device = "coater" if begun else "mixer"
    the_bound = with_rules(Rule((HOT,), (device,), None, refuse=True, why="it would melt"))
    log = opened(the_bound)
    hot(log, 20.0)
    name = propose(log)
    if begun:
        (act,) = next_of(log, the_bound)
        log.say(act, "action.succeeded", reason="")
    hot(log, 500.0)
    next_of(log, the_bound)
    experiment = log.state.experiments[name]
    last = log.events[-1].body["reason"]
    assert experiment.state is (Experiment.FAILED if begun else Experiment.REJECTED)
    assert "oven.temperature > 400 degC (it is 500 degC): it would melt" in last


def test_nothing_is_refused_for_good_because_nobody_knows() -> None:
    the_bound = with_rules(Rule((HOT,), ("mixer",), None, refuse=True))
    log = opened(the_bound)
    hot(log, None)
    name = propose(log)
    next_of(log, the_bound)
    assert log.state.experiments[name].state is Experiment.QUEUED


def test_two_actions_decided_upon_together_see_each_other() -> None:
    """One device may not begin while another acts: nor in the same turn, when neither is in the log yet."""
    rule = Rule((InHand(("coater",), None, "coater in hand"),), ("mixer",), None)
    the_bound = with_rules(rule)
    log = opened(the_bound)
    propose(log), propose(log)
    (act,) = next_of(log, the_bound)
    log.say(act, "action.succeeded", reason="")
    # Now the second wants the mixer and the first the coater, at the same moment.
    next_of(log, the_bound)
    acting = {a.device for a in log.state.open_actions.values()}
    assert acting == {"coater"}


def test_a_rule_about_arguments_is_about_these_arguments_only() -> None:
    rule = Rule((HOT,), ("mixer",), "mix", {"solvent": "toluene"})
    the_bound = with_rules(rule)
    log = opened(the_bound)
    hot(log, 500.0)
    propose(log, {**GOOD, "solvent": "toluene"})
    assert next_of(log, the_bound) == []
    propose(log, {**GOOD, "solvent": "water"})
    assert next_of(log, the_bound) == ["x0002.mix.1"]


def test_what_an_action_measured_holds_until_its_device_acts_again() -> None:
    the_bound = with_rules(Rule((HOT,), ("mixer",), None))
    log = opened(the_bound)
    log.say("x", "experiment.proposed", number=1, candidate=GOOD, proposal={"phase": 0})
    act = {"experiment": "x", "step": 2, "device": "oven", "verb": "heat", "args": {}, "sample": "x",
           "repeat": "opaque", "attempt": 1, "deadline_s": 60.0}  # fmt: skip
    log.say("a1", "action.intended", **act)
    log.say("a1", "action.succeeded", reason="", readings={"temperature": [293.15, "K"]})
    assert the_bound.laboratory.monitoring.rules[0].forbids(log.state) is None
    log.say("a2", "action.intended", **act)
    said = the_bound.laboratory.monitoring.rules[0].forbids(log.state)
    assert said is not None and "not known" in said.reason
    log.restart()
    assert the_bound.laboratory.monitoring.rules[0].forbids(log.state) is not None


# -- random laboratories --------------------------------------------------------------------------------------
def draws(dice: random.Random) -> Iterator[tuple[BoundCampaign, list[RuleEntry], Log]]:
    """Random rules over random states: signals known, unknown and of strange units, actions in hand and in doubt."""
    for _ in range(DRAWS // 100):
        entries = [entry(dice) for _ in range(dice.randint(1, 4))]
        the_bound = with_rules(*map(rule_of, entries))
        for _ in range(100):
            log = opened(the_bound)
            for signal in ("oven.temperature", "door"):
                if dice.random() < 0.8:
                    unit, (low, high) = dice.choice(list(UNITS.items()))
                    hot(log, None if dice.random() < 0.1 else dice.uniform(low, high), unit, signal)
            for n in range(dice.randint(1, 4)):
                name = propose(log, {**GOOD, "solvent": dice.choice(("water", "toluene"))})
                log.say(name, "experiment.queued")
                if n and dice.random() < 0.5:  # one that is further on
                    log.say(name, "experiment.started")
                    log.state.experiments[name].step = dice.randint(0, 3)
                    if dice.random() < 0.5:
                        act_in_hand(log, name, dice)
            yield the_bound, entries, log


def act_in_hand(log: Log, name: str, dice: random.Random) -> None:
    free = [device for device in VERBS if device not in log.state.open_actions]
    if not free:
        return
    device = dice.choice(free)
    body = {"experiment": name, "step": log.state.experiments[name].step, "device": device, "verb": VERBS[device],
            "args": {}, "sample": name, "repeat": "opaque", "attempt": 1, "deadline_s": 60.0}  # fmt: skip
    log.say(f"{name}.act.1", "action.intended", **body)
    if dice.random() < 0.3:
        log.say(f"{name}.act.1", "action.doubted", reason="?")


def entry(dice: random.Random) -> RuleEntry:
    def condition() -> str:
        if dice.random() < 0.3:
            device = dice.choice(list(VERBS))
            return f"{device}{dice.choice(('', '.' + VERBS[device]))} in hand"
        unit, (low, high) = dice.choice(list(UNITS.items()))
        signal = dice.choice(("oven.temperature", "door"))
        return f"{signal} {dice.choice(list(SENSES))} {dice.uniform(low, high):.3f} {unit}"

    device = dice.choice(list(VERBS))
    verb = dice.choice(("*", VERBS[device]))
    only = {"solvent": "toluene"} if device == "mixer" and verb != "*" and dice.random() < 0.5 else {}
    return RuleEntry(
        when=tuple(condition() for _ in range(dice.randint(1, 2))),
        forbid=f"{device}.{verb}",
        arguments=only,
        then=dice.choice(("wait", "refuse")),
        unknown=dice.choice(("forbid", "pass")),
    )


def rule_of(said: RuleEntry) -> Rule:
    """The rule as the laboratory binds it."""
    from orchestrator.monitoring import unbound_rules

    file = laboratory().file.model_copy(update={"rules": (said,)})
    return unbound_rules(file)[0]


def violated(said: RuleEntry, log: Log, acts: list[Mapping[str, Any]], act: Mapping[str, Any]) -> bool:
    """Whether `act` breaks a rule. Written anew from the text: nothing here is the guard's own code."""
    device, verb = said.forbid.split(".")
    if act["device"] != device or verb not in ("*", act["verb"]):
        return False
    if any(act["args"].get(name) != value for name, value in said.arguments.items()):
        return False
    others = [(a.device, a.verb) for a in log.state.open_actions.values()]
    others += [(a["device"], a["verb"]) for a in acts]
    for text in said.conditions:
        words = text.split()
        if words[-2:] == ["in", "hand"]:
            name, _, what = words[0].partition(".")
            if not any(d == name and what in ("", v) for d, v in others):
                return False
            continue
        signal, sense, bound_text, unit = words
        known = log.state.signals.get(signal)
        if known is None or known.value is None:
            if said.unknown == "pass":
                return False
            continue
        value, bound = convert(known.value, known.unit, "K"), convert(float(bound_text), unit, "K")
        if abs(value - bound) > 1e-6 and not SENSES[sense](value, bound):
            return False
    return True


def broken(
    dice: random.Random, draw: Iterator[tuple[BoundCampaign, list[RuleEntry], Log]]
) -> tuple[int, int, int]:
    """(states, actions intended, forbidden actions among them)."""
    states = intended = wrong = 0
    for the_bound, entries, log in draw:
        states += 1
        acts: list[Mapping[str, Any]] = []
        for event in decide(log.state, the_bound, Around(asking=True)).events:
            if event.kind == "action.intended":
                intended += 1
                wrong += any(violated(said, log, acts, event.body) for said in entries)
                acts.append(event.body)
    return states, intended, wrong


def test_of_ten_thousand_random_states_no_forbidden_action_is_intended() -> None:
    dice = random.Random(7)
    states, intended, wrong = broken(dice, draws(dice))
    assert states == DRAWS and intended > DRAWS / 2, "too few actions were tried for this to mean something"
    assert wrong == 0


@pytest.mark.parametrize("blind", ["to values", "to what is unknown", "to what comes with it", "altogether"])
def test_the_search_finds_a_guard_that_is_blind(blind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Controls: each takes one thing away from the rules, and forbidden actions are found at once."""
    if blind == "to values":
        monkeypatch.setattr(Comparison, "holds", lambda self, state, coming: False)
    elif blind == "to what is unknown":
        of = Comparison.of
        monkeypatch.setattr(Comparison, "of", lambda self, value, unit: bool(of(self, value, unit)))
        monkeypatch.setattr(
            Comparison, "holds",
            lambda self, s, c: False if (k := s.signals.get(self.signal)) is None else self.of(k.value, k.unit),
        )  # fmt: skip
    elif blind == "to what comes with it":
        holds = InHand.holds
        monkeypatch.setattr(InHand, "holds", lambda self, state, coming: holds(self, state, ()))
    else:
        monkeypatch.setattr(interlocks, "forbidden", lambda *a: None)
    dice = random.Random(7)
    states = (draw for n, draw in enumerate(draws(dice)) if n < 3000)
    assert broken(dice, states)[2] > 0
