"""The picture of the page on glasses: a slice of one, coloured by propensity, and correlations over time and data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

SIGMA = 2.2183
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#66727f",
)  # fmt: skip
STYLES = {
    "linear 0": ("linear, radial parameters", SKY, "--"),
    "linear 1": ("linear, and their means around", BLUE, "-"),
    "network": ("network", VERMILLION, "-"),
    "linear 1 inherent": ("linear, inherent structure", GREEN, ":"),
    "network inherent": ("network, inherent structure", ORANGE, ":"),
    "distance": ("distance from the inherent structure", PURPLE, "-."),
    "linear all": ("linear, all of it", "black", "-"),
}
SLICES = {
    "true": "measured", "network": "network", "linear 1": "linear, means around",
    "linear all": "linear, all of it",
}  # fmt: skip
THICK = 1.6  # sigma, of the slice
DRAWN = 10.0  # tau of the slice, or the time nearest to it


def draw(source: Path, out: Path, pool: list[dict[str, Any]]) -> None:
    """From what `glass.py --out` wrote."""
    found = json.loads(source.read_text())
    times, largest = np.array(found["times"]), max(found["args"]["sizes"])
    at = int(np.argmin(abs(np.log(times / DRAWN))))
    fig = plt.figure(figsize=(10, 6.6), layout="constrained")
    upper, lower = fig.subfigures(2, 1, height_ratios=(1, 1.4))
    _slices(upper.subplots(1, 4), found, pool, at, upper)
    left, right = lower.subplots(1, 2, width_ratios=(2, 1))
    left.semilogx(
        times, found["bound"]["Ni"], color=GREY, lw=1, marker=".", label="bound by the labels' noise"
    )
    for name, (text, colour, line) in STYLES.items():
        rows = [one for one in found["found"] if one["name"] == name and one["size"] == largest]
        for one in rows:
            of = np.array(one["Ni of melts"])
            left.semilogx(times, one["Ni"], color=colour, ls=line, marker="o", ms=3, label=text)
            left.fill_between(times, of.min(axis=0), of.max(axis=0), color=colour, alpha=0.12, lw=0)
    left.set(
        xlabel="time (τ)", ylabel="correlation, particles A", ylim=(0, 1.3), yticks=np.arange(0, 1.01, 0.2)
    )
    left.legend(fontsize=6.5, ncol=3, loc="upper center")
    left.set_title(
        f"learned from {largest} configurations of 300, tried on melts not learned from", fontsize=8
    )
    for name, (_, colour, line) in STYLES.items():
        rows = sorted((one["size"], np.mean(one["Ni"])) for one in found["found"] if one["name"] == name)
        if rows:
            right.plot(*zip(*rows, strict=True), color=colour, ls=line, marker="o", ms=3)
    right.set(xlabel="configurations learned from", ylabel="mean over the times", ylim=(0, 0.8))
    for axis in (left, right):
        axis.grid(alpha=0.3, lw=0.5)
    fig.savefig(out, dpi=120)


def _slices(axes: Any, found: dict[str, Any], pool: list[dict[str, Any]], at: int, fig: Any) -> None:
    """The middle of one configuration, measured and predicted, each scaled by its own spread; in the titles the
    correlation among all of its particles A."""
    (row,) = [one for one in pool if one["id"] == found["slice"]["id"]]
    box = np.diag(row["lattice"]) / SIGMA
    places = np.array(row["frac"]) * box
    inside = abs(places[:, 2] - box[2] / 2) < THICK / 2
    kinds = np.array(row["species"])
    nickel = kinds == "Ni"
    true = np.array(found["slice"]["true"])[nickel, at]
    for axis, (name, title) in zip(axes, SLICES.items(), strict=True):
        values = np.array(found["slice"][name])[:, at]
        score = np.full(len(values), np.nan)
        for of in (nickel, ~nickel):
            score[of] = (values[of] - values[of].mean()) / values[of].std()
        for of, size, marker in ((nickel, 80, "o"), (~nickel, 45, "D")):
            dots = axis.scatter(
                *places[inside & of, :2].T, c=score[inside & of], s=size, cmap="coolwarm", vmin=-2, vmax=2,
                edgecolors="black", linewidths=0.4, marker=marker,
            )  # fmt: skip
        axis.set(aspect="equal", xlim=(0, box[0]), ylim=(0, box[1]), xticks=[], yticks=[])
        told = "" if name == "true" else f": {np.corrcoef(values[nickel], true)[0, 1]:.2f}"
        axis.set_title(title + told, fontsize=9)
    label = f"propensity at {found['times'][at]:.2g} τ,\nin sd of its kind"
    fig.colorbar(dots, ax=axes, shrink=0.8, label=label)
