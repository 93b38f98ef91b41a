"""A simulated colour mixer: pumps dyes and water into a cuvette and looks at it. Fast: for lessons and load tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from drivers.driver import Action, ActionFailed, Attribution, Gives, Quantity, Reading, Repeat, action
from drivers.sim import colour
from drivers.sim.device import SimulatedDevice

CUVETTE_UL = 1000.0
PUMP_UL = 2.0  # sd of each pump's volume
CAMERA = 0.3  # sd of each of L*, a*, b*
TAKES_S = 30.0
PUMPED_UL = 660.0  # what a pump holds
Volume = Annotated[float, Quantity("uL", at_least=0, at_most=PUMPED_UL)]


class ColourMixer(SimulatedDevice):
    """Mixes red, yellow and blue with water to 1000 uL and measures the colour.

    Each mixture is a new one: to make it again after a crash is as good as once, and gives the same colour.
    """

    class Settings(SimulatedDevice.Settings):
        """`target`: L*, a*, b* of the colour that differences are taken from. `noise`: 1 is typical, 0 is none."""

        target: Annotated[tuple[float, float, float], Field(strict=False)] = (60.0, 30.0, 20.0)
        noise: float = Field(default=1.0, ge=0)

    settings: Settings

    @action(
        Repeat.REPEATABLE,
        takes_s=TAKES_S,
        gives={
            "delta_e": Gives("", at_least=0, at_most=500, doc="difference from the target colour, CIE 1976"),
            "lightness": Gives("", at_least=-20, at_most=120, doc="L*"),
            "green_red": Gives("", at_least=-200, at_most=200, doc="a*"),
            "blue_yellow": Gives("", at_least=-200, at_most=200, doc="b*"),
        },
    )
    async def mix_and_look(
        self, action: Action, red: Volume, yellow: Volume, blue: Volume
    ) -> Mapping[str, Reading]:
        """Pump the dyes, fill up with water, measure the colour. More dye than fits is infeasible."""
        asked = {"red": red, "yellow": yellow, "blue": blue}
        if sum(asked.values()) > CUVETTE_UL:
            raise ActionFailed(
                Attribution.INFEASIBLE,
                f"wanted at most {CUVETTE_UL:g} uL of dyes in the cuvette, got {sum(asked.values()):g}",
            )
        noise = self.settings.noise
        pumped = {
            dye: max(volume + noise * PUMP_UL * self._chance(action, dye).gauss(0.0, 1.0), 0.0)
            if volume
            else 0.0
            for dye, volume in asked.items()
        }
        whole = max(CUVETTE_UL, sum(pumped.values()))
        true = colour.lab({dye: volume / whole for dye, volume in pumped.items()})
        seen = {"what": "colour", "lab": list(true)}
        await self.work(action, TAKES_S, lambda elapsed_s: seen if elapsed_s >= TAKES_S else None)
        draw = self._chance(action, "camera")
        read = tuple(part + noise * CAMERA * draw.gauss(0.0, 1.0) for part in true)
        sigma = noise * CAMERA or None
        target = self.settings.target
        values = {
            "delta_e": (colour.difference(read, target), sigma),
            "lightness": (read[0], sigma),
            "green_red": (read[1], sigma),
            "blue_yellow": (read[2], sigma),
        }
        return self.readings(action, values)
