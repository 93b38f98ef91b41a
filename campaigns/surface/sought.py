"""What is sought, as it is written: objectives, constraints on outcomes, cost, fidelity, surrogate, history."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from campaigns.material import PoolName
from campaigns.pretraining import SHARE, FrozenName
from campaigns.surface.entry import Amount, Entry, Name, Unit
from campaigns.surface.space import TableEntry
from campaigns.surrogate_choice import (
    ClassifierName,
    DerivationName,
    ModelName,
    NetworkName,
    NoiseName,
    NormName,
    PlaceName,
)


class ObjectiveEntry(Entry):
    """What is sought, by the name that a step of the recipe gives it."""

    maximise: Name | None = None
    minimise: Name | None = None
    match: Name | None = None
    unit: Unit = ""
    target: Annotated[Amount, Field(description="the value to match")] = None
    worst: Annotated[Amount, Field(description="the value that is worth nothing")] = None
    best: Annotated[Amount, Field(description="the value beyond which more is worth nothing more")] = None
    tolerance: Annotated[
        Amount,
        Field(description="of 'match': the distance that is borne; else the share given up in a hierarchy"),
    ] = None
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    reference: Annotated[Amount, Field(description="the value from which hypervolume is measured")] = None


class OutcomeConstraintEntry(Entry):
    """Bounds that a reading should keep."""

    reading: Name
    unit: Unit = ""
    at_least: Amount = None
    at_most: Amount = None


class CostEntry(Entry):
    """What an experiment costs, as far as it depends on the candidate."""

    base: Amount = 1.0
    unit: Annotated[str, Field(max_length=60, description="a unit, or any word: min, EUR")] = ""
    per: Annotated[
        dict[Name, Amount], Field(default_factory=dict, description="parameter: cost of one unit of it")
    ]
    of: Annotated[
        dict[Name, dict[str, Amount]], Field(default_factory=dict, description="parameter: {value: cost}")
    ]
    changes: Annotated[
        dict[Name, Amount], Field(default_factory=dict, description="parameter: cost of changing it")
    ]


class FidelityEntry(Entry):
    """The parameter that says how well is measured, and its value at which results count."""

    parameter: Name
    target: Amount


class SynthesisEntry(Entry):
    """A solid to be made: which parameters choose precursors and temperature, and the gas it is fired in."""

    target: Annotated[str, Field(max_length=100, description="formula, as LiFe(PO3)4")]
    precursors: Annotated[Name, Field(description="categorical parameter of sets such as 2 MnO + Na2O2")]
    temperature: Annotated[Name, Field(description="ordinal parameter")]
    atmosphere: Literal["air", "argon"] = "air"


class SynthesizabilityEntry(Entry):
    """Which crystals of the pool were made, and what the chance that one can be made counts."""

    flag: Annotated[
        Name, Field(description="value of the pool: 1 for what was made, 0 for what is not known to be")
    ]
    at_least: Annotated[
        float | None,
        Field(gt=0, lt=1, description="leave out what is below; else the chance weighs the acquisition"),
    ] = None
    classifier: ClassifierName = "trees"
    bags: Annotated[int, Field(ge=2, le=1000)] = 25


class PretrainedEntry(Entry):
    """What the networks learn before they learn what the campaign measures."""

    on: Annotated[
        dict[PoolName, Annotated[list[Name], Field(min_length=1)]],
        Field(min_length=1, description="pool: values of it to learn"),
    ]
    epochs: Annotated[int | None, Field(ge=1, le=10_000)] = None
    frozen: FrozenName = "nothing"
    rate: Annotated[
        float, Field(gt=0, le=1, description="of what is not frozen, as a share of that of what is new")
    ] = SHARE


class MaterialsEntry(Entry):
    """The ensemble of graph networks; what is left out is the planner's own default."""

    network: NetworkName = "edge_gated"
    members: Annotated[int, Field(ge=2, le=50)] = 5
    epochs: Annotated[int | None, Field(ge=1, le=10_000)] = None
    width: Annotated[int | None, Field(ge=8, le=1024)] = None
    layers: Annotated[int | None, Field(ge=1, le=16, description="steps of message passing")] = None
    normalise: Annotated[
        PlaceName | None, Field(description="where a step normalises, as to its non-linearity")
    ] = None
    norm: NormName | None = None
    falloff: Annotated[
        float | None, Field(ge=0, le=1, description="share of the distance over which neighbours fade")
    ] = None
    cutoff: Annotated[
        float | None, Field(gt=1, le=20, description="angstrom; edges are all within it, not the nearest")
    ] = None
    per_atom: Annotated[
        Name | None,
        Field(description="what the recipe gives for each atom and is learned so; the objective is its mean"),
    ] = None
    derive: Annotated[
        DerivationName | None, Field(description="readings calculated from those that the networks predict")
    ] = None
    pretrained: Annotated[
        PretrainedEntry | None, Field(description="pools that the networks learn from first")
    ] = None
    synthesizability: Annotated[
        SynthesizabilityEntry | None, Field(description="whether crystals can be made")
    ] = None


class SurrogateEntry(Entry):
    """The model of the results."""

    model: ModelName = "gp"
    noise: NoiseName = "normal"
    materials: Annotated[
        MaterialsEntry | None, Field(description="the graph networks that predict materials")
    ] = None


class HistoryEntry(TableEntry):
    """Earlier experiments, as rows of a CSV table that the caller binds by name (never by path)."""

    gives: Annotated[dict[Name, str], Field(min_length=1, description="measured name: CSV header")]
    related: Annotated[bool, Field(description="from another set-up, whose results resemble these")] = False
