"""CHGNet with its bundled weights, on one thread; nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from chgnet.model.dynamics import CHGNetCalculator
from chgnet.model.model import CHGNet

from drivers.labelers.workers.code import Code
from drivers.labelers.workers.errors import NotTreatable

# Angstrom^3 per atom: diamond has 5.7, the densest hydrides under pressure 2.5. Its graph grows with the square of the
# density: at 1.4, sixteen atoms took 12 GiB.
DENSEST = 2.0


class CHGNetCode(Code):
    """One network for all jobs of the process."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        torch.set_num_threads(1)  # two threads on small graphs take twenty times as long
        self._network = CHGNet.load(model_name=settings["weights"], use_device="cpu", verbose=False)

    def calculator(self, atoms: Atoms, rung: Mapping[str, Any]) -> BaseCalculator:
        return _Calculator(self._network, use_device="cpu", on_isolated_atoms="error")

    def details(self, calculator: BaseCalculator) -> dict[str, Any]:
        moments = calculator.results.get("magmoms")
        return {} if moments is None else {"magmoms": [float(one) for one in moments]}


class _Calculator(CHGNetCalculator):
    def calculate(self, *args: Any, **kwargs: Any) -> None:
        """Isolated atoms (none within 6 angstrom) leave the graph without edges: the one ValueError it raises."""
        atoms = args[0] if args else kwargs["atoms"]
        volume = atoms.get_volume() / len(atoms)
        if volume < DENSEST:
            raise NotTreatable(
                f"too dense for CHGNet: {volume:.3g} angstrom^3 per atom, wanted at least {DENSEST:g}"
            )
        try:
            super().calculate(*args, **kwargs)
        except ValueError as error:
            if "isolated atom" not in str(error):
                raise
            n = str(error).partition(" has ")[2].partition(" ")[0]
            raise NotTreatable(f"isolated atoms: {n} have no other atom near enough for CHGNet") from error
