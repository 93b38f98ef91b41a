"""What is searched: functions of unit-cube rows, larger is better, and the measured tables."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from campaigns.space import Continuous, Space, Table

Array = np.ndarray
POOLS = {"p3ht_cnt": 1.0, "agnp": -1.0, "crossed_barrel": 1.0}  # -1: the table's value is to be small
WIDTHS = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
CENTRES = 1e-4 * np.array([
    [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381],
])  # fmt: skip
HARTMANN_BEST = 3.32237


def hartmann6(X: Array) -> Array:
    """(n,) from the first six columns of X (n, d >= 6) in the unit cube; 0 to 3.32."""
    apart = (X[:, None, :6] - CENTRES) ** 2
    return np.exp(-(WIDTHS * apart).sum(axis=2)) @ np.array([1.0, 1.2, 3.0, 3.2])


def branin(X: Array, accuracy: Array | float = 1.0) -> Array:
    """(n,) from X (n, 2) in the unit square, -308 to -0.398; at accuracy 0 with another bend (botorch's
    AugmentedBranin)."""
    x, y = 15 * X[:, 0] - 5, 15 * X[:, 1]
    bend = 5.1 / (4 * np.pi**2) - 0.1 * (1 - accuracy)
    return -((y - bend * x**2 + 5 / np.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


def branin_currin(X: Array) -> Array:
    x, y = X.T
    with np.errstate(divide="ignore"):
        factor = 1 - np.exp(-1 / (2 * y))
    ratio = (2300 * x**3 + 1900 * x**2 + 2092 * x + 60) / (100 * x**3 + 500 * x**2 + 4 * x + 20)
    return np.column_stack([branin(X), -factor * ratio])


def dtlz2(X: Array) -> Array:
    radius = 1 + ((X[:, 1:] - 0.5) ** 2).sum(axis=1)
    angle = 0.5 * np.pi * X[:, 0]
    return -np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def dyes(X: Array) -> Array:
    """Yield, waste and colour of X (n, 4): where waste is least the yield is poor and the colour is off."""
    made = np.exp(-4 * ((X - 0.3) ** 2).sum(axis=1))
    return np.column_stack([made, ((X - 0.7) ** 2).sum(axis=1), X[:, 0] + X[:, 1] * X[:, 2]])


def pools(folder: Path) -> dict[str, tuple[Array, Array]]:
    """Name -> different rows (n, d) and the mean of what was measured there (n,), larger is better."""
    out = {}
    for name, sign in POOLS.items():
        path = folder / name / "data.csv"
        if not path.exists():
            print(f"the measured table is not at {path}: name its folder with --data", file=sys.stderr)
            sys.exit(2)
        with path.open(encoding="utf-8-sig", newline="") as file:
            data = np.array([line for line in list(csv.reader(file))[1:] if line], float)
        X, which = np.unique(data[:, :-1], axis=0, return_inverse=True)
        out[name] = X, sign * np.bincount(which.ravel(), data[:, -1]) / np.bincount(which.ravel())
    return out


def pool_space(X: Array, rows: Array) -> Space:
    """The listed `rows` of X as the only candidates of a box around all of X."""
    names = tuple(f"x{j}" for j in range(X.shape[1]))
    low, high = X.min(axis=0).tolist(), X.max(axis=0).tolist()
    sides = (Continuous(name=n, low=a, high=b) for n, a, b in zip(names, low, high, strict=True))
    return Space(
        parameters=tuple(sides), allowed=Table(columns=names, rows=tuple(map(tuple, X[rows].tolist())))
    )
