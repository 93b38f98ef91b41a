"""The Kob-Andersen mixture as an ASE calculator for single points; its dynamics is LAMMPS'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes
from pymatgen.optimization.neighbors import find_points_in_spheres

from drivers.labelers.kob_andersen_model import CUTOFF, EPSILON, PAIRS, SIGMA, SPECIES
from drivers.labelers.workers.code import Code
from drivers.labelers.workers.lammps import Array, Configuration

PERIODIC = np.ones(3, dtype=np.int64)
RECTANGULAR = 1e-6  # angstrom: components of the cell's vectors beside their axes


class KobAndersen(Calculator):
    """Energies in eV, forces in eV/angstrom, the stress in eV/angstrom^3. `command`: LAMMPS, for what is dynamics."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, command: str) -> None:
        super().__init__()
        self.command = command
        table = np.zeros((2, 2, 2))
        for (one, other), values in PAIRS.items():
            i, j = SPECIES.index(one), SPECIES.index(other)
            table[i, j] = table[j, i] = values
        self._epsilon, self._sigma = table[..., 0], table[..., 1]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        kinds = kinds_of(self.atoms)
        points = np.ascontiguousarray(self.atoms.positions) / SIGMA
        lattice = np.ascontiguousarray(self.atoms.cell.array) / SIGMA
        i, j, images, r = find_points_in_spheres(points, points, CUTOFF, PERIODIC, lattice, 1e-8)
        near = (r > 1e-8) & (r < CUTOFF * self._sigma[kinds[i], kinds[j]])
        i, j, images, r = i[near], j[near], images[near], r[near]
        epsilon, sigma = self._epsilon[kinds[i], kinds[j]], self._sigma[kinds[i], kinds[j]]
        six = (sigma / r) ** 6
        shift = CUTOFF**-12 - CUTOFF**-6
        energy = 0.5 * float((4 * epsilon * (six**2 - six - shift)).sum())  # each pair is there twice
        vectors = points[j] + images @ lattice - points[i]
        along = (-24 * epsilon * (2 * six**2 - six) / r**2)[:, None] * vectors  # on i, of j
        forces = np.zeros_like(points)
        np.add.at(forces, i, along)
        virial = 0.5 * vectors.T @ along
        stress = virial / abs(float(np.linalg.det(lattice))) * EPSILON / SIGMA**3
        self.results = {
            "energy": energy * EPSILON,
            "free_energy": energy * EPSILON,
            "forces": forces * EPSILON / SIGMA,
            "stress": stress.ravel()[[0, 4, 8, 5, 2, 1]],
        }


class KobAndersenCode(Code):
    """One potential and the program for its dynamics."""

    def refusal(self, atoms: Atoms) -> str | None:
        if strangers := sorted(set(atoms.get_chemical_symbols()) - set(SPECIES)):
            return f"the Kob-Andersen mixture is of {' and '.join(SPECIES)}, got {', '.join(strangers)}"
        beside = atoms.cell.array - np.diag(np.diag(atoms.cell.array))
        if np.abs(beside).max() > RECTANGULAR or np.diag(atoms.cell.array).min() <= 0:
            return "wanted a cell with its vectors along x, y and z, got another one"
        return None

    def calculator(self, atoms: Atoms, rung: Mapping[str, Any]) -> BaseCalculator:
        return KobAndersen(self.settings["command"])


def kinds_of(atoms: Atoms) -> Array:
    """(n,) 0 for A and 1 for B."""
    symbols = np.array(atoms.get_chemical_symbols())
    return (symbols == SPECIES[1]).astype(int)


def configuration_of(atoms: Atoms) -> Configuration:
    """The atoms in reduced units."""
    return Configuration(np.diag(atoms.cell.array) / SIGMA, kinds_of(atoms), atoms.positions / SIGMA)


def structure_of(configuration: Configuration, decimals: int = 5) -> dict[str, Any]:
    """The record of a crystal: what pools, actions and labelers carry. Coordinates are rounded."""
    frac = configuration.positions / configuration.box
    frac = np.round(frac - np.floor(frac), decimals) % 1.0
    return {
        "lattice": np.diag(np.round(configuration.box * SIGMA, 6)).tolist(),
        "species": [SPECIES[kind] for kind in configuration.kinds],
        "frac": frac.tolist(),
    }
