"""What driver tests share: laboratories in a temporary directory, and actions to send to them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from drivers.binding import bind
from drivers.clock import VirtualClock
from drivers.driver import Driver, LabContext
from drivers.lab import LabFile, shipped
from drivers.protocol import Action, Argument, Outcome
from drivers.sim.world import World

RECIPE: Mapping[str, Argument] = {
    "dopant_fraction": 0.14,
    "solvent": "chlorobenzene",
    "speed": 209.44,
    "duration": 30.0,
    "temperature": 467.0,
    "hold": 35.0,
}
_numbers = itertools.count(1)


def lab_file(name: str, **settings: Any) -> LabFile:
    """A shipped laboratory; `settings` go to its device `table`."""
    path = shipped(name)
    assert path is not None
    lab = LabFile.model_validate(YAML(typ="safe", pure=True).load(path.read_text()))
    return lab.with_settings("table", **settings) if settings else lab


def request(device: str, verb: str, sample: str | None = "s1", id: str = "", **args: Any) -> Action:
    return Action(id=id or f"a{next(_numbers)}", device=device, verb=verb, args=args, sample=sample, epoch=1)


class FilmLab:
    """The thin-film laboratory in one directory. Opening it again is what a restarted host does."""

    def __init__(self, directory: Path, *, seed: int = 1, **world: Any) -> None:
        self.world = World(directory, model="thin_film", seed=seed, settings=world)
        self.clock = VirtualClock(self.world.now_s)
        self.context = LabContext(self.clock, self.world, seed, directory)
        bound = bind(lab_file("simulated/thin_film"))
        self.devices: dict[str, Driver] = {name: one.make(self.context) for name, one in bound.items()}

    def with_settings(self, device: str, **settings: Any) -> Driver:
        kind = type(self.devices[device])
        self.devices[device] = kind(device, kind.Settings.model_validate(settings), self.context)
        return self.devices[device]

    async def do(self, device: str, verb: str, sample: str = "s1", id: str = "", **args: Any) -> Outcome:
        return await self.devices[device].act(request(device, verb, sample, id, **args))

    async def make(self, sample: str = "s1", prefix: str = "", **changes: Argument) -> Outcome:
        """One whole recipe; the measurement's outcome."""
        r = {**RECIPE, **changes}
        ids = {step: f"{prefix}{step}" if prefix else "" for step in ("mix", "spin", "heat", "measure")}
        for device, verb, names in (
            ("dispenser", "mix", ("dopant_fraction", "solvent")),
            ("coater", "spin", ("speed", "duration")),
            ("furnace", "heat", ("temperature", "hold")),
        ):
            outcome = await self.do(device, verb, sample, ids[verb], **{name: r[name] for name in names})
            assert outcome.status == "succeeded", outcome
        return await self.do("probe", "measure", sample, ids["measure"])
