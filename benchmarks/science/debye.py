"""Debye's model against measured elements: from measured moduli, and through a calculated equation of state.

    python benchmarks/science/debye.py [--code emt chgnet] [--gpaw] [--json FILE]

First from measured moduli (pymatgen's Element): Debye temperature against Kittel's table (Introduction to Solid State
Physics, chapter 5, of heat capacities at low temperature), heat capacity at 298.15 K against c_p of the CRC Handbook
less 9 alpha^2 B V T, expansion against the measured one (pymatgen's Element), with gamma from Poisson's ratio.

Then by the labeler's verb `thermal` with the elastic tensor, for each choice of gamma; `pymatgen` is the Debye
temperature of pymatgen's QuasiHarmonicDebyeApprox from the same energies and the same Poisson's ratio. Mean absolute
errors are in percent. Seconds are those of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
from ase import Atoms
from ase.build import bulk
from pymatgen.analysis.quasiharmonic import QuasiHarmonicDebyeApprox
from pymatgen.core import Element, Structure

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from drivers.labelers.workers.bench import Bench
from drivers.labelers.workers.crystals import record_of
from drivers.labelers.workers.debye import LESS
from surrogates.materials import debye

# Debye temperature, K (Kittel); c_p at 298.15 K, J/(mol K) (CRC).
MEASURED = {
    "Al": (428, 24.200), "Cu": (343, 24.440), "Ag": (215, 25.350), "Au": (170, 25.418), "Ni": (450, 26.070),
    "Pt": (240, 25.860), "W": (400, 24.270), "Cr": (630, 23.350), "Ta": (240, 25.360), "Ti": (420, 25.060),
    "Fe": (470, 25.100), "Pb": (105, 26.650),
}  # fmt: skip
CODES = {
    "emt": ("drivers.labelers.workers.emt:EMTCode", {"asap_cutoff": False}, ("Al", "Cu", "Ag", "Au", "Ni", "Pt")),
    "chgnet": (
        "drivers.labelers.workers.chgnet:CHGNetCode", {"weights": "0.3.0"}, ("Al", "Cu", "Ag", "Au", "Ni", "Pt", "W"),
    ),
}  # fmt: skip
KEYS = {"theta": "debye_temperature", "c_v": "heat_capacity", "expansion": "expansion"}
WARM = 298.15


def tables() -> dict[str, dict[str, float]]:
    """What was measured, and what follows from measured moduli."""
    found = {}
    for name, (theta, c_p) in MEASURED.items():
        e = Element(name)
        b, g, alpha, molar = (
            float(x)
            for x in (
                e.bulk_modulus,
                e.rigidity_modulus,
                e.coefficient_of_linear_thermal_expansion,
                e.molar_volume,
            )
        )
        volume, mass = molar / 0.602214076, float(e.atomic_mass)
        found[name] = {
            "theta": theta, "c_v": c_p - 9 * alpha**2 * b * 1e9 * molar * 1e-6 * WARM, "expansion": alpha,
            "theta_moduli": float(debye.debye_temperature(b, g, volume, mass)),
            "c_v_theta": float(debye.heat_capacity(theta, WARM)),
            "c_v_moduli": float(debye.heat_capacity(debye.debye_temperature(b, g, volume, mass), WARM)),
            "expansion_moduli": float(debye.expansion(b, g, volume, mass, WARM)),
            "most_moduli": float(debye.most_expansion(b, g, volume, mass, WARM)),
        }  # fmt: skip
    return found


def labels(code: str, measured: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    worker, settings, elements = CODES[code]
    bench, rows = Bench(), []
    for name in elements:
        atoms: Atoms = bulk(name)
        nu, began = None, time.process_time()
        for gamma in LESS:
            arguments = {
                "temperature": WARM, "poisson_ratio": 0.25 if nu is None else nu, "elastic": nu is None,
                "grueneisen": gamma, "strain": 0.1, "points": 11,
            }  # fmt: skip
            job = {
                "verb": "thermal",
                "structure": record_of(atoms),
                "arguments": arguments,
                "worker": worker,
                "settings": settings,
            }
            ended = bench.carry_out(job, lambda partial: None)
            if ended.failed:
                print(f"{name:<4}{gamma:<20}{ended.reason[:90]}")
                break
            if nu is None:
                nu = float(ended.record["poisson_ratio"])
                static = ended.record["static"]
                cell = Structure(np.eye(3) * static["volume"] ** (1 / 3), [name], [[0, 0, 0]])
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    theirs = QuasiHarmonicDebyeApprox(
                        static["energies"],
                        static["volumes"],
                        cell,
                        eos="birch_murnaghan",
                        poisson=nu,
                        t_min=WARM,
                        t_max=WARM,
                    )
                other = float(theirs.debye_temperature(static["volume"]))
            rows.append(
                {"code": code, "element": name, "gamma": gamma, "nu": nu, "pymatgen": other, **ended.readings}
            )
        print(f"{name:<4}{time.process_time() - began:6.1f} s", file=sys.stderr, flush=True)
    return rows


def by_density_functional_theory() -> None:
    """Two small cells by GPAW, Poisson's ratio as measured: seconds of one core, beside what was measured."""
    from drivers.labelers.gpaw import GPAWLabeler

    method = GPAWLabeler.method(GPAWLabeler.Settings(cutoff_eV=400.0, k_density=3.5))
    for name, a, nu in (("Al", 4.04, 0.35), ("Si", 5.47, 0.22)):
        arguments = {
            "temperature": WARM, "poisson_ratio": nu, "elastic": False, "grueneisen": "dugdale_macdonald",
            "strain": 0.09, "points": 7,
        }  # fmt: skip
        job = {
            "verb": "thermal", "structure": record_of(bulk(name, a=a)), "arguments": arguments,
            "worker": method.worker, "settings": {**method.settings, **method.places},
        }  # fmt: skip
        ended = Bench().carry_out(job, lambda partial: None)
        said = ", ".join(f"{key} {value:.4g}" for key, value in ended.readings.items())
        print(f"GPAW {name}: {said or ended.reason}; {ended.record['cpu_s']:.0f} s")


def off(pairs: list[tuple[float, float]]) -> float:
    """Mean absolute error, percent."""
    return 100 * float(np.mean([abs(a - b) / b for a, b in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--code", nargs="*", choices=list(CODES), default=["emt"])
    parser.add_argument(
        "--gpaw", action="store_true", help="aluminium and silicon by density-functional theory too"
    )
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    measured = tables()
    print(
        f"{'':<4}{'theta':>7}{'moduli':>8}{'c_V':>8}{'theta':>8}{'moduli':>8}{'alpha':>8}{'moduli':>8}{'bound':>8}"
    )
    for name, row in measured.items():
        print(
            f"{name:<4}{row['theta']:>7.0f}{row['theta_moduli']:>8.0f}{row['c_v']:>8.2f}{row['c_v_theta']:>8.2f}"
            f"{row['c_v_moduli']:>8.2f}{1e6 * row['expansion']:>8.1f}{1e6 * row['expansion_moduli']:>8.1f}"
            f"{1e6 * row['most_moduli']:>8.1f}"
        )
    for what, ours, theirs in (
        ("theta from moduli", "theta_moduli", "theta"), ("c_V from theta", "c_v_theta", "c_v"),
        ("c_V from moduli", "c_v_moduli", "c_v"), ("alpha from moduli", "expansion_moduli", "expansion"),
    ):  # fmt: skip
        print(f"{what}: {off([(row[ours], row[theirs]) for row in measured.values()]):.1f} %")
    rows: list[dict[str, Any]] = []
    for code in args.code:
        mine = labels(code, measured)
        rows += mine
        for gamma in LESS:
            of = [row for row in mine if row["gamma"] == gamma]
            said = ", ".join(
                f"{what} {off([(row[key], measured[row['element']][what]) for row in of]):.1f} %"
                for what, key in KEYS.items()
            )
            beyond = sum(row["bound_share"] > 1 for row in of)
            print(f"{code}, gamma after {gamma}: {said}; {beyond} of {len(of)} beyond the bound")
        first = [row for row in mine if row["gamma"] == "slater"]
        wrong = off([(row["pymatgen"], measured[row["element"]]["theta"]) for row in first])
        print(f"{code}: theta by pymatgen {wrong:.1f} %")
        for row in mine:
            if row["gamma"] == "dugdale_macdonald":
                print(
                    f"  {row['element']:<4}nu {row['nu']:.2f}  theta {row['debye_temperature']:.0f} "
                    f"(pymatgen {row['pymatgen']:.0f})  gamma {row['grueneisen']:.2f}  "
                    f"c_V {row['heat_capacity']:.2f}  alpha {1e6 * row['expansion']:.1f}e-6"
                )
    if args.gpaw:
        by_density_functional_theory()
    if args.json is not None:
        args.json.write_text(json.dumps({"measured": measured, "labels": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
