"""What the networks learn before the campaign begins: values of other pools, of which there are many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from campaigns.errors import Problem, shown_list
from campaigns.material import PoolName
from campaigns.model import BaseCampaignModel, Name

FrozenName = Literal["nothing", "layers", "body"]
SHARE = 1.0  # of the learning rate of the heads, at which the rest of a pre-trained network learns


class Lesson(BaseCampaignModel):
    """Values of a pool. It was read when the campaign began: `digest` is the SHA-256 of its canonical rows (`n` of
    them), which are kept beside the log."""

    pool: PoolName
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    n: int = Field(ge=1)
    values: tuple[Name, ...] = Field(min_length=1)

    def problems(self) -> Iterator[Problem]:
        if len(set(self.values)) < len(self.values):
            yield Problem("E286", ("values",), wanted="each value once", got=shown_list(self.values))


class Pretraining(BaseCampaignModel):
    """lessons: learned together by one ensemble, whose networks those of the campaign start from. epochs: of that;
    None: as many as of a full training. frozen: what of the networks then stays as it was: nothing, layers (elements,
    bonds and message passing) or body (all but the heads). rate: of what learns of it, as a share of the heads'."""

    lessons: tuple[Lesson, ...] = Field(min_length=1)
    epochs: int | None = Field(default=None, ge=1, le=10_000)
    frozen: FrozenName = "nothing"
    rate: float = Field(default=SHARE, gt=0, le=1)
