"""A simulated mill: mixes powders, and grinds again what has been fired."""

from __future__ import annotations

import math
from typing import Annotated

from drivers.driver import Action, Quantity, Repeat, action
from drivers.sim.synthesis.device import SynthesisDevice

HANDLING_S = 120.0
MIXING_S, GRINDING_S = 120.0, 90.0  # time in which all but 1/e is done
Duration = Annotated[float, Quantity("s", at_least=0, at_most=7200)]


class Mill(SynthesisDevice):
    """Shakes a crucible with balls. To shake longer does no harm: both actions are repeatable."""

    version = "1"

    @action(Repeat.REPEATABLE, takes_s=HANDLING_S, and_s=("duration",))
    async def mix(self, sample: str, action: Action, duration: Duration = 600.0) -> None:
        """Mix the powders: unmixed ones do not react with each other."""
        await self._shake(sample, action, duration, grinds=False)

    @action(Repeat.REPEATABLE, takes_s=HANDLING_S, and_s=("duration",))
    async def regrind(self, sample: str, action: Action, duration: Duration = 600.0) -> None:
        """Grind what was fired: product no longer lies between the reactants, a further firing goes on faster."""
        await self._shake(sample, action, duration, grinds=True)

    async def _shake(self, sample: str, action: Action, duration: float, *, grinds: bool) -> None:
        self.powder(sample)

        def shaken(elapsed_s: float) -> dict[str, object] | None:
            for_s = min(elapsed_s - HANDLING_S, duration)
            if for_s < 0:
                return None
            left = math.exp(-for_s / GRINDING_S) if grinds else 1.0
            return {"what": "mixing", "mixed": 1 - math.exp(-for_s / MIXING_S), "left": left}

        await self.work(action, HANDLING_S + duration, shaken)
