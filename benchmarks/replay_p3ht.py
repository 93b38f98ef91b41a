"""Experiments to a top-5 % composition of measured P3HT/CNT composites: the shipped campaign against random draws.

    python benchmarks/replay_p3ht.py [--data ../shared/data/bo] [--seeds 20] [--out FILE.json]

Real input: the 178 compositions that Bash et al. (Adv. Funct. Mater. 31, 2102606, 2021) measured, played back by the
replay instrument. Every seed is a whole run of the engine (`alquimia run p3ht_cnt`), log, host and all.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from campaigns.load import load
from orchestrator.history import read_records

ALQUIMIA = str(Path(sys.executable).with_name("alquimia"))
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "bo"


def truth(table: Path) -> dict[tuple[float, ...], float]:
    """Composition -> mean measured conductivity, S/cm."""
    import csv

    groups: dict[tuple[float, ...], list[float]] = {}
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for row in rows:
            if row:
                groups.setdefault(tuple(map(float, row[:-1])), []).append(float(row[-1]))
    return {key: float(np.mean(values)) for key, values in groups.items()}


def first_hit(values: list[float], threshold: float) -> int:
    """Number of the first experiment at or above the threshold; one beyond the last where there is none."""
    hits = np.flatnonzero(np.array(values) >= threshold - 1e-9)
    return int(hits[0]) + 1 if len(hits) else len(values) + 1


def with_engine(table: Path, seed: int, folder: Path) -> list[float]:
    """Conductivities in the order of proposing, from a whole run of the engine."""
    log = folder / f"{seed}" / "log.db"
    subprocess.run(
        [ALQUIMIA, "run", "p3ht_cnt", "--table", str(table), "--seed", str(seed), "--store", f"sqlite:///{log}"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return [e.values["conductivity"].value for e in read_records(log).experiments if e.values]


def main() -> None:
    """Run every seed, print both medians."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--data", type=Path, default=DATA)
    cli.add_argument("--seeds", type=int, default=20)
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    table = args.data / "p3ht_cnt" / "data.csv"
    if not table.exists():
        sys.exit(f"the measured table is not at {table}: name its folder with --data")
    measured = truth(table)
    values = np.sort(list(measured.values()))
    threshold = float(values[-math.ceil(0.05 * len(values))])
    budget = load("p3ht_cnt", tables={"table": table}).budget.experiments
    ours, random = [], []
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=".") as text:
        for seed in range(args.seeds):
            ours.append(with_engine(table, seed, Path(text).absolute()))
            order = np.random.default_rng(seed).permutation(list(measured.values()))
            random.append([float(v) for v in order[:budget]])
    table_of = {"campaign p3ht_cnt": ours, "random": random}
    print(
        f"\nP3HT/CNT: {len(measured)} compositions, top 5 % is >= {threshold:.0f} S/cm, "
        f"{budget} experiments, {args.seeds} seeds"
    )
    print(
        f"{'':20s} {'first top-5 %: median [quartiles]':>36s} {'best found, median':>20s} {'top 5 % found':>14s}"
    )
    for name, runs in table_of.items():
        q = np.quantile([first_hit(r, threshold) for r in runs], [0.25, 0.5, 0.75])
        best = np.median([max(r) for r in runs])
        share = np.mean([sum(v >= threshold - 1e-9 for v in r) for r in runs]) / math.ceil(0.05 * len(values))
        print(f"{name:20s} {q[1]:18g} [{q[0]:g}, {q[2]:g}] {best:22.0f} {100 * share:13.0f} %")
    if args.out:
        args.out.write_text(json.dumps(table_of))


if __name__ == "__main__":
    main()
