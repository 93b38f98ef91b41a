"""A simulated spectrometer on a stage: absorption at 21 places of a slide."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import TYPE_CHECKING, Any

from drivers.driver import Action, Given, Gives, Repeat, action
from drivers.sim.ada.device import SlideDevice
from drivers.sim.ada.robust import middle, spread
from drivers.sim.ada.slide import POSITIONS, Coat

if TYPE_CHECKING:
    from drivers.sim.ada.spectra import Layer

TAKES_S = 180.0
LAMP = 0.005  # of absorbance: how far the lamp has drifted since its last reference


class Spectrometer(SlideDevice):
    """Measures a film without changing it, and writes thickness and carriers on the slide's sheet."""

    version = "1"

    @action(
        Repeat.REPEATABLE,
        takes_s=TAKES_S,
        gives={
            "thickness": Gives("nm", at_least=0, at_most=10000, doc="median over the slide"),
            "unevenness": Gives(
                "", at_least=0, at_most=10, doc="robust relative spread of the thickness over the slide"
            ),
            "carrier_density": Gives("1/cm^3", at_least=0, at_most=1e22, doc="holes, by the cation's band"),
        },
    )
    async def spectra(self, sample: str, action: Action) -> Given:
        """Take spectra at every place of the grid. The record has them, and the maps of what they say."""
        coat = self.coated(sample)
        self.kept(coat)
        lamp = self.error(action, "lamp", LAMP)
        counts = self.world.chance(action, "counts").getrandbits(48)
        taken, layers = await asyncio.to_thread(self._taken, coat, lamp, counts)
        thickness = [one.thickness_nm for one in layers]
        carriers = [one.carriers_cm2 for one in layers]
        sheet: dict[str, Any] = {
            "what": "spectra",
            "thickness_nm": thickness,
            "thickness_sigma": [one.thickness_sigma for one in layers],
            "carriers_cm2": carriers,
            "carriers_sigma": [one.carriers_sigma for one in layers],
        }
        await self.work(action, TAKES_S, lambda elapsed_s: sheet if elapsed_s >= TAKES_S else None)
        density = [n / (h * 1e-7) if h > 0 else 0.0 for n, h in zip(carriers, thickness, strict=True)]
        readings = self.readings(
            action,
            {
                "thickness": middle(thickness),
                "unevenness": (spread(thickness) / (median(thickness) or 1.0), None),
                "carrier_density": middle(density),
            },
        )
        return Given(
            readings,
            {
                "positions_mm": [list(place) for place in POSITIONS],
                "thickness_nm": [round(h, 3) for h in thickness],
                "carriers_cm2": [float(f"{n:.5g}") for n in carriers],
                "absorbance": [[round(float(a), 4) for a in one] for one in taken],
                "wavelengths_nm": [350 + 10 * i for i in range(len(taken[0]))],
            },
        )

    def _taken(self, coat: Coat, lamp: float, seed: int) -> tuple[list[Any], list[Layer]]:
        """Spectra and layers at POSITIONS."""
        import numpy as np

        from drivers.sim.ada.spectra import NOISE, absorbance, layer

        draw = np.random.default_rng(seed)
        noise = NOISE * self.films.settings.noise
        taken = []
        for x, y in POSITIONS:
            true = absorbance(coat.at(x, y))
            taken.append(true + lamp + noise * draw.standard_normal(len(true)))
        return taken, [layer(one) for one in taken]
