"""What is in a crucible, and the programme of a furnace: plain Python, so that naming a driver loads no library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from drivers.sim.synthesis.phases import System

Atmosphere = Literal["air", "argon"]
STEP_K = 25.0  # heating is followed in steps of this
ROOM_K = 298.15
# Heating of the A-Lab's furnaces: 2 K/min to 300 degC, then 15 K/min. Cooling freezes what there is.
GENTLE_K, GENTLE_K_PER_S, STEEP_K_PER_S = 573.15, 2 / 60, 15 / 60


@dataclass(frozen=True)
class Powder:
    """What is in a crucible: moles of atoms by formula; how well it is mixed, 0 to 1; what has reacted per atom since
    it was last ground."""

    moles: Mapping[str, float]
    mixed: float = 0.0
    layer: float = 0.0

    @property
    def total(self) -> float:
        return sum(self.moles.values())

    def ground(self) -> Powder:
        """Ground again: fresh contacts."""
        return replace(self, mixed=1.0, layer=0.0)

    def weight_fractions(self, system: System) -> dict[str, float]:
        """Formula -> fraction of the mass, largest first."""
        mass = {f: n * system.phase(f).mass for f, n in self.moles.items()}
        total = sum(mass.values())
        return {f: m / total for f, m in sorted(mass.items(), key=lambda one: -one[1])}


def schedule(temperature: float, hold: float) -> Iterator[tuple[float, float]]:
    """(K, s): the steps of at most 25 K in which a crucible is heated to `temperature`, and its hold."""
    at = ROOM_K
    while at < temperature - 1e-9:
        upto = min(at + STEP_K, temperature)
        if at < GENTLE_K < upto:
            upto = GENTLE_K
        speed = GENTLE_K_PER_S if at < GENTLE_K else STEEP_K_PER_S
        yield (at + upto) / 2, (upto - at) / speed
        at = upto
    yield temperature, hold


def ramp_s(temperature: float) -> float:
    """Seconds from room temperature to `temperature` K."""
    return sum(seconds for _, seconds in schedule(temperature, 0.0))


def at_time(course: list[tuple[float, Powder]], seconds: float) -> Powder:
    """The powder at `seconds` of a course of heating: between two steps a mixture of both, so that no atom is lost."""
    for (t0, before), (t1, after) in pairwise(course):
        if seconds < t1:
            share = max((seconds - t0) / (t1 - t0), 0.0)
            moles = {f: n * (1 - share) for f, n in before.moles.items()}
            for f, n in after.moles.items():
                moles[f] = moles.get(f, 0.0) + n * share
            moles = {f: n for f, n in moles.items() if n > 0}
            return Powder(moles, before.mixed, before.layer + share * (after.layer - before.layer))
    return course[-1][1]
