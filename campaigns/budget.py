"""What a campaign may use up before it ends by itself."""

from __future__ import annotations

from pydantic import Field

from campaigns.model import BaseCampaignModel


class Budget(BaseCampaignModel):
    """`experiments` counts those begun; `duration_s` is lab time; `failures` is how many are borne.

    None means no bound. The campaign ends at whichever is used up first.
    """

    experiments: int = Field(ge=1, le=1_000_000)
    duration_s: float | None = Field(default=None, gt=0)
    failures: int | None = Field(default=None, ge=0, le=1_000_000)
