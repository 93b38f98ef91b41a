"""The picture of learning curves with and without transfer.

    python benchmarks/science/transfer_figure.py JSON PNG

JSON: what `transfer.py --out` wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

COVERAGE = 0.9


def drawn(source: Path, to: Path) -> None:
    """Errors and coverage over the number of labels."""
    told = json.loads(source.read_text())
    rows, methods = told["rows"], told["methods"]
    colours = dict(
        zip(methods, ("#98a2ad", "#e69f00", "#0072b2", "#d55e00", "#cc79a7", "#009e73"), strict=False)
    )
    sizes = sorted({row["labels"] for row in rows})
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=[3, 2])
    for method in methods:
        name = f"graph, from {method}" if method not in ("forest", "composition", "graph") else method
        for ax, what in zip(axes, ("mae", "covers"), strict=True):
            own = [[r[what] for r in rows if r["labels"] == n and r["method"] == method] for n in sizes]
            ax.plot(sizes, [np.mean(v) for v in own], color=colours[method], marker="o", ms=3, label=name)
            if what == "mae":
                ax.fill_between(
                    sizes, list(map(min, own)), list(map(max, own)), color=colours[method], alpha=0.12, lw=0
                )
    dummy = [np.mean([r["dummy"] for r in rows if r["labels"] == n]) for n in sizes]
    axes[0].plot(sizes, dummy, color="black", lw=0.8, ls=":", label="mean of the labels")
    unit = f" ({told['unit']})" if told["unit"] else ""
    axes[0].set(xscale="log", yscale="log", xlabel="labels", ylabel=f"mean absolute error{unit}")
    axes[0].set_xticks(sizes, [str(n) for n in sizes])
    axes[0].minorticks_off()
    low, high = axes[0].get_ylim()
    ticks = [t for t in (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500) if low <= t <= high]
    if len(ticks) > 2:
        axes[0].set_yticks(ticks, [str(t) for t in ticks])
    axes[0].legend(fontsize=7)
    axes[1].axhline(COVERAGE, color="black", lw=0.8, ls=":")
    axes[1].set(xscale="log", xlabel="labels", ylabel="inside the 90 % intervals", ylim=(0.6, 1.0))
    axes[1].set_xticks(sizes, [str(n) for n in sizes])
    axes[1].minorticks_off()
    fig.tight_layout()
    fig.savefig(to, dpi=130)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    drawn(Path(sys.argv[1]), Path(sys.argv[2]))
