"""A simulated spin coater. It has no sensor that could tell a coated substrate from a bare one."""

from __future__ import annotations

from typing import Annotated

from drivers.driver import Action, ActionFailed, Attribution, Quantity, Repeat, action
from drivers.sim.film_device import FilmDevice

HANDLING_S = 10.0
SPEED_ERROR = 0.005  # relative


class Coater(FilmDevice):
    """Drops ink from the sample's vial on its substrate and spins it."""

    @action(Repeat.OPAQUE, takes_s=HANDLING_S, and_s=("duration",))
    async def spin(
        self,
        sample: str,
        action: Action,
        speed: Annotated[float, Quantity("rad/s", at_least=0, at_most=1000)],
        duration: Annotated[float, Quantity("s", at_least=0, at_most=600)],
    ) -> None:
        """Coat the substrate. A second coat redissolves the first and makes a thicker, worse film."""
        if self.films.sample(sample).ink is None:
            raise ActionFailed(Attribution.LOGISTICS, f"the vial of {sample} is empty: nothing to coat with")
        turning = speed * (1 + self.error(action, "speed", SPEED_ERROR))

        def coat(elapsed_s: float) -> dict[str, object] | None:
            spun_s = duration if elapsed_s >= HANDLING_S + duration else elapsed_s - HANDLING_S
            return {"what": "coat", "speed": max(turning, 0.0), "duration": spun_s} if spun_s >= 0 else None

        await self.work(action, HANDLING_S + duration, coat)
