"""People propose, approve and turn down: their words are checked like a planner's, and nothing unapproved is begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from campaigns.campaign import Budget, Phase
from orchestrator import proposing
from orchestrator.commands import Command, obey
from orchestrator.decide import decide
from orchestrator.decision import Around, Ask
from orchestrator.errors import Refused
from orchestrator.lifecycle import Campaign as CampaignState
from orchestrator.lifecycle import Experiment
from orchestrator.waits import waits
from tests.orchestrator.builders import Log, bound, enter, opened, propose
from tests.orchestrator.laboratory import CAMPAIGN, FINISHED, STOPPED, Bench

GOOD = {"fraction": "50 %", "temperature": "373.15 K", "solvent": "water", "strokes": "5"}


def begun(*phases: Phase) -> tuple[Log, Any]:
    the_bound = bound(plan=phases, budget=Budget(experiments=5))
    log = opened(the_bound)
    enter(log, 0, the_bound)
    return log, the_bound


def tell(log: Log, kind: Any, **said: str) -> None:
    log.apply(*obey(log.state, Command(f"k{log.state.seq}", kind, "ana", {"note": "", **said})))


def decided(log: Log, the_bound: Any) -> list[Ask]:
    asked: list[Ask] = []
    while True:
        decision = decide(log.state, the_bound, Around())
        log.apply(*decision.events)
        asked += [effect for effect in decision.effects if isinstance(effect, Ask)]
        if not decision.events:
            return asked


def test_a_phase_of_a_person_waits_and_takes_what_is_proposed_in_any_unit() -> None:
    log, the_bound = begun(
        Phase(mode="explore", method="person", experiments=1), Phase(mode="optimise", method="ucb")
    )
    assert decided(log, the_bound) == []
    assert any("alquimia propose" in line for line in waits(log.state, the_bound.campaign))
    tell(log, "propose", **GOOD)
    experiment = log.state.experiments["x0001"]
    assert experiment.candidate == {
        "fraction": 0.5, "temperature": pytest.approx(100.0), "solvent": "water", "strokes": 5, "hold": 2.0,
    }  # fmt: skip
    assert experiment.proposal["acquisition"] == "person" and "ana" in experiment.proposal["rule"]
    decided(log, the_bound)
    assert experiment.state is Experiment.RUNNING


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"temperature": "900 K"}, "temperature"),
        ({"temperature": "5 kg"}, "kg"),
        ({"solvent": "ether"}, "ether"),
        ({"strokes": "2.5"}, "strokes"),
        ({"fraction": "much"}, "wanted a number"),
        ({"fraction": "1e999"}, "fraction"),
        ({"speed": "3"}, "speed is no parameter"),
    ],
)
def test_what_is_no_candidate_is_refused_and_nothing_is_proposed(said: dict[str, str], why: str) -> None:
    log, _ = begun(Phase(mode="explore", method="person"))
    with pytest.raises(Refused) as refused:
        tell(log, "propose", **{**GOOD, **said})
    assert why in str(refused.value) and not log.state.experiments
    with pytest.raises(Refused, match="wanted a value"):
        tell(log, "propose", fraction="0.5")


def test_a_persons_idea_is_welcome_beside_a_planners_but_not_beyond_the_budget() -> None:
    log, the_bound = begun(Phase(mode="explore", method="sobol", batch=2))
    tell(log, "propose", **GOOD)
    for _ in range(4):
        propose(log)
    with pytest.raises(Refused, match="budget"):
        tell(log, "propose", **GOOD)
    decided(log, the_bound)
    assert len(log.state.experiments) == 5


def test_nothing_unapproved_is_begun_and_what_is_turned_down_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    phase = Phase(mode="explore", method="sobol", batch=3, approve="person")
    log, the_bound = begun(phase)
    assert decided(log, the_bound)[0].n == 3
    names = [propose(log) for _ in range(3)]
    assert decided(log, the_bound) == [] and not log.state.actions
    assert any(f"alquimia approve {' '.join(names)}" in line for line in waits(log.state, the_bound.campaign))
    tell(log, "approve", experiments="x0002")
    tell(log, "reject", experiments="x0003", note="too hot for this oven")
    decided(log, the_bound)
    assert {a.experiment for a in log.state.actions.values()} == {"x0002"}
    turned_down = log.state.experiments["x0003"]
    assert turned_down.state is Experiment.REJECTED
    assert log.state.experiments["x0001"].state is Experiment.PROPOSED
    for wrong in ("x0002", "x0003", "x0099"):
        with pytest.raises(Refused, match="does not wait for approval"):
            tell(log, "approve", experiments=wrong)
    monkeypatch.setattr(proposing, "needs_approval", lambda *args: False)  # the control
    decided(log, the_bound)
    assert log.state.experiments["x0001"].state is not Experiment.PROPOSED


def test_approved_by_its_word_for_all_and_gone_with_an_abort() -> None:
    log, the_bound = begun(Phase(mode="explore", method="sobol", batch=2, approve="person"))
    for _ in range(2):
        propose(log)
    tell(log, "approve", experiments="all")
    assert all(e.approved for e in log.state.experiments.values())
    propose(log)
    tell(log, "abort")
    decided(log, the_bound)
    assert log.state.experiments["x0003"].state is Experiment.CANCELLED
    assert log.state.campaign in (CampaignState.ENDING, CampaignState.FINISHED)


PHASES = """{explore: person, experiments: 1}
  - {explore: sobol, experiments: 2, batch: 2, approve: person}"""
PEOPLE = CAMPAIGN.replace("{explore: sobol, experiments: 4}", PHASES).replace(
    "experiments: 7}", "experiments: 4}"
)


def test_a_whole_campaign_in_which_people_propose_and_approve(tmp_path: Path) -> None:
    """Every stage by the file alone; without an engine in between, as from any terminal."""
    bench = Bench(tmp_path, campaign=PEOPLE)
    assert bench.run("--no-wait").wait(timeout=60) == STOPPED, bench.output()[-2000:]
    said = bench.say(
        "propose",
        "dopant_fraction=0.1",
        "anneal_temperature=150 degC",
        "anneal_time=0.5 min",
        "solvent=toluene",
    )
    assert said.returncode == 0, said.stderr
    assert bench.start("resume", "--no-wait").wait(timeout=60) == STOPPED, bench.output()[-2000:]
    state = bench.state()
    first = state.experiments["x0001"]
    assert first.state is Experiment.MEASURED and first.candidate["anneal_temperature"] == pytest.approx(
        423.15
    )
    assert [e.state for e in state.live.values()] == [Experiment.PROPOSED] * 2
    assert "approval is waited for" in bench.say("status").stdout
    assert bench.say("reject", "x0002", "--note", "no anisole today").returncode == 0
    assert bench.say("approve", "--all").returncode == 0
    while (code := bench.start("resume", "--no-wait").wait(timeout=60)) == STOPPED:
        assert bench.say("approve", "--all").returncode == 0
    assert code == FINISHED, bench.output()[-2000:]
    state = bench.state()
    assert state.experiments["x0002"].state is Experiment.REJECTED and len(state.measured()) == 4
