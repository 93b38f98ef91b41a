"""Quantum ESPRESSO's pw.x through ASE."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.calculators.espresso import Espresso, EspressoProfile
from ase.units import Ry

from drivers.labelers.workers.density_functional import DensityFunctionalCode
from drivers.labelers.workers.errors import Broken, NotConverged

DIRECTORY = Path("espresso")


class EspressoCode(DensityFunctionalCode):
    """Every calculation is a process of pw.x."""

    def refusal(self, atoms: Atoms) -> str | None:
        strangers = sorted(set(atoms.get_chemical_symbols()) - set(self.settings["pseudopotentials"]))
        return f"no pseudopotential is named for {', '.join(strangers)}" if strangers else None

    def calculator(self, atoms: Atoms, rung: Mapping[str, Any]) -> BaseCalculator:
        moments = self.moments(atoms)
        # ASE's input has spin where the atoms have moments.
        atoms.set_initial_magnetic_moments(moments if moments is not None else [0.0] * len(atoms))
        cutoff = self.settings["cutoff_eV"] / Ry
        electrons = {
            "conv_thr": self.settings["convergence_eV"] / Ry * len(atoms),
            "electron_maxstep": self.on(rung, "iterations"),
        }
        if rung.get("mixing") is not None:
            electrons["mixing_beta"] = rung["mixing"]
        system = {
            "ecutwfc": cutoff,
            "ecutrho": cutoff * self.settings["density_cutoff"],
            "occupations": "smearing",
            "smearing": "fermi-dirac",
            "degauss": self.on(rung, "smearing_eV") / Ry,
        }
        control = {"tprnfor": True, "tstress": True, "disk_io": "none", "outdir": "out"}
        return _PW(
            profile=EspressoProfile(self.settings["command"], self.settings["pseudo_dir"]),
            directory=DIRECTORY,
            pseudopotentials={
                one: name.split()[0] for one, name in self.settings["pseudopotentials"].items()
            },
            kpts=self.mesh(atoms),
            input_data={"control": control, "system": system, "electrons": electrons},
        )

    def details(self, calculator: BaseCalculator) -> dict[str, Any]:
        names = ("kpts", "input_data")
        return {"calculation": {name: calculator.parameters[name] for name in names}}


class _PW(Espresso):
    def calculate(self, *args: Any, **kwargs: Any) -> None:
        """Raises NotConverged where pw.x says so, Broken where it ends otherwise without a result."""
        ended: Exception | None = None
        try:
            super().calculate(*args, **kwargs)
        except (
            subprocess.CalledProcessError,
            ValueError,
            IndexError,
            KeyError,
            AssertionError,
            OSError,
        ) as error:
            ended = error  # ASE's reader breaks in its own ways over half an output
        output = DIRECTORY / "espresso.pwo"
        text = output.read_text(errors="replace") if output.exists() else ""
        if "convergence NOT achieved" in text:
            raise NotConverged(
                text[text.index("convergence NOT achieved") :].splitlines()[0].strip()
            ) from ended
        if ended is not None:
            said = [line.strip() for line in text.splitlines() if line.strip()]
            marks = [i for i, line in enumerate(said) if line.startswith("%%%")]
            why = " ".join(said[marks[0] + 1 : marks[1]]) if len(marks) > 1 else repr(ended)
            raise Broken(f"pw.x gave no result: {why[:300]}") from ended
