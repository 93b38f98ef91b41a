"""From the entries of `plan` to phases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaigns.collect import Collector
from campaigns.errors import Path, Problem, shown
from campaigns.objective import Goal, Objective
from campaigns.plan import Gate, Phase, Turn, Until
from campaigns.surface import plan as surface


def build_plan(
    found: Collector,
    data: Mapping[str, Any],
    objectives: Mapping[int, Objective],
    goal: Goal | None,
    base: Path = (),
) -> dict[int, Phase]:
    """The phases that are sound, by their place in the list; `base` is where `data` stands in the file."""
    made: dict[int, Phase] = {}
    section = found.sequence(data["plan"], (*base, "plan")) if "plan" in data else None
    for index, raw in enumerate(section or []):
        phase = _phase(found, raw, (*base, "plan", index), objectives, goal)
        if phase is not None:
            made[index] = phase
    return made


def _phase(
    found: Collector, raw: Any, path: Path, objectives: Mapping[int, Objective], goal: Goal | None
) -> Phase | None:
    mode = found.kind(raw, list(surface.PHASES), path)
    entry: Any = None if mode is None else found.entry(surface.PHASES[mode], raw, path)
    if entry is None:
        return None
    timeout = None if entry.timeout is None else found.number(entry.timeout, "s", (*path, "timeout"))
    if timeout is not None and timeout <= 0:
        found.add(Problem("E204", wanted="a time above 0", got=shown(entry.timeout)), (*path, "timeout"))
        return None
    before = len(found.faults)
    until = None if entry.until is None else _until(found, entry.until, (*path, "until"), objectives, goal)
    method: dict[str, Any] = {}
    if isinstance(entry, surface.AlternateEntry):
        places = enumerate(entry.alternate)
        turns = [_turn(found, turn, (*path, "alternate", place), objectives) for place, turn in places]
        method["turns"] = tuple(turn for turn in turns if turn is not None)
    else:
        method = _method(found, entry, str(mode), path, objectives)
    # A phase whose rule is broken would look unbounded, and one without its broken turn another one.
    if len(found.faults) > before:
        return None
    gate = getattr(entry, "gate", None)
    if gate is not None:
        low, high = gate.coverage
        gate = found.make(Gate, (*path, "gate"), low=low, high=high, otherwise=gate.otherwise)
        if gate is None:
            return None
    return found.make(
        Phase,
        path,
        mode=mode,
        experiments=entry.experiments,
        at_most=entry.at_most,
        until=until,
        batch=entry.batch,
        in_flight=entry.in_flight,
        approve=entry.approve,
        replicates=entry.replicates,
        share=tuple(entry.share or ()),
        gate=gate,
        timeout_s=timeout,
        **method,
    )


def _method(
    found: Collector, entry: Any, mode: str, path: Path, objectives: Mapping[int, Objective]
) -> dict[str, Any]:
    """The method of a phase or turn, and its settings."""
    level = getattr(entry, "level", None)
    if level is not None:
        level = _of_first_objective(found, level, (*path, "level"), objectives)
    return {
        "method": getattr(entry, mode),
        "beta": getattr(entry, "beta", None),
        "level": level,
        "trust_region": getattr(entry, "trust_region", "auto"),
    }


def _turn(found: Collector, raw: Any, path: Path, objectives: Mapping[int, Objective]) -> Turn | None:
    mode = found.kind(raw, list(surface.TURNS), path)
    entry: Any = None if mode is None else found.entry(surface.TURNS[mode], raw, path)
    if entry is None:
        return None
    before = len(found.faults)
    method = _method(found, entry, str(mode), path, objectives)
    if len(found.faults) > before:
        return None
    return found.make(Turn, path, mode=mode, experiments=entry.experiments, **method)


def _of_first_objective(
    found: Collector, raw: Any, path: Path, objectives: Mapping[int, Objective]
) -> float | None:
    """A value of the first objective in its unit. Where that is broken and so its unit unknown, any number will do:
    the fault is said already."""
    if 0 not in objectives:
        return 0.0 if isinstance(raw, str) else float(raw)
    return found.number(raw, objectives[0].unit, path)


def _until(
    found: Collector,
    entry: surface.UntilEntry,
    path: Path,
    objectives: Mapping[int, Objective],
    goal: Goal | None,
) -> Until | None:
    rules: dict[str, Any] = {name: getattr(entry, name) for name in type(entry).model_fields}
    if entry.reached is not None and goal == "desirability":
        rules["reached"] = found.number(entry.reached, "", (*path, "reached"))
    elif entry.reached is not None:
        rules["reached"] = _of_first_objective(found, entry.reached, (*path, "reached"), objectives)
    if entry.reached is not None and rules["reached"] is None:
        return None
    return found.make(Until, path, **rules)
