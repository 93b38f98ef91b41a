"""From the entries that say what is sought (objectives, constraints on outcomes, cost, fidelity) to values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from campaigns.build_pretraining import build_pretraining
from campaigns.collect import Collector
from campaigns.cost import Cost, of_problems
from campaigns.errors import Path, Problem, did_you_mean, shown
from campaigns.fidelity import Fidelity
from campaigns.model import Value
from campaigns.objective import Direction, Goal, Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.parameters import NUMERIC, AnyParameter, Integer
from campaigns.pool import Pool
from campaigns.surface import sought as surface
from campaigns.surrogate_choice import MaterialsChoice, ModelName, SurrogateChoice, SynthesizabilityChoice
from campaigns.units import UnitError, convert, parse_quantity

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
_GOALS: tuple[Goal, ...] = get_args(Goal)


def build_goal(data: Mapping[str, Any]) -> Goal | None:
    """The goal, None where it cannot be read; that it cannot is found with the other single values."""
    if "goal" not in data:
        return "single"
    return next((goal for goal in _GOALS if goal == data["goal"] != "single"), None)


def build_objectives(found: Collector, data: Mapping[str, Any]) -> dict[int, Objective]:
    """The objectives that are sound, by their place in the list."""
    made: dict[int, Objective] = {}
    section = found.sequence(data["objectives"], ("objectives",)) if "objectives" in data else None
    for index, raw in enumerate(section or []):
        path: Path = ("objectives", index)
        direction = found.kind(raw, DIRECTIONS, path)
        entry = None if direction is None else found.entry(surface.ObjectiveEntry, raw, path)
        if direction is None or entry is None or not found.unit(entry.unit, (*path, "unit")):
            continue
        numbers = _amounts(found, entry, ("target", "worst", "best", "reference"), entry.unit, path)
        right, tolerance = _tolerance(found, entry, direction, path)
        if numbers is None or not right:
            continue
        objective = found.make(
            Objective,
            path,
            name=getattr(entry, direction),
            direction=direction,
            unit=entry.unit,
            tolerance=tolerance,
            weight=entry.weight,
            **numbers,
        )
        if objective is not None:
            made[index] = objective
    return made


def _amounts(
    found: Collector, entry: Any, keys: tuple[str, ...], unit: str, path: Path
) -> dict[str, float | None] | None:
    """The numbers of an entry in `unit`; None where one of them is broken."""
    given = {key: getattr(entry, key) for key in keys}
    made = {key: None if raw is None else found.number(raw, unit, (*path, key)) for key, raw in given.items()}
    return made if all((made[key] is None) == (given[key] is None) for key in keys) else None


def _tolerance(
    found: Collector, entry: surface.ObjectiveEntry, direction: str, path: Path
) -> tuple[bool, float | None]:
    """Whether the tolerance is right, and what it is: a distance where a target is matched, else a share."""
    raw, at = entry.tolerance, (*path, "tolerance")
    if raw is None:
        return True, None
    if direction == "match":
        distance = found.distance(raw, entry.unit, at)
        return distance is not None, distance
    if isinstance(raw, str):
        wanted = "a share of the observed range, a number at least 0 and below 1"
        found.add(Problem("E203", wanted=wanted, got=shown(raw), cure="as in 'tolerance: 0.1'"), at)
        return False, None
    return True, float(raw)


def build_outcome_constraints(
    found: Collector, data: Mapping[str, Any], base: Path = (), key: str = "outcome_constraints"
) -> dict[int, OutcomeConstraint]:
    """The constraints on outcomes that are sound, by their place in the list; `base` is where `data` stands in the
    file, and `key` what it calls them."""
    made: dict[int, OutcomeConstraint] = {}
    section = found.sequence(data.get(key, []), (*base, key))
    for index, raw in enumerate(section or []):
        path: Path = (*base, key, index)
        entry = found.entry(surface.OutcomeConstraintEntry, raw, path)
        if entry is None or not found.unit(entry.unit, (*path, "unit")):
            continue
        bounds = _amounts(found, entry, ("at_least", "at_most"), entry.unit, path)
        if bounds is None:
            continue
        constraint = found.make(OutcomeConstraint, path, name=entry.reading, unit=entry.unit, **bounds)
        if constraint is not None:
            made[index] = constraint
    return made


def build_cost(
    found: Collector, data: Mapping[str, Any], parameters: Mapping[str, AnyParameter]
) -> Cost | None:
    """The cost, None where there is none or it is broken."""
    path: Path = ("cost",)
    entry = found.entry(surface.CostEntry, data["cost"], path) if "cost" in data else None
    if entry is None:
        return None
    base = _cost(found, entry.base, entry.unit, (*path, "base"), above=True)
    per = _costs(found, entry.per, entry.unit, (*path, "per"))
    changes = _costs(found, entry.changes, entry.unit, (*path, "changes"))
    of: list[tuple[str, tuple[tuple[Value, float], ...]]] | None = []
    for name, costs in entry.of.items():
        place: Path = (*path, "of", name)
        values = _values(found, costs, parameters.get(name), place)
        numbers = _costs(found, costs, entry.unit, place)
        if values is None or numbers is None:
            of = None
        elif of is not None:
            pairs = tuple((value, cost) for value, (_, cost) in zip(values, numbers, strict=True))
            of.append((name, pairs))
    if base is None or per is None or of is None or changes is None:
        return None
    return found.make(Cost, path, base=base, unit=entry.unit, per=per, of=tuple(of), changes=changes)


def _cost(found: Collector, raw: Any, unit: str, path: Path, *, above: bool = False) -> float | None:
    number = found.number(raw, unit, path)
    if number is not None and (number < 0 or (above and number == 0)):
        wanted = "a cost above 0" if above else "a cost of at least 0"
        found.add(Problem("E204", wanted=wanted, got=shown(raw)), path)
        return None
    return number


def _costs(
    found: Collector, given: Mapping[str, Any], unit: str, path: Path
) -> tuple[tuple[str, float], ...] | None:
    made = [(name, _cost(found, raw, unit, (*path, name))) for name, raw in given.items()]
    right = [(name, cost) for name, cost in made if cost is not None]
    return tuple(right) if len(right) == len(made) else None


def _values(
    found: Collector, costs: Mapping[str, Any], parameter: AnyParameter | None, path: Path
) -> list[Value] | None:
    """The keys of `costs` as values of the parameter; keys of YAML are text, levels are numbers."""
    if not isinstance(parameter, NUMERIC):
        return list(costs)
    values: list[Value] = []
    right = True
    for key in costs:
        value = _number(key, parameter.unit)
        problems = list(of_problems(parameter, [key if value is None else value], path))
        for problem in problems[:1]:
            if len(problem.at) > len(
                path
            ):  # the place is the key as it is written, the value being its number
                problem = replace(problem, at=(*path, key), got=shown(key))
            found.add(problem)
            right = False
        if value is not None:
            values.append(int(value) if isinstance(parameter, Integer) and value == int(value) else value)
    return values if right else None


def _number(text: str, unit: str) -> float | None:
    """A key such as '500' or '500 rpm' as a number in `unit`; None where it is no such thing."""
    try:
        value, own = parse_quantity(text)
        return convert(value, own, unit) if own else value
    except UnitError:
        return None


def build_fidelity(
    found: Collector, data: Mapping[str, Any], parameters: Mapping[str, AnyParameter]
) -> Fidelity | None:
    """The fidelity, None where there is none or it is broken."""
    path: Path = ("fidelity",)
    entry = found.entry(surface.FidelityEntry, data["fidelity"], path) if "fidelity" in data else None
    if entry is None:
        return None
    parameter = parameters.get(entry.parameter)
    if isinstance(entry.target, str) and parameter is None:
        # In which unit is not known: what is wrong with the parameter is all that can be said.
        return found.make(Fidelity, path, parameter=entry.parameter, target=0.0)
    target = found.number(entry.target, getattr(parameter, "unit", ""), (*path, "target"))
    return None if target is None else found.make(Fidelity, path, parameter=entry.parameter, target=target)


def build_surrogate(
    found: Collector, data: Mapping[str, Any], pools: Mapping[str, Pool]
) -> SurrogateChoice | None:
    """The choice of the model, None where it is broken; the name of a model may stand by itself."""
    path: Path = ("surrogate",)
    raw = data.get("surrogate", {})
    if isinstance(raw, str):
        models = get_args(ModelName)
        if raw not in models:
            cure = did_you_mean(raw, models)
            found.add(Problem("E204", wanted=f"one of {', '.join(models)}", got=shown(raw), cure=cure), path)
            return None
        raw = {"model": raw}
    entry = found.entry(surface.SurrogateEntry, raw, path)
    if entry is None:
        return None
    about: dict[str, Any] = {"model": entry.model, "noise": entry.noise}
    if entry.materials is not None:
        said = entry.materials.model_dump()
        if (before := entry.materials.pretrained) is not None:
            at = (*path, "materials", "pretrained")
            said["pretrained"] = build_pretraining(found, before, pools, at)
        if (made := entry.materials.synthesizability) is not None:
            said["synthesizability"] = SynthesizabilityChoice(**made.model_dump())
        materials = found.make(MaterialsChoice, (*path, "materials"), **said)
        if materials is None:
            return None
        about["materials"] = materials
    return found.make(SurrogateChoice, path, **about)
