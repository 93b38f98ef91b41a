"""Adversarial attacks against random rattling and against ordinary uncertainty sampling, at equal numbers of labels.

    python benchmarks/science/attacks.py [--seeds 3] [--first 0] [--temperature 1200] [--json FILE]

A cell of copper and gold with a vacancy; ASE's effective-medium potential is the truth, an ensemble of small potentials
learns it from energies and forces. All begin with the same few rattled cells; each round adds as many labels. Counted
is the share of Langevin simulations with the learned potential that stay physical, and the error of its forces where
the truth's own dynamics goes and where its own goes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from campaigns.structure import Structure
from surrogates.materials.attack.attacks import (
    Attacked,
    AttackSettings,
    attack,
    variances,
    worth_a_label,
)
from surrogates.materials.attack.cells import SKIN, Cells
from surrogates.materials.attack.potential import Frame, PotentialEnsemble, PotentialSettings
from surrogates.materials.crystals import check, structure_of
from surrogates.materials.errors import StructureRejected

EDGE = 3.75  # A of a face-centred cube, hot
SITES = (
    (0, 0.5, 0.25),
    (0.5, 0, 0.25),
    (0.5, 0.5, 0),
    (0, 0.5, 0.75),
    (0.5, 0, 0.75),
    (0.5, 0.5, 0.5),
    (0, 0, 0),
)
INITIAL, RATTLE = 4, 0.03  # labels all begin with, A
ROUNDS, BATCH = 3, 2
STEP, FRICTION = 4.0 * units.fs, 0.02 / units.fs
REPLICAS, STEPS = 20, 200
METHODS = ("random", "dynamics", "adversarial")
OVERLAP = 0.5  # A: a simulation with two atoms so near is over
CLOSE, HIGH = 0.85, 1.5  # times the shortest distance and the highest energy of the truth's own dynamics


def crystal() -> Atoms:
    """Cu6Au with one site of the two cubes empty."""
    return Atoms("Cu6Au", scaled_positions=SITES, cell=[EDGE, EDGE, 2 * EDGE], pbc=True)


def structure(atoms: Atoms, positions: np.ndarray) -> Structure:
    return structure_of(
        atoms.cell.array, atoms.get_chemical_symbols(), positions @ np.linalg.inv(atoms.cell.array)
    )


def label(one: Structure, weight: float = 1.0) -> Frame:
    """By the truth."""
    atoms = Atoms(one.species, cell=one.lattice, scaled_positions=one.frac, pbc=True, calculator=EMT())
    return Frame(one, float(atoms.get_potential_energy()), atoms.get_forces(), weight)


def shortest(atoms: Atoms) -> float:
    """Distance of the two nearest atoms, angstrom."""
    found = atoms.get_all_distances(mic=True)
    return float(found[np.triu_indices(len(atoms), 1)].min())


def sound(one: Structure) -> bool:
    """Whether anybody would label it: no atoms on top of each other. Attacks are held to the same."""
    try:
        check(one)
    except StructureRejected:
        return False
    return True


class Truth(NamedTuple):
    """Of the truth's own dynamics: frames, shortest distance (A), lowest and highest energy (eV per atom)."""

    frames: list[Frame]
    shortest: float
    lowest: float
    highest: float


def truth(temperature: float, seed: int, replicas: int = 10, steps: int = STEPS) -> Truth:
    frames, nearest, energies = [], np.inf, [float(label(structure(crystal(), crystal().positions)).energy)]
    for k in range(replicas):
        atoms = crystal()
        atoms.calc = EMT()
        rng = np.random.default_rng([seed, k])
        thermalize_momenta(atoms, temperature_K=temperature, rng=rng)
        moving = Langevin(atoms, STEP, temperature_K=temperature, friction=FRICTION, fixcm=False, rng=rng)
        for step in range(steps // 10):
            moving.run(10)
            nearest = min(nearest, shortest(atoms))
            energies.append(atoms.get_potential_energy())
            if step % 2:
                frames.append(label(structure(atoms, atoms.positions)))
    n = len(crystal())
    return Truth(frames, nearest, min(energies) / n, max(energies) / n)


class Copies(Calculator):
    """The mean of an ensemble for copies of one cell, side by side in one Atoms. A copy whose atoms have run into each
    other stands still."""

    implemented_properties = ("energy", "forces")

    def __init__(self, ensemble: PotentialEnsemble, cell: Atoms, copies: int) -> None:
        super().__init__()
        self.ensemble, self.one, self.copies = ensemble, cell, copies
        self.alive = np.ones(copies, dtype=bool)

    def cells(self, positions: np.ndarray) -> Cells:
        lattices = np.repeat(self.one.cell.array[None], self.copies, axis=0)
        kinds = [self.one.numbers] * self.copies
        return Cells.at(kinds, list(positions), lattices, self.ensemble.settings.cutoff + SKIN)

    def calculate(
        self, atoms: Any = None, properties: Any = ("forces",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        positions = atoms.positions.reshape(self.copies, -1, 3).copy()
        self.alive &= np.isfinite(positions).all(axis=(1, 2))
        positions[~self.alive] = self.one.positions
        cells = self.cells(positions)
        distances = cells.vectors(
            cells.positions[None], torch.zeros(1, len(cells), 3, 3, dtype=torch.float64)
        )
        near = torch.linalg.norm(distances[0], dim=-1).numpy()
        self.alive[cells.cell[cells.receivers].numpy()[near < OVERLAP]] = False
        energies, forces = self.ensemble.mean_forces(cells)
        forces = forces.reshape(self.copies, -1, 3)
        forces[~self.alive] = 0.0
        self.results = {"energy": float(energies.sum()), "forces": np.clip(forces, -1e3, 1e3).reshape(-1, 3)}


def simulate(
    ensemble: PotentialEnsemble, temperature: float, seed: int, steps: int, every: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (frames, copies, n, 3) every so many steps, and which copies still move (frames, copies)."""
    one = crystal()
    many = Atoms(
        numbers=np.tile(one.numbers, REPLICAS), positions=np.tile(one.positions, (REPLICAS, 1)), cell=one.cell, pbc=True
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    many.calc = copies = Copies(ensemble, one, REPLICAS)
    thermalize_momenta(many, temperature_K=temperature, rng=rng)
    moving = Langevin(many, STEP, temperature_K=temperature, friction=FRICTION, fixcm=False, rng=rng)
    places, alive = [], []
    for _ in range(steps // every):
        moving.run(every)
        places.append(many.positions.reshape(REPLICAS, -1, 3).copy())
        alive.append(copies.alive.copy())
    return np.array(places), np.array(alive)


def judged(ensemble: PotentialEnsemble, real: Truth, temperature: float, seed: int) -> dict[str, float]:
    """Figures of merit of one ensemble."""
    cells = ensemble.cells([frame.structure for frame in real.frames])
    true = np.concatenate([frame.forces for frame in real.frames])
    there = float(np.abs(ensemble.mean_forces(cells)[1] - true).mean())
    places, alive = simulate(ensemble, temperature, seed, STEPS, 20)
    one, own = crystal(), []
    physical = np.ones(REPLICAS, dtype=bool)
    for step, moving in zip(places, alive, strict=True):
        physical &= moving
        for k in np.flatnonzero(physical):
            atoms = one.copy()
            atoms.positions = step[k]
            atoms.calc = EMT()
            above = atoms.get_potential_energy() / len(atoms) - real.lowest
            physical[k] = shortest(atoms) > CLOSE * real.shortest and above < HIGH * (
                real.highest - real.lowest
            )
            if physical[k]:
                own.append(Frame(structure(one, step[k]), 0.0, atoms.get_forces()))
    found = own[:: max(1, len(own) // 100)]
    here = np.nan
    if found:
        said = ensemble.mean_forces(ensemble.cells([frame.structure for frame in found]))[1]
        here = float(np.abs(said - np.concatenate([frame.forces for frame in found])).mean())
    return {"physical": float(physical.mean()), "force_error": there, "force_error_own": here}


def proposed(
    method: str,
    ensemble: PotentialEnsemble,
    frames: list[Frame],
    args: argparse.Namespace,
    rng: np.random.Generator,
) -> list[Structure]:
    """The next BATCH structures to label; where a method finds fewer that are worth it, rattled ones fill the batch."""
    one, found = crystal(), []
    if method == "adversarial":
        starts = [int(k) for k in rng.integers(0, len(frames), size=args.starts)]
        found = attack(ensemble, frames, starts, AttackSettings(kT=args.kT), rng)
    elif method == "dynamics":
        places, alive = simulate(ensemble, args.temperature, int(rng.integers(2**31)), STEPS, 10)
        cells_of = [structure(one, p) for step, ok in zip(places, alive, strict=True) for p in step[ok]]
        cells = ensemble.cells(cells_of)
        said = ensemble(cells)
        lowest = min(f.energy / f.structure.n_atoms for f in frames)
        above = (said.energies.mean(dim=0) / cells.sizes - lowest).tolist()
        doubt = variances(said, cells).tolist()
        found = [Attacked(s, 0, e, v, v) for s, e, v in zip(cells_of, above, doubt, strict=True)]
        found = sorted(found, key=lambda a: -a.value)
        found = [a for a in found if a.energy < 6 * args.thermal and sound(a.structure)][:100]
    kT = args.kT if method == "adversarial" else args.thermal
    chosen = [a.structure for a in worth_a_label(found, ensemble, frames, kT, BATCH)]
    while len(chosen) < BATCH:
        amplitude = rng.uniform(0.05, 0.3)
        rattled = structure(one, one.positions + rng.normal(0.0, amplitude, one.positions.shape))
        if sound(rattled):
            chosen.append(rattled)
    return chosen


def run(seed: int, real: Truth, args: argparse.Namespace) -> list[dict[str, Any]]:
    rng, one, out = np.random.default_rng(seed), crystal(), []
    first = [
        label(structure(one, one.positions + rng.normal(0.0, RATTLE, one.positions.shape)))
        for _ in range(INITIAL)
    ]
    settings = PotentialSettings(members=4, cutoff=4.2, radial=6, steps=args.fit)
    begin = PotentialEnsemble(first, settings, seed)
    start = judged(begin, real, args.temperature, seed)
    print(json.dumps({"seed": seed, "labels": INITIAL, **start}), flush=True)
    for method in METHODS:
        frames, ensemble, draw = list(first), begin, np.random.default_rng([seed, 7])
        out.append({"seed": seed, "method": method, "labels": INITIAL, "filled": 0, **start})
        for turn in range(ROUNDS):
            then = time.process_time()
            new = [label(s, 4.0) for s in proposed(method, ensemble, frames, args, draw)]
            took = time.process_time() - then
            frames += new
            ensemble = PotentialEnsemble(frames, settings, seed + 100 * (turn + 1))
            row = judged(ensemble, real, args.temperature, seed)
            above = [f.energy / len(one) - real.lowest for f in new]
            row |= {"seconds": took, "label_energy": float(np.mean(above)), "label_energy_max": max(above)}
            out.append({"seed": seed, "method": method, "labels": len(frames), **row})
            print(json.dumps(out[-1]), flush=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=2000.0, help="K")
    parser.add_argument("--starts", type=int, default=12, help="attacks of a round")
    parser.add_argument("--fit", type=int, default=300, help="steps of a training")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    # Of the order of what the energy per atom of so small a harmonic crystal fluctuates by, kT (3 / 2n)^(1/2).
    args.kT = 0.375 * units.kB * args.temperature
    args.thermal = 1.5 * units.kB * args.temperature  # what the energy per atom is, on average
    real = truth(args.temperature, 12345)
    pushed = np.mean([np.abs(frame.forces).mean() for frame in real.frames])
    print(f"truth: {len(real.frames)} frames, shortest {real.shortest:.2f} A, energies to "
          f"{real.highest - real.lowest:.3f} eV/atom, forces {pushed:.2f} eV/A")  # fmt: skip
    rows = [row for seed in range(args.first, args.first + args.seeds) for row in run(seed, real, args)]
    print("| method | labels | physical | force error, truth's path | own path (eV/A) |")
    print("|---|---|---|---|---|")
    for method in METHODS:
        for labels in sorted({row["labels"] for row in rows}):
            own = [r for r in rows if r["method"] == method and r["labels"] == labels]
            mean = [
                float(np.nanmean([r[k] for r in own])) for k in ("physical", "force_error", "force_error_own")
            ]
            print(f"| {method} | {labels} | {100 * mean[0]:.0f} % | {mean[1]:.3f} | {mean[2]:.3f} |")
    if args.json is not None:
        args.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
