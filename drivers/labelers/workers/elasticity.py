"""The elastic tensor from stresses of strained cells (de Jong et al., Sci. Data 2, 150009, 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.optimize import FIRE
from ase.units import GPa
from pymatgen.analysis.elasticity import DeformedStructureSet, ElasticTensor, Stress
from pymatgen.io.ase import AseAtomsAdaptor

from drivers.labelers.workers.crystals import record_of
from drivers.labelers.workers.energy import Label, Progress
from drivers.labelers.workers.errors import NotReached
from drivers.labelers.workers.relaxation import relax
from drivers.mechanics import strength

MOST_STEPS = 500  # of the optimiser, for the cell and for the atoms of each strained one
SYMMETRIC = (
    0.1  # of the largest entry: what rounding and strains that are not infinitesimal leave is a few percent
)
SYMPREC = 0.05  # angstrom: a relaxed cell is as symmetric as its forces are small


def elastic(atoms: Atoms, arguments: Mapping[str, Any], progress: Progress) -> Label:
    """Averages of bulk and shear modulus after Voigt, Reuss and Hill, GPa, and the hardness and toughness that follow
    from them; the tensor, in the record, in the frame of the lattice's Cartesian axes.

    Raises NotReached where a strained cell does not relax, where the tensor is off the crystal's symmetry by more than
    SYMMETRIC (it was calculated without any), and where the crystal is not stable after Born: an eigenvalue of the
    tensor is not positive (Mouhat and Coudert, Phys. Rev. B 90, 224104, 2014).
    """
    fmax, strain = arguments["fmax"], arguments["strain"]
    if arguments["relax_first"]:
        relax(atoms, {"fmax": fmax, "max_steps": MOST_STEPS, "cell": "free"}, progress)
    energy = float(atoms.get_potential_energy()) / len(atoms)
    at_rest = _stress(atoms)
    strains = (-strain, -strain / 2, strain / 2, strain)
    deformed = DeformedStructureSet(
        AseAtomsAdaptor.get_structure(atoms), norm_strains=strains, shear_strains=strains, symmetry=False
    )
    stresses = []
    for i, deformation in enumerate(deformed.deformations):
        cell = atoms.copy()
        cell.calc = atoms.calc
        cell.set_cell(atoms.cell.array @ np.asarray(deformation).T, scale_atoms=True)
        if not FIRE(cell, logfile=None).run(fmax=fmax, steps=MOST_STEPS):
            raise NotReached(
                f"the atoms of strained cell {i} were not relaxed to {fmax:g} eV/angstrom in {MOST_STEPS} steps"
            )
        stresses.append(Stress(_stress(cell)))
        progress({"strained_cells": i + 1, "of": len(deformed.deformations)})
    tensor = ElasticTensor.from_independent_strains(
        [deformation.green_lagrange_strain for deformation in deformed.deformations],
        stresses,
        eq_stress=Stress(at_rest),
        vasp=False,
    )
    voigt = np.asarray(tensor.voigt, dtype=float)
    symmetry = _symmetry(atoms, tensor)
    eigenvalues = np.linalg.eigvalsh((voigt + voigt.T) / 2)
    progress({"elastic_tensor": voigt.tolist(), "symmetry": symmetry, "eigenvalues": eigenvalues.tolist()})
    if eigenvalues[0] <= 0:
        raise NotReached(
            f"not mechanically stable (Born): wanted positive eigenvalues of the elastic tensor, got "
            f"{eigenvalues[0]:.3g} GPa"
        )
    if symmetry["deviation"] > SYMMETRIC:
        raise NotReached(
            f"the elastic tensor is {100 * symmetry['deviation']:.1f} % off the symmetry of space group "
            f"{symmetry['space_group']}, at most {100 * SYMMETRIC:g} % is let pass; cure: a smaller fmax or strain"
        )
    volume = float(atoms.get_volume()) / len(atoms)
    readings = {
        "energy": energy,
        "bulk_modulus": float(tensor.k_vrh),
        "shear_modulus": float(tensor.g_vrh),
        "anisotropy": float(tensor.universal_anisotropy),
        "volume": volume,
        **strength(float(tensor.k_vrh), float(tensor.g_vrh), volume)._asdict(),
    }
    record = {
        "elastic_tensor": voigt.tolist(),
        "stable": True,
        "eigenvalues": eigenvalues.tolist(),
        "symmetry": symmetry,
        "moduli": {
            name: float(getattr(tensor, name)) for name in ("k_voigt", "k_reuss", "g_voigt", "g_reuss")
        },
        "stress_at_rest": at_rest.tolist(),
        "relaxed": record_of(atoms),
    }
    return Label(readings, record)


def _stress(atoms: Atoms) -> np.ndarray:
    """3 x 3, GPa, positive under tension."""
    return np.asarray(atoms.get_stress(voigt=False)) / GPa


def _symmetry(atoms: Atoms, tensor: ElasticTensor) -> dict[str, Any]:
    """The space group of the relaxed crystal, and how far the tensor is from one that has the symmetry of its point
    group, as a share of its largest entry."""
    crystal = AseAtomsAdaptor.get_structure(atoms)
    group, number = crystal.get_space_group_info(symprec=SYMPREC)
    symmetric = np.asarray(tensor.fit_to_structure(crystal, symprec=SYMPREC).voigt, dtype=float)
    voigt = np.asarray(tensor.voigt, dtype=float)
    deviation = float(np.max(np.abs(voigt - symmetric)) / np.max(np.abs(voigt)))
    return {"space_group": f"{group} ({number})", "deviation": deviation}
