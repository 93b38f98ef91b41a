"""Which model of the results the planner fits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from campaigns.model import BaseCampaignModel

ModelName = Literal["gp", "saas", "forest", "trees", "auto"]
NoiseName = Literal["normal", "robust", "heteroscedastic"]
NetworkName = Literal["edge_gated", "cgcnn", "composition"]


class MaterialsChoice(BaseCampaignModel):
    """The ensemble of graph networks that predicts materials; None: the planner's own default.

    members: networks in the ensemble. epochs: of a full training; a warm start takes a fifth. width: of the networks.
    """

    network: NetworkName = "edge_gated"
    members: int = Field(default=5, ge=2, le=50)
    epochs: int | None = Field(default=None, ge=1, le=10_000)
    width: int | None = Field(default=None, ge=8, le=1024)


class SurrogateChoice(BaseCampaignModel):
    """model: gp (Gaussian process), saas (one in which few parameters matter), forest, trees, or auto (whichever
    predicts left-out results best). noise: normal, robust (outliers happen) or heteroscedastic (it depends on where).
    materials: the ensemble that predicts materials, where the space has one.
    """

    model: ModelName = "gp"
    noise: NoiseName = "normal"
    materials: MaterialsChoice = MaterialsChoice()
