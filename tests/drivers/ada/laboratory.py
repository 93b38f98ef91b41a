"""The simulated Ada in one directory; opening it again is what a restarted host does."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from drivers.binding import bind
from drivers.clock import VirtualClock
from drivers.driver import Driver, LabContext
from drivers.protocol import Outcome
from drivers.sim.ada import slide
from drivers.sim.ada.slide import Coat
from drivers.sim.film import SOLVENTS
from drivers.sim.world import World
from tests.drivers.laboratory import lab_file, request

RECIPE: dict[str, Any] = {
    "dopant_fraction": 0.12, "solvent": "chlorobenzene", "speed": 300.0, "duration": 60.0,
    "temperature": 430.0, "hold": 120.0,
}  # fmt: skip
STEPS = (
    ("dispenser", "mix", ("dopant_fraction", "solvent")),
    ("coater", "spin", ("speed", "duration")),
    ("hot_plate", "heat", ("temperature", "hold")),
    ("microscope", "image", ()),
    ("spectrometer", "spectra", ()),
    ("probe", "map", ()),
)


class AdaLab:
    def __init__(self, directory: Path, *, seed: int = 1, faults: Any = None, **world: Any) -> None:
        self.world = World(directory / "world", model="ada", seed=seed, settings=world)
        # Pictures are analysed in real time: however busy the machine is, lab time waits for it.
        self.clock = VirtualClock(self.world.now_s, patience_s=60.0)
        context = LabContext(self.clock, self.world, seed, directory)
        file = lab_file("simulated/ada")
        if faults:
            for name in file.devices:
                file = file.with_settings(name, faults=faults)
        self.devices: dict[str, Driver] = {name: one.make(context) for name, one in bind(file).items()}

    async def do(self, device: str, verb: str, sample: str = "s1", id: str = "", **args: Any) -> Outcome:
        return await self.devices[device].act(request(device, verb, sample, id, **args))

    async def make(self, sample: str = "s1", prefix: str = "", **changes: Any) -> dict[str, Outcome]:
        """One whole recipe; outcomes by verb, up to the first that failed."""
        recipe, done = {**RECIPE, **changes}, {}
        for device, verb, names in STEPS:
            id = f"{prefix}{verb}" if prefix else ""
            done[verb] = await self.do(device, verb, sample, id, **{name: recipe[name] for name in names})
            if done[verb].status == "failed":
                break
        return done

    def film(self, sample: str = "s1") -> Coat:
        film = self.world.state.sample(sample).film
        assert isinstance(film, Coat)
        return film


def random_films(n: int, seed: int) -> Iterator[Coat]:
    """Films of random recipes, among them whole, cracked, de-wetted and overdoped ones."""
    dice = random.Random(seed)
    for grain in range(n):
        yield slide.truth(
            dice.uniform(0.05, 0.5),
            dice.choice(sorted(SOLVENTS)),
            dice.uniform(380.0, 490.0),
            math.exp(dice.uniform(math.log(10.0), math.log(300.0))),
            dice.uniform(105.0, 419.0),
            grain=seed + grain,
        )
