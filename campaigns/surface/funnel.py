"""`funnel` as it is written: how candidates go up, and one model per kind of stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from campaigns.funnel import BETA, Pace, Rule
from campaigns.surface.entry import Amount, Count, Entry, Name, Unit
from campaigns.surface.sought import OutcomeConstraintEntry


class ScreenStageEntry(Entry):
    """The networks predict a reading of every crystal; the first stage or none."""

    name: Name
    predicts: Annotated[Name, Field(description="reading that a stage, or the pool, gives labels of")]
    take: Annotated[Count | None, Field(description="crystals that are looked at, at most: default all")] = (
        None
    )


class LabelStageEntry(Entry):
    """A recipe that labels crystals which the stage before passes on."""

    name: Name
    take: Annotated[int, Field(ge=1, le=1_000_000, description="labels at most")]
    batch: Annotated[int, Field(ge=1, le=1000)] = 1
    reading: Annotated[Name, Field(description="its estimate of the objective, that its recipe gives")]
    recipe: Annotated[list[Any], Field(min_length=1)]
    explore: Annotated[
        int | None,
        Field(
            ge=0,
            le=1_000_000,
            description="of the first: taken at random, so that networks can learn; default 12",
        ),
    ] = None
    learns: Annotated[
        dict[Name, Unit],
        Field(default_factory=dict, description="what else it gives that the networks learn: unit"),
    ]
    plausible: Annotated[
        list[OutcomeConstraintEntry],
        Field(default_factory=list, description="bounds beyond which a label is not believed"),
    ]
    approve: Annotated[
        Literal["person"] | None, Field(description="what is promoted waits for 'alquimia approve'")
    ] = None
    failures: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    duration: Amount = None


class FunnelEntry(Entry):
    """Stages in order of rising fidelity and cost, in place of recipe, plan and budget."""

    promote: Rule = "ucb"
    beta: Annotated[float, Field(ge=0, le=1000, description="of 'ucb': weighs the sd")] = BETA
    pace: Pace = "after"
    stages: Annotated[list[Any], Field(min_length=1, max_length=20)]


STAGES: tuple[type[Entry], ...] = (ScreenStageEntry, LabelStageEntry)
