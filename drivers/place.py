"""What a lab file says of places: where samples can stand, where they come from and go to, and who carries them.

Data only: the orchestrator binds it (`orchestrator.scheduling.layout`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_NAME = r"[a-z][a-z0-9_]*"
PLACE = rf"^{_NAME}$"
CARRIES = rf"^{_NAME}\.{_NAME}$"
PlaceName = Annotated[str, Field(pattern=PLACE, max_length=48)]


class PlaceModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class PlaceEntry(PlaceModel):
    """A place for one sample; with `slots` so many (`rack.1`, `rack.2`, …), or `many`, which never fills up.

    `device`: a sample that this device is to act on must stand here.
    """

    device: str | None = None
    slots: Annotated[int, Field(ge=1, le=1000)] | Literal["many"] = 1


class SamplesEntry(PlaceModel):
    """Where samples are before their first step, and where they are brought when their experiment is over.

    A sample keeps its slot in `begin` all the time: it can always be put back, so that samples in each other's way
    never wait for each other for ever. Without `end` it stays there until a person takes it away.
    """

    begin: PlaceName
    end: PlaceName | None = None


class TransportEntry(PlaceModel):
    """An action that carries a sample: `do` is device.verb, `to` its argument that takes the new place.

    It reaches the places in `between`, each from each other. `from` is the argument that takes the old place, where it
    has one; `gripper` the place in which the sample is meanwhile; `names` what the device calls a place, where not by
    its name.
    """

    do: Annotated[str, Field(pattern=CARRIES)]
    to: str = "place"
    source: Annotated[str | None, Field(alias="from")] = None
    between: Annotated[tuple[PlaceName, ...], Field(strict=False, min_length=2)]
    gripper: PlaceName | None = None
    names: Mapping[str, str | int | float] = Field(default_factory=dict)
