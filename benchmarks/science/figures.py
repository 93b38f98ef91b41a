"""The pictures of the pages on hard and tough crystals, on crystals that can be made and on bias.

    python benchmarks/science/figures.py --out docs/figures [--superhard FILE.json] [--synthesizability FILE.json]

`--superhard`, `--synthesizability`: what `superhard.py --json` and `synthesizability.py --json` wrote. The chart of all
binaries and the bars of elements are drawn from the data.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from bias import sets

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from surrogates.materials.bias import enrichment, is_metal
from surrogates.materials.mechanics import fracture_toughness, hardness

DATA = Path(os.environ.get("ALQUIMIA_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
TABLE = DATA / "materials/mp_binary_elasticity/mp_binary_elasticity.jsonl.gz"
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#98a2ad",
)  # fmt: skip
COLOURS = {
    "pareto": VERMILLION, "direct": ORANGE, "parego": PURPLE, "greedy": SKY, "learn": GREEN, "random": GREY,
}  # fmt: skip
NAMED = {"mp-2653": "w-BN", "mp-1773": "ReB2", "mp-1894": "WC", "mp-1145": "TiB2", "mp-492": "TiN", "mp-1265": "MgO",
         "mp-1143": "Al2O3", "mp-2534": "GaAs", "mp-8062": "SiC", "mp-1018649": "BC5", "mp-571653": "C3N4"}  # fmt: skip


def ashby(path: Path) -> None:
    with gzip.open(TABLE, "rt") as file:
        rows = [json.loads(line) for line in file]
    bulk, shear = (np.array([row[key] for row in rows]) for key in ("k_vrh", "g_vrh"))
    volume = np.array([abs(np.linalg.det(row["lattice"])) / len(row["species"]) for row in rows])
    hard, tough = hardness(bulk, shear).value, fracture_toughness(bulk, shear, volume)
    metal = np.array([all(map(is_metal, row["species"])) for row in rows])
    fig, ax = plt.subplots(figsize=(7, 5))
    for chosen, colour, name in (
        (metal & tough.inside, GREY, "all metal: neither number is the material's"),
        (~metal & tough.inside & ~tough.sensitive, BLUE, "with a non-metal"),
        (tough.sensitive & ~metal, PURPLE, "sensitive coefficients, 0.12 < ν < 0.17"),
        (~tough.inside, VERMILLION, "ν < 0: the formulas were not made for it"),
    ):
        ax.scatter(hard[chosen], tough.value[chosen], s=5, color=colour, label=name, alpha=0.7, linewidths=0)
    x = np.array([0.05, 100.0])
    for value in (1, 3, 10, 30):
        ax.plot(x, x / value, color="black", lw=0.5)
        ax.annotate(f"H/K = {value} µm$^{{-1/2}}$", (0.06, 0.06 / value), fontsize=6, rotation=37)
    for value in (0.001, 0.01, 0.1, 1.0):
        ax.plot(x, np.sqrt(value * x), color="black", lw=0.7, ls=":")
        ax.annotate(f"K²/H = {value:g} mm", (0.3, 1.06 * (value * 0.3) ** 0.5), fontsize=6, rotation=20)
    for k, row in enumerate(rows):
        if row["id"] in NAMED:
            ax.annotate(
                NAMED[row["id"]],
                (hard[k], tough.value[k]),
                fontsize=7,
                xytext=(3, 3),
                textcoords="offset points",
            )
    ax.set(xscale="log", yscale="log", xlim=(0.05, 100), ylim=(2e-3, 20))
    ax.set(xlabel="Vickers hardness (GPa)", ylabel="fracture toughness (MPa m$^{1/2}$)")
    ax.legend(fontsize=7, loc="lower right")
    fig.savefig(path / "ashby.png", dpi=130, bbox_inches="tight")


def superhard(path: Path, source: Path) -> None:
    results = json.loads(source.read_text())
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    for name, colour in COLOURS.items():
        own = [r for r in results if r["strategy"] == name]
        if not own:
            continue
        labels = [step["labels"] for step in own[0]["steps"]]
        for ax, what in zip(axes, ("hypervolume", "layer"), strict=True):
            values = np.array([[step[what] for step in r["steps"]] for r in own])
            ax.plot(labels, values.mean(axis=0), color=colour, label=name, marker="o", ms=3)
            ax.fill_between(labels, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.1, lw=0)
    axes[0].set(xlabel="labels", ylabel="share of the hypervolume")
    axes[1].set(xlabel="labels", ylabel="share of the first five fronts found")
    axes[0].legend(fontsize=7)
    fig.savefig(path / "superhard.png", dpi=120, bbox_inches="tight")


def synthesizability(path: Path, source: Path) -> None:
    from synthesizability import crystals

    row = json.loads(source.read_text())
    _, made = crystals()
    scores = np.array([np.nan if x is None else x for x in row["scores"]])
    fig, ax = plt.subplots(figsize=(6, 3.4))
    bins = np.linspace(0, 1, 26)
    for chosen, colour, name in (
        (made & np.isfinite(scores), BLUE, "with a record, in the bags that did not train on it"),
        (~made, ORANGE, "without a record"),
    ):
        ax.hist(scores[chosen], bins, density=True, histtype="step", color=colour, label=name, lw=1.5)
    ax.axvline(0.5, color="black", lw=0.7, ls=":")
    ax.set(xlabel="score", ylabel="density")
    ax.legend(fontsize=7)
    fig.savefig(path / "synthesizability.png", dpi=120, bbox_inches="tight")


def bias(path: Path) -> None:
    found = sets()
    elements = enrichment(found["wbm_random_972"], found["mp_binary_elasticity"])
    level = 0.05 / len(elements)
    fig, ax = plt.subplots(figsize=(9, 3))
    colours = [GREY if e.p > level else VERMILLION if e.log2 > 0 else BLUE for e in elements]
    ax.bar([e.element for e in elements], [e.log2 for e in elements], color=colours)
    ax.tick_params(axis="x", labelsize=6, rotation=90)
    ax.set(ylabel="log$_2$ of the share, WBM over binaries")
    ax.margins(x=0.01)
    fig.savefig(path / "bias.png", dpi=110, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--superhard", type=Path)
    parser.add_argument("--synthesizability", type=Path)
    args = parser.parse_args()
    if not TABLE.exists():
        raise SystemExit(f"no data: {TABLE}")
    args.out.mkdir(parents=True, exist_ok=True)
    ashby(args.out)
    bias(args.out)
    if args.superhard is not None:
        superhard(args.out, args.superhard)
    if args.synthesizability is not None:
        synthesizability(args.out, args.synthesizability)


if __name__ == "__main__":
    main()
