"""The synthesis laboratory in one directory; opening it again is what a restarted host does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.clock import VirtualClock
from drivers.contract import Case
from drivers.driver import Driver, LabContext
from drivers.protocol import Outcome
from drivers.sim.synthesis.arm import Arm
from drivers.sim.synthesis.diffractometer import Diffractometer
from drivers.sim.synthesis.doser import Doser
from drivers.sim.synthesis.furnace import BoxFurnace
from drivers.sim.synthesis.mill import Mill
from drivers.sim.world import World
from tests.drivers.laboratory import request

DRIVERS: dict[str, type[Driver]] = {
    "sim.powder_doser": Doser,
    "sim.mill": Mill,
    "sim.crucible_arm": Arm,
    "sim.box_furnace": BoxFurnace,
    "sim.diffractometer": Diffractometer,
}
DEVICES: dict[str, type[Driver]] = {
    "doser": Doser, "mill": Mill, "arm": Arm, "furnace_1": BoxFurnace, "furnace_2": BoxFurnace,
    "diffractometer": Diffractometer,
}  # fmt: skip
MIXTURES = {"oxides": {"Fe2O3": 1.0, "Li2O": 1.0}, "phosphate": {"Li3PO4": 1.0, "P2O5": 1.0, "Fe2O3": 2.0}}


class SolidLab:
    def __init__(
        self, directory: Path, table: Path, *, seed: int = 1, faults: Any = None, **settings: Any
    ) -> None:
        self.world = World(directory, model="solid_state", seed=seed, settings=settings)
        self.clock = VirtualClock(self.world.now_s)
        self.context = LabContext(self.clock, self.world, seed, directory)
        self.devices: dict[str, Driver] = {}
        for name, kind in DEVICES.items():
            own: dict[str, Any] = {"faults": faults or {}}
            if "table" in kind.Settings.model_fields:
                own["table"] = str(table)
            if kind is Doser:
                own["mixtures"] = MIXTURES
            self.devices[name] = kind(name, kind.Settings.model_validate(own), self.context)

    async def do(self, device: str, verb: str, sample: str = "s1", id: str = "", **args: Any) -> Outcome:
        return await self.devices[device].act(request(device, verb, sample, id, **args))

    async def make(
        self, sample: str = "s1", prefix: str = "", *, mixture: str = "oxides", celsius: float = 900.0,
        target: str = "LiFeO2", furnace: str = "furnace_1",
    ) -> Outcome:  # fmt: skip
        """One whole recipe; the measurement's outcome."""
        steps: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("doser", "dose_mixture", {"mixture": mixture, "mass": 1.0}),
            ("mill", "mix", {"duration": 600.0}),
            (
                furnace,
                "heat",
                {"temperature": celsius + 273.15, "hold": 4 * 3600.0, "atmosphere": "air"},
            ),
        )
        for device, verb, args in steps:
            id = f"{prefix}{verb}" if prefix else ""
            outcome = await self.do(device, verb, sample, id, **args)
            assert outcome.status == "succeeded", outcome
        return await self.do(
            "diffractometer", "measure", sample, f"{prefix}measure" if prefix else "", target=target
        )


@dataclass(frozen=True)
class SolidCase(Case):
    """A case whose sample has been dosed and mixed by devices that have the same table."""

    async def ready(self, directory: Path) -> Driver:
        context = self.context(directory)
        for kind, verb, args in (
            (Doser, "dose", {"precursor": "Fe2O3", "mass": 1.0}),
            (Doser, "dose", {"precursor": "Li2O", "mass": 0.2}),
            (Mill, "mix", {}),
        ):
            fields = {"table": self.settings["before"]} if kind is Doser else {}
            device = kind("before", kind.Settings.model_validate(fields), context)
            done = await device.act(request("before", verb, "s1", **args))
            assert done.status == "succeeded", done
        return self.make(context)

    def make(self, context: LabContext) -> Driver:
        assert isinstance(self.driver, type)
        own = {name: one for name, one in self.settings.items() if name != "before"}
        return self.driver("device", self.driver.Settings.model_validate(own), context)
