"""Elastic tensors calculated live, beside those of density-functional theory: what a cheap labeler's hardness is worth.

    python benchmarks/science/elastic_labels.py [--ids mp-492 ...] [--json FILE]

CHGNet through the labeler's own worker (verb `elastic`: relaxed, 24 strained cells, each with its atoms relaxed) on a
handful of crystals of `../shared/data/materials/mp_binary_elasticity`. Each tensor is held to the symmetry of its
crystal (deviation as a share of the largest entry; it is calculated without any symmetry) and to Born's stability
(smallest eigenvalue above 0); one that fails is no label, and the table says why. With `--json` a run goes on from what the file
holds. Seconds are CPU seconds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from drivers.labelers.workers.bench import Bench
from drivers.mechanics import strength

DATA = Path(os.environ.get("ALQUIMIA_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
TABLE = DATA / "materials/mp_binary_elasticity/mp_binary_elasticity.jsonl.gz"
# Nitrides, carbides, borides, an oxide, semiconductors: those of the reference table of Mazhnik and Oganov's formulas.
IDS = ("mp-492", "mp-631", "mp-8062", "mp-1265", "mp-1894", "mp-2653", "mp-1145", "mp-2795", "mp-2534")
CODE = {"worker": "drivers.labelers.workers.chgnet:CHGNetCode", "settings": {"weights": "0.3.0"}}
ARGUMENTS = {"strain": 0.005, "fmax": 0.02, "relax_first": True}


def label(bench: Bench, row: dict) -> dict:
    structure = {key: row[key] for key in ("lattice", "species", "frac")}
    ended = bench.carry_out(
        {"verb": "elastic", "structure": structure, "arguments": ARGUMENTS, **CODE}, lambda partial: None
    )
    volume = abs(float(np.linalg.det(row["lattice"]))) / len(row["species"])
    truth = strength(row["k_vrh"], row["g_vrh"], volume)
    tensor = ended.record.get("partial", ended.record)
    return {
        "id": row["id"], "formula": row["formula"], "reason": ended.reason, "readings": dict(ended.readings),
        "symmetry": tensor.get("symmetry"), "eigenvalue": min(tensor.get("eigenvalues") or [float("nan")]),
        "cpu_s": ended.record.get("cpu_s"), "chgnet": version("chgnet"),
        "dft": {
            "bulk_modulus": row["k_vrh"], "shear_modulus": row["g_vrh"], "hardness": truth.hardness,
            "toughness": truth.toughness,
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ids", nargs="+", default=list(IDS))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not TABLE.exists():
        raise SystemExit(f"no data: {TABLE}")
    with gzip.open(TABLE, "rt") as file:
        rows = {row["id"]: row for row in map(json.loads, file) if row["id"] in args.ids}
    found = json.loads(args.json.read_text()) if args.json is not None and args.json.exists() else []
    bench = Bench()
    for id in args.ids:
        if id not in {each["id"] for each in found}:
            found.append(label(bench, rows[id]))
            print(f"{id} {rows[id]['formula']}: {found[-1]['reason'] or 'labelled'}", file=sys.stderr)
            if args.json is not None:
                args.json.write_text(json.dumps(found, indent=1))
    print("CHGNet / DFT; moduli and hardness in GPa, toughness in MPa m^(1/2)\n")
    print("| crystal | B | G | H | K_IC | off its symmetry | smallest eigenvalue | CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    for each in found:
        said, dft = each["readings"], each["dft"]
        name = f"{each['formula']} ({each['id']})"
        if not said:
            print(f"| {name} | {each['reason']} | | | | | {each['eigenvalue']:.1f} | {each['cpu_s']:.0f} |")
            continue
        pairs = (("bulk_modulus", ".0f"), ("shear_modulus", ".0f"), ("hardness", ".1f"), ("toughness", ".2f"))
        cells = " | ".join(f"{said[key]:{how}} / {dft[key]:{how}}" for key, how in pairs)
        off = f"{100 * each['symmetry']['deviation']:.1f} %"
        print(f"| {name} | {cells} | {off} | {each['eigenvalue']:.1f} | {each['cpu_s']:.0f} |")
    for key in ("bulk_modulus", "shear_modulus", "hardness", "toughness"):
        ratio = [each["readings"][key] / each["dft"][key] for each in found if each["readings"]]
        if ratio:
            print(
                f"{key}: CHGNet over DFT, median {np.median(ratio):.2f}, {min(ratio):.2f} to {max(ratio):.2f}"
            )


if __name__ == "__main__":
    main()
