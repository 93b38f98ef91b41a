"""Base of the devices of the synthesis laboratory: they share one world of that model, and some a table of phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from drivers.driver import Action, ActionFailed, Attribution, LabContext
from drivers.errors import SettingsError
from drivers.protocol import DeviceSpec
from drivers.sim.device import SimulatedDevice
from drivers.sim.synthesis.laboratory import RACK, Crucible, SolidState, station
from drivers.sim.synthesis.powder import Powder
from drivers.sim.world import World

if TYPE_CHECKING:
    from drivers.sim.synthesis.phases import System


class SynthesisDevice(SimulatedDevice):
    """A device that handles crucibles of a `solid_state` world."""

    needs_world: ClassVar[bool] = True

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        if not isinstance(self.world.state, SolidState):
            raise SettingsError(f"{name} needs a world of the model solid_state, not {self.world.model}")

    @property
    def world(self) -> World:
        assert self.lab.world is not None  # the constructor has seen to it
        return self.lab.world

    @property
    def bench(self) -> SolidState:
        state: SolidState = self.world.state
        return state

    def error(self, action: Action, purpose: str, sd: float) -> float:
        """A random error of this action, scaled by the world's noise."""
        return self.world.chance(action, purpose).gauss(0.0, sd) * self.bench.settings.noise

    def reached(self, sample: str, together: Sequence[str] = ()) -> Crucible:
        """The crucible of a sample, which must stand in the rack or here, alone but for `together`. Raises
        ActionFailed."""
        crucible = self.bench.crucible(sample)
        if station(crucible.place) not in (RACK, self.name):
            raise ActionFailed(
                Attribution.LOGISTICS,
                f"{sample} is at {crucible.place}: it must be in the rack or at {self.name}",
            )
        for name, other in self.bench.crucibles.items():
            if name not in (sample, *together) and station(other.place) == self.name:
                raise ActionFailed(Attribution.LOGISTICS, f"{self.name} holds {name}: take it away first")
        return crucible

    def powder(self, sample: str, together: Sequence[str] = ()) -> Powder:
        """What is in the crucible. Raises ActionFailed for an empty one."""
        powder = self.reached(sample, together).powder
        if powder is None:
            raise ActionFailed(
                Attribution.LOGISTICS, f"the crucible of {sample} is empty: dose powders first"
            )
        return powder


class ChemistryDevice(SynthesisDevice):
    """A device that knows the phases of a chemical system by their table."""

    class Settings(SimulatedDevice.Settings):
        """`table`: entries with crystals (.jsonl, .jsonl.gz); null: the one given on the command line with --table."""

        table: str | None = None

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self.system = read(self.settings.table)

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared. Raises SettingsError for a table that is none."""
        read(settings.table)
        return super().describe(settings)


def read(table: str | None) -> System:
    """The phases of a table. Raises SettingsError. Libraries are loaded here, not with the drivers' names."""
    from drivers.sim.synthesis.phases import read_system

    return read_system(table)


def with_choices(spec: DeviceSpec, verb: str, argument: str, choices: Sequence[str]) -> DeviceSpec:
    """`spec` with a text argument that may only be one of `choices`."""
    action = spec.actions[verb]
    chosen = action.parameters[argument].model_copy(update={"kind": "choice", "choices": tuple(choices)})
    changed = action.model_copy(update={"parameters": {**action.parameters, argument: chosen}})
    return spec.model_copy(update={"actions": {**spec.actions, verb: changed}})
