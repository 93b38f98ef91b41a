"""The planner, asked and told. Candidates have a number per name x0, x1, ..."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from campaigns.objective import Objective
from campaigns.space import Continuous, Space
from planner.problems import Array
from surrogates.planner import Method, Planner

MAXIMISED = [Objective(name="y", direction="maximise")]


def box(d: int, *more: Any) -> Space:
    return Space(parameters=(*(Continuous(name=f"x{j}", low=0.0, high=1.0) for j in range(d)), *more))


def candidate(row: Array) -> dict[str, float]:
    return {f"x{j}": float(value) for j, value in enumerate(row)}


def row(given: dict[str, Any]) -> Array:
    return np.array([[value for name, value in given.items() if name.startswith("x")]], float)


def play(
    planner: Planner, measure: Callable[[Array], dict[str, float]], method: Method, start: Array, n: int
) -> list[tuple[Array, dict[str, float]]]:
    """What was measured, in order: the rows of `start`, then `n` candidates one at a time."""
    out = []
    for k in range(len(start) + n):
        here = candidate(start[k]) if k < len(start) else planner.ask(1, method)[0].candidate
        values = measure(row(here))
        planner.tell(here, values)
        out.append((row(here)[0], values))
    return out


def told(space: Space, f: Callable[[Array], Array], n: int, seed: int) -> Planner:
    planner = Planner(space, MAXIMISED, seed=seed)
    X = np.random.default_rng([seed, n]).random((n, len(space.free)))
    for x, y in zip(X, f(X), strict=True):
        planner.tell(candidate(x), float(y))
    return planner


def ask_seconds(
    planner: Planner, f: Callable[[Array], Array], *, n: int = 1, repeats: int = 5
) -> list[float]:
    """CPU seconds of asks, each after one more result; the first, which loads what is loaded late, is left out."""
    out = []
    for _ in range(repeats + 1):
        before = time.process_time()
        made = planner.ask(n)
        out.append(time.process_time() - before)
        planner.tell(made[0].candidate, float(f(row(made[0].candidate))[0]))
        for other in made[1:]:
            planner.forget(other.candidate)
    return out[1:]


def named(names: Sequence[str], values: Array) -> dict[str, float]:
    return dict(zip(names, values[0].tolist(), strict=True))


def sobol(d: int, n: int, seed: int) -> Array:
    return np.array(
        [
            row(p.candidate)[0]
            for p in Planner(box(d), MAXIMISED, seed=seed).ask(n, Method("explore", "sobol"))
        ]
    )
