"""What an ensemble's members should differ by, what they should learn from, and how to read them.

    python benchmarks/materials/accuracy.py draws [--set log_k] [--train 900] [--seeds 2] [--epochs 30] [--members 5]

Seeds alone, seeds with 80 % of the compositions, seeds with a bootstrap of them; median and mean of the members; and
members before and after they finish with what had calibrated them. Same test compositions (MD5) for all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from data import SETS
from scipy.stats import spearmanr

from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.prediction import centre_of
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.splits import md5_split


def errors(truth, members):
    """MAE of: one member on average, the best member, median and mean of all."""
    of_members = np.nanmean(np.abs(members - truth), axis=(1, 2))
    both = [np.nanmean(np.abs(centre_of(members, centre) - truth)) for centre in ("median", "mean")]
    return np.array([of_members.mean(), of_members.min(), *both])


def draws(name, train, seeds, settings, workers):
    """Prints a row per way to draw, means over the seeds."""
    data = SETS[name]()
    learn, test = md5_split(data.structures)
    graphs = None
    print(
        f"{name}, {data.targets[0]}: {train} of {len(learn)} for training, {len(test)} for test, {settings}"
    )
    print(
        "| members differ by | one member | best | median | mean | before finishing | covered 90 % | Spearman |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for draw in ("all", "subset", "bootstrap"):
        rows = []
        for seed in range(seeds):
            some = np.random.default_rng([seed, 1]).permutation(learn)[:train]
            known, held = data.rows(some), data.rows(test)
            y, truth = known.values[:, :1], held.values[:, :1]
            found = MaterialsEnsemble.fit(
                known.structures, y, data.targets[:1], settings=replace(settings, draw=draw), seed=seed,
                workers=workers, graphs=graphs,
            )  # fmt: skip
            graphs = found.graphs
            said = found.predict(held.structures)
            earlier = MaterialsEnsemble(
                found.targets, (), found.settings, found.provenance, found.scales, found.calibration, found.before,
                None, (), graphs,
            )  # fmt: skip
            low, high = said.interval()
            before = errors(truth, earlier.predict(held.structures).members)[2]
            covered = np.mean((truth >= low) & (truth <= high))
            order = spearmanr(said.sd[:, 0], np.abs(said.mean - truth)[:, 0]).statistic
            rows.append([*errors(truth, said.members), before, covered, order])
            print(f"  {draw} {seed} {np.round(rows[-1], 4)} {np.sum(found.seconds):.0f} s", flush=True)
        print(f"| {draw} | " + " | ".join(f"{x:.4f}" for x in np.mean(rows, axis=0)) + " |", flush=True)


def add_arguments(cli):
    cli.add_argument("--set", default="log_k", choices=list(SETS))
    cli.add_argument("--train", type=int, default=900)
    cli.add_argument("--seeds", type=int, default=2)


def main(arguments, settings: EnsembleSettings) -> None:
    draws(arguments.set, arguments.train, arguments.seeds, settings, arguments.workers)
