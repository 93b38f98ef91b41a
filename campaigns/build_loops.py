"""From the entries of `loops` to loops beside the main one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaigns.build_plan import build_plan
from campaigns.build_recipe import build_budget, build_recipe
from campaigns.collect import Collector
from campaigns.errors import Path
from campaigns.loop import Loop
from campaigns.objective import Objective
from campaigns.surface import campaign as surface


def build_loops(found: Collector, data: Mapping[str, Any]) -> dict[str, Loop]:
    """The loops that are sound, by name."""
    made: dict[str, Loop] = {}
    section = found.mapping(data["loops"], ("loops",)) if "loops" in data else None
    for name, raw in (section or {}).items():
        path: Path = ("loops", name)
        before = len(found.faults)
        entry = found.entry(surface.LoopEntry, raw, path)
        if entry is None:
            continue
        units = [found.unit(unit, (*path, "learns", reading)) for reading, unit in entry.learns.items()]
        objectives = {
            index: Objective(name=reading, direction="maximise", unit=unit)
            for index, (reading, unit) in enumerate(entry.learns.items())
            if all(units)
        }
        steps = build_recipe(found, raw, path)
        phases = build_plan(found, raw, objectives, "single", path)
        budget = build_budget(found, raw, path)
        if len(found.faults) > before or budget is None:
            continue
        loop = found.make(
            Loop,
            path,
            name=name,
            chooses=tuple(entry.chooses),
            learns=tuple(entry.learns.items()),
            recipe=tuple(steps.values()),
            plan=tuple(phases.values()),
            budget=budget,
        )
        if loop is not None:
            made[name] = loop
    return made
