"""The instruments of a laboratory of tables, in this process: no host, no journal, the same drivers and answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from drivers.clock import VirtualClock
from drivers.driver import Driver, LabContext
from drivers.protocol import Action
from orchestrator.binding import BoundCampaign
from orchestrator.hands import Fate
from orchestrator.states import ActionState


class Bench:
    """The devices that a campaign's recipe uses, on virtual time.

    `replicates` replaces what the lab file says of rows that were measured more than once.
    """

    def __init__(self, bound: BoundCampaign, *, replicates: Literal["mean", "draw"] | None = None) -> None:
        file = bound.laboratory.file
        # The seed that a host of this laboratory would have: a drawn replicate is the same one.
        seed = 0 if file.world is None else file.world.seed
        lab = LabContext(clock=VirtualClock(), world=None, seed=seed, directory=Path())
        self.devices: Mapping[str, Driver] = {
            name: _made(bound, name, lab, replicates)
            for name in dict.fromkeys(name for s in bound.steps for name in s.devices)
        }

    async def carry_out(self, action: ActionState) -> Fate:
        """What the device makes of an action that was intended."""
        request = Action(
            id=action.id, device=action.device, verb=action.verb, args=dict(action.args), sample=action.sample,
            epoch=0, deadline_s=action.deadline_s,
        )  # fmt: skip
        return Fate(action.id, "ended", outcome=await self.devices[action.device].act(request))


def _made(bound: BoundCampaign, name: str, lab: LabContext, replicates: str | None) -> Driver:
    device = bound.laboratory.devices[name]
    if replicates is None:
        return device.make(lab)
    return device.driver(name, device.settings.model_copy(update={"replicates": replicates}), lab)
