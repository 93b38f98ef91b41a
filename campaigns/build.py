"""From a document to a Campaign: every section by itself, then what the sections say of each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time
from pathlib import Path as FilePath
from typing import Any

from campaigns.build_across import Sections, look_across
from campaigns.build_funnel import build_funnel
from campaigns.build_history import build_history
from campaigns.build_loops import build_loops
from campaigns.build_objectives import (
    build_cost,
    build_fidelity,
    build_goal,
    build_objectives,
    build_outcome_constraints,
    build_surrogate,
)
from campaigns.build_plan import build_plan
from campaigns.build_recipe import build_budget, build_recipe
from campaigns.build_space import build_space
from campaigns.build_synthesis import build_synthesis
from campaigns.campaign import Campaign, Limit, Quantity, QuietHours, Schedule
from campaigns.collect import Collector
from campaigns.errors import CampaignError, Path, Problem, did_you_mean, shown
from campaigns.model import NAME
from campaigns.pool import Pool
from campaigns.recipe import DEVICE
from campaigns.surface import campaign as surface
from campaigns.yaml_reader import Document

VERSION = 1
_SECTIONS = ("space", "objectives", "recipe", "plan", "budget")
_OPTIONAL = (
    "constraints",
    "allowed",
    "outcome_constraints",
    "cost",
    "fidelity",
    "synthesis",
    "surrogate",
    "history",
    "limits",
    "schedule",
    "loops",
    "funnel",
)
_STAGED = ("recipe", "plan", "budget")  # what the stages of a funnel say
_HEAD = tuple(surface.HeadEntry.model_fields)


def build(document: Document, tables: Mapping[str, FilePath], pools: Mapping[str, Pool]) -> Campaign:
    """The campaign that a document states. Raises CampaignError with everything that is wrong with it."""
    found = Collector(document)
    data = found.mapping(document.data, ())
    if data is None:
        raise CampaignError(found.faults)
    head = _head(found, data)
    parts = build_space(found, data, tables, pools)
    goal = build_goal(data)
    objectives = build_objectives(found, data)
    staged = build_funnel(found, data, parts, objectives)
    loops = build_loops(found, data) | dict(staged.loops)
    data = staged.instead_of(data)
    budget = staged.budget if "funnel" in data else build_budget(found, data)
    schedule = _schedule(found, data)
    surrogate = build_surrogate(found, data, pools)
    made = Sections(
        parts=parts,
        objectives=objectives,
        goal=goal,
        outcome_constraints=build_outcome_constraints(found, data),
        cost=build_cost(found, data, parts.parameters),
        fidelity=build_fidelity(found, data, parts.parameters),
        funnel=staged.funnel,
        synthesis=build_synthesis(found, data),
        history=build_history(found, data, parts, tables),
        steps=dict(staged.steps) if "funnel" in data else build_recipe(found, data),
        phases=dict(staged.phases) if "funnel" in data else build_plan(found, data, objectives, goal),
        budget=budget,
        limits=_limits(found, data),
        loops=loops,
    )
    look_across(found, data, made)
    if found.faults:
        raise CampaignError(found.faults)
    assert head is not None and parts.space is not None and budget is not None and schedule is not None
    campaign = found.make(
        Campaign,
        (),
        name=head.campaign,
        description=head.description,
        space=parts.space,
        objectives=tuple(objectives.values()),
        goal=goal,
        outcome_constraints=tuple(made.outcome_constraints.values()),
        cost=made.cost,
        fidelity=made.fidelity,
        funnel=made.funnel,
        synthesis=made.synthesis,
        surrogate=surrogate,
        history=tuple(made.history.values()),
        recipe=tuple(made.steps.values()),
        plan=tuple(made.phases.values()),
        budget=budget,
        limits=tuple(made.limits.values()),
        loops=tuple(made.loops.values()),
        schedule=schedule,
        lab=head.lab,
        seed=head.seed,
    )
    if campaign is None:
        raise CampaignError(found.faults)
    return campaign


def _head(found: Collector, data: dict[str, Any]) -> surface.HeadEntry | None:
    known = (*_HEAD, *_SECTIONS, *_OPTIONAL)
    for key in data:
        if key not in known:
            cure = did_you_mean(key, known)
            found.add(
                Problem("E201", (key,), wanted="a key of the language", got=shown(key), cure=cure, key=True)
            )
    for key in _SECTIONS:
        if key in _STAGED and "funnel" in data:
            if key in data:
                cure = "leave it out: each stage has its own"
                wanted = f"no '{key}' beside a funnel"
                found.add(Problem("E285", (key,), wanted=wanted, got="both", cure=cure, key=True))
        elif key not in data:
            found.add(Problem("E202", wanted=f"the key '{key}'", got=shown(data), cure="add it"))
    if type(data.get("alquimia")) is int and data["alquimia"] != VERSION:
        cure = "write 'alquimia: 1', or install the Alquimia that the file was written for"
        found.add(Problem("E205", ("alquimia",), wanted=str(VERSION), got=shown(data["alquimia"]), cure=cure))
    return found.entry(surface.HeadEntry, {key: data[key] for key in _HEAD if key in data}, ())


def _limits(found: Collector, data: dict[str, Any]) -> dict[str, Limit]:
    made: dict[str, Limit] = {}
    section = found.mapping(data.get("limits", {}), ("limits",))
    for key, raw in (section or {}).items():
        path: Path = ("limits", key)
        names = key.split(".")
        right = (
            len(names) in (2, 3)
            and re.fullmatch(DEVICE, names[0])
            and all(re.fullmatch(NAME, n) for n in names[1:])
        )
        if not right:
            wanted = "device.argument or device.verb.argument, as in furnace.temperature"
            found.add(Problem("E204", wanted=wanted, got=shown(key), key=True), path)
        entry = found.entry(surface.LimitEntry, raw, path)
        if entry is None or not right:
            continue
        low = _bound(found, entry.at_least, (*path, "at_least"))
        high = _bound(found, entry.at_most, (*path, "at_most"))
        if (low is None) != (entry.at_least is None) or (high is None) != (entry.at_most is None):
            continue
        verb = names[1] if len(names) == 3 else None
        limit = found.make(
            Limit, path, device=names[0], verb=verb, argument=names[-1], at_least=low, at_most=high
        )
        if limit is not None:
            made[key] = limit
    return made


def _bound(found: Collector, raw: Any, path: Path) -> Quantity | None:
    if raw is None:
        return None
    value, unit = (raw, "") if not isinstance(raw, str) else found.quantity(raw, path) or (None, "")
    return None if value is None else Quantity(value=float(value), unit=unit)


def _schedule(found: Collector, data: dict[str, Any]) -> Schedule | None:
    if "schedule" not in data:
        return Schedule()
    entry = found.entry(surface.ScheduleEntry, data["schedule"], ("schedule",))
    if entry is None:
        return None
    start, quiet = None, None
    if entry.start is not None:
        start = _moment(entry.start)
        if start is None or start.tzinfo is None:
            what = "no date" if start is None else "a date without time zone"
            cure = "write it as 2026-12-01T08:00+01:00"
            found.add(
                Problem(
                    "E270",
                    wanted="a date and time with its offset",
                    got=f"{what}: {shown(entry.start)}",
                    cure=cure,
                ),
                ("schedule", "start"),
            )
            start = None
    if entry.quiet_hours is not None:
        path: Path = ("schedule", "quiet_hours")
        begins = _time(found, entry.quiet_hours.begins, (*path, "from"))
        ends = _time(found, entry.quiet_hours.ends, (*path, "to"))
        zone = entry.quiet_hours.zone
        # A stand-in for a broken time lets the zone be looked at all the same.
        quiet = found.make(
            QuietHours, path, begins=begins or time(0, 0, 1), ends=ends or time(0, 0, 2), zone=zone
        )
    return found.make(Schedule, ("schedule",), start=start, quiet_hours=quiet)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        moment.astimezone() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
    return moment if "T" in text or " " in text else None


def _time(found: Collector, text: str, path: Path) -> time | None:
    try:
        if not re.fullmatch(r"\d{2}:\d{2}(:\d{2})?", text):
            raise ValueError
        return time.fromisoformat(text)
    except ValueError:
        found.add(Problem("E270", wanted="a time of day, as in '22:00'", got=shown(text)), path)
        return None
