"""The picture of the page on depth.

    python benchmarks/science/depth_figure.py FILE.json [--out docs/figures/depth.png]

FILE: what `depth.py --out` wrote.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#98a2ad",
)  # fmt: skip
NETWORKS = {"edge_gated": BLUE, "cgcnn": VERMILLION}
NORMS = {
    ("none", "layer"): (GREY, ":"), ("none", "batch"): (GREY, ":"), ("before", "layer"): (BLUE, "-"),
    ("after", "layer"): (GREEN, "-"), ("both", "layer"): (PURPLE, "-"), ("before", "batch"): (BLUE, "--"),
    ("after", "batch"): (GREEN, "--"), ("both", "batch"): (PURPLE, "--"),
}  # fmt: skip
OWN = {"edge_gated": ("before", "layer"), "cgcnn": ("both", "batch")}


def draw(raw: dict[str, Any], path: Path) -> None:
    fig, axes = plt.subplots(2, 3, figsize=(11, 6.4))
    rows = raw["rows"]
    for ax, network in zip(axes[:, 0], NETWORKS, strict=True):
        errors(ax, [row for row in rows if row["network"] == network], network)
    alike(axes[0, 1], rows)
    by_layer(axes[1, 1], rows)
    for ax, kind in zip(axes[:, 2], ("shear", "displacement"), strict=True):
        changes(ax, raw, kind)
    fig.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=110)
    plt.close(fig)


def norm_of(row: dict[str, Any]) -> tuple[str, str]:
    return (row["place"], row["norm"]) if row["place"] else OWN[row["network"]]


def errors(ax: plt.Axes, rows: list[dict[str, Any]], network: str) -> None:
    for norm, (colour, line) in NORMS.items():
        own = sorted((r["layers"], r["error"]) for r in rows if r["falloff"] and norm_of(r) == norm)
        if own:
            label = "no norm" if norm[0] == "none" else f"{norm[1]} norm {norm[0]}"
            ax.plot(*zip(*own, strict=True), color=colour, ls=line, marker="o", ms=3, label=label)
    sharp = sorted((r["layers"], r["error"]) for r in rows if not r["falloff"])
    ax.plot(
        *zip(*sharp, strict=True), color="black", lw=0.8, marker=".", ms=4, label="own norm, nearest only"
    )
    ax.set(xlabel="steps of message passing", ylabel="error / deviation (validation)", title=network)
    ax.set_ylim(
        None, min(1.0, max(r["error"] for r in rows) + 0.01)
    )  # what is worse than the mean is off the chart
    ax.legend(fontsize=6)


def alike(ax: plt.Axes, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if row["falloff"] and not row["place"] and row["layers"] == 8:
            ax.plot(
                range(9), row["distance"], color=NETWORKS[row["network"]], label=f"{row['network']}, own norm"
            )
        elif row["falloff"] and row["place"] == "none" and row["layers"] == 8:
            ax.plot(
                range(9),
                row["distance"],
                color=NETWORKS[row["network"]],
                ls=":",
                label=f"{row['network']}, none",
            )
        elif row["falloff"] and row["place"] == "after" and row["layers"] == 8:
            style = "--" if row["norm"] == "batch" else "-."
            ax.plot(range(9), row["distance"], color=NETWORKS[row["network"]], ls=style, lw=1,
                    label=f"{row['network']}, {row['norm']} after")  # fmt: skip
    ax.set(xlabel="after step (networks of eight)", ylabel="distance of unlike atoms", ylim=(0, None))
    ax.legend(fontsize=6, loc="lower left", ncol=2)


def by_layer(ax: plt.Axes, rows: list[dict[str, Any]]) -> None:
    for network, colour in NETWORKS.items():
        some = [r for r in rows if r["network"] == network and r["falloff"] and not r["place"]]
        own = sorted((r["layers"], r["within"][-1]) for r in some)
        ax.plot(*zip(*own, strict=True), color=colour, marker="o", ms=3, label=network)
    ax.set(xlabel="steps of message passing", ylabel="share of variance within crystals", ylim=(0, None))
    ax.legend(fontsize=6)


def changes(ax: plt.Axes, raw: dict[str, Any], kind: str) -> None:
    sizes, first = np.array(raw["kinds"][kind]), 0
    for name, given in raw["kinds"].items():
        if name == kind:
            break
        first += len(given)
    part = slice(first, first + len(sizes))
    for row in raw["rows"]:
        if row["layers"] == 4 and not row["place"]:
            soft = "neighbours that fade" if row["falloff"] else "nearest only"
            meV, line = 1000 * np.array(row["energy_change"][part]), "-" if row["falloff"] else "--"
            label = f"{row['network']}, {soft}"
            ax.plot(sizes, meV, color=NETWORKS[row["network"]], marker="o", ms=3, ls=line, label=label)
    ax.plot(
        sizes, 1000 * np.array(raw["rises"][part]), color="black", marker="s", ms=3, label="CHGNet itself"
    )
    ax.set(xscale="log", yscale="log", ylabel="change of energy (meV/atom)")
    ax.set(xlabel="largest principal shear strain" if kind == "shear" else "displacement, rms (Å)")
    ax.xaxis.set_major_locator(mpl.ticker.FixedLocator(sizes))
    ax.xaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
    ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    ax.legend(fontsize=6)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/depth.png"))
    args = parser.parse_args()
    draw(json.loads(args.file.read_text()), args.out)


if __name__ == "__main__":
    main()
