"""Density-functional theory with Quantum ESPRESSO's pw.x, through ASE's calculator for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from drivers.errors import SettingsError
from drivers.labelers.density_functional import DensityFunctional
from drivers.labelers.interpreter import answer, program
from drivers.labelers.job import Fidelity, Method
from drivers.labelers.labeler import installed

CURE = "install Quantum ESPRESSO (apt-get install quantum-espresso) or name pw.x in the setting 'command'"
VERSION = re.compile(r"Program PWSCF\s+v\.(\S+)")


class EspressoLabeler(DensityFunctional):
    """Calculates with Quantum ESPRESSO: plane waves and the pseudopotentials it is given; total energies."""

    energies: ClassVar[tuple[float, float]] = (
        -1e5,
        0.0,
    )  # of all electrons outside the pseudopotentials' cores

    class Settings(DensityFunctional.Settings):
        """`command`: pw.x, a name or a path. `pseudo_dir`: folder of the files that `pseudopotentials` names, one for
        each element. `functional` and `fidelity`: what these files were made for. `density_cutoff`: cutoff of the
        density over that of the waves; 4 for norm-conserving pseudopotentials, 8 to 12 for others. A rung's `bands` is
        not used.
        """

        command: str = "pw.x"
        pseudo_dir: str
        pseudopotentials: Mapping[str, str] = Field(min_length=1)
        functional: str = Field(min_length=1)
        fidelity: Fidelity
        density_cutoff: float = Field(default=4.0, ge=4, le=20)

    settings: Settings

    @classmethod
    def method(cls, settings: Any) -> Method:
        """Raises SettingsError where pw.x or a pseudopotential is not there."""
        installed("pymatgen", "materials")
        interface = installed("ase", "materials")
        command = program(settings.command, CURE)
        if (found := VERSION.search(answer((str(command), "--version"), CURE, ended_well=False))) is None:
            raise SettingsError(f"{settings.command} does not say which version of PWSCF it is: {CURE}")
        folder = Path(settings.pseudo_dir).expanduser().absolute()
        files = {element: folder / name for element, name in settings.pseudopotentials.items()}
        if missing := [str(path) for path in files.values() if not path.is_file()]:
            raise SettingsError(f"there is no pseudopotential {', '.join(missing)}")
        return Method(
            code="Quantum ESPRESSO",
            version=f"{found[1]} (ASE {interface})",
            method=f"DFT, {settings.functional}, plane waves up to {settings.cutoff_eV:g} eV",
            fidelity=settings.fidelity,
            settings={
                **cls.common(settings),
                "functional": settings.functional,
                "density_cutoff": settings.density_cutoff,
                "pseudopotentials": {
                    element: f"{path.name} md5 {hashlib.md5(path.read_bytes()).hexdigest()}"
                    for element, path in files.items()
                },
            },
            worker="drivers.labelers.workers.espresso:EspressoCode",
            places={"command": str(command), "pseudo_dir": str(folder)},
            note="total energies of the valence electrons: they compare only with others of the same files",
        )
