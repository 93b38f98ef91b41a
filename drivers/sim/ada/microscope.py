"""A simulated dark-field microscope with its analysis: a photograph of a film, and how much of it is defect."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from drivers.driver import Action, Given, Gives, Repeat, action
from drivers.sim.ada.device import SlideDevice
from drivers.sim.ada.slide import FIELD_MM, Coat

if TYPE_CHECKING:
    from drivers.sim.ada.segmentation import Segmentation

TAKES_S = 60.0
FOLDER = "images"


class DarkField(SlideDevice):
    """Photographs the middle of a slide without changing it. What it says comes from the picture alone."""

    version = "1"

    @action(
        Repeat.REPEATABLE,
        takes_s=TAKES_S,
        gives={
            "defect_fraction": Gives(
                "", at_least=0, at_most=1, doc="share of the field: holes, cracks, clusters"
            ),
            "n_defects": Gives("", at_least=0, at_most=65536, doc="separate defects in the field"),
        },
    )
    async def image(self, sample: str, action: Action) -> Given:
        """Take a picture and find the defects in it. The record names the PNG file, under the host's directory."""
        coat = self.coated(sample)
        seen: dict[str, Any] = {"what": "measurement", "of": "defects"}
        await self.work(action, TAKES_S, lambda elapsed_s: seen if elapsed_s >= TAKES_S else None)
        found, file = await asyncio.to_thread(self._photographed, coat, self._seed(action))
        digest = hashlib.sha256(file).hexdigest()
        path = self.lab.directory / FOLDER / f"{digest[:16]}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.write_bytes(file)
            fresh.replace(path)
        readings = self.readings(
            action,
            {
                "defect_fraction": (found.fraction, found.sigma),
                "n_defects": (float(found.number), None),
            },
        )
        picture = {"path": f"{FOLDER}/{path.name}", "sha256": digest, "field_mm": FIELD_MM}
        return Given(readings, {"image": picture})

    def _seed(self, action: Action) -> int:
        return self.world.chance(action, "picture").getrandbits(48)

    def _photographed(self, coat: Coat, seed: int) -> tuple[Segmentation, bytes]:
        from drivers.sim.ada.defects import defects
        from drivers.sim.ada.picture import photograph, png
        from drivers.sim.ada.segmentation import segment

        image = photograph(coat, defects(coat), seed, self.films.settings.noise)
        return segment(image), png(image)
