"""What is sought, from YAML to values: objectives and goals, constraints on outcomes, cost, fidelity, surrogate."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from campaigns.campaign import Campaign, Cost, Objective, OutcomeConstraint
from campaigns.errors import Fault
from campaigns.load import loads

Faults = Callable[..., tuple[Fault, ...]]
Y, Z = "{maximise: y, unit: '%'}", "{minimise: z, unit: nm}"


def sought(base: str, objectives: str, goal: str = "", **more: str) -> Campaign:
    overrides = [f"objectives=[{objectives}]", "recipe.0.gives.z=other"]
    overrides += [f"goal={goal}"] if goal else []
    overrides += ["plan.1={optimise: parego}"] if goal == "pareto" else []
    return loads(base, overrides=[*overrides, *(f"{key}={value}" for key, value in more.items())])


def test_numbers_of_an_objective_are_in_its_unit(base: str) -> None:
    (objective,) = sought(base, "{match: y, target: 0.55 um, tolerance: 20 nm, unit: nm}").objectives
    assert (objective.direction, objective.target, objective.tolerance) == ("match", pytest.approx(550), 20.0)
    first, second = sought(
        base,
        "{maximise: y, unit: '%', worst: 0.1 dimensionless, best: 90, weight: 2},"
        " {minimise: z, unit: nm, worst: 1 um, best: 0}",
        "desirability",
    ).objectives
    assert (first.worst, first.best, first.weight) == (pytest.approx(10), 90.0, 2.0)
    assert (second.worst, second.best, second.weight) == (pytest.approx(1000), 0.0, 1.0)
    first, _ = sought(
        base, "{maximise: y, unit: '%', reference: 0.2 dimensionless}, {minimise: z}", "pareto"
    ).objectives
    assert first.reference == pytest.approx(20)


def test_a_tolerance_is_a_difference(base: str) -> None:
    """20 degC apart are 20 K apart, not 293.15 K."""
    (objective,) = sought(base, "{match: y, target: 100 degC, tolerance: 20 degC, unit: K}").objectives
    assert (objective.target, objective.tolerance) == (pytest.approx(373.15), 20.0)


@pytest.mark.parametrize(
    ("objective", "better", "worse"),
    [
        (Objective(name="y", direction="maximise"), 2.0, 1.0),
        (Objective(name="y", direction="minimise"), 1.0, 2.0),
        (Objective(name="y", direction="match", target=5.0), 5.5, 4.0),
        (Objective(name="y", direction="match", target=5.0), 4.5, 6.0),
    ],
)
def test_which_is_better(objective: Objective, better: float, worse: float) -> None:
    assert objective.better(better, worse)
    assert not objective.better(worse, better)
    assert not objective.better(better, better)


def test_every_goal(base: str) -> None:
    assert sought(base, Y).goal == "single"
    assert sought(base, f"{Y}, {Z}", "pareto").goal == "pareto"
    assert sought(base, f"{{maximise: y, tolerance: 0.1}}, {Z}", "hierarchy").goal == "hierarchy"
    wished = "{maximise: y, worst: 0, best: 1}, {match: z, target: 5, tolerance: 2}"
    assert sought(base, wished, "desirability").goal == "desirability"


def test_a_broken_goal_is_one_fault(base: str, faults: Faults) -> None:
    """What the goal would have asked of objectives and plan is not guessed at."""
    found = faults(
        base,
        overrides=[
            "goal=best",
            f"objectives=[{Y}, {Z}]",
            "recipe.0.gives.z=other",
            "plan.1.until={reached: 3}",
        ],
    )
    assert [fault.code for fault in found] == ["E204"]


def test_what_is_reached_with_desirability_is_a_desirability(base: str, faults: Faults) -> None:
    wished = "{maximise: y, unit: '%', worst: 0, best: 100}, {minimise: z, worst: 9, best: 0}"
    until = sought(base, wished, "desirability", **{"plan.1.until": "{reached: 0.9}"}).plan[1].until
    assert until is not None and until.reached == 0.9
    two = [f"objectives=[{wished}]", "recipe.0.gives.z=other", "goal=desirability"]
    (fault,) = faults(base, overrides=[*two, "plan.1.until={reached: 50 %}"])
    assert fault.code == "E216", "it has no unit, whatever that of an objective"


def test_outcome_constraints(base: str) -> None:
    (constraint,) = sought(
        base, Y, outcome_constraints="[{reading: z, at_least: 1, at_most: 2.0 um, unit: nm}]"
    ).outcome_constraints
    assert (constraint.name, constraint.unit, constraint.at_least) == ("z", "nm", 1.0)
    assert constraint.at_most == pytest.approx(2000)
    assert [constraint.met(value) for value in (0.9, 1.0, 1999.0, 2001.0)] == [False, True, True, False]
    assert OutcomeConstraint(name="z", at_least=1.0).met(1e9)


def test_an_outcome_constraint_may_be_on_an_objective(base: str) -> None:
    constraints = "[{reading: y, at_least: 0.5 dimensionless, unit: '%'}]"
    assert sought(base, Y, outcome_constraints=constraints).outcome_constraints[0].at_least == pytest.approx(
        50
    )


def test_what_a_candidate_costs(base: str) -> None:
    text = base.replace("x: {continuous: [0, 1]}", "x: {continuous: [0, 1]}\n  s: {categorical: [a, b, c]}")
    text = text.replace("x: $x,", "x: $x, s: $s,")
    cost = loads(
        text,
        overrides=[
            "cost={base: 1 h, unit: min, per: {x: 30}, of: {s: {a: 1, b: 0.1 h}}, changes: {t: 25, s: 2}}"
        ],
    ).cost
    assert cost is not None
    one = {"x": 0.5, "t": 300.0, "s": "a"}
    assert cost.of_candidate(one, None) == pytest.approx(60 + 15 + 1)
    assert cost.of_candidate(one, one) == pytest.approx(76)
    assert cost.of_candidate({**one, "s": "b"}, one) == pytest.approx(60 + 15 + 6 + 2)
    assert cost.of_candidate({"x": 0.0, "t": 400.0, "s": "c"}, one) == pytest.approx(60 + 25 + 2)
    assert Cost().of_candidate(one, None) == 1.0


def test_costs_of_levels_and_whole_numbers(bent: Callable[..., str]) -> None:
    text = bent(
        ("x: {continuous: [0, 1]}", "x: {integer: [1, 9]}"),
        ("t: {continuous: [300, 500], unit: K}", "t: {ordinal: [300, 400], unit: K}"),
    )
    cost = loads(text, overrides=["cost={of: {t: {'300': 1, '400 K': 2}, x: {'3': 7}}}"]).cost
    assert cost is not None
    assert cost.of == (("t", ((300.0, 1.0), (400.0, 2.0))), ("x", ((3, 7.0),)))
    assert cost.of_candidate({"t": 400.0, "x": 3}, None) == 1 + 2 + 7


def test_a_cost_is_always_above_zero() -> None:
    for bad in ({"base": 0.0}, {"per": (("x", -1.0),)}, {"changes": (("x", -1.0),)}):
        with pytest.raises(ValidationError):
            Cost(**bad)  # type: ignore[arg-type]


def test_fidelity_is_in_the_unit_of_its_parameter(base: str) -> None:
    fidelity = loads(base, overrides=["fidelity={parameter: t, target: 100 degC}"]).fidelity
    assert fidelity is not None
    assert (fidelity.parameter, fidelity.target) == ("t", pytest.approx(373.15))


@pytest.mark.parametrize(
    ("written", "model", "noise"),
    [
        ("forest", "forest", "normal"),
        ("{noise: robust}", "gp", "robust"),
        ("{model: saas}", "saas", "normal"),
    ],
)
def test_surrogates(base: str, written: str, model: str, noise: str) -> None:
    surrogate = loads(base, overrides=[f"surrogate={written}"]).surrogate
    assert (surrogate.model, surrogate.noise) == (model, noise)


def test_a_context_is_given_and_needs_no_use(base: str) -> None:
    text = base.replace("objectives:", "  rh: {context: [0, 100], unit: '%'}\nobjectives:")
    campaign = loads(text, overrides=["recipe.0.gives.rh=humidity"])
    assert [parameter.name for parameter in campaign.space.context] == ["rh"]
    assert Campaign.from_json(campaign.to_json()) == campaign
    ungiven = campaign.to_json()
    ungiven["recipe"][0]["gives"] = {"y": "reading"}
    with pytest.raises(ValidationError, match="E264"):
        Campaign.from_json(ungiven)


@pytest.mark.parametrize(
    "section", ["goal", "outcome_constraints", "cost", "fidelity", "surrogate", "history"]
)
@pytest.mark.parametrize(
    "value", ["5", "text", "[]", "{}", "[[]]", "{a: {b: c}}", "[{}]", "[a]", "true", "~"]
)
def test_no_shape_of_a_section_crashes(base: str, faults: Faults, section: str, value: str) -> None:
    if (section, value) in (
        ("outcome_constraints", "[]"),
        ("history", "[]"),
        ("cost", "{}"),
        ("surrogate", "{}"),
    ):
        loads(base, overrides=[f"{section}={value}"])
    else:
        assert faults(base, overrides=[f"{section}={value}"])
