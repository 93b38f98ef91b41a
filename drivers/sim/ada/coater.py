"""A simulated spin coater for slides. It has no sensor that could tell a coated slide from a bare one."""

from __future__ import annotations

from typing import Annotated

from drivers.driver import Action, ActionFailed, Attribution, Quantity, Repeat, action
from drivers.sim.ada.device import SlideDevice
from drivers.sim.coater import SPEED_ERROR

HANDLING_S = 60.0


class SlideCoater(SlideDevice):
    """Drops ink from the sample's vial on its slide and spins it."""

    @action(Repeat.OPAQUE, takes_s=HANDLING_S, and_s=("duration",))
    async def spin(
        self,
        sample: str,
        action: Action,
        speed: Annotated[float, Quantity("rad/s", at_least=0, at_most=1000)],
        duration: Annotated[float, Quantity("s", at_least=0, at_most=600)],
    ) -> None:
        """Coat the slide. A second coat redissolves the first and makes a thicker, worse film."""
        if self.slide(sample).ink is None:
            raise ActionFailed(Attribution.LOGISTICS, f"the vial of {sample} is empty: nothing to coat with")
        turning = max(speed * (1 + self.error(action, "speed", SPEED_ERROR)), 0.0)
        grain = self.world.chance(action, "grain").getrandbits(48)

        def coat(elapsed_s: float) -> dict[str, object] | None:
            spun_s = duration if elapsed_s >= HANDLING_S + duration else elapsed_s - HANDLING_S
            if spun_s < 0:
                return None
            return {"what": "coat", "speed": turning, "duration": spun_s, "grain": grain}

        await self.work(action, HANDLING_S + duration, coat)
