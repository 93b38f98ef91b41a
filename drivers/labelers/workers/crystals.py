"""Between the record of a crystal and ASE's Atoms; the checks that hold for every method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from pymatgen.optimization.neighbors import find_points_in_spheres

from drivers.labelers.workers.errors import NotTreatable

TOO_CLOSE = 0.5  # of the sum of two covalent radii: H2's bond is 1.2, iron at the Earth's centre 0.8


def atoms_of(structure: Mapping[str, Any]) -> Atoms:
    """The crystal. Raises NotTreatable for an element that does not exist and for overlapping atoms."""
    if unknown := sorted({one for one in structure["species"] if one not in atomic_numbers or one == "X"}):
        raise NotTreatable(f"unknown element {', '.join(unknown)}")
    atoms = Atoms(
        structure["species"],
        cell=np.asarray(structure["lattice"], dtype=float),
        scaled_positions=np.asarray(structure["frac"], dtype=float),
        pbc=True,
        magmoms=structure.get("magmoms"),
    )
    check_overlap(atoms)
    return atoms


def check_overlap(atoms: Atoms) -> None:
    """Raises NotTreatable where two atoms are closer than half the sum of their covalent radii (Cordero et al.,
    Dalton Trans. 2832, 2008)."""
    radii = covalent_radii[atoms.numbers]
    points = np.ascontiguousarray(atoms.positions, dtype=float)
    lattice = np.ascontiguousarray(atoms.cell.array, dtype=float)
    reach = float(2 * TOO_CLOSE * radii.max())
    first, second, _, distances = find_points_in_spheres(
        all_coords=points,
        center_coords=points,
        r=reach,
        pbc=np.ones(3, dtype=np.int64),
        lattice=lattice,
        tol=1e-8,
    )
    # An atom is no neighbour of itself, and yet may be of its own image.
    others = (first != second) | (distances > 1e-8)
    ratio = np.where(others, distances / (radii[first] + radii[second]), np.inf)
    if len(ratio) and ratio.min() < TOO_CLOSE:
        i = int(ratio.argmin())
        pair = f"{atoms.symbols[first[i]]} and {atoms.symbols[second[i]]}"
        raise NotTreatable(f"overlapping atoms: {pair} are {distances[i]:.3f} angstrom apart")


def record_of(atoms: Atoms) -> dict[str, Any]:
    """The crystal in JSON types, atoms in their order, coordinates unwrapped."""
    return {
        "lattice": atoms.cell.array.tolist(),
        "species": list(atoms.get_chemical_symbols()),
        "frac": atoms.get_scaled_positions(wrap=False).tolist(),
    }
