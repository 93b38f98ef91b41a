"""A glass former and how its particles are going to move: molecular dynamics with LAMMPS, a program of its own."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from drivers.driver import Action, Given, Gives, PerAtom, Quantity, Repeat, action
from drivers.errors import SettingsError
from drivers.labelers.interpreter import answer, program
from drivers.labelers.job import Method
from drivers.labelers.kob_andersen_model import TIME_STEP
from drivers.labelers.labeler import Crystal, Labeler, installed
from drivers.protocol import DeviceSpec

CURE = "pip install 'alquimia-lab[md]', or install LAMMPS and name it in the setting 'command'"
VERSION = re.compile(r"Simulator - (\d+ \w+ \d+(?: - \w+ \d+)?)")
VERBS = ("energy", "propensity")


class KobAndersenLabeler(Labeler):
    """The Kob-Andersen mixture of nickel and phosphorus: energies, and the propensity of each atom's motion."""

    energies: ClassVar[tuple[float, float]] = (-1.0, 1000.0)  # eV: its lowest is -8 epsilon

    class Settings(Labeler.Settings):
        """`command`: LAMMPS' `lmp`, a name or a path; a name is first looked for beside this Python."""

        command: str = "lmp"
        max_atoms: int = Field(default=1000, ge=1, le=1000)

    settings: Settings

    @classmethod
    def method(cls, settings: Any) -> Method:
        """Raises SettingsError where LAMMPS is not there or does not say its version."""
        installed("pymatgen", "materials")
        installed("ase", "materials")
        command = _lammps(settings.command)
        if (found := VERSION.search(answer((str(command), "-h"), CURE))) is None:
            raise SettingsError(f"{settings.command} does not say which version of LAMMPS it is: {CURE}")
        return Method(
            code="LAMMPS",
            version=found[1],
            method="Kob-Andersen mixture (Phys. Rev. E 51, 4626, 1995), cut and shifted at 2.5 sigma of each pair",
            fidelity="potential",
            settings={"time_step": TIME_STEP},
            worker="drivers.labelers.workers.kob_andersen:KobAndersenCode",
            places={"command": str(command)},
            note="a model of a glass, not of nickel and phosphorus; propensities and times are in sigma and tau",
        )

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """Energies in eV as of every labeler, and the propensity."""
        spec = super().describe(settings)
        actions = {verb: spec.actions[verb] for verb in VERBS}
        own = actions["propensity"].results
        results = {**own, "energy": own["energy"].model_copy(update={"at_least": -10.0, "at_most": 1e4})}
        actions["propensity"] = actions["propensity"].model_copy(update={"results": results})
        return spec.model_copy(update={"actions": actions})

    @action(
        Repeat.REPEATABLE,
        gives={
            "energy": Gives("", doc="potential energy per particle, epsilon"),
            "mean_propensity": Gives("", at_least=0, doc="over all atoms, sigma"),
            "propensity_sd": Gives("", at_least=0, doc="spread over the nickel atoms, sigma"),
            "reliability": Gives(
                "", at_least=-10, at_most=1, doc="share of that spread's square that is no chance"
            ),
            "scattering": Gives(
                "", at_least=-1, at_most=1, doc="self part of the scattering function, of nickel"
            ),
            "non_gaussian": Gives("", at_least=-1, doc="parameter of the displacements of nickel"),
        },
        arrays={"propensity": PerAtom("", doc="mean length of the displacement over the runs, sigma")},
    )
    async def propensity(
        self,
        action: Action,
        structure: Crystal,
        temperature: Annotated[float, Quantity("", at_least=0.05, at_most=5.0)] = 0.5,
        time: Annotated[float, Quantity("", at_least=0.005, at_most=1e5)] = 20.0,
        runs: Annotated[int, Quantity("", at_least=2, at_most=1000)] = 20,
        points: Annotated[int, Quantity("", at_least=1, at_most=20)] = 1,
        seed: Annotated[int, Quantity("", at_least=0, at_most=2**31)] = 0,
    ) -> Given:
        """How far each atom moves within a time, the mean over runs that begin here with new velocities.

        Temperature in epsilon / k_B, time in tau. With more points the record has it at earlier times, too, from 0.1
        tau on.
        """
        arguments = {
            "temperature": temperature, "time": time, "runs": runs, "points": points, "seed": seed,
        }  # fmt: skip
        return await self._label("propensity", structure, arguments)


def _lammps(named: str) -> Path:
    """The program. Raises SettingsError naming the cure."""
    beside = Path(sys.executable).parent / named
    if "/" not in named and shutil.which(beside) is not None:
        return beside
    return program(named, CURE)
