"""Energy over volume, and the equation of Birch and Murnaghan through it (Birch, Phys. Rev. 71, 809, 1947)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.eos import EquationOfState, birchmurnaghan
from ase.units import GPa

from drivers.labelers.workers.energy import Label, Progress
from drivers.labelers.workers.errors import NotReached

MOST_WINDOWS = 4  # each is moved to where the one before pointed


def equation_of_state(atoms: Atoms, arguments: Mapping[str, Any], progress: Progress) -> Label:
    """Energy and volume per atom and bulk modulus at the minimum. Raises NotReached where no window holds a minimum."""
    middle, n = atoms.get_volume(), len(atoms)
    strain, points = arguments["strain"], arguments["points"]
    for window in range(MOST_WINDOWS):
        volumes = middle * np.linspace(1 - strain, 1 + strain, points)
        energies = np.array([_at(atoms, volume, progress) for volume in volumes])
        lowest = int(energies.argmin())
        if 0 < lowest < points - 1:
            return _fitted(volumes / n, energies / n, window)
        # A step a little shorter than the window, so that the next one overlaps with this.
        middle = volumes[lowest] * (1 + (0.8 * strain if lowest else -0.8 * strain))
    where = f"{volumes[0] / n:.4g} and {volumes[-1] / n:.4g} angstrom^3 per atom"
    raise NotReached(f"no minimum of the energy in {MOST_WINDOWS} windows; the last was between {where}")


def _at(atoms: Atoms, volume: float, progress: Progress) -> float:
    scaled = atoms.copy()
    scaled.calc = atoms.calc
    scaled.set_cell(atoms.cell * (volume / atoms.get_volume()) ** (1 / 3), scale_atoms=True)
    energy = float(scaled.get_potential_energy())
    progress({"volume": volume / len(atoms), "energy": energy / len(atoms)})
    return energy


def _fitted(volumes: np.ndarray, energies: np.ndarray, window: int) -> Label:
    if not np.isfinite(energies).all():
        raise NotReached(f"energies are no numbers: {energies.tolist()}")
    fit = EquationOfState(volumes, energies, eos="birchmurnaghan")
    try:
        v0, e0, b = fit.fit()
    except (RuntimeError, ValueError) as error:
        raise NotReached(f"no equation of state fits the energies: {error}") from error
    if not volumes[0] < v0 < volumes[-1]:
        raise NotReached(
            f"the fitted minimum, {v0:.4g} angstrom^3 per atom, is not where energies were calculated"
        )
    residual = float(np.sqrt(np.mean((birchmurnaghan(volumes, *fit.eos_parameters) - energies) ** 2)))
    readings = {
        "energy": float(e0),
        "volume": float(v0),
        "bulk_modulus": float(b / GPa),
        "residual": residual,
    }
    record = {
        "volumes": volumes.tolist(),
        "energies": energies.tolist(),
        "bulk_modulus_derivative": float(fit.eos_parameters[2]),
        "equation": "Birch-Murnaghan, third order",
        "windows": window + 1,
    }
    return Label(readings, record)
