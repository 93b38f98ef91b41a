"""The other sections as they are written: head, recipe, budget, limits, schedule."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from campaigns.campaign import CAMPAIGN_NAME, LAB
from campaigns.model import NAME
from campaigns.recipe import DEVICE
from campaigns.surface.entry import Amount, Argument, Count, Entry, Name, Unit


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
    after: Annotated[
        Amount, Field(description="begins so long after the end of the step before, or later")
    ] = None
    within: Annotated[
        Amount, Field(description="begins so long after the end of the step before, or sooner")
    ] = None


class BudgetEntry(Entry):
    """What may be used up."""

    experiments: Count
    duration: Amount = None
    failures: Annotated[int | None, Field(ge=0, le=1_000_000)] = None


class LoopEntry(Entry):
    """Experiments of their own beside the main ones, over part of the space."""

    chooses: Annotated[list[Name], Field(min_length=1, max_length=20, description="parameters it chooses")]
    learns: Annotated[dict[Name, Unit], Field(min_length=1, max_length=50, description="measured name: unit")]
    recipe: Annotated[list[Any], Field(min_length=1)]
    plan: Annotated[list[Any], Field(min_length=1)]
    budget: dict[str, Any]


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
    goal: Annotated[
        Literal["pareto", "desirability", "hierarchy", "hull"] | None,
        Field(description="what is sought among several objectives, or of the energy of crystals"),
    ] = None
    lab: Annotated[str, Field(pattern=LAB, max_length=200)]
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
