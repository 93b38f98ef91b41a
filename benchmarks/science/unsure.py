"""Labels where unsure: how many calculations a relaxation, a dynamics run and a screening need, and what that costs.

    python benchmarks/science/unsure.py [--code emt|chgnet] [--thresholds 0.002 0.005 0.01] [--seeds 3] [--json FILE]
    python benchmarks/science/unsure.py --draw JSON... PNG

Each threshold (half-width of a 90 % interval, eV per atom; forces: twenty times it, eV/angstrom) and seed begins with
an empty memory. Everything is done twice: by the unsure code and by the expensive one alone.

    relaxation  12 rattled alloys (chgnet: 4) of four atoms, cell free, to 0.03 eV/angstrom
    dynamics    Langevin, 32 atoms (chgnet: 8), 300 steps (100) of 2 fs at 600 K: every answer's error along its own way
    screening   150 alloys (30), a random composition of three elements (two) on a lattice of random size, unrelaxed

`calculated`: share of the points that the expensive code was asked for. `error`: eV per atom against all-expensive,
mean absolute and 95th percentile; `force`: root mean square over the answers without a calculation, eV/angstrom.
`within`: share of answers of the ensemble that are within the threshold (wanted: 90 %). `top`: of the ten lowest
energies of formation by the expensive code, how many are among the ten lowest here. `s`: processor seconds of one core,
in dynamics those of the truth included.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from drivers.labelers.workers.code import Code
from drivers.labelers.workers.learning.memory import Memory
from drivers.labelers.workers.learning.moments import Moments
from drivers.labelers.workers.relaxation import relax
from drivers.labelers.workers.unsure import Learner, UnsureCalculator

FORCES = 20.0  # the threshold of forces, 1/angstrom times that of energies
SIZES = {"emt": (12, (2, 2, 2), 300, 150), "chgnet": (4, (1, 1, 2), 100, 30)}
METALS = {"emt": ("Cu", "Pd", "Au"), "chgnet": ("Cu", "Au")}
LATTICE = {"Cu": 3.61, "Pd": 3.89, "Au": 4.08}


def code_of(name: str) -> Code:
    if name == "emt":
        from drivers.labelers.workers.emt import EMTCode

        return EMTCode({"asap_cutoff": False})
    from drivers.labelers.workers.chgnet import CHGNetCode

    return CHGNetCode({"weights": "0.3.0"})


class Trial:
    """One learner with an empty memory, and the truth."""

    def __init__(self, code: Code, elements: tuple[str, ...], threshold: float, folder: Path) -> None:
        self.code = code
        self.learner = Learner(
            Moments(tuple(sorted(elements, key=lambda e: Atoms(e).numbers[0]))),
            threshold, FORCES * threshold, Memory(folder / "memory.jsonl"),
        )  # fmt: skip

    def calculator(self, atoms: Atoms) -> UnsureCalculator:
        return UnsureCalculator(self.true(atoms), self.learner)

    def true(self, atoms: Atoms) -> Any:
        return self.code.calculator(atoms, self.code.rungs[0])


def alloy(
    rng: np.random.Generator, elements: tuple[str, ...], repeat: tuple[int, int, int] = (1, 1, 1)
) -> Atoms:
    """A cubic lattice with elements at random, as large as they are on average."""
    atoms = bulk("Cu", "fcc", a=4.0, cubic=True).repeat(repeat)
    atoms.symbols[:] = rng.choice(elements, len(atoms))
    size = np.mean([LATTICE[one] for one in atoms.symbols])
    atoms.set_cell(atoms.cell.array * size / 4.0, scale_atoms=True)
    return atoms


def relaxation(
    trial: Trial, seed: int, sizes: tuple[Any, ...], elements: tuple[str, ...]
) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    asked = calculated = 0
    errors, seconds, expensive_s = [], 0.0, 0.0
    for _ in range(sizes[0]):
        start = alloy(rng, elements[:2])
        start.set_cell(start.cell.array + rng.normal(0, 0.05, (3, 3)), scale_atoms=True)
        start.positions += rng.normal(0, 0.1, start.positions.shape)
        ends = []
        for make in (trial.calculator, trial.true):
            atoms = start.copy()
            atoms.calc = make(atoms)
            began = time.process_time()
            label = relax(atoms, {"fmax": 0.03, "max_steps": 500, "cell": "free"}, lambda partial: None)
            took = time.process_time() - began
            if make == trial.calculator:
                asked, calculated, seconds = (
                    asked + atoms.calc.asked,
                    calculated + atoms.calc.calculated,
                    seconds + took,
                )
            else:
                expensive_s += took
            ends.append(label.readings["energy"])
        errors.append(abs(ends[0] - ends[1]))
    return {
        "points": asked,
        "calculated": calculated / asked,
        **spread(errors),
        "s": seconds,
        "expensive_s": expensive_s,
    }


def dynamics(trial: Trial, seed: int, sizes: tuple[Any, ...], elements: tuple[str, ...]) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    atoms = alloy(rng, elements[:2], sizes[1])
    atoms.calc = calculator = trial.calculator(atoms)
    MaxwellBoltzmannDistribution(atoms, temperature_K=1200, rng=rng)  # half of it becomes potential energy
    run = Langevin(atoms, 2 * units.fs, temperature_K=600, friction=0.01 / units.fs, rng=rng)
    errors, forces, own = [], [], []
    before = [0]

    def look() -> None:
        # An answer that was calculated has no error.
        if calculator.calculated > before[0]:
            before[0] = calculator.calculated
            errors.append(0.0)
            return
        truth = atoms.copy()
        truth.calc = trial.true(truth)
        errors.append(abs(truth.get_potential_energy() - atoms.get_potential_energy()) / len(atoms))
        own.append(errors[-1])
        forces.append(np.mean((truth.get_forces() - atoms.get_forces()) ** 2))

    run.attach(look)
    began = time.process_time()
    run.run(sizes[2])
    return {
        "points": calculator.asked, "calculated": calculator.calculated / calculator.asked, **spread(errors),
        "force": float(np.sqrt(np.mean(forces))) if forces else 0.0, "within": within(own, trial),
        "s": time.process_time() - began,
    }  # fmt: skip


def screening(trial: Trial, seed: int, sizes: tuple[Any, ...], elements: tuple[str, ...]) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    pure = {}
    for one in elements:
        atoms = bulk(one, "fcc", a=LATTICE[one], cubic=True)
        atoms.calc = trial.true(atoms)
        pure[one] = atoms.get_potential_energy() / 4
    here, truth, own = [], [], []
    calculated, seconds = 0, 0.0
    for _ in range(sizes[3]):
        atoms = alloy(rng, elements)
        atoms.set_cell(atoms.cell.array * rng.uniform(0.97, 1.04), scale_atoms=True)
        atoms.calc = trial.calculator(atoms)
        elemental = np.mean([pure[one] for one in atoms.symbols])
        began = time.process_time()
        here.append(atoms.get_potential_energy() / 4 - elemental)
        seconds += time.process_time() - began
        calculated += atoms.calc.calculated
        asked = not atoms.calc.calculated
        copy = atoms.copy()
        copy.calc = trial.true(copy)
        truth.append(copy.get_potential_energy() / 4 - elemental)
        if asked:
            own.append(abs(here[-1] - truth[-1]))
    best = set(np.argsort(truth)[:10].tolist()) & set(np.argsort(here)[:10].tolist())
    return {
        "points": sizes[3], "calculated": calculated / sizes[3], **spread(np.abs(np.subtract(here, truth))),
        "within": within(own, trial), "top": len(best), "s": seconds,
    }  # fmt: skip


def spread(errors: Any) -> dict[str, float]:
    return {"error": float(np.mean(errors)), "error_95": float(np.quantile(errors, 0.95))}


def within(own: list[float], trial: Trial) -> float:
    return float(np.mean(np.array(own) <= trial.learner.threshold)) if own else float("nan")


def picture(files: list[Path], to: Path) -> None:
    """Of each file: shares of points that were calculated, and errors, over thresholds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
    for color, file in zip(("#084594", "#d94801", "#4292c6"), files, strict=False):
        run = json.loads(file.read_text())
        for marker, task in zip("osD", ("relaxation", "dynamics", "screening"), strict=True):
            rows = sorted(
                (row for row in run["rows"] if row["task"] == task), key=lambda row: row["threshold"]
            )
            at = [1000 * row["threshold"] for row in rows]
            style = {"marker": marker, "color": color, "label": f"{task}, {run['code']}", "linewidth": 1}
            left.plot(at, [100 * row["calculated"] for row in rows], **style)
            right.plot(at, [1000 * row["error"] for row in rows], **style)
    left.set_ylabel("calculated, % of the points"), left.set_ylim(0)
    right.set_ylabel("error, meV per atom"), right.set_ylim(0)
    for axes in (left, right):
        axes.set_xlabel("threshold, meV per atom")
    right.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(to, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--code", choices=list(SIZES), default="emt")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.002, 0.005, 0.01])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--draw", type=Path, nargs="+", help="JSON files of earlier runs, and last the picture"
    )
    args = parser.parse_args()
    if args.draw is not None:
        picture(args.draw[:-1], args.draw[-1])
        return
    code = code_of(args.code)
    found = []
    heads = (
        ("points", 8),
        ("calculated", 11),
        ("error", 9),
        ("95 %", 9),
        ("force", 8),
        ("within", 8),
        ("top", 5),
        ("s", 7),
    )
    print(f"{'task':<11}{'eV/atom':>8}" + "".join(f"{name:>{width}}" for name, width in heads))
    for task in (relaxation, dynamics, screening):
        for threshold in args.thresholds:
            rows = []
            for seed in range(args.seeds):
                with tempfile.TemporaryDirectory() as folder:
                    elements = (
                        METALS[args.code]
                        if task is screening
                        else METALS[args.code][:: len(METALS[args.code]) - 1]
                    )
                    trial = Trial(code, elements, threshold, Path(folder))
                    rows.append(task(trial, seed, SIZES[args.code], elements))
            mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
            found.append({"task": task.__name__, "threshold": threshold, "seeds": rows, **mean})
            cells = [f"{mean[key]:>{w}{f}}" if key in mean else " " * w for key, w, f in
                     (("points", 8, ".0f"), ("calculated", 11, ".1%"), ("error", 9, ".4f"), ("error_95", 9, ".4f"),
                      ("force", 8, ".3f"), ("within", 8, ".1%"), ("top", 5, ".1f"), ("s", 7, ".1f"))]  # fmt: skip
            print(f"{task.__name__:<11}{threshold:>8g}{''.join(cells)}", flush=True)
    if args.json is not None:
        args.json.write_text(json.dumps({"code": args.code, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
