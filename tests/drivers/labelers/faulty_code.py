"""The faulty labeler's part in the worker process; each calculation leaves a line in its tally."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT

from drivers.labelers.workers.code import FIRST_RUNG, Code
from drivers.labelers.workers.errors import NotConverged


class FaultyCode(Code):
    @property
    def rungs(self) -> Sequence[Mapping[str, Any]]:
        return (FIRST_RUNG, {"name": "damped", "mixing": 0.1})

    def calculator(self, atoms: Atoms, rung: Mapping[str, Any]) -> EMT:
        return FaultyCalculator(Path(self.settings["tally"]), rung["name"])


class FaultyCalculator(EMT):
    def __init__(self, tally: Path, rung: str) -> None:
        super().__init__()
        self.tally = tally
        self.rung = rung

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = ()) -> None:
        element = atoms.get_chemical_symbols()[0]
        with self.tally.open("a") as tally:
            tally.write(f"{element} {os.getpid()}\n")
        if element == "Ar":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif element == "Xe":
            raise RuntimeError("the code said\nsomething odd")
        elif element == "K" or (element == "Na" and self.rung != "damped"):
            raise NotConverged(f"no convergence, {self.rung}")
        elif element == "Kr" or (element == "Cu" and len(self.tally.read_text().splitlines()) == 5):
            child = subprocess.Popen(["sleep", "600"])
            with self.tally.open("a") as tally:
                tally.write(f"child {child.pid}\n")
            time.sleep(600)
        elif element in ("He", "Ne", "Na"):
            energy = {"He": np.nan, "Ne": 1000.0 * len(atoms), "Na": -1.0 * len(atoms)}[element]
            self.atoms = atoms.copy()
            self.results = {"energy": energy, "forces": np.zeros((len(atoms), 3)), "stress": np.zeros(6)}
        else:
            super().calculate(atoms, properties, list(system_changes))
