"""Does a property with many labels help one with few? Bodies from log10 K of 3,283 binaries, new heads.

    python benchmarks/materials/accuracy.py transfer [--labels 150] [--seeds 3] [--epochs 60] [--members 2]

To log10 G of the same binaries and to the last phonon peak (Petretto et al. 2018), each with that many labels, against
networks from nothing with as many epochs. The MD5 split is one of formulas, so no test compound of either property has
taught the body. `--body N` limits what the body learns from.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from data import SETS

from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.splits import md5_split

SEED = 20231129


def add_arguments(cli):
    cli.add_argument("--labels", type=int, default=150)
    cli.add_argument("--seeds", type=int, default=3)
    cli.add_argument("--body", type=int, default=None)


def main(arguments, settings) -> None:
    """Prints MAE from nothing and from the body, means and extremes over seeds."""
    rich, poor = SETS["log_k"](), SETS["phonons"]()
    learn, test = md5_split(rich.structures)
    some = np.random.default_rng([SEED, 3]).permutation(learn)[: arguments.body]
    body = MaterialsEnsemble.fit(
        [rich.structures[i] for i in some], rich.values[some, :1], ["log_k"], settings=settings, seed=SEED,
        workers=arguments.workers,
    )  # fmt: skip
    error = np.abs(body.predict(rich.rows(test).structures).mean[:, 0] - rich.values[test, 0])
    print(
        f"body: log_k of {len(some)}, MAE {np.nanmean(error):.4f}, {np.sum(body.seconds):.0f} s CPU",
        flush=True,
    )
    few = replace(settings, transfer=replace(settings.transfer, epochs=settings.training.warm_epochs))
    print("| target | labels | dummy | from nothing | from the body | from the body, few epochs |")
    print("|---|---|---|---|---|---|")
    for data, column in ((rich, 1), (poor, 0)):
        labelled = np.flatnonzero(np.isfinite(data.values[:, column]))
        learn, test = (labelled[rows] for rows in md5_split([data.structures[i] for i in labelled]))
        truth = data.values[test, column]
        found: dict[str, list[float]] = {"dummy": [], "nothing": [], "body": [], "short": []}
        for seed in range(arguments.seeds):
            rows = np.random.default_rng([SEED, seed, 4]).permutation(learn)[: arguments.labels]
            structures = [data.structures[i] for i in rows]
            y = data.values[rows, column : column + 1]
            found["dummy"].append(np.abs(truth - y.mean()).mean())
            ways = (("nothing", None, settings), ("body", body, settings), ("short", body, few))
            for name, start, chosen in ways:
                fitted = MaterialsEnsemble.fit(
                    structures, y, [data.targets[column]], settings=replace(chosen, finish=False, held_out=0.0),
                    seed=seed, start=start, workers=arguments.workers,
                )  # fmt: skip
                said = fitted.predict([data.structures[i] for i in test]).mean[:, 0]
                found[name].append(np.abs(said - truth).mean())
        cells = " | ".join(f"{np.mean(v):.4f} ({min(v):.4f} to {max(v):.4f})" for v in found.values())
        print(f"| {data.targets[column]} ({data.units[column]}) | {arguments.labels} | {cells} |", flush=True)
