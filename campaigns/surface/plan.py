"""`plan` as it is written: one model per kind of phase, and per kind of turn of a phase that alternates."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from campaigns.plan import METHODS
from campaigns.surface.entry import Amount, Beta, Count, Entry, Name


class UntilEntry(Entry):
    """What ends a phase early; any one rule that holds is enough."""

    calibrated: Annotated[float | None, Field(gt=0, lt=1)] = None
    stalled_for: Count | None = None
    variance_below: Annotated[float | None, Field(gt=0)] = None
    mean_variance_below: Annotated[float | None, Field(gt=0)] = None
    reached: Amount = None
    error_below: Annotated[float | None, Field(gt=0)] = None
    improvement_below: Annotated[float | None, Field(gt=0, lt=1)] = None
    value_below_cost: Annotated[float | None, Field(gt=0)] = None
    share: Annotated[float | None, Field(gt=0, lt=1)] = None


class GateEntry(Entry):
    """How well calibrated the model must be to choose, and what is done while it is not."""

    coverage: Annotated[
        list[Annotated[float, Field(ge=0, le=1)]],
        Field(min_length=2, max_length=2, description="[low, high]: of 90 % leave-one-out intervals"),
    ]
    otherwise: Literal["learn", "approval"] = "learn"


class _PhaseEntry(Entry):
    experiments: Count | None = None
    at_most: Count | None = None
    until: UntilEntry | None = None
    batch: Annotated[int, Field(ge=1, le=1000)] = 1
    in_flight: Annotated[
        int | None,
        Field(ge=1, le=1000, description="asks again while so many are not reached by those in hand"),
    ] = None
    replicates: Annotated[int, Field(ge=1, le=1000, description="how often each candidate is made")] = 1
    approve: Annotated[
        Literal["person"] | None, Field(description="what is proposed waits for 'alquimia approve'")
    ] = None
    share: Annotated[
        list[Name] | None,
        Field(min_length=1, description="parameters that all candidates of one batch have in common"),
    ] = None
    timeout: Amount = None


class _TurnEntry(Entry):
    experiments: Count


class _Explore(Entry):
    explore: Annotated[str, Field(json_schema_extra={"enum": list(METHODS["explore"])})]


class _Learn(Entry):
    learn: Annotated[str, Field(json_schema_extra={"enum": list(METHODS["learn"])})]
    level: Annotated[Amount, Field(description="of 'straddle': the value whose contour is to be found")] = (
        None
    )


class _Optimise(Entry):
    optimise: Annotated[str, Field(json_schema_extra={"enum": list(METHODS["optimise"])})]
    beta: Beta = None
    trust_region: Literal["auto", "on", "off"] = "auto"


class ExploreEntry(_Explore, _PhaseEntry):
    """Cover the space before anything is known."""


class LearnEntry(_Learn, _PhaseEntry):
    """Measure where the model knows least."""


class OptimiseEntry(_Optimise, _PhaseEntry):
    """Measure where the best may be."""

    gate: GateEntry | None = None


class AlternateEntry(_PhaseEntry):
    """Several methods in turn, round and round."""

    alternate: Annotated[list[Any], Field(min_length=2, max_length=100)]


class ExploreTurnEntry(_Explore, _TurnEntry):
    """A turn of covering the space."""


class LearnTurnEntry(_Learn, _TurnEntry):
    """A turn of learning."""


class OptimiseTurnEntry(_Optimise, _TurnEntry):
    """A turn of going for the best."""


TURNS: dict[str, type[Entry]] = {
    "explore": ExploreTurnEntry,
    "learn": LearnTurnEntry,
    "optimise": OptimiseTurnEntry,
}
PHASES: dict[str, type[Entry]] = {
    "explore": ExploreEntry,
    "learn": LearnEntry,
    "optimise": OptimiseEntry,
    "alternate": AlternateEntry,
}
