"""What the goal asks of the objectives, and which settings of them and of the plan have no use under it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from campaigns.errors import Problem, did_you_mean, shown
from campaigns.objective import Goal, Objective
from campaigns.plan import HULL_METHODS, PARETO_METHODS, PERSON, ROUTE_METHODS, Phase

ALONE: tuple[Goal, ...] = ("single", "hull")  # goals of one objective
_ADVICE = "add 'goal: pareto', 'goal: desirability' or 'goal: hierarchy'"


def objective_problems(
    objectives: Mapping[int, Objective], *, n: int, given: list[str] | None, goal: Goal | None
) -> Iterator[Problem]:
    """Objectives that nothing measures, or that do not suit the goal.

    `n` counts the objectives in the file, of which `objectives` are the sound ones; `given` are the names that the
    recipe gives, None where it is broken, as `goal` is None where it cannot be read.
    """
    if n == 0:
        yield Problem(
            "E207",
            ("objectives",),
            wanted="an objective",
            got="none",
            cure="add {maximise: yield, unit: '%'}",
        )
    if n > 1 and goal == "hull":
        yield Problem(
            "E282",
            ("goal",),
            wanted="one objective with 'goal: hull', the energy of a crystal",
            got=f"{n} objectives",
            key=True,
        )
    elif n > 1 and goal == "single":
        yield Problem(
            "E241",
            ("objectives", 1),
            wanted="one objective, or a goal that says what is sought among several",
            got=f"{n} objectives without a goal",
            cure=_ADVICE,
        )
    elif n == 1 and goal not in (*ALONE, None):
        yield Problem(
            "E243",
            ("goal",),
            wanted="a goal only among several objectives",
            got=f"'{goal}' with one objective",
            cure="leave 'goal' out, or add an objective",
            key=True,
        )
    elif goal is not None:
        for index, objective in objectives.items():
            last = index == n - 1
            yield from _lacking(objective, goal, ("objectives", index), last=last)
            yield from _useless(objective, goal, ("objectives", index))
    seen: set[str] = set()
    for index, objective in objectives.items():
        path = ("objectives", index, objective.direction)
        if objective.name in seen:
            yield Problem("E211", path, wanted="each objective once", got=shown(objective.name))
        seen.add(objective.name)
        if given is not None and objective.name not in given:
            yield Problem(
                "E240",
                path,
                wanted="a name that a step of the recipe gives",
                got=shown(objective.name),
                cure=did_you_mean(objective.name, given)
                or f"add gives: {{{objective.name}: <reading of the device>}} to the step that measures it",
            )


def _lacking(objective: Objective, goal: Goal, at: tuple[str | int, ...], *, last: bool) -> Iterator[Problem]:
    """What the goal needs and the objective does not say."""
    match = objective.direction == "match"
    lacks_tolerance = objective.tolerance is None
    if goal == "desirability" and match and lacks_tolerance:
        wanted, cure = (
            "a tolerance: the distance from the target that is worth nothing",
            "add 'tolerance: 20'",
        )
    elif goal == "desirability" and not match and (objective.worst is None or objective.best is None):
        wanted, cure = "worst and best: the values worth nothing and everything", "add 'worst: 0, best: 100'"
    elif goal == "hierarchy" and not last and lacks_tolerance:
        what = "the distance from the target" if match else "the share (0 to 1) of its range"
        wanted = f"a tolerance: {what} that is borne for the objectives below"
        cure = f"add 'tolerance: {20 if match else 0.1}'"
    else:
        return
    said = [key for key in ("worst", "best") if getattr(objective, key) is not None]
    got = f"{said[0]} alone for '{objective.name}'" if said else f"none for '{objective.name}'"
    yield Problem("E244", at, wanted=wanted, got=got, cure=cure)


def _useless(objective: Objective, goal: Goal, at: tuple[str | int, ...]) -> Iterator[Problem]:
    """What the objective says and the goal has no use for."""
    match = objective.direction == "match"
    for key, uses, said in (
        ("worst", "desirability", objective.worst is not None),
        ("best", "desirability", objective.best is not None),
        ("weight", "desirability", objective.weight != 1.0),
        ("tolerance", "hierarchy", objective.tolerance is not None and not match),
        ("reference", "pareto", objective.reference is not None),
    ):
        if said and goal != uses:
            yield Problem(
                "E245",
                (*at, key),
                wanted=f"'{key}' only with 'goal: {uses}'",
                got="one objective" if goal == "single" else f"goal '{goal}'",
                cure="leave it out",
                key=True,
            )


def plan_goal_problems(phases: Mapping[int, Phase], goal: Goal) -> Iterator[Problem]:
    """Methods and rules of the plan that do not seek what the goal says."""
    for index, phase in phases.items():
        if phase.mode == "optimise":
            yield from _method_problems(("plan", index, phase.mode), phase.method, goal)
        for place, turn in enumerate(phase.turns):
            if turn.mode == "optimise":
                path = ("plan", index, "alternate", place, turn.mode)
                yield from _method_problems(path, turn.method, goal)
        if phase.until is not None:
            yield from _rule_problems(phase, goal, ("plan", index, "until"))


def _method_problems(path: tuple[str | int, ...], method: str, goal: Goal) -> Iterator[Problem]:
    if method == PERSON:  # knows what is sought
        return
    hull = method == "probability"  # of being stable
    if hull != (goal == "hull") and (hull or method not in HULL_METHODS):
        wanted = f"a method that seeks stable crystals: {', '.join(HULL_METHODS)}"
        if hull:
            wanted = "'probability' only with 'goal: hull'"
        yield Problem("E256", path, wanted=wanted, got=shown(method))
        return
    if method in ROUTE_METHODS and goal not in ("single", "pareto"):
        wanted = f"one objective with '{method}': how much of the target there is"
        yield Problem("E256", path, wanted=wanted, got=f"goal '{goal}'")
        return
    pareto = goal == "pareto"
    if (method in PARETO_METHODS) == pareto:
        return
    seeks = "a set of trade-offs" if pareto else "one best value"
    yield Problem(
        "E256",
        path,
        wanted=f"a method that seeks {seeks}" + (f": {', '.join(PARETO_METHODS)}" if pareto else ""),
        got=shown(method),
        cure=f"take '{PARETO_METHODS[0]}'" if pareto else "take 'log_ei', or seek with 'goal: pareto'",
    )


def _rule_problems(phase: Phase, goal: Goal, at: tuple[str | int, ...]) -> Iterator[Problem]:
    assert phase.until is not None
    if goal in ("pareto", "hierarchy", "hull"):
        for rule in ("reached", "value_below_cost"):
            if getattr(phase.until, rule) is not None:
                yield Problem(
                    "E256",
                    (*at, rule),
                    wanted=f"'{rule}' only where one number is sought",
                    got=f"goal '{goal}'",
                    cure="take 'stalled_for'"
                    + (", which here counts hypervolume" if goal == "pareto" else ""),
                    key=True,
                )
    reached = phase.until.reached
    if goal == "desirability" and reached is not None and not 0 < reached <= 1:
        wanted = "a desirability above 0, at most 1"
        yield Problem("E204", (*at, "reached"), wanted=wanted, got=shown(reached))
