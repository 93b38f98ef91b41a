"""Errors and intervals of graph-network ensembles beside a linear model and a random forest, on compositions that were
not learned from.

    python benchmarks/materials/accuracy.py [table] [--sets log_k,perov,e_form] [--members 5] [--workers 2]
                                            [--epochs N] [--network NAME] [--limit N] [--json FILE]
    python benchmarks/materials/accuracy.py draws | volumes | transfer      parts of the method, each measured

Real input: DFT values of the Materials Project, Castelli's perovskites and WBM (see `data.py`). The split is that of
GNoME (MD5 of the reduced formula), so no composition is on both sides; one seed, fixed beforehand, the same for all.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import draws
import numpy as np
import torch
import transfer
import volumes
from baselines import baselines
from data import SETS, DataSet
from scipy.stats import spearmanr

from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.splits import md5_split

SEED = 20231129  # the day GNoME appeared
BARS = {"log_k": 0.070, "log_g": 0.125, "heat_all": 0.085, "e_form": 0.16}
COVERED, ORDERED = (0.85, 0.95), 0.45
PARTS = {"draws": draws, "volumes": volumes, "transfer": transfer}
HEAD = (
    "target", "train", "test", "best member", "mean member", "ensemble", "linear", "forest", "dummy", "bar",
    "90 % covers", "raw 2 sd", "Spearman", "CPU s/member",
)  # fmt: skip


def rows_of(data: DataSet, settings: EnsembleSettings, workers: int, limit: int | None) -> list[dict]:
    """Trains one ensemble on all of the set's targets and the baselines on each; a row for each target."""
    learn, test = md5_split(data.structures)
    if limit is not None:
        rng = np.random.default_rng([SEED, 1])
        learn, test = rng.permutation(learn)[:limit], rng.permutation(test)[:limit]
    known, held = data.rows(learn), data.rows(test)
    began = time.perf_counter()
    found = MaterialsEnsemble.fit(
        known.structures, known.values, data.targets, settings=settings, seed=SEED, workers=workers
    )
    wall = time.perf_counter() - began
    said = found.predict(held.structures)
    low, high = said.interval(0.9)
    out = []
    for k, (target, unit) in enumerate(zip(data.targets, data.units, strict=True)):
        there = np.isfinite(held.values[:, k])
        truth = held.values[there, k]
        error = np.abs(said.mean[there, k] - truth)
        members = np.abs(said.members[:, there, k] - truth).mean(axis=1)
        calibration = found.calibration[k]
        raw = np.hypot(
            said.epistemic[there, k] / calibration.epistemic, said.aleatoric[there, k] / calibration.aleatoric
        )
        spread = said.members[:, there, k].std(axis=0, ddof=1)
        covered = (truth >= low[there, k]) & (truth <= high[there, k])
        row = {
            "set": data.name, "target": target, "unit": unit, "n_train": int(np.isfinite(known.values[:, k]).sum()),
            "n_test": int(there.sum()), "best_member": members.min(), "mean_member": members.mean(),
            "ensemble": error.mean(), "median": np.abs(np.median(said.members[:, there, k], axis=0) - truth).mean(),
            "mean": np.abs(said.members[:, there, k].mean(axis=0) - truth).mean(),
            **baselines(known, held, k, SEED), "bar": BARS.get(target), "covered_90": covered.mean(),
            "covered_by_raw_2sd": (error <= 2 * raw).mean(), "covered_by_raw_spread_2sd": (error <= 2 * spread).mean(),
            "spearman": spearmanr(said.sd[there, k], error).statistic,
            "spearman_of_spread": spearmanr(spread, error).statistic, "calibrated_on": calibration.n,
            "cpu_s_per_member": float(np.mean(found.seconds)), "wall_s": wall, "fingerprint": found.fingerprint,
        }  # fmt: skip
        out.append({key: float(v) if isinstance(v, np.floating) else v for key, v in row.items()})
    return out


def failures(rows: list[dict]) -> list[str]:
    """What falls short, in words."""
    out = []
    for row in rows:
        name = row["target"]
        if row["bar"] is not None and row["ensemble"] > row["bar"]:
            out.append(f"{name}: MAE {row['ensemble']:.4f}, bar {row['bar']:g}")
        if not COVERED[0] <= row["covered_90"] <= COVERED[1]:
            out.append(f"{name}: 90 % intervals cover {row['covered_90']:.1%}")
        if name == "log_k" and row["spearman_of_spread"] < ORDERED:
            out.append(f"{name}: Spearman(spread, error) {row['spearman_of_spread']:.2f}, bar {ORDERED}")
        for other in ("best_member", "linear", "forest"):
            if row["ensemble"] >= row[other]:
                out.append(
                    f"{name}: ensemble {row['ensemble']:.4f}, {other.replace('_', ' ')} {row[other]:.4f}"
                )
    return out


def table(rows: list[dict]) -> None:
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    for row in rows:
        maes = [row[k] for k in ("best_member", "mean_member", "ensemble", "linear", "forest", "dummy")]
        cells = [f"{row['target']} ({row['unit']})", str(row["n_train"]), str(row["n_test"])]
        cells += [f"{x:.4f}" for x in maes] + ["" if row["bar"] is None else f"{row['bar']:g}"]
        cells += [f"{row[k]:.1%}" for k in ("covered_90", "covered_by_raw_spread_2sd")]
        cells += [f"{row['spearman_of_spread']:.2f}", f"{row['cpu_s_per_member']:.0f}"]
        print("| " + " | ".join(cells) + " |")


def settings_of(arguments: argparse.Namespace) -> EnsembleSettings:
    """The defaults of the project, but for what was asked on the command line."""
    settings = EnsembleSettings(members=arguments.members)
    if arguments.epochs is not None:
        settings = replace(settings, training=replace(settings.training, epochs=arguments.epochs))
    network = {name: getattr(arguments, name) for name in ("network", "width", "layers")}
    network = {name: value for name, value in network.items() if value is not None}
    return replace(settings, network=replace(settings.network, **network))


def common(cli: argparse.ArgumentParser) -> None:
    cli.add_argument("--members", type=int, default=5)
    cli.add_argument("--workers", type=int, default=2)
    cli.add_argument("--epochs", type=int)
    cli.add_argument("--network")
    cli.add_argument("--width", type=int)
    cli.add_argument("--layers", type=int)
    cli.add_argument("--json", type=Path)


def main() -> None:
    """Run what was asked for; exits with 1 where a bar is missed."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = cli.add_subparsers(dest="command")
    whole = commands.add_parser("table")
    whole.add_argument("--sets", default="log_k,perov,e_form")
    whole.add_argument("--limit", type=int, help="structures at most on each side, to see that it works")
    for name, module in PARTS.items():
        module.add_arguments(commands.add_parser(name, description=module.__doc__))
    for command in commands.choices.values():
        common(command)
    words = sys.argv[1:]
    if not words or words[0].startswith("--"):
        words = ["table", *words] if "-h" not in words and "--help" not in words else words
    arguments = cli.parse_args(words)
    torch.set_num_threads(1)
    settings = settings_of(arguments)
    if arguments.command in PARTS:
        PARTS[arguments.command].main(arguments, settings)
        return
    rows = []
    for name in arguments.sets.split(","):
        rows += rows_of(SETS[name](), settings, arguments.workers, arguments.limit)
        print(json.dumps(rows[-1]), flush=True)
    table(rows)
    missed = failures(rows)
    print("\n".join(missed) or "every bar is met")
    if arguments.json is not None:
        arguments.json.write_text(
            json.dumps({"seed": SEED, "settings": asdict(settings), "rows": rows}, indent=1)
        )
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
