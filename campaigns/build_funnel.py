"""From the entry `funnel` to loops and, of its last stage, the main recipe, plan and budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from campaigns.budget import Budget
from campaigns.build_objectives import build_outcome_constraints
from campaigns.build_recipe import build_recipe
from campaigns.build_space import SpaceParts
from campaigns.collect import Collector
from campaigns.errors import Path, Problem, shown
from campaigns.funnel import Funnel, FunnelStage, Screen
from campaigns.loop import Loop
from campaigns.material import Material
from campaigns.objective import Objective
from campaigns.plan import PROMOTE, Phase
from campaigns.recipe import Step
from campaigns.surface import funnel as surface

FEWEST = 12  # labels from which networks begin to learn a reading


@dataclass(frozen=True)
class Staged:
    """What could be made of a funnel: all empty where there is none. `sections`: what a file without a funnel would say
    in its place, as raw entries."""

    funnel: Funnel | None = None
    loops: Mapping[str, Loop] = field(default_factory=dict)
    steps: Mapping[int, Step] = field(default_factory=dict)
    phases: Mapping[int, Phase] = field(default_factory=dict)
    budget: Budget | None = None
    sections: Mapping[str, Any] = field(default_factory=dict)

    def instead_of(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The document with these sections."""
        if not self.sections:
            return dict(data)
        out = {**data, **self.sections}
        if isinstance(data.get("loops"), dict):
            out["loops"] = {**data["loops"], **self.sections["loops"]}
        return out


@dataclass(frozen=True)
class _Stage:
    """A stage that labels, its entry and what is made of it."""

    path: Path
    raw: Mapping[str, Any]
    entry: surface.LabelStageEntry
    steps: dict[int, Step]
    phases: tuple[Phase, ...]
    budget: Budget
    value: FunnelStage


def build_funnel(
    found: Collector, data: Mapping[str, Any], parts: SpaceParts, objectives: Mapping[int, Objective]
) -> Staged:
    """The funnel, and what its stages become."""
    path: Path = ("funnel",)
    entry = found.entry(surface.FunnelEntry, data["funnel"], path) if "funnel" in data else None
    if entry is None:
        return Staged()
    before = len(found.faults)
    screen, stages = _stages(found, entry, objectives)
    if not stages or len(found.faults) > before:
        return Staged()
    funnel = found.make(
        Funnel,
        path,
        promote=entry.promote,
        beta=float(entry.beta),
        pace=entry.pace,
        screen=screen,
        stages=tuple(stage.value for stage in stages),
    )
    *others, last = stages
    loops_beside = data["loops"] if isinstance(data.get("loops"), dict) else {}
    for stage in others:
        if stage.entry.name in loops_beside:
            wanted = "a name that no loop has"
            found.add(Problem("E211", ("name",), wanted=wanted, got=shown(stage.entry.name)), stage.path)
    _tell_places(found, data, others, last)
    materials = [p.name for p in parts.parameters.values() if isinstance(p, Material)]
    unit = objectives[0].unit if 0 in objectives else ""
    loops: dict[str, Loop] = {}
    for stage in others if materials else []:
        learns = tuple({stage.entry.reading: unit, **stage.entry.learns}.items())
        loop = found.make(
            Loop,
            stage.path,
            name=stage.entry.name,
            chooses=(materials[0],),
            learns=learns,
            plausible=stage.value.plausible,
            recipe=tuple(stage.steps.values()),
            plan=stage.phases,
            budget=stage.budget,
        )
        if loop is not None:
            loops[loop.name] = loop
    bounds = data.get("outcome_constraints", [])
    sections = {
        "recipe": last.raw["recipe"],
        "plan": list(last.phases),
        "outcome_constraints": [*bounds, *last.raw.get("plausible", [])]
        if isinstance(bounds, list)
        else bounds,
        "loops": {stage.entry.name: stage.raw for stage in others},
    }
    return Staged(funnel, loops, last.steps, dict(enumerate(last.phases)), last.budget, sections)


def _stages(
    found: Collector, entry: surface.FunnelEntry, objectives: Mapping[int, Objective]
) -> tuple[Screen | None, list[_Stage]]:
    screen: Screen | None = None
    made: list[_Stage] = []
    for index, raw in enumerate(entry.stages):
        path: Path = ("funnel", "stages", index)
        if found.mapping(raw, path) is None:
            continue
        if "predicts" in raw:
            predicts = found.entry(surface.ScreenStageEntry, raw, path)
            if index and predicts is not None:
                wanted = "a stage that predicts first, as networks look at all crystals"
                found.add(Problem("E285", wanted=wanted, got=f"it in place {index + 1}"), path)
            elif predicts is not None:
                screen = found.make(
                    Screen, path, name=predicts.name, predicts=predicts.predicts, take=predicts.take
                )
            continue
        stage = _stage(
            found, raw, path, entry, objectives, first=not made, last=index + 1 == len(entry.stages)
        )
        if stage is not None:
            made.append(stage)
    return screen, made


def _stage(
    found: Collector,
    raw: Mapping[str, Any],
    path: Path,
    funnel: surface.FunnelEntry,
    objectives: Mapping[int, Objective],
    *,
    first: bool,
    last: bool,
) -> _Stage | None:
    before = len(found.faults)
    entry = found.entry(surface.LabelStageEntry, raw, path)
    if entry is None:
        return None
    for reading, unit in entry.learns.items():
        found.unit(unit, (*path, "learns", reading))
    if entry.explore is not None and not first:
        wanted, cure = "'explore' in the first stage that labels", "it takes what the stage before passes on"
        found.add(
            Problem("E285", ("explore",), wanted=wanted, got=shown(entry.explore), cure=cure, key=True), path
        )
    if last and entry.learns:
        wanted, cure = (
            "'learns' in the stages before the last",
            "name it in 'gives' alone: it is measured all the same",
        )
        found.add(Problem("E285", ("learns",), wanted=wanted, got="one", cure=cure, key=True), path)
    plausible = tuple(build_outcome_constraints(found, raw, path, "plausible").values())
    steps = build_recipe(found, raw, path)
    duration = None if entry.duration is None else found.number(entry.duration, "s", (*path, "duration"))
    budget = found.make(Budget, path, experiments=entry.take, duration_s=duration, failures=entry.failures)
    phases = _phases(entry, funnel.promote, first=first)
    if len(found.faults) > before or budget is None:
        return None
    value = found.make(
        FunnelStage,
        path,
        name=entry.name,
        loop="" if last else entry.name,
        reading=entry.reading,
        take=entry.take,
        learns=tuple(entry.learns),
        plausible=plausible,
    )
    return None if value is None else _Stage(path, raw, entry, steps, phases, budget, value)


def _phases(entry: surface.LabelStageEntry, rule: str, *, first: bool) -> tuple[Phase, ...]:
    """At random until networks can learn, then by promotion. At random alone no network is asked for."""
    more: dict[str, Any] = {"approve": entry.approve}
    if rule == "random":
        return (Phase(mode="explore", method="random", batch=entry.batch, **more),)
    begin = min(FEWEST, entry.take) if entry.explore is None else entry.explore
    promoted = Phase(mode="optimise", method=PROMOTE, batch=entry.batch, **more)
    if not first or not begin:
        return (promoted,)
    batch = min(entry.batch, begin)
    explored = Phase(mode="explore", method="random", experiments=begin, batch=batch, **more)
    return (explored,) if begin == entry.take else (explored, promoted)


def _tell_places(found: Collector, data: Mapping[str, Any], others: list[_Stage], last: _Stage) -> None:
    """Where in the file what the stages become was written."""
    for stage in (*others, last):
        base: Path = () if stage is last else ("loops", stage.entry.name)
        for key in ("recipe", "plausible"):
            found.move((*base, key), (*stage.path, key))
        found.move((*base, "plan"), stage.path)
        found.move((*base, "budget"), stage.path)
        found.move((*base, "budget", "experiments"), (*stage.path, "take"))
        if base:
            found.move(base, stage.path)
            found.move((*base, "learns", stage.entry.reading), (*stage.path, "reading"))
    written = data.get("outcome_constraints", [])
    if isinstance(written, list):
        for index in range(len(last.entry.plausible)):
            made = ("outcome_constraints", len(written) + index)
            found.move(made, (*last.path, "plausible", index))
