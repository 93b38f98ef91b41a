"""A bench that takes no time: what a campaign costs on it is what the orchestrator costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from drivers.driver import Action, Gives, LabContext, Quantity, Reading, Repeat, Testimony, action
from drivers.protocol import DeviceSpec
from drivers.sim.device import SimulatedDevice
from drivers.sim.tally import Fact
from drivers.sim.world import WorldSettings

UNSET = 0.5  # what a sample holds before anybody set it


@dataclass
class Piece:
    """A sample of the bench: two numbers, and how often each step was done to it."""

    x: float = UNSET
    y: float = UNSET
    steps: dict[str, int] = field(default_factory=dict)


class Bench:
    """The world model `bench`: pieces by name."""

    class Settings(WorldSettings):
        """Nothing to set."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pieces: dict[str, Piece] = {}

    def piece(self, name: str) -> Piece:
        return self.pieces.setdefault(name, Piece())

    def step(self, name: str, effect: Mapping[str, Any]) -> None:
        """One step done to a piece: counted, and its numbers set where the effect has some."""
        piece = self.piece(name)
        piece.x, piece.y = effect.get("x", piece.x), effect.get("y", piece.y)
        piece.steps[effect["what"]] = piece.steps.get(effect["what"], 0) + 1

    def apply(self, fact: Fact) -> None:
        self.step(fact.sample or "", fact.effect)


def score(x: float, y: float) -> float:
    """Smooth, within [0, 1], best 1 at x = 0.3, y = 0.7, with a lower hill of height 0.6 near (0.8, 0.2)."""
    hill = math.exp(-((x - 0.3) ** 2 + (y - 0.7) ** 2) / 0.08)
    decoy = 0.6 * math.exp(-((x - 0.8) ** 2 + (y - 0.2) ** 2) / 0.04)
    return min(1.0, max(hill, decoy))


class Instant(SimulatedDevice):
    """Four verbs of no duration on a sample. With a `bench` world they are tallied and survive a crash."""

    class Settings(SimulatedDevice.Settings):
        repeat: str = Field(default="repeatable", pattern="^(repeatable|testable)$")

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        of_world = lab.world.state if lab.world is not None else None
        self._tallied = isinstance(of_world, Bench)
        self._bench = of_world if isinstance(of_world, Bench) else Bench(Bench.Settings())

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared, with the repeat class that the settings ask for."""
        spec = super().describe(settings)
        repeat = Repeat(settings.repeat)
        actions = {verb: one.model_copy(update={"repeat": repeat}) for verb, one in spec.actions.items()}
        return spec.model_copy(update={"actions": actions})

    @action(Repeat.TESTABLE)
    async def step_a(
        self,
        sample: str,
        action: Action,
        x: Annotated[float, Quantity("", at_least=0, at_most=1)],
        y: Annotated[float, Quantity("", at_least=0, at_most=1)],
    ) -> None:
        """Set the two numbers of the sample."""
        await self._step(action, {"x": x, "y": y})

    @action(Repeat.TESTABLE)
    async def step_b(self, sample: str, action: Action) -> None:
        """Do nothing but be done."""
        await self._step(action, {})

    @action(Repeat.TESTABLE)
    async def step_c(self, sample: str, action: Action) -> None:
        """Do nothing but be done."""
        await self._step(action, {})

    @action(Repeat.TESTABLE, gives={"score": Gives("", at_least=0, at_most=1)})
    async def step_d(self, sample: str, action: Action) -> Mapping[str, Reading]:
        """Give the score of the numbers that the sample holds."""
        await self._step(action, {})
        piece = self._bench.piece(sample)
        return self.readings(action, {"score": (score(piece.x, piece.y), None)})

    async def testify(self, action: Action) -> Testimony:
        """Look at the sample: has this step been done to it? Without a world nothing outlives a crash."""
        self.check(action)
        if not self._tallied:
            return Testimony(verdict="unknown", reason="this bench keeps no world")
        piece = self._bench.piece(str(action.sample))
        if not piece.steps.get(action.verb):
            return Testimony(verdict="not done", reason=f"the sample has no {action.verb}")
        held = {"x": piece.x, "y": piece.y}
        if any(held[name] != value for name, value in action.args.items()):
            return Testimony(verdict="unknown", reason=f"the sample holds {held}")
        readings = {}
        if action.verb == "step_d":
            readings = self.readings(action, {"score": (score(piece.x, piece.y), None)})
        return Testimony(verdict="done", readings=readings, reason=f"the sample has {action.verb}")

    async def _step(self, action: Action, numbers: Mapping[str, float]) -> None:
        effect = {"what": action.verb, **numbers}
        await self.work(action, 0.0, lambda elapsed_s: effect)
        if not self._tallied:
            self._bench.step(action.sample or "", effect)
