"""ASE's effective-medium potential."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.calculators.emt import EMT, parameters

from drivers.labelers.workers.code import Code


class EMTCode(Code):
    """Ten elements."""

    def refusal(self, atoms: Atoms) -> str | None:
        strangers = sorted(set(atoms.get_chemical_symbols()) - set(parameters))
        return (
            f"EMT has no potential for {', '.join(strangers)}; it has {', '.join(parameters)}"
            if strangers
            else None
        )

    def calculator(self, atoms: Atoms, rung: Mapping[str, Any]) -> BaseCalculator:
        return EMT(**self.settings)
