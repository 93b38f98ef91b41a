"""Atoms and cell moved until the forces are small."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.constraints import FixSymmetry
from ase.filters import Filter, FrechetCellFilter
from ase.optimize import FIRE, LBFGS

from drivers.labelers.workers.crystals import check_overlap, record_of
from drivers.labelers.workers.energy import Label, Progress, max_force, point
from drivers.labelers.workers.errors import NotReached, NotTreatable
from drivers.labelers.workers.trajectory import thinned

OPTIMISERS = {"FIRE": FIRE, "LBFGS": LBFGS}
APART = 4.0  # times the volume it began with: the crystal has come apart
SYMPREC = 0.01  # angstrom


class _Looks:
    """Looks at each geometry before anything is calculated of it: one step may take a crystal to where a code needs
    hours, or ten gigabytes for its neighbours."""

    check: Callable[[], None]

    def set_positions(self, *args: Any, **kwargs: Any) -> None:
        super().set_positions(*args, **kwargs)  # type: ignore[misc]
        self.check()


class _Atoms(_Looks, Filter):
    pass


class _Cell(_Looks, FrechetCellFilter):
    pass


def relax(atoms: Atoms, arguments: Mapping[str, Any], progress: Progress) -> Label:
    """The relaxed crystal. Raises NotReached where `max_steps` do not do, NotTreatable where it comes apart.

    The geometry of every step is told to `progress`, so that a relaxation cut short is not lost.
    """
    calculator = atoms.calc
    if arguments.get("keep_symmetry"):
        atoms.set_constraint(FixSymmetry(atoms, symprec=SYMPREC))
    cell = arguments.get("cell", "free")
    began = atoms.get_volume()

    def check() -> None:
        if not began / APART < atoms.get_volume() < began * APART:
            volumes = f"{began / len(atoms):.3g} to {atoms.get_volume() / len(atoms):.3g} angstrom^3 per atom"
            raise NotTreatable(f"the crystal came apart or collapsed while it was relaxed: {volumes}")
        check_overlap(atoms)

    moved: _Atoms | _Cell = (
        _Atoms(atoms, indices=list(range(len(atoms))))
        if cell == "fixed"
        else _Cell(atoms, constant_volume=cell == "volume")
    )
    moved.check = check
    trajectory: list[dict[str, float]] = []

    def look() -> None:
        trajectory.append(
            {
                "step": len(trajectory),
                "energy": float(atoms.get_potential_energy()) / len(atoms),
                "max_force": max_force(atoms),
                "volume": atoms.get_volume() / len(atoms),
            }
        )
        progress({"structure": record_of(atoms), **trajectory[-1]})

    optimiser = OPTIMISERS[arguments.get("optimiser", "FIRE")](moved, logfile=None)
    optimiser.attach(look)
    converged = bool(optimiser.run(fmax=arguments["fmax"], steps=arguments["max_steps"]))
    atoms.set_constraint()
    if not converged:
        # Of a cell the optimiser sees the stress too, times volume, as the forces of further atoms.
        worst = float(np.linalg.norm(moved.get_forces().reshape(-1, 3), axis=1).max())
        left = f"largest force {worst:.3g} eV/angstrom" + ("" if cell == "fixed" else ", the cell's included")
        raise NotReached(
            f"not relaxed to {arguments['fmax']:g} eV/angstrom in {arguments['max_steps']} steps: {left}"
        )
    atoms.calc = calculator
    last = point(atoms)
    readings = {**last.readings, "volume": atoms.get_volume() / len(atoms), "steps": float(optimiser.nsteps)}
    record = {
        "relaxed": record_of(atoms),
        "converged": True,
        "trajectory": thinned(trajectory),
        **last.record,
    }
    return Label(readings, record)
