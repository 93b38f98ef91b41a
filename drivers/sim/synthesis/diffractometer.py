"""A simulated powder diffractometer with its analysis: pattern, phases, weight fractions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from drivers.driver import Action, Given, Gives, Repeat, action
from drivers.protocol import DeviceSpec
from drivers.sim.synthesis.device import ChemistryDevice, read, with_choices

if TYPE_CHECKING:
    from drivers.sim.synthesis.identification import Found

TAKES_S = 480.0  # the A-Lab's 8 min, 10 to 100 deg


class Diffractometer(ChemistryDevice):
    """Measures a crucible's powder without changing it. What it says comes from the pattern alone."""

    version = "1"

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """The target is one of the table's phases."""
        return with_choices(super().describe(settings), "measure", "target", read(settings.table).formulas)

    @action(
        Repeat.REPEATABLE,
        takes_s=TAKES_S,
        gives={
            "yield": Gives(
                "", at_least=0, at_most=1, doc="weight fraction of the target; it is made from 0.5 on"
            ),
            "unexplained": Gives(
                "", at_least=0, at_most=1, doc="share of the net counts that no phase explains"
            ),
        },
    )
    async def measure(self, sample: str, action: Action, target: str) -> Given:
        """Record a pattern, say which phases it shows and how much of each; the record has pattern and phases."""
        from drivers.sim.synthesis.diffraction import FIRST_DEG, STEP_DEG

        fractions = self.powder(sample).weight_fractions(self.system)
        seen = {"what": "measurement", "fractions": {f: x for f, x in fractions.items() if x >= 1e-4}}
        await self.work(action, TAKES_S, lambda elapsed_s: seen if elapsed_s >= TAKES_S else None)
        counts, found = await asyncio.to_thread(self._analysed, action, fractions)
        amount, sigma = found.fractions.get(target, 0.0), found.sigmas.get(target)
        readings = self.readings(action, {"yield": (amount, sigma), "unexplained": (found.residual, None)})
        pattern = {"first": FIRST_DEG, "step": STEP_DEG, "counts": counts}
        phases = {
            f: {"fraction": round(x, 4), "sigma": round(found.sigmas[f], 4)}
            for f, x in found.fractions.items()
        }
        return Given(readings, {"phases": phases, "complete": found.complete, "pattern": pattern})

    def _analysed(self, action: Action, fractions: dict[str, float]) -> tuple[list[float], Found]:
        from drivers.sim.synthesis.identification import identify, library
        from drivers.sim.synthesis.recording import record

        counts = record(
            self.system,
            fractions,
            lambda purpose: self.world.chance(action, purpose),
            seed=self.world.seed,
            noise=self.bench.settings.noise,
        )
        return [round(float(n), 2) for n in counts], identify(counts, library(self.system))
