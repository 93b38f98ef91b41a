"""Which model of the results the planner fits."""

from __future__ import annotations

from typing import Literal

from campaigns.model import BaseCampaignModel

ModelName = Literal["gp", "saas", "forest", "trees", "auto"]
NoiseName = Literal["normal", "robust", "heteroscedastic"]


class SurrogateChoice(BaseCampaignModel):
    """model: gp (Gaussian process), saas (one in which few parameters matter), forest, trees, or auto (whichever
    predicts left-out results best). noise: normal, robust (outliers happen) or heteroscedastic (it depends on where).
    """

    model: ModelName = "gp"
    noise: NoiseName = "normal"
