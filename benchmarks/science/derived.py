"""How well hardness and toughness are predicted through the moduli, and what their intervals are worth.

    python benchmarks/science/derived.py [--learn 1000] [--test 400] [--members 3] [--width 24] [--epochs 30]
                                         [--json FILE]

Crystals of `../shared/data/materials/mp_binary_elasticity` are split by composition (MD5 of the reduced formula, as
GNoME did); so many of each side are drawn. The networks learn log10 of both moduli; each one's word, and draws of
what no other label would tell, go through the formulas. Beside it the same networks, which learn hardness and
toughness themselves. Error: median of |predicted / true - 1|; rank: Spearman's; covers: share of the truths inside
the central 90 % of the draws, which is to be 0.90.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from campaigns.structure import Structure
from surrogates.joint.derive import DERIVATIONS
from surrogates.joint.labels import Labels
from surrogates.joint.learner import Learner
from surrogates.joint.trainer import Networks
from surrogates.materials.mechanics import fracture_toughness, hardness, poisson_ratio, young_modulus
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.splits import md5_split
from surrogates.materials.training import Training

DATA = Path(os.environ.get("ALQUIMIA_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
TABLE = DATA / "materials/mp_binary_elasticity/mp_binary_elasticity.jsonl.gz"
READINGS = ("bulk_modulus", "shear_modulus", "young_modulus", "hardness", "toughness")
EACH, SEED = 64, 0


def truth(rows: list[dict]) -> dict[str, np.ndarray]:
    bulk, shear = (np.array([row[key] for row in rows]) for key in ("k_vrh", "g_vrh"))
    volume = np.array([abs(np.linalg.det(row["lattice"])) / len(row["species"]) for row in rows])
    return {
        "bulk_modulus": bulk, "shear_modulus": shear, "young_modulus": young_modulus(bulk, shear),
        "hardness": hardness(bulk, shear).value, "toughness": fracture_toughness(bulk, shear, volume).value,
        "poisson_ratio": poisson_ratio(bulk, shear),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("learn", 1000), ("test", 400), ("members", 3), ("width", 24), ("epochs", 30)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not TABLE.exists():
        raise SystemExit(f"no data: {TABLE}")
    with gzip.open(TABLE, "rt") as file:
        rows = [row for row in map(json.loads, file) if row["k_vrh"] > 1 and row["g_vrh"] > 1]
    learn, test = md5_split([Structure.from_json(row) for row in rows])
    rng = np.random.default_rng(SEED)
    learn, test = rng.permutation(learn)[: args.learn], rng.permutation(test)[: args.test]
    known, held = [rows[k] for k in learn], [rows[k] for k in test]
    told, true = truth(known), truth(held)
    settings = EnsembleSettings(
        members=args.members, network=NetworkSettings(width=args.width), training=Training(epochs=args.epochs)
    )
    out = []
    print(f"learned from {len(known)}, tried on {len(held)} of other compositions\n")
    print("| learned | reading | error | rank | 90 % covers | CPU s |\n|---|---|---|---|---|---|")
    for learned, names in (
        ("moduli", ("bulk_modulus", "shear_modulus")),
        ("itself", ("hardness", "toughness")),
    ):
        began = time.process_time()
        kind = DERIVATIONS["mechanics"] if learned == "moduli" else None
        labels = Labels(
            tuple((row["id"], {n: float(told[n][k]) for n in names}) for k, row in enumerate(known)), ()
        )
        whole = Learner(Networks(settings), None, SEED, kind).representation(
            labels,
            [row["id"] for row in (*known, *held)],
            [Structure.from_json(row) for row in (*known, *held)],
        )
        shown = READINGS if kind is not None else names
        drawn = whole.draws(shown, EACH, np.random.default_rng(SEED))[:, len(known) :]
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
        for j, name in enumerate(shown):
            said = np.median(drawn[:, :, j], axis=0)
            row = {
                "learned": learned, "reading": name, "error": float(np.median(np.abs(said / true[name] - 1))),
                "rank": float(spearmanr(said, true[name]).statistic),
                "covers": float(np.mean((true[name] >= low[:, j]) & (true[name] <= high[:, j]))),
                "cpu_s": time.process_time() - began,
            }  # fmt: skip
            out.append(row)
            print(
                f"| {learned} | {name} | {row['error']:.1%} | {row['rank']:.3f} | {row['covers']:.2f} | "
                f"{row['cpu_s']:.0f} |"
            )
    if args.json is not None:
        args.json.write_text(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
