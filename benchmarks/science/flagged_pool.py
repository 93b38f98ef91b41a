"""Binaries of the Materials Project with moduli, and whether each has an experimental record, as one pool.

    python benchmarks/science/flagged_pool.py FILE.jsonl [--crystals N]

Joins the two files of `../shared/data/materials/mp_binary_elasticity`; crystals that nobody says anything of are left
without a flag. `--crystals`: so many, drawn at random.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
from pathlib import Path

import numpy as np

DATA = Path(os.environ.get("ALQUIMIA_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
FOLDER = DATA / "materials/mp_binary_elasticity"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--crystals", type=int)
    args = parser.parse_args()
    if not FOLDER.exists():
        raise SystemExit(f"no data: {FOLDER}")
    with (FOLDER / "icsd_flags.csv").open() as file:
        flags = {row["id"]: float(row["has_icsd_entry"]) for row in csv.DictReader(file)}
    with gzip.open(FOLDER / "mp_binary_elasticity.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    drawn = np.random.default_rng(0).permutation(len(rows))[: args.crystals]
    with args.file.open("w") as out:
        for k in sorted(drawn.tolist()):
            row = rows[k]
            said = {"values": {"icsd": flags[row["id"]]}} if row["id"] in flags else {}
            out.write(json.dumps(row | said) + "\n")
    print(f"{args.file}: {len(drawn)} crystals, {sum(rows[k]['id'] in flags for k in drawn)} with a flag")


if __name__ == "__main__":
    main()
