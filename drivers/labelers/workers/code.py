"""What a code is to a worker process: it makes ASE calculators, one ladder of settings after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ase import Atoms
from ase.calculators.calculator import BaseCalculator

FIRST_RUNG: Mapping[str, Any] = {"name": "as set"}


class Code:
    """One code with its settings. A subclass overrides what it needs; the process keeps it from job to job."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    @property
    def rungs(self) -> Sequence[Mapping[str, Any]]:
        """Settings to try in turn while the electrons do not converge; each has a `name`."""
        return (FIRST_RUNG,)

    def refusal(self, atoms: Atoms) -> str | None:
        """Why this code cannot treat these atoms, or None."""
        return None

    def calculator(self, atoms: Atoms, rung: Mapping[str, Any]) -> BaseCalculator:
        """A calculator for one job that starts from `atoms`; its k-points stay the same when the cell is strained.

        It raises NotTreatable, NotConverged or Broken.
        """
        raise NotImplementedError

    def details(self, calculator: BaseCalculator) -> dict[str, Any]:
        """What only the calculation knows: k-points, set-ups, moments; in JSON types."""
        return {}

    def cpu_s(self) -> float:
        """CPU seconds used so far by processes of this code that still run."""
        return 0.0
