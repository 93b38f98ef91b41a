"""How well is measured, where that is a choice: quick and rough, or slow and right."""

from __future__ import annotations

from campaigns.model import BaseCampaignModel, Name


class Fidelity(BaseCampaignModel):
    """The numeric parameter that says how well a candidate is measured, and the value of it at which results count."""

    parameter: Name
    target: float
