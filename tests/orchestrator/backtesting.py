"""Small measured tables, and campaigns that are played on them."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from orchestrator.backtest.variants import Setup

P3HT = ("P3HT content (%)", "D1 content (%)", "D2 content (%)", "D6 content (%)", "D8 content (%)",
        "Conductivity (measured) (S/cm)")  # fmt: skip

LAB = """\
alquimia_lab: 1
name: history
clock: virtual
devices:
  table:
    driver: replay
    settings:
      table: null
      inputs: {T: "T (C)", k: k, solvent: solvent}
      outputs: {yield: "Yield (%)"}
      units: {T: degC, yield: "%"}
      match: exact
      replicates: REPLICATES
"""

CAMPAIGN = """\
alquimia: 1
campaign: history
description: A <b>bold</b> campaign.
space:
  T: {continuous: [5, 93], unit: degC}
  k: {integer: [1, 3]}
  solvent: {categorical: [water, ethanol]}
allowed: {table: table, columns: {T: "T (C)"}}
objectives: [{maximise: yield, unit: "%"}]
recipe:
  - {id: look, do: table.look_up, with: {T: $T, k: $k, solvent: $solvent}, gives: {yield: yield}}
plan:
  - {explore: sobol, experiments: 5, batch: 3}
  - {learn: variance, at_most: 9, until: {calibrated: 0.5}}
  - {optimise: ucb, beta: 1.5, batch: 2}
budget: {experiments: 18}
lab: history
"""


def write(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def blends(path: Path, n: int = 50) -> Path:
    """Compositions with a hill of conductivity, some measured twice."""
    rng = np.random.default_rng(4)
    rows: list[tuple[object, ...]] = []
    for shares in rng.dirichlet(np.ones(5), size=4 * n):
        blend = np.round(100 * shares, 1)
        if blend[0] >= 15 and max(blend) <= 60 and len(rows) < n and abs(blend.sum() - 100) < 1e-9:
            hill = 500 * math.exp(-((blend[0] - 40) ** 2 + (blend[1] - 30) ** 2) / 600)
            rows += [(*blend, round(hill + rng.normal(0, 5), 3)) for _ in range(1 + (len(rows) % 4 == 0))]
    return write(path, P3HT, rows)


def history(path: Path) -> Path:
    """Numbers, whole numbers and words, three measurements each: 54 rows."""
    rng = np.random.default_rng(7)
    rows = [
        (T, k, solvent, round(50 - abs(T - 60) / 2 + 10 * k * (solvent == "water") + rng.normal(0, 2), 3))
        for T in range(5, 100, 11)
        for k in (1, 2, 3)
        for solvent in ("water", "ethanol")
        for _ in range(3)
    ]
    return write(path, ("T (C)", "k", "solvent", "Yield (%)"), rows)


def own(folder: Path, *, campaign: str = CAMPAIGN, replicates: str = "draw") -> Setup:
    """A user's own campaign, laboratory and table, written to `folder`."""
    (folder / "own.yaml").write_text(campaign)
    (folder / "lab.yaml").write_text(LAB.replace("REPLICATES", replicates))
    table = history(folder / "history.csv")
    return Setup(str(folder / "own.yaml"), folder / "lab.yaml", (), (("table", table),))


def shipped(folder: Path, *overrides: str) -> Setup:
    """The shipped campaign on a table of its shape."""
    return Setup("p3ht_cnt", None, overrides, (("table", blends(folder / "blends.csv")),))
