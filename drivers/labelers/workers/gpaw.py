"""GPAW, spoken to through `gpaw_worker.py` under its own interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from drivers.labelers.workers.density_functional import DensityFunctionalCode
from drivers.labelers.workers.remote import Interpreter, RemoteCalculator

SCRIPT = Path(__file__).with_name("gpaw_worker.py")


class GPAWCode(DensityFunctionalCode):
    """One interpreter for all jobs of the process."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        # -I: this folder, which has a gpaw.py of its own, is not where the script looks for packages.
        self._interpreter = Interpreter([settings["interpreter"], "-I", str(SCRIPT)], Path("gpaw_errors.txt"))

    def calculator(self, atoms: Atoms, rung: Mapping[str, Any]) -> BaseCalculator:
        moments = self.moments(atoms)
        parameters = {
            "xc": self.settings["xc"],
            "cutoff": self.settings["cutoff_eV"],
            "kpts": self.mesh(atoms),
            "smearing": self.on(rung, "smearing_eV"),
            "convergence": self.settings["convergence_eV"],
            "iterations": self.on(rung, "iterations"),
            "mixing": self.on(rung, "mixing"),
            "bands": self.on(rung, "bands"),
            "setups": self.settings["setups"],
            "spin": moments is not None,
        }
        return RemoteCalculator(self._interpreter, parameters, moments)

    def details(self, calculator: BaseCalculator) -> dict[str, Any]:
        assert isinstance(calculator, RemoteCalculator)
        names = ("iterations", "bands", "irreducible_k_points", "setups", "magmoms", "free_energy")
        said = {name: calculator.said[name] for name in names if name in calculator.said}
        return {"calculation": {**calculator.asked, **said}}

    def cpu_s(self) -> float:
        return self._interpreter.cpu_s
