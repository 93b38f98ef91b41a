"""The picture of docs/adversarial.md, and the figures of the analytic surfaces.

python benchmarks/science/attack_figure.py [--rows FILE.json ...] [--width 256] [--out docs/figures/adversarial.png]

`--rows`: what `attacks.py --json` wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from surrogates.materials.attack.surfaces import attack_surface, double_well_1d, double_well_2d

COLOURS = {"random": "#98a2ad", "dynamics": "#0072b2", "adversarial": "#d55e00"}


def one_dimension(axes: list[plt.Axes], generations: int, seeds: int, width: int) -> None:
    """The picture is of the seed that came farthest."""
    x = torch.linspace(-1.65, 1.65, 500, dtype=torch.float64)[:, None]
    grid = torch.linspace(-1.65, 1.65, 120, dtype=torch.float64)[:, None]
    start = x[double_well_1d(x) < -5.5]
    runs = []
    for seed in range(seeds):
        done, data = attack_surface(
            double_well_1d, start, grid, generations=generations, attack_rate=1e-3, attack_steps=400, fit_steps=250,
            width=width, closest=0.05, seed=seed, published=True,
        )  # fmt: skip
        runs.append((done, data))
        print(f"one dimension, seed {seed}: variance on the grid", [round(g.grid_variance, 3) for g in done],
              "new points", [len(g.found) for g in done], "from", round(float(data.points.min()), 2), "to",
              round(float(data.points.max()), 2), flush=True)  # fmt: skip
    done, data = max(runs, key=lambda run: float(run[1].points.max()))
    for ax, at in zip(axes, (0, generations - 1), strict=True):
        energies = done[at].ensemble(grid)[0]
        mean, sd = energies.mean(dim=0).numpy(), energies.std(dim=0).numpy()
        ax.plot(grid[:, 0], double_well_1d(grid), color="black", lw=1, label="truth")
        ax.plot(grid[:, 0], mean, color="#0072b2", lw=1, label="ensemble")
        ax.fill_between(grid[:, 0], mean - 2 * sd, mean + 2 * sd, color="#0072b2", alpha=0.2, lw=0)
        ax.plot(start[:, 0], double_well_1d(start), ".", color="#98a2ad", ms=3, label="first labels")
        new = torch.cat([g.found for g in done[:at]]) if at else data.points[:0]
        ax.plot(new[:, 0], double_well_1d(new), "o", color="#d55e00", ms=4, label="attacks, labelled")
        ax.set(ylim=(-9, 12), xlim=(-1.65, 1.65), xlabel="x", ylabel="E", title=f"generation {at + 1}")
    axes[0].legend(fontsize=6)


def two_dimensions(generations: int) -> None:
    generator = torch.Generator().manual_seed(1)
    x = (2 * torch.rand(800, 2, generator=generator, dtype=torch.float64) - 1) * 1.2
    axis = torch.linspace(-1.2, 1.2, 40, dtype=torch.float64)
    start = x[double_well_2d(x) < -2.0]
    done, data = attack_surface(
        double_well_2d, start, torch.cartesian_prod(axis, axis), generations=generations, attack_rate=3e-3,
        attack_steps=600, fit_steps=500, width=32, seed=1,
    )  # fmt: skip
    basin = data.points[(data.points[:, 0] - 0.65).abs() < 0.35]
    print("two dimensions: variance on the grid", [round(g.grid_variance, 3) for g in done], "new points",
          [len(g.found) for g in done], "lowest in the second basin",
          round(float(double_well_2d(basin).min()), 2) if len(basin) else None)  # fmt: skip


def errors(ax: plt.Axes, files: list[Path]) -> None:
    rows = [row for file in files for row in json.loads(file.read_text())]
    for method, colour in COLOURS.items():
        own = [r for r in rows if r["method"] == method]
        labels = sorted({r["labels"] for r in own})
        values = [[r["force_error"] for r in own if r["labels"] == n] for n in labels]
        ax.plot(labels, [np.mean(v) for v in values], "o-", color=colour, ms=3, label=method)
        ax.fill_between(
            labels, [min(v) for v in values], [max(v) for v in values], color=colour, alpha=0.12, lw=0
        )
    ax.set(
        xlabel="labels",
        ylabel="force error on the truth's path (eV/Å)",
        yscale="log",
        title="Cu$_6$Au, 2000 K",
    )
    ax.legend(fontsize=6)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, nargs="*", default=[])
    parser.add_argument("--generations", type=int, nargs=2, default=(5, 7))
    parser.add_argument("--seeds", type=int, default=5, help="of the surface in one dimension")
    parser.add_argument("--width", type=int, default=64, help="of the networks in one dimension")
    parser.add_argument("--out", type=Path, default=Path("docs/figures/adversarial.png"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    fig, axes = plt.subplots(1, 3 if args.rows else 2, figsize=(10 if args.rows else 7, 3.2))
    one_dimension(list(axes[:2]), args.generations[0], args.seeds, args.width)
    if args.rows:
        errors(axes[2], args.rows)
    fig.tight_layout()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(args.out, dpi=110)
    if args.generations[1]:
        two_dimensions(args.generations[1])


if __name__ == "__main__":
    main()
