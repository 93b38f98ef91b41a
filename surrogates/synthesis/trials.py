"""What was tried and what was seen: the history that route choice learns from, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MADE = 0.5  # weight fraction of the target: the majority phase


@dataclass(frozen=True)
class Trial:
    """Weight fractions that were dosed, fired at `temperature` K; weight fractions of the phases seen afterwards."""

    dosed: Mapping[str, float]
    temperature: float
    phases: Mapping[str, float]

    @property
    def precursors(self) -> tuple[str, ...]:
        return tuple(sorted(self.dosed))

    def made(self, target: str) -> bool:
        return self.phases.get(target, 0.0) >= MADE


@dataclass(frozen=True)
class Recipe:
    """What to try next. `units`: formula units of each precursor for one of the target; `driving`: what is expected to
    be left for the step that forms the target, eV per atom (`total`: of the whole); `reasons` in words."""

    units: Mapping[str, float]
    temperature: float
    driving: float
    total: float
    reasons: tuple[str, ...]

    @property
    def precursors(self) -> tuple[str, ...]:
        return tuple(sorted(self.units))
