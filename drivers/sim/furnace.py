"""A simulated furnace: heats up, holds one sample at temperature, and logs what it did to it."""

from __future__ import annotations

from typing import Annotated

from drivers.driver import Action, Quantity, Repeat, Testimony, action
from drivers.sim.film import ROOM_K
from drivers.sim.film_device import FilmDevice

RAMP_K_PER_S = 5.0
HANDLING_S = 5.0
CONTROL_ERROR_K = 0.7
SAME_K = 5.0  # the log and a request within this are the same temperature


class Furnace(FilmDevice):
    """Anneals samples. It stays hot between them; `make_safe` switches its heater off."""

    safe_state = "heater off, at room temperature"

    @action(Repeat.TESTABLE, takes_s=120, and_s=("hold",))
    async def heat(
        self,
        sample: str,
        action: Action,
        temperature: Annotated[float, Quantity("K", at_least=290, at_most=600)],
        hold: Annotated[float, Quantity("s", at_least=0, at_most=36000)],
    ) -> None:
        """Go to a temperature, put the sample in, hold it, take it out. A second hold adds to the first."""
        ramp_s = abs(temperature - self.films.furnace_K(self.name)) / RAMP_K_PER_S + HANDLING_S
        reached = temperature + self.error(action, "control", CONTROL_ERROR_K)

        def held(elapsed_s: float) -> dict[str, object] | None:
            # In full it is what was asked, to the last bit: a difference of sums would depend on the ramp.
            held_s = hold if elapsed_s >= ramp_s + hold else elapsed_s - ramp_s
            return {"what": "hold", "temperature": reached, "hold": held_s} if held_s >= 0 else None

        await self.work(action, ramp_s + hold, held)

    @heat.testify
    async def heat_testimony(self, action: Action) -> Testimony:
        """Read the furnace's log of this sample: the hold is there, is not, or was broken off.

        The log has no action ids: of two equal holds of one sample the second looks like the first.
        """
        arguments = self.check(action)
        wanted_K, wanted_s = float(arguments["temperature"]), float(arguments["hold"])
        log = self.films.sample(str(action.sample)).thermal_log
        here = [h for h in log if h.furnace == self.name and abs(h.temperature - wanted_K) <= SAME_K]
        if not here:
            return Testimony(verdict="not done", reason=f"no hold near {wanted_K:g} K in the sample's log")
        if any(abs(h.hold - wanted_s) <= max(1.0, 0.01 * wanted_s) for h in here):
            return Testimony(verdict="done", reason=f"the log has {wanted_s:g} s near {wanted_K:g} K")
        seen = ", ".join(f"{h.hold:.0f} s" for h in here)
        return Testimony(
            verdict="unknown", reason=f"near {wanted_K:g} K the log has {seen}, no {wanted_s:g} s"
        )

    async def make_safe(self) -> None:
        """Heater off: the furnace is at room temperature before anybody comes near it."""
        await super().make_safe()
        self.films.furnaces[self.name] = ROOM_K

    async def is_safe(self) -> bool:
        """Whether nothing is being heated and the furnace is cold."""
        return await super().is_safe() and self.films.furnace_K(self.name) == ROOM_K
