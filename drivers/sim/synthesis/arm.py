"""A simulated robot arm: carries crucibles between the rack and the stations."""

from __future__ import annotations

from typing import Any

from drivers.driver import Action, ActionFailed, Attribution, Repeat, Testimony, action
from drivers.protocol import DeviceSpec
from drivers.sim.device import SimulatedDevice
from drivers.sim.synthesis.device import SynthesisDevice, with_choices
from drivers.sim.synthesis.laboratory import RACK, STORE

TAKES_S = 45.0
STATIONS = ("doser", "mill", "furnace_1", "furnace_2", "furnace_3", "furnace_4", "diffractometer")
SLOTS = 64  # of each station, at most: furnace_1.8 is the eighth


class Arm(SynthesisDevice):
    """Puts a crucible at a place. The rack and the store have room for all, a slot of any other place for one."""

    version = "2"

    class Settings(SimulatedDevice.Settings):
        """`stations`: the places beside the rack, named like their devices."""

        stations: list[str] = list(STATIONS)

    settings: Settings

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """Places are the stations of the settings, the rack and the store, and the slots of each."""
        stations = (*settings.stations, RACK, STORE)
        slots = (f"{one}.{k}" for one in stations for k in range(1, SLOTS + 1))
        return with_choices(super().describe(settings), "be_at", "place", (*stations, *slots))

    @action(Repeat.TESTABLE, takes_s=TAKES_S)
    async def be_at(self, sample: str, action: Action, place: str) -> None:
        """Have the crucible stand at a place."""
        other = self.bench.holds(place)
        stands = self.bench.crucible(sample).place
        if other is not None and other != sample:
            taken = f"{place} holds {other}: take it away first"
            raise ActionFailed(Attribution.LOGISTICS, taken, {"sample_at": stands})
        seconds = 0.0 if stands == place else TAKES_S
        moved = {"what": "move", "to": place}
        await self.work(action, seconds, lambda elapsed_s: moved if elapsed_s >= seconds else None)

    @be_at.testify
    async def be_at_testimony(self, action: Action) -> Testimony:
        """Look where the crucible stands."""
        wanted = str(self.check(action)["place"])
        at = self.bench.crucible(str(action.sample)).place
        return Testimony(verdict="done" if at == wanted else "not done", reason=f"{action.sample} is at {at}")
