"""How far each atom of a glass is going to move, from its configuration alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms

from drivers.labelers.kob_andersen_model import EPSILON, KELVIN, PICOSECOND, SIGMA
from drivers.labelers.workers.energy import Label, Progress
from drivers.labelers.workers.errors import NotTreatable
from drivers.labelers.workers.isoconfigurational import WAVE_NUMBER, displacements, logarithmic
from drivers.labelers.workers.kob_andersen import KobAndersen, configuration_of

DIGITS = 5  # of what is recorded: runs differ in the second


def propensity(atoms: Atoms, arguments: Mapping[str, Any], progress: Progress) -> Label:
    """Propensities of motion of the atoms, in sigma, after `time` and at earlier times, and what the A particles do
    together. Raises NotTreatable without particles of kind A, Broken where LAMMPS fails."""
    code = atoms.calc
    assert isinstance(code, KobAndersen)
    start = configuration_of(atoms)
    which = np.flatnonzero(start.kinds == 0)
    if len(which) < 2:
        raise NotTreatable(f"wanted two atoms of nickel at least, got {len(which)}")
    times = logarithmic(arguments["time"], arguments["points"])
    found = displacements(
        code.command, start, arguments["temperature"], times, arguments["runs"], arguments["seed"]
    )
    each = found.propensity
    readings = {
        "energy": float(atoms.get_potential_energy()) / len(atoms) / EPSILON,
        "mean_propensity": float(each[-1].mean()),
        "propensity_sd": float(each[-1][which].std()),
        "reliability": float(found.reliability(which)[-1]),
        "scattering": float(found.scattering(which)[-1]),
        "non_gaussian": float(found.non_gaussian(which)[-1]),
    }
    record = {
        "propensity": _short(each[-1]),
        "times": _short(found.times),
        "propensities": _short(each),
        "curves": {
            "mean_squared_displacement": _short(found.squared(which)),
            "non_gaussian": _short(found.non_gaussian(which)),
            "scattering": _short(found.scattering(which)),
            "reliability": _short(found.reliability(which)),
        },
        "wave_number": WAVE_NUMBER,
        "units": {
            "length_angstrom": SIGMA, "energy_eV": EPSILON, "time_ps": PICOSECOND, "temperature_K": KELVIN,
        },
    }  # fmt: skip
    return Label(readings, record)


def _short(values: Any) -> Any:
    """Lists of numbers rounded to what they are worth."""
    return np.char.mod(f"%.{DIGITS}g", np.asarray(values, dtype=float)).astype(float).tolist()
