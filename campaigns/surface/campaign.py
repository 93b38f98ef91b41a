"""All other sections as they are written: head, objectives, recipe, plan, budget, limits, schedule."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from campaigns.campaign import CAMPAIGN_NAME, LAB
from campaigns.model import NAME
from campaigns.plan import METHODS
from campaigns.recipe import DEVICE
from campaigns.surface.entry import Amount, Argument, Count, Entry, Name, Unit


class ObjectiveEntry(Entry):
    """What is sought, by the name that a step of the recipe gives it."""

    maximise: Name | None = None
    minimise: Name | None = None
    unit: Unit = ""


class StepEntry(Entry):
    """One verb of one device."""

    id: Name
    do: Annotated[
        str, Field(pattern=rf"{DEVICE[:-1]}\.{NAME[1:]}", max_length=130, description="device.verb")
    ]
    arguments: Annotated[dict[Name, Argument], Field(default_factory=dict, alias="with")]
    gives: Annotated[
        dict[Name, Name], Field(default_factory=dict, description="measured name: reading of the device")
    ]


class UntilEntry(Entry):
    """What ends a phase early; any one rule that holds is enough."""

    calibrated: Annotated[float | None, Field(gt=0, lt=1)] = None
    stalled_for: Count | None = None
    variance_below: Annotated[float | None, Field(gt=0)] = None
    reached: Amount = None


class _PhaseEntry(Entry):
    experiments: Count | None = None
    at_most: Count | None = None
    until: UntilEntry | None = None
    batch: Annotated[int, Field(ge=1, le=1000)] = 1
    timeout: Amount = None


class ExploreEntry(_PhaseEntry):
    """Cover the space before anything is known."""

    explore: Annotated[str, Field(json_schema_extra={"enum": list(METHODS["explore"])})]


class LearnEntry(_PhaseEntry):
    """Measure where the model knows least."""

    learn: Annotated[str, Field(json_schema_extra={"enum": list(METHODS["learn"])})]


class OptimiseEntry(_PhaseEntry):
    """Measure where the best may be."""

    optimise: Annotated[str, Field(json_schema_extra={"enum": list(METHODS["optimise"])})]
    beta: Annotated[float | None, Field(ge=0, le=1000)] = None


class BudgetEntry(Entry):
    """What may be used up."""

    experiments: Count
    duration: Amount = None
    failures: Annotated[int | None, Field(ge=0, le=1_000_000)] = None


class LimitEntry(Entry):
    """Bounds on one argument of a device."""

    at_least: Amount = None
    at_most: Amount = None


# `from` is a Python keyword, hence the aliases.
class QuietHoursEntry(Entry):
    """Hours of each day in which nothing new is begun."""

    begins: Annotated[str, Field(alias="from")]
    ends: Annotated[str, Field(alias="to")]
    zone: Annotated[str, Field(max_length=64, description="IANA time zone: Europe/Zurich")]


class ScheduleEntry(Entry):
    """When the campaign may act."""

    start: str | None = None
    quiet_hours: QuietHoursEntry | None = None


class HeadEntry(Entry):
    """The single values at the top of the file."""

    alquimia: int
    campaign: Annotated[str, Field(pattern=CAMPAIGN_NAME, max_length=100)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    lab: Annotated[str, Field(pattern=LAB, max_length=200)]
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0


PHASES: dict[str, type[Entry]] = {"explore": ExploreEntry, "learn": LearnEntry, "optimise": OptimiseEntry}
