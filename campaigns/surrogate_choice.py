"""Which model of the results the planner fits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from campaigns.errors import Problem, shown_list
from campaigns.model import BaseCampaignModel, Name
from campaigns.pretraining import Pretraining

ModelName = Literal["gp", "saas", "forest", "trees", "auto"]
NoiseName = Literal["normal", "robust", "heteroscedastic"]
NetworkName = Literal["edge_gated", "cgcnn", "composition"]
PlaceName = Literal["none", "before", "after", "both"]
NormName = Literal["batch", "layer"]
DerivationName = Literal["mechanics"]
ClassifierName = Literal["trees", "network"]

# What follows from which readings by a formula, in place of being learnt: derivation -> (from, what).
DERIVED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "mechanics": (
        ("bulk_modulus", "shear_modulus"),
        ("hardness", "toughness", "poisson_ratio", "young_modulus"),
    ),
}


class SynthesizabilityChoice(BaseCampaignModel):
    """Crystals that can be made are preferred: by the probability, or only those of `at_least` so much.

    flag: the value of the pool that is 1 for crystals that were made and 0 for those not known to be. classifier,
    bags: of the transductive bagging that learns the difference.
    """

    flag: Name
    at_least: float | None = Field(default=None, gt=0, lt=1)
    classifier: ClassifierName = "trees"
    bags: int = Field(default=25, ge=2, le=1000)


class MaterialsChoice(BaseCampaignModel):
    """The ensemble of graph networks that predicts materials; None: the planner's own default.

    members: networks in the ensemble. epochs: of a full training; a warm start takes a fifth. width, layers: of the
    networks. normalise, norm: where a step of message passing normalises, and over the batch or over the channels.
    falloff: share of the distance over which neighbours fade. cutoff: angstrom, edges are all within it. per_atom: what
    the recipe gives for each atom, which is learned of each; the objective is its mean. derive: readings that are
    calculated from what the networks predict of others. pretrained: what they learn before. synthesizability: whether
    crystals can be made, and what that counts.
    """

    network: NetworkName = "edge_gated"
    members: int = Field(default=5, ge=2, le=50)
    epochs: int | None = Field(default=None, ge=1, le=10_000)
    width: int | None = Field(default=None, ge=8, le=1024)
    layers: int | None = Field(default=None, ge=1, le=16)
    normalise: PlaceName | None = None
    norm: NormName | None = None
    falloff: float | None = Field(default=None, ge=0, le=1)
    cutoff: float | None = Field(default=None, gt=1, le=20)
    per_atom: Name | None = None
    derive: DerivationName | None = None
    pretrained: Pretraining | None = None
    synthesizability: SynthesizabilityChoice | None = None

    @property
    def learned(self) -> tuple[str, ...]:
        """Readings that are learned although they are no objective: what others are derived from."""
        return () if self.derive is None else DERIVED[self.derive][0]


class SurrogateChoice(BaseCampaignModel):
    """model: gp (Gaussian process), saas (one in which few parameters matter), forest, trees, or auto (whichever
    predicts left-out results best). noise: normal, robust (outliers happen) or heteroscedastic (it depends on where).
    materials: the ensemble that predicts materials, where the space has one.
    """

    model: ModelName = "gp"
    noise: NoiseName = "normal"
    materials: MaterialsChoice = MaterialsChoice()


def per_atom_problems(choice: SurrogateChoice, *, given: list[str], objectives: int) -> Iterator[Problem]:
    """What is learned of each atom and no step of the recipe gives (`given`); more than the one objective that is its
    mean."""
    reading = choice.materials.per_atom
    if reading is None:
        return
    path = ("surrogate", "materials", "per_atom")
    if reading not in given:
        yield Problem(
            "E240",
            path,
            wanted=f"a step of the recipe that gives {reading}, which is learned of each atom",
            got=shown_list(given) or "none",
            cure=f"add gives: {{<array of the device>: {reading}}} to the step that measures it",
        )
    if objectives != 1:
        yield Problem(
            "E240", path, wanted=f"one objective, the mean of {reading} over the atoms", got=f"{objectives}"
        )


def derivation_problems(choice: SurrogateChoice, *, given: list[str]) -> Iterator[Problem]:
    """Readings that others are derived from and that no step of the recipe gives (`given`)."""
    derive = choice.materials.derive
    if derive is None:
        return
    for reading in choice.materials.learned:
        if reading not in given:
            yield Problem(
                "E240",
                ("surrogate", "materials", "derive"),
                wanted=f"a step of the recipe that gives {reading}, which {derive} derives from",
                got=shown_list(given) or "none",
                cure=f"add gives: {{{reading}: <reading of the device>}} to the step that measures it",
            )
