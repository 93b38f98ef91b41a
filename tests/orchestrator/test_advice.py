"""Asking the planner: the question is a function of the log, and an answer comes whatever becomes of the brain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from campaigns.campaign import Budget, Campaign, Objective, Phase, Until
from campaigns.plan import Gate
from campaigns.space import Categorical, Continuous, Space, Table
from orchestrator import rules
from orchestrator.advice import Advice, Adviser, question
from orchestrator.brain.client import BrainFailed
from orchestrator.decision import Ask
from orchestrator.lab import fold
from orchestrator.lifecycle import Campaign as CampaignState
from orchestrator.records import MeasuredValue
from surrogates.service import handle
from tests.orchestrator.builders import GOOD, Log, bound, enter, intend, opened, proposal, propose, run_one
from tests.orchestrator.walks import Walk

PLAN = (
    Phase(mode="explore", method="sobol", experiments=4),
    Phase(mode="learn", method="variance", until=Until(calibrated=0.9), at_most=20),
    Phase(mode="optimise", method="ucb", beta=1.5, batch=2),
)
THE_BOUND = bound(plan=PLAN, budget=Budget(experiments=60))
CAMPAIGN = THE_BOUND.campaign


class Oracle:
    """A brain that says what it is told to, or fails."""

    def __init__(self, reply: Mapping[str, Any] | Exception) -> None:
        self.reply, self.asked = reply, 0

    async def ask(self, request: Mapping[str, Any], *, within_s: float) -> Any:
        self.asked += 1
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


def log_of(values: tuple[float | None, ...] = (1.0, 2.0, 3.0, 4.0), phase: int = 1) -> Log:
    log = opened(THE_BOUND)
    for index in range(phase + 1):
        enter(log, index, THE_BOUND)
    for value in values:
        run_one(log, value, attribution="infeasible")
    return log


def asks(log: Log, phase: int = 1, n: int = 1, diagnose: bool = False) -> Ask:
    return Ask(phase, n, "because", log.state.seq, log.state.n_told, diagnose)


async def advise(oracle: Oracle, log: Log, ask: Ask) -> Advice:
    adviser = Adviser(oracle)  # type: ignore[arg-type]
    return await adviser.advise(ask, question(ask, log.state, CAMPAIGN), CAMPAIGN)


def events(advice: Advice, log: Log) -> list[str]:
    adviser = Adviser(Oracle({}))  # type: ignore[arg-type]
    events = adviser.events(advice, log.state, CAMPAIGN)
    log.apply(*events)
    return [event.kind for event in events]


# -- the question ---------------------------------------------------------------------------------------------
def test_the_question_is_a_function_of_the_log() -> None:
    for seed in range(30):
        walk = Walk(THE_BOUND, seed, trouble=0.3)
        for _ in range(40):
            if not walk.over:
                walk.step() if walk.steps else walk.turn()
                walk.steps += 1
        ask = asks(walk.log)
        one = json.dumps(question(ask, walk.state, CAMPAIGN), allow_nan=False)
        assert one == json.dumps(question(ask, fold(walk.log.events), CAMPAIGN), allow_nan=False)


def test_the_question_tells_what_is_known_and_what_is_pending() -> None:
    log = log_of((1.0, None))
    log.say(propose(log, {**GOOD, "fraction": 0.9}), "experiment.rejected", reason="beyond a limit")
    propose(log, {**GOOD, "fraction": 0.1})
    name = run_one(log, None, attribution="instrument")
    assert log.state.experiments[name].failure == ("instrument", "broken")
    asked = question(asks(log, phase=2, n=2), log.state, CAMPAIGN)
    name = CAMPAIGN.objectives[0].name
    told = [(o["values"].get(name, {}).get("value"), o["failed"]) for o in asked["observations"]]
    assert told == [(1.0, False), (None, True), (None, True)]
    assert asked["observations"][2]["candidate"]["fraction"] == 0.9
    assert asked["pending"] == [{**GOOD, "fraction": 0.1}]
    assert asked["method"] == {
        "mode": "optimise",
        "name": "ucb",
        "beta": 1.5,
        "level": None,
        "trust_region": "auto",
        "share": [],
    }
    assert (asked["n"], asked["seed"], asked["index"]) == (2, CAMPAIGN.seed, 5)


def test_a_candidate_that_is_not_in_the_space_is_told_to_nobody() -> None:
    """No model could read it, and the campaign could never be asked for again."""
    log = log_of()
    for wrong in ({"nonsense": 1.0}, {**GOOD, "fraction": "much"}, {**GOOD, "solvent": "tar"}):
        log.say(propose(log, wrong), "experiment.rejected", reason="not in the space")
    assert len(question(asks(log), log.state, CAMPAIGN)["observations"]) == 4


# -- the answer -----------------------------------------------------------------------------------------------
def said(n: int = 1, **more: Any) -> dict[str, Any]:
    return {"proposals": [{**proposal(), "candidate": GOOD} for _ in range(n)], "diagnostics": None, **more}


async def test_exploring_needs_no_brain() -> None:
    oracle = Oracle(BrainFailed("dead"))
    log = log_of((), phase=0)
    advice = await advise(oracle, log, asks(log, phase=0, n=3))
    assert oracle.asked == 0 and len(advice.proposals) == 3 and not advice.failure
    assert [p["fallback"] for p in advice.proposals] == [None] * 3
    assert events(advice, log) == ["experiment.proposed"] * 3


@pytest.mark.parametrize("mode", ["explore", "optimise"])
async def test_a_batch_shares_what_the_phase_says_whoever_answers(mode: str) -> None:
    """The engine itself where it explores and where the brain is dead; otherwise what the brain computes."""
    method = {"explore": "sobol", "optimise": "ucb"}[mode]
    phase = Phase(mode=mode, method=method, batch=4, share=("solvent", "fraction"))  # type: ignore[arg-type]
    the_campaign = Campaign.model_construct(**{**dict(CAMPAIGN), "plan": (*PLAN[:2], phase)})
    log = log_of((1.0, 2.0, 3.0, 4.0), phase=2)
    ask = asks(log, phase=2, n=4)
    asked = question(ask, log.state, the_campaign)
    assert asked["method"]["share"] == ["solvent", "fraction"]
    reply = json.loads(json.dumps(handle(json.loads(json.dumps(asked)))))
    dead = BrainFailed("dead")
    for said_by in (reply, dead):
        advice = await Adviser(Oracle(said_by)).advise(ask, asked, the_campaign)  # type: ignore[arg-type]
        candidates = [p["candidate"] for p in advice.proposals]
        assert len({json.dumps(c, sort_keys=True) for c in candidates}) == 4
        assert len({(c["solvent"], c["fraction"]) for c in candidates}) == 1
        assert all(CAMPAIGN.space.violations(c) == [] for c in candidates)


NONSENSE: dict[str, Any] = {
    "it failed": BrainFailed("no answer within 5 s"),
    "no proposals": {"proposals": [], "diagnostics": None},
    "nothing": {},
    "no list": {"proposals": "x0.5"},
    "no mapping": {"proposals": [GOOD["fraction"]]},
    "no candidate": {"proposals": [proposal()]},
    "a candidate that is none": {"proposals": [{**proposal(), "candidate": [1, 2]}]},
    "no reason": {"proposals": [{"candidate": GOOD}]},
    "a diagnosis that is none": said(diagnostics="well"),
}  # fmt: skip


@pytest.mark.parametrize("what", NONSENSE)
async def test_a_brain_that_fails_or_talks_nonsense_is_replaced_and_the_log_says_so(what: str) -> None:
    log = log_of()
    advice = await advise(Oracle(NONSENSE[what]), log, asks(log, n=2))
    assert advice.failure and len(advice.proposals) == 2
    for one in advice.proposals:
        assert one["fallback"] == f"the planner failed: {advice.failure}" and one["model"] == "constant"
        assert CAMPAIGN.space.violations(one["candidate"]) == []
    assert events(advice, log) == ["brain.failed", "experiment.proposed", "experiment.proposed"]
    assert log.state.brain_failures == 1
    last = list(log.state.experiments.values())[-1]
    assert last.proposal["fallback"] and last.proposal["rule"] == "because" and last.proposal["phase"] == 1


async def test_a_brain_that_says_too_much_does_not_cost_the_budget() -> None:
    log = log_of()
    assert len((await advise(Oracle(said(9)), log, asks(log, n=2))).proposals) == 2


async def test_a_fall_back_proposes_nothing_that_is_known_or_pending() -> None:
    log = log_of((), phase=1)
    seen = []
    for _ in range(6):
        advice = await advise(Oracle(BrainFailed("dead")), log, asks(log))
        events(advice, log)
        seen.append(json.dumps(advice.proposals[0]["candidate"], sort_keys=True))
    assert len(set(seen)) == 6


async def test_an_exhausted_space_ends_the_campaign_with_the_reason() -> None:
    log = log_of()
    advice = await advise(Oracle({"exhausted": "all 12 rows are measured"}), log, asks(log))
    assert events(advice, log) == ["campaign.ending"]
    assert log.state.reason == "space: all 12 rows are measured"


async def test_a_table_that_is_used_up_ends_the_campaign_without_a_brain() -> None:
    space = Space(
        parameters=(Continuous(name="x", low=0, high=1), Categorical(name="s", choices=("a", "b"))),
        allowed=Table(columns=("x", "s"), rows=((0.0, "a"), (1.0, "b"))),
    )
    the_campaign = Campaign.model_construct(**{**dict(CAMPAIGN), "space": space})
    log = opened(THE_BOUND)
    enter(log, 0, THE_BOUND)
    for row in ({"x": 0.0, "s": "a"}, {"x": 1.0, "s": "b"}):
        propose(log, row)
    ask = asks(log, phase=0)
    advice = await Adviser(Oracle({})).advise(ask, question(ask, log.state, the_campaign), the_campaign)  # type: ignore[arg-type]
    assert advice.exhausted and not advice.proposals
    assert events(advice, log) == ["campaign.ending"] and log.state.reason.startswith("space: ")


@pytest.mark.parametrize("state", [CampaignState.ENDING, CampaignState.FINISHED])
async def test_an_answer_that_comes_too_late_begins_nothing(state: CampaignState) -> None:
    log = log_of()
    advice = await advise(Oracle(said(1)), log, asks(log))
    log.say("campaign", "campaign.ending", reason="aborted by me")
    if state is CampaignState.FINISHED:
        log.say("campaign", "campaign.finished", reason="aborted by me")
    assert events(advice, log) == []


# -- the diagnosis --------------------------------------------------------------------------------------------
async def test_a_diagnosis_that_ends_the_phase_comes_without_its_proposals() -> None:
    log = log_of((1.0,) * 12)
    advice = await advise(
        Oracle(said(1, diagnostics={"n": 12, "coverage_90": 0.95})), log, asks(log, diagnose=True)
    )
    assert events(advice, log) == ["model.diagnosed"]
    assert log.state.model.diagnosed_at_n == 12


async def test_a_diagnosis_that_does_not_end_it_comes_with_them() -> None:
    log = log_of((1.0,) * 12)
    advice = await advise(
        Oracle(said(1, diagnostics={"n": 12, "coverage_90": 0.5})), log, asks(log, diagnose=True)
    )
    assert events(advice, log) == ["model.diagnosed", "experiment.proposed"]


async def test_a_diagnosis_is_of_the_results_that_were_in_the_question() -> None:
    """A result that came while the brain was thinking is not among those it has diagnosed."""
    log = log_of((1.0,) * 12)
    ask = asks(log, diagnose=True)
    asked = question(ask, log.state, CAMPAIGN)
    run_one(log, 5.0, phase=1)
    oracle = Oracle(said(1, diagnostics={"n": 12, "coverage_90": 1.0}))
    advice = await Adviser(oracle).advise(ask, asked, CAMPAIGN)  # type: ignore[arg-type]
    events(advice, log)
    assert (log.state.model.diagnosed_at_n, log.state.n_told) == (12, 13)
    assert rules.needs_diagnosis(log.state, CAMPAIGN) and rules.phase_over(log.state, CAMPAIGN) is None


# -- the gate, replicates, partial results -------------------------------------------------------------------------
def gated(otherwise: str, **more: Any) -> Any:
    phase = Phase(mode="optimise", method="ucb", gate=Gate(low=0.75, high=1.0, otherwise=otherwise), **more)
    return bound(plan=(PLAN[0], phase), budget=Budget(experiments=60))


async def through(the_bound: Any, log: Log, reply: Mapping[str, Any]) -> list[str]:
    ask = asks(log, phase=1)
    adviser = Adviser(Oracle(reply))  # type: ignore[arg-type]
    advice = await adviser.advise(ask, question(ask, log.state, the_bound.campaign), the_bound.campaign)
    found = adviser.events(advice, log.state, the_bound.campaign)
    log.apply(*found)
    return [event.kind for event in found]


def in_second_phase(the_bound: Any, n: int = 12) -> Log:
    log = opened(the_bound)
    for index in (0, 1):
        enter(log, index, the_bound)
    for _ in range(n):
        run_one(log, 1.0, phase=1)
    return log


async def test_a_shut_gate_learns_within_the_same_ask_and_says_why() -> None:
    the_bound = gated("learn")
    log = in_second_phase(the_bound)
    asked = question(asks(log, phase=1), log.state, the_bound.campaign)
    assert asked["gate"] == {"low": 0.75, "high": 1.0}
    kinds = await through(the_bound, log, said(1, gated="90 % intervals cover 50 %"))
    assert kinds == ["model.gated", "experiment.proposed"]
    proposed = list(log.state.experiments.values())[-1]
    assert proposed.proposal["rule"].endswith("gate: 90 % intervals cover 50 %")
    assert log.state.model.gate == "90 % intervals cover 50 %"


async def test_a_gate_that_wants_approval_stops_until_a_person_continues() -> None:
    the_bound = gated("approval")
    log = in_second_phase(the_bound)
    assert await through(the_bound, log, said(1, gated="too bold")) == ["model.gated", "campaign.paused"]
    assert "alquimia continue" in log.state.reason
    log.say("campaign", "campaign.continued", reason="continued by me")
    asked = question(asks(log, phase=1), log.state, the_bound.campaign)
    assert asked["gate"] is None, "what a person let pass is not held up again"
    assert await through(the_bound, log, said(1)) == ["experiment.proposed"]
    run_one(log, 2.0, phase=1)
    asked = question(asks(log, phase=1), log.state, the_bound.campaign)
    assert asked["gate"] is not None, "the next result is another matter"


async def test_replicates_are_experiments_with_one_candidate() -> None:
    the_bound = bound(plan=(PLAN[0], Phase(mode="optimise", method="ucb", replicates=3)))
    log = in_second_phase(the_bound, 4)
    ask = Ask(1, 1, "because", log.state.seq, log.state.n_told, False, 2)
    adviser = Adviser(Oracle(said(1)))  # type: ignore[arg-type]
    advice = await adviser.advise(ask, question(ask, log.state, the_bound.campaign), the_bound.campaign)
    found = adviser.events(advice, log.state, the_bound.campaign)
    assert [event.kind for event in found] == ["experiment.proposed"] * 2, "as many as there is room for"
    assert found[0].body["candidate"] == found[1].body["candidate"]


def test_what_an_experiment_gave_before_it_failed_is_told() -> None:
    """One of two objectives was measured: the other's reading was bad."""
    other = Objective(name="stiffness", direction="maximise")
    objectives = (*CAMPAIGN.objectives, other)
    campaign = CAMPAIGN.model_construct(
        **{**{name: getattr(CAMPAIGN, name) for name in Campaign.model_fields}, "objectives": objectives,
           "goal": "pareto"}
    )  # fmt: skip
    log = log_of((1.0,))
    name = propose(log)
    log.say(name, "experiment.queued")
    log.say(name, "experiment.started")
    intend(log, name, "look", device="probe", verb="measure", step=3)
    log.say(
        f"measurement/{name}", "measurement.recorded", experiment=name, action=f"{name}.look.1", name="stiffness",
        value=3.0, unit="", sigma=0.1, reality="simulated",
    )  # fmt: skip
    told = log.state.n_told
    log.say(f"{name}.look.1", "action.succeeded", reason="")
    log.say(name, "experiment.failed", attribution="bad reading", reason="no reading of conductance")
    assert log.state.n_told == told + 1
    observed = question(asks(log), log.state, campaign)["observations"]
    assert observed[-1]["values"] == {"stiffness": {"value": 3.0, "sigma": 0.1}}
    assert not observed[-1]["failed"]


def test_a_context_is_told_as_it_was_measured() -> None:
    humidity = Continuous(name="humidity", low=0.0, high=100.0, role="context")
    space = Space(parameters=(*CAMPAIGN.space.parameters, humidity))
    campaign = CAMPAIGN.model_construct(
        **{**{name: getattr(CAMPAIGN, name) for name in Campaign.model_fields}, "space": space}
    )
    log = log_of((1.0,))
    log.state.experiments["x0001"].values["humidity"] = MeasuredValue(37.0, "", None)
    observed = question(asks(log), log.state, campaign)["observations"]
    assert observed[0]["candidate"]["humidity"] == 37.0
