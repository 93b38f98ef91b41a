"""The plan, from YAML to phases: methods and their settings, turns, gates, rules."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from campaigns.campaign import Gate, Phase, Turn, Until
from campaigns.load import loads

ALTERNATE = """{at_most: 30, alternate:
  [{learn: variance, experiments: 2}, {optimise: ucb, experiments: 3, beta: scheduled}]}"""


def planned(base: str, phase: str) -> Phase:
    return loads(base, overrides=[f"plan.1={phase}"]).plan[1]


def test_turns_come_round_and_round(base: str) -> None:
    phase = planned(base, ALTERNATE)
    assert (phase.mode, phase.method, phase.bound) == ("alternate", "", 30)
    methods = [phase.turn(n).method for n in range(11)]
    assert methods == ["variance"] * 2 + ["ucb"] * 3 + ["variance"] * 2 + ["ucb"] * 3 + ["variance"]
    assert [phase.left_in_turn(n) for n in range(6)] == [2, 1, 3, 2, 1, 2]
    assert phase.turn(3) == Turn(mode="optimise", method="ucb", experiments=3, beta="scheduled")


def test_a_phase_that_does_not_alternate_is_its_own_turn(base: str) -> None:
    phase = planned(base, "{learn: straddle, level: 50, batch: 2}")
    for n in (0, 7, 10_000):
        assert phase.turn(n) == Turn(mode="learn", method="straddle", experiments=2, level=50.0)
        assert phase.left_in_turn(n) is None
    phase = planned(base, "{optimise: ucb, beta: 2, trust_region: on, at_most: 9}")
    assert phase.turn(8) == Turn(mode="optimise", method="ucb", experiments=9, beta=2.0, trust_region="on")


def test_exploring_may_have_a_later_turn(base: str) -> None:
    phase = planned(base, "{alternate: [{optimise: ucb, experiments: 4}, {explore: random, experiments: 1}]}")
    assert [phase.turn(n).mode for n in range(5)] == ["optimise"] * 4 + ["explore"]


def test_levels_are_in_the_unit_of_the_objective(base: str) -> None:
    assert planned(base, "{learn: straddle, level: 0.5 dimensionless}").level == pytest.approx(50)
    turns = "{learn: straddle, level: 0.5 dimensionless, experiments: 1}, {optimise: ucb, experiments: 1}"
    assert planned(base, f"{{alternate: [{turns}]}}").turns[0].level == pytest.approx(50)


def test_settings_of_an_optimising_phase(base: str) -> None:
    phase = planned(base, "{optimise: ucb, beta: scheduled, replicates: 3, gate: {coverage: [0.75, 1]}}")
    assert (phase.beta, phase.trust_region, phase.replicates) == ("scheduled", "auto", 3)
    assert phase.gate == Gate(low=0.75, high=1.0, otherwise="learn")
    phase = planned(
        base, "{optimise: log_ei, trust_region: off, gate: {coverage: [0, 0.5], otherwise: approval}}"
    )
    assert phase.trust_region == "off" and phase.gate == Gate(low=0.0, high=0.5, otherwise="approval")


def test_every_rule(base: str) -> None:
    rules = {
        "calibrated": 0.9,
        "stalled_for": 15,
        "variance_below": 2.0,
        "mean_variance_below": 1.0,
        "reached": 90.0,
        "error_below": 0.3,
        "improvement_below": 0.01,
        "value_below_cost": 12.0,
        "share": 0.5,
    }
    assert set(rules) == set(Until.model_fields)
    for rule, value in rules.items():
        until = planned(base, f"{{optimise: ucb, until: {{{rule}: {value}}}}}").until
        assert until == Until(**{rule: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "phase",
    [
        {"mode": "learn", "method": "variance", "gate": Gate(low=0.5, high=1.0)},
        {"mode": "learn", "method": "variance", "trust_region": "on"},
        {"mode": "learn", "method": "variance", "beta": 2.0},
        {"mode": "learn", "method": "straddle"},
        {"mode": "optimise", "method": "ucb", "level": 2.0},
        {"mode": "optimise"},
        {"mode": "alternate", "turns": ()},
        {
            "mode": "alternate",
            "method": "ucb",
            "turns": (Turn(mode="learn", method="bald", experiments=1),) * 2,
        },
        {
            "mode": "optimise",
            "method": "ucb",
            "turns": (Turn(mode="learn", method="bald", experiments=1),) * 2,
        },
    ],
)
def test_phases_that_cannot_be(phase: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Phase(**phase)  # type: ignore[arg-type]
