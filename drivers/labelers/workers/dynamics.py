"""Atoms that move at a temperature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta

from drivers.labelers.workers.crystals import check_overlap, record_of
from drivers.labelers.workers.energy import Label, Progress, max_force
from drivers.labelers.workers.errors import NotTreatable
from drivers.labelers.workers.trajectory import thinned

FRICTION = 0.02  # 1/fs: a crystal is at the wanted temperature within a few hundred femtoseconds
HOTTEST = 10.0  # times the wanted temperature, and 3000 K more: the forces are not those of a solid or liquid


def dynamics(atoms: Atoms, arguments: Mapping[str, Any], progress: Progress) -> Label:
    """Means over the second half of a Langevin run in the given cell, beginning with Maxwell's velocities;
    displacements are about the centre of mass.

    Raises NotTreatable where atoms come to overlap, or a temperature shows that the potential has failed.
    """
    rng = np.random.default_rng(arguments["seed"])
    wanted = arguments["temperature"]
    thermalize_momenta(atoms, wanted, rng=rng)
    run = Langevin(
        atoms,
        arguments["timestep"] * units.fs,
        temperature_K=wanted,
        friction=FRICTION / units.fs,
        rng=rng,
        fixcm=False,
    )
    points: list[dict[str, float]] = []
    began = atoms.get_positions()
    stress = "stress" in atoms.calc.implemented_properties

    def moved() -> Any:
        """(N, 3) since the beginning. The crystal as a whole drifts: ASE's constraint of the centre of mass changes the
        forces between atoms of different mass."""
        moves, masses = atoms.get_positions() - began, atoms.get_masses()
        return moves - masses @ moves / masses.sum()

    def look() -> None:
        check_overlap(atoms)
        point = {
            "step": float(len(points)),
            "energy": float(atoms.get_potential_energy()) / len(atoms),
            "temperature": float(atoms.get_temperature()),
            "max_force": max_force(atoms),
            "displacement": float(np.sqrt((moved() ** 2).sum(axis=1).mean())),
        }
        if stress:
            trace = atoms.get_stress(voigt=True, include_ideal_gas=True)[:3].sum()
            point["pressure"] = float(-trace / 3 / units.GPa)
        points.append(point)
        progress({"structure": record_of(atoms), **point})
        if not point["temperature"] < HOTTEST * wanted + 3000.0:
            raise NotTreatable(
                f"after {len(points) - 1} steps the atoms are at {point['temperature']:.3g} K, not at {wanted:g} K: "
                "the potential has failed, or the time step is too long"
            )

    run.attach(look)
    run.run(arguments["steps"])
    half = points[len(points) // 2 :]
    names = ("energy", "temperature", *(("pressure",) if stress else ()))
    readings = {name: float(np.mean([point[name] for point in half])) for name in names}
    readings |= {
        "max_force": max(point["max_force"] for point in points),
        "displacement": points[-1]["displacement"],
    }
    record = {
        "displacements": moved().tolist(),
        "last": record_of(atoms),
        "heat_capacity": _heat_capacity(half, len(atoms), wanted),
        "trajectory": thinned(points),
    }
    return Label(readings, record)


def _heat_capacity(points: list[dict[str, float]], n_atoms: int, temperature: float) -> float:
    """J/(mol K) of atoms, at constant volume: 3/2 R and the fluctuation of the potential energy over k T^2 (Allen and
    Tildesley, Computer Simulation of Liquids, 1987, eq. 2.80)."""
    energies = n_atoms * np.array([point["energy"] for point in points])
    potential = energies.var() / (units.kB * temperature**2) / n_atoms
    return float((potential + 1.5 * units.kB) * units.mol / units.J)
