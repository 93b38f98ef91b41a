"""Which crystals can be made, learned from those that were: transductive bagging, with its null run.

    python benchmarks/science/synthesizability.py [--classifier trees|cgcnn|network] [--bags 100] [--workers 2]
                                                  [--keep FOLDER] [--json FILE]

3,888 binaries of the Materials Project, 2,822 of them with an experimental record in the ICSD (positive), 1,066 without
(unlabelled): `../shared/data/materials/mp_binary_elasticity`. The procedure is that of Jang et al. (J. Am. Chem. Soc.
142, 18836, 2020) but for one thing: there the unlabelled were more than the positive, and a bag drew as many; here they
are fewer, and a bag draws half of them and as many of the positive.

True-positive rate: of the fixed fifth of the positive that no bag trained on, the share with a score above 0.5; beside
it that of those whose formula no bag trained on either, since another polymorph of a compound tells a lot. Called:
the same share of the unlabelled. Null: the true-positive rate with shuffled labels, which is to be about one half.
Published on 124,515 crystals: 87.4 %, 20.8 %, 45.4 %. Precision cannot be measured: nobody knows which crystals cannot
be made.

    trees     boosted trees on descriptors of composition and structure
    cgcnn     the crystal graph network as published, 64 wide, 3 convolutions, 12 neighbours within 8 A, 30 epochs
              (here by least squares and AdamW; published: likelihood and SGD)
    network   the project's default graph network, 32 wide, 2 layers, 20 epochs
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import sys
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from campaigns.structure import Structure
from surrogates.materials.graph import GraphCache
from surrogates.materials.graph_classifier import GraphClassifier
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.positive_unlabelled import Bagged, bag, null_run
from surrogates.materials.synthesizability import Describe, boosted_trees
from surrogates.materials.training import Training

DATA = Path(os.environ.get("ALQUIMIA_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
FOLDER = DATA / "materials/mp_binary_elasticity"
PUBLISHED = NetworkSettings("cgcnn", width=64, layers=3, cutoff=8.0, neighbours=12, dropout=0.1)
SEED = 0


def crystals() -> tuple[list[Structure], np.ndarray]:
    """Those with a flag, and whether each has a record."""
    with (FOLDER / "icsd_flags.csv").open() as file:
        flags = {row["id"]: row["has_icsd_entry"] == "1" for row in csv.DictReader(file)}
    with gzip.open(FOLDER / "mp_binary_elasticity.jsonl.gz", "rt") as file:
        rows = [row for row in map(json.loads, file) if row["id"] in flags]
    return [Structure.from_json(row) for row in rows], np.array([flags[row["id"]] for row in rows])


def classifier(kind: str):
    """How one is made, and what it sees of crystals."""
    if kind == "trees":
        from surrogates.materials.descriptors import descriptors

        return boosted_trees, descriptors
    if kind == "cgcnn":
        make = partial(GraphClassifier, settings=PUBLISHED, training=Training(epochs=30))
        return make, GraphCache(PUBLISHED.cutoff, PUBLISHED.neighbours, PUBLISHED.kind)
    return GraphClassifier, GraphCache()


def unseen(found: Bagged, structures: list[Structure]) -> tuple[float, int]:
    """The true-positive rate of compounds that no bag has seen, and how many these are."""
    trained = {one.formula for one, held in zip(structures, found.tested, strict=True) if not held}
    fresh = [k for k in np.flatnonzero(found.tested) if structures[k].formula not in trained]
    return float(np.mean(found.scores[fresh] > 0.5)), len(fresh)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classifier", choices=("trees", "cgcnn", "network"), default="trees")
    parser.add_argument("--bags", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, help="so many crystals, drawn at random")
    parser.add_argument("--keep", type=Path, help="a folder for finished bags, from which a run goes on")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not FOLDER.exists():
        raise SystemExit(f"no data: {FOLDER}")
    began = time.perf_counter()
    structures, made = crystals()
    if args.limit is not None:
        some = np.random.default_rng(SEED).permutation(len(made))[: args.limit]
        structures, made = [structures[k] for k in some], made[some]
    make, describe = classifier(args.classifier)
    examples = Describe(describe)(structures)
    keep = None if args.keep is None else args.keep / f"{args.classifier}-{len(made)}"
    how = {"bags": args.bags, "seed": SEED, "workers": args.workers, "keep": keep}

    def progress(k: int, n: int) -> None:
        print(f"bag {k} of {n}, {time.perf_counter() - began:.0f} s", file=sys.stderr)

    found = bag(make, examples, made, progress=progress, **how)
    null = null_run(make, examples, made, progress=progress, **how)
    fresh, n_fresh = unseen(found, structures)
    n_test = int(found.tested.sum())
    row = {
        "classifier": args.classifier, "bags": args.bags, "positive": int(made.sum()),
        "unlabelled": int((~made).sum()), "held_out": n_test, "true_positive_rate": found.true_positive_rate,
        "true_positive_rate_unseen_formula": fresh, "unseen_formula": n_fresh, "called": found.called,
        "null": null.true_positive_rate, "null_called": null.called, "wall_s": time.perf_counter() - began,
        "workers": args.workers,
    }  # fmt: skip
    print("| classifier | bags | TPR | TPR, formula unseen | unlabelled called | null TPR | wall s |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {args.classifier} | {args.bags} | {found.true_positive_rate:.1%} of {n_test} | {fresh:.1%} of {n_fresh} | "
        f"{row['called']:.1%} | {row['null']:.1%} | {row['wall_s']:.0f} |"
    )
    if args.json is not None:
        scores = [None if not np.isfinite(x) else round(float(x), 4) for x in found.scores]
        args.json.write_text(json.dumps(row | {"scores": scores}))


if __name__ == "__main__":
    main()
