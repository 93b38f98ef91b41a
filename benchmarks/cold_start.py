"""Cold start: what `alquimia --help` and `alquimia validate` cost, beside an interpreter that does nothing.

    python benchmarks/cold_start.py [--repeats 15] [--out FILE.json]

Prints seconds (median, quartiles) and the ratio to `python -c pass`, interleaved so that noise meets all alike.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ALQUIMIA = str(Path(sys.executable).with_name("alquimia"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "alquimia --help": [ALQUIMIA, "--help"],
    "alquimia validate thin_film": [ALQUIMIA, "validate", "thin_film"],
    "python -c 'import torch'": [sys.executable, "-c", "import torch"],
}


def seconds(command: list[str]) -> float:
    """Wall seconds of one run."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Time and print."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--repeats", type=int, default=15)
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    for command in COMMANDS.values():
        seconds(command)  # the first run reads the disk
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(args.repeats):
        for name, command in COMMANDS.items():
            taken[name].append(seconds(command))
    base = np.array(taken["python -c pass"])
    print(f"\nCold start, median of {args.repeats} [quartiles]")
    print(f"{'command':30s} {'seconds':>24s} {'ratio to pass':>14s}")
    for name, runs in taken.items():
        low, middle, high = np.quantile(runs, [0.25, 0.5, 0.75])
        print(f"{name:30s} {middle:8.3f} [{low:.3f}, {high:.3f}] {np.median(np.array(runs) / base):12.1f} x")
    if args.out:
        args.out.write_text(json.dumps(taken))


if __name__ == "__main__":
    main()
