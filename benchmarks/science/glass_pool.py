"""Makes the pool of the campaign `glass_propensity`: configurations of a supercooled Kob-Andersen liquid.

    python benchmarks/science/glass_pool.py [--out campaigns/library/pools/kob_andersen.jsonl]
    python benchmarks/science/glass_pool.py --checks     only what the liquid is, beside what is published

Chains begin from different melts, so that what one chain teaches can be tried on another. Each is cooled to the
temperature, waits there, and gives a configuration every `--apart` tau: the relaxation time of the default, T = 0.5, is
some 200 tau. Prints what the liquid is: energy and pressure, for T = 0.8 and T = 1.028 beside what is published.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from drivers.labelers.kob_andersen_model import DENSITY
from drivers.labelers.workers.glass_former import equilibrium
from drivers.labelers.workers.kob_andersen import structure_of

COMMAND = shutil.which(Path(sys.executable).parent / "lmp") or "lmp"
POOL = Path(__file__).resolve().parents[2] / "campaigns/library/pools/kob_andersen.jsonl"
PUBLISHED = {  # temperature: energy, pressure
    0.8: (-6.346, DENSITY * (0.8 + 5.534)),  # gamdpy, examples/kablj.py: what RUMD gives
    1.028: (None, 10.19),  # the melting point: Pedersen et al., Phys. Rev. Lett. 120, 165501, 2018
}


def checks() -> None:
    """500 particles at two temperatures of which something is published."""
    print(f"{'T':>7}{'energy':>9}{'published':>11}{'pressure':>10}{'published':>11}{'T found':>9}")
    for temperature, (energy, pressure) in PUBLISHED.items():
        _, of = equilibrium(COMMAND, 500, temperature, wait=50, apart=20, count=10, seed=5)
        wanted = "" if energy is None else f"{energy:.3f}"
        print(
            f"{temperature:>7}{of.energy:>9.3f}{wanted:>11}{of.pressure:>10.2f}{pressure:>11.2f}{of.temperature:>9.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=POOL)
    parser.add_argument("--particles", type=int, default=300)
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--each", type=int, default=6)
    parser.add_argument("--wait", type=float, default=600.0, help="tau at the temperature before the first")
    parser.add_argument("--apart", type=float, default=200.0, help="tau between two of one chain")
    parser.add_argument("--checks", action="store_true", help="make no pool")
    args = parser.parse_args()
    checks()
    if args.checks:
        return
    rows = []
    for chain in range(args.chains):
        found, of = equilibrium(
            COMMAND, args.particles, args.temperature,
            wait=args.wait, apart=args.apart, count=args.each, seed=chain,
        )  # fmt: skip
        print(f"chain {chain}: T {of.temperature:.4f}, energy {of.energy:.3f}, pressure {of.pressure:.2f}")
        for k, one in enumerate(found):
            rows.append({"id": f"chain{chain}-{k}", **structure_of(one, decimals=4)})
    args.out.write_text(
        "".join(json.dumps(row, sort_keys=True, separators=(",", ":")) + "\n" for row in rows)
    )
    print(f"{len(rows)} configurations, {args.out.stat().st_size / 1e3:.0f} kB: {args.out}")


if __name__ == "__main__":
    main()
