"""Whether neighbours should fade, and how many steps CGCNN wants, with as many crystals as there are to learn from.

    python benchmarks/science/depth_full.py [--epochs 20] [--limit N] [--out FILE.json]

All binaries with moduli of the Materials Project but GNoME's test set (MD5 of the reduced formula): four fifths of the
compositions to learn from, the others for validation; mean absolute errors of log10 K and log10 G there, one network
each. Needs ../shared/data. About eight minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "materials"))
from data import moduli

from campaigns.structure import Structure
from surrogates.materials.batches import Packed
from surrogates.materials.bootstrap import held_out
from surrogates.materials.graph import Graph, structure_graph
from surrogates.materials.networks import NetworkSettings, build
from surrogates.materials.splits import md5_split
from surrogates.materials.training import Training, predict, train

SEED = 20231129  # of the split, as in benchmarks/materials/accuracy.py
# What is compared: settings, and the seeds of each.
CASES: list[tuple[dict[str, object], tuple[int, ...]]] = [
    ({"falloff": 0.0}, (0, 1)),
    ({"falloff": 0.1}, (0,)),
    ({"falloff": 0.3}, (0, 1)),
    ({"falloff": 0.3, "neighbours": 12}, (0,)),
    ({"network": "cgcnn", "width": 64, "neighbours": 12, "layers": 2}, (0,)),
    ({"network": "cgcnn", "width": 64, "neighbours": 12, "layers": 4}, (0,)),
]


def _graph(structure: Structure, settings: NetworkSettings) -> Graph:
    return structure_graph(
        structure, cutoff=settings.cutoff, neighbours=settings.neighbours, falloff=settings.falloff
    )


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--epochs", type=int, default=20)
    cli.add_argument("--limit", type=int, help="crystals at most, to see that it works")
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    torch.set_num_threads(1)
    data = moduli()
    rows, _ = md5_split(data.structures)
    rows = rows[: args.limit]
    aside = held_out([data.structures[i].formula for i in rows], 0.2, SEED)
    learned, kept = rows[~aside], rows[aside]
    location, scale = np.nanmean(data.values[learned], axis=0), np.nanstd(data.values[learned], axis=0)
    print(f"{len(learned)} crystals to learn from, {len(kept)} for validation")
    print(f"{'':52}{'seed':>5}  {'log10 K':>8}  {'log10 G':>8}  {'CPU s':>6}")
    out = []
    for changes, seeds in CASES:
        settings = NetworkSettings(**changes)  # type: ignore[arg-type]
        packed = [Packed([_graph(data.structures[i], settings) for i in some]) for some in (learned, kept)]
        for seed in seeds:
            began = time.process_time()
            network = build(settings, 2, seed=seed)
            wanted = (data.values[learned] - location) / scale
            train(network, packed[0], wanted, training=Training(epochs=args.epochs), seed=seed)
            said = predict(network, packed[1]).mean * scale + location
            error = np.nanmean(np.abs(said - data.values[kept]), axis=0)
            took = time.process_time() - began
            name = ", ".join(f"{key} {value}" for key, value in changes.items())
            print(f"{name:52}{seed:5}  {error[0]:8.3f}  {error[1]:8.3f}  {took:6.0f}", flush=True)
            out.append({**changes, "seed": seed, "log_k": error[0], "log_g": error[1], "cpu_s": took})
    if args.out is not None:
        args.out.write_text(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
