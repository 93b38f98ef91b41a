"""Single points: what one calculation of a crystal gives, and what every verb says of its last one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import GPa

Progress = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Label:
    """What a verb gives: readings (NaN is passed on, for the engine to reject) and its part of the record."""

    readings: Mapping[str, float]
    record: Mapping[str, Any]


def max_force(atoms: Atoms) -> float:
    """Length of the largest force on an atom, eV/angstrom."""
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max())


def pressure(atoms: Atoms) -> float:
    """GPa; ASE's stress is positive under tension."""
    return float(-atoms.get_stress(voigt=True)[:3].sum() / 3 / GPa)


def point(atoms: Atoms) -> Label:
    """Energy per atom (eV), largest force (eV/angstrom), pressure (GPa); in the record all forces and the stress, in
    GPa and Voigt's order: xx yy zz yz xz xy."""
    energy = float(atoms.get_potential_energy()) / len(atoms)
    readings = {"energy": energy, "max_force": max_force(atoms)}
    if "stress" not in atoms.calc.implemented_properties:
        return Label(readings, {"forces": atoms.get_forces().tolist()})
    readings["pressure"] = pressure(atoms)
    stress = atoms.get_stress(voigt=True) / GPa
    return Label(readings, {"forces": atoms.get_forces().tolist(), "stress": stress.tolist()})


def energy(atoms: Atoms, arguments: Mapping[str, Any], progress: Progress) -> Label:
    """The crystal as it is."""
    return point(atoms)
