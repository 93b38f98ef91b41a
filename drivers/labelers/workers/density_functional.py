"""What density-functional codes share in a worker: rungs, k-points, moments to start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ase import Atoms
from ase.calculators.calculator import kptdensity2monkhorstpack

from drivers.labelers.workers.code import FIRST_RUNG, Code

# High-spin moments of the free atoms' d shells (Hund), Bohr magnetons: self-consistency finds the rest.
MOMENTS = {"V": 3.0, "Cr": 5.0, "Mn": 5.0, "Fe": 4.0, "Co": 3.0, "Ni": 2.0}


class DensityFunctionalCode(Code):
    """A code of the settings in `drivers.labelers.density_functional`."""

    @property
    def rungs(self) -> Sequence[Mapping[str, Any]]:
        return (FIRST_RUNG, *self.settings["ladder"])

    def on(self, rung: Mapping[str, Any], name: str) -> Any:
        """A setting on a rung: the rung's own, or else the labeler's; None where neither has one."""
        return self.settings.get(name) if rung.get(name) is None else rung[name]

    def mesh(self, atoms: Atoms) -> list[int]:
        """k-points along each reciprocal vector, a mesh through Gamma."""
        return [int(n) for n in kptdensity2monkhorstpack(atoms, self.settings["k_density"], even=False)]

    def moments(self, atoms: Atoms) -> list[float] | None:
        """The moments to start from, None for a calculation without spin."""
        given = [float(one) for one in atoms.get_initial_magnetic_moments()]
        if self.settings["spin"] == "none":
            return None
        if any(given):
            return given
        guessed = [MOMENTS.get(symbol, 0.0) for symbol in atoms.get_chemical_symbols()]
        if any(guessed) or self.settings["spin"] == "collinear":
            return guessed
        return None
