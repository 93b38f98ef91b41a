"""A simulated box furnace: heats a crucible in air or argon, holds it, lets it cool."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from drivers.driver import Action, Quantity, Repeat, Testimony, action
from drivers.sim.synthesis.device import ChemistryDevice
from drivers.sim.synthesis.powder import ROOM_K, Atmosphere, at_time, ramp_s

HANDLING_S = 90.0  # put in, take out
COOLING_K_PER_S = 10 / 60
CONTROL_ERROR_K = 2.0
SAME_K = 15.0  # the log and a request within this are the same temperature
HOTTEST_K = 1473.0
CRUCIBLES = 8  # that it has room for


class BoxFurnace(ChemistryDevice):
    """Fires crucibles together, as the A-Lab does: slowly to 300 degC, then at 15 K/min; it is cold afterwards."""

    version = "2"
    safe_state = "heater off: what is in it cools"

    @action(
        Repeat.TESTABLE,
        takes_s=ramp_s(1200.0) + (1200.0 - ROOM_K) / COOLING_K_PER_S,
        and_s=("hold",),
        n_samples=CRUCIBLES,
    )
    async def heat(
        self,
        samples: tuple[str, ...],
        action: Action,
        temperature: Annotated[float, Quantity("K", at_least=300, at_most=HOTTEST_K)],
        hold: Annotated[float, Quantity("s", at_least=0, at_most=172800)],
        atmosphere: Atmosphere = "air",
    ) -> None:
        """Heat the crucibles, hold, let cool. A second firing goes on from the first."""
        from drivers.sim.synthesis.kinetics import heated

        powders = {sample: self.powder(sample, samples) for sample in samples}
        reached = temperature + self.error(action, "control", CONTROL_ERROR_K)
        hot_s = ramp_s(reached) + hold
        seconds = HANDLING_S + hot_s + max(reached - ROOM_K, 0.0) / COOLING_K_PER_S
        # The chemistry takes a tenth of a second: not on the event loop, on which somebody may press stop.
        courses = {
            sample: await asyncio.to_thread(heated, self.system, powder, reached, hold, atmosphere)
            for sample, powder in powders.items()
        }

        def fired(elapsed_s: float) -> dict[str, Any] | None:
            heating_s = elapsed_s - HANDLING_S / 2
            if heating_s <= 0:
                return None
            after = {sample: at_time(course, heating_s) for sample, course in courses.items()}
            # In full it is what was asked, to the last bit: a difference of sums would depend on the ramp.
            held_s = hold if heating_s >= hot_s else max(heating_s - (hot_s - hold), 0.0)
            return {
                "what": "firing", "temperature": reached, "hold": held_s, "atmosphere": atmosphere,
                "contents": {s: {"moles": dict(one.moles), "layer": one.layer} for s, one in after.items()},
            }  # fmt: skip

        await self.work(action, seconds, fired)

    @heat.testify
    async def heat_testimony(self, action: Action) -> Testimony:
        """Read the furnace's log of this crucible: the firing is there, is not, or was broken off.

        The log has no action ids: of two equal firings of one crucible the second looks like the first.
        """
        arguments = self.check(action)
        wanted_K, wanted_s = float(arguments["temperature"]), float(arguments["hold"])
        firings = [f for f in self.bench.crucible(str(action.sample)).firings if f.furnace == self.name]
        here = [
            f for f in firings
            if abs(f.temperature - wanted_K) <= SAME_K and f.atmosphere == arguments["atmosphere"]
        ]  # fmt: skip
        if not here:
            return Testimony(verdict="not done", reason=f"no firing near {wanted_K:g} K in the furnace's log")
        if any(abs(f.hold - wanted_s) <= max(1.0, 0.01 * wanted_s) for f in here):
            return Testimony(verdict="done", reason=f"the log has {wanted_s:g} s near {wanted_K:g} K")
        seen = ", ".join(f"{f.hold:.0f} s" for f in here)
        return Testimony(
            verdict="unknown", reason=f"near {wanted_K:g} K the log has {seen}, no {wanted_s:g} s"
        )
