"""GPAW in an interpreter of its own: one calculation a line of JSON on stdin, its result a line on stdout.

GPAW is GPL-3.0-or-later and stays on the other side of this pipe. Run by that interpreter as a plain script: it
imports nothing of this project. A request has "symbols", "frac", "cell" (angstrom), "magmoms" or null, and
"parameters": xc, cutoff (eV), kpts (three numbers), smearing (eV), convergence (eV per valence electron), iterations,
mixing or null, bands or null, setups, spin. The reply has energies (eV), forces (eV/angstrom), stress (eV/angstrom^3,
Voigt), moments, set-ups; or "not_converged" or "not_treatable" with the reason. Every calculation starts anew: GPAW
does not go on with atoms that lost their symmetry.
"""

import json
import os
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
reply_to = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # whatever is printed by anybody is no reply

import gpaw  # type: ignore[import-not-found]  # noqa: E402
from ase import Atoms  # noqa: E402
from gpaw import GPAW, PW, FermiDirac  # noqa: E402


def calculate(request: dict) -> dict:
    """The reply to one request."""
    wanted = request["parameters"]
    atoms = Atoms(
        request["symbols"],
        scaled_positions=request["frac"],
        cell=request["cell"],
        pbc=True,
        magmoms=request["magmoms"],
    )
    options: dict = {}
    if wanted["mixing"] is not None:
        options["mixer"] = {"backend": "pulay", "beta": wanted["mixing"], "nmaxold": 5, "weight": 100.0}
    if wanted["bands"] is not None:
        options["nbands"] = f"{100 * wanted['bands']:.0f}%"
    calculator = GPAW(
        mode=PW(wanted["cutoff"]),
        xc=wanted["xc"],
        kpts={"size": wanted["kpts"], "gamma": True},
        occupations=FermiDirac(wanted["smearing"]),
        convergence={"energy": wanted["convergence"]},
        maxiter=wanted["iterations"],
        setups=wanted["setups"],
        spinpol=wanted["spin"],
        txt="gpaw.txt",
        **options,
    )
    atoms.calc = calculator
    try:
        energy = atoms.get_potential_energy()
        forces, stress = atoms.get_forces(), atoms.get_stress(voigt=True)
    except gpaw.KohnShamConvergenceError as failure:
        said = " ".join(str(failure).split()[:30]) or "the density did not converge"
        return {"not_converged": f"{said} ({wanted['iterations']} iterations)"}
    except FileNotFoundError as failure:  # a set-up that is not there
        return {"not_treatable": " ".join(str(failure).split()[:30])}
    found = {
        "energy": energy,
        "free_energy": calculator.get_property("free_energy", atoms),
        "forces": forces.tolist(),
        "stress": stress.tolist(),
        "iterations": calculator.get_number_of_iterations(),
        "bands": calculator.get_number_of_bands(),
        "irreducible_k_points": len(calculator.get_ibz_k_points()),
        "setups": {one.symbol: f"{one.type}.{wanted['xc']} {one.fingerprint}" for one in calculator.setups},
    }
    if wanted["spin"]:
        found["magmoms"] = calculator.get_magnetic_moments(atoms).tolist()
    return found


def main() -> None:
    """Answer until stdin closes."""
    print(json.dumps({"version": gpaw.__version__}), file=reply_to, flush=True)
    for line in sys.stdin:
        began = time.process_time()
        reply = calculate(json.loads(line))
        print(json.dumps({**reply, "cpu_s": time.process_time() - began}), file=reply_to, flush=True)


if __name__ == "__main__":
    main()
