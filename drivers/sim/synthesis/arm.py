"""A simulated robot arm: carries crucibles between the rack and the stations."""

from __future__ import annotations

from typing import Any

from drivers.driver import Action, ActionFailed, Attribution, Repeat, Testimony, action
from drivers.protocol import DeviceSpec
from drivers.sim.device import SimulatedDevice
from drivers.sim.synthesis.device import SynthesisDevice, with_choices
from drivers.sim.synthesis.laboratory import RACK

TAKES_S = 45.0
STATIONS = ("mill", "furnace_1", "furnace_2", "furnace_3", "furnace_4", "diffractometer")


class Arm(SynthesisDevice):
    """Puts a crucible at a place. The rack has room for all, any other place for one."""

    version = "1"

    class Settings(SimulatedDevice.Settings):
        """`stations`: the places beside the rack, named like their devices."""

        stations: list[str] = list(STATIONS)

    settings: Settings

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """Places are the stations of the settings, and the rack."""
        return with_choices(super().describe(settings), "be_at", "place", (*settings.stations, RACK))

    @action(Repeat.TESTABLE, takes_s=TAKES_S)
    async def be_at(self, sample: str, action: Action, place: str) -> None:
        """Have the crucible stand at a place."""
        other = self.bench.holds(place)
        if other is not None and other != sample:
            raise ActionFailed(Attribution.LOGISTICS, f"{place} holds {other}: take it away first")
        seconds = 0.0 if self.bench.crucible(sample).place == place else TAKES_S
        moved = {"what": "move", "to": place}
        await self.work(action, seconds, lambda elapsed_s: moved if elapsed_s >= seconds else None)

    @be_at.testify
    async def be_at_testimony(self, action: Action) -> Testimony:
        """Look where the crucible stands."""
        wanted = str(self.check(action)["place"])
        at = self.bench.crucible(str(action.sample)).place
        return Testimony(verdict="done" if at == wanted else "not done", reason=f"{action.sample} is at {at}")
