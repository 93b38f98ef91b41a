"""How fast the best rows of a table were found, over seeds.

Acceleration and enhancement are those of Liang et al., npj Comput. Mater. 7, 188 (2021), but random search is its
exact expectation (rows drawn without replacement) in place of a finite number of random runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from orchestrator.backtest.play import Played
from orchestrator.backtest.pool import Array, Pool


@dataclass(frozen=True)
class Course:
    """One variant over all seeds.

    places   (s, n) the row of each experiment, -1 where it gave nothing or the campaign had ended
    seconds  what each question to the planner took, all seeds together
    """

    label: str
    pool: Pool
    places: Array
    seconds: tuple[float, ...]

    @property
    def budget(self) -> int:
        """Experiments that every seed could have."""
        return int(self.places.shape[1])

    @cached_property
    def found(self) -> Array:
        """(s, n) share of the best rows found after 1, 2, ... experiments."""
        hit = (self.places >= 0) & self.pool.top[self.places]
        return np.cumsum(hit, axis=1) / self.pool.top.sum()

    @cached_property
    def best(self) -> Array:
        """(s, n) the truth of the best row so far, in the objective's unit; NaN before the first."""
        gains = np.where(self.places >= 0, self.pool.gains[self.places], -np.inf)
        reached = np.maximum.accumulate(gains, axis=1)
        # The row that set the record: where a target is to be matched, a gain does not say on which side of it.
        at = np.maximum.accumulate(np.where(gains >= reached, np.arange(gains.shape[1]), 0), axis=1)
        record = np.take_along_axis(self.places, at, axis=1)
        return np.where(np.isfinite(reached), self.pool.values[record], np.nan)

    @cached_property
    def first(self) -> Array:
        """(s,) number of the experiment that found the first of the best rows; one beyond the last where none did."""
        return self.reached(1)

    @property
    def area(self) -> Array:
        """(s,) share of the best rows found, averaged over the experiments: early finds count for longer."""
        return np.asarray(self.found.mean(axis=1))

    def reached(self, count: int) -> Array:
        """(s,) number of the experiment that found the `count`-th of the best rows; budget + 1 where none did."""
        there = self.found * self.pool.top.sum() > count - 0.5
        return np.where(there.any(axis=1), there.argmax(axis=1) + 1, self.budget + 1)

    @cached_property
    def enhancement(self) -> Array:
        """(n,) mean share of the best rows found, over what random draws are expected to find by then."""
        drawn = np.minimum(np.arange(1, self.budget + 1) / len(self.pool), 1.0)
        return np.asarray(self.found.mean(axis=0) / drawn)

    def acceleration(self, count: int) -> float | None:
        """Random draws expected until the `count`-th of the best rows, over the median number that was needed.

        None where half of the seeds did not get there. Of K sought among N rows, the k-th is expected at draw
        k (N + 1) / (K + 1) (negative hypergeometric distribution).
        """
        needed = float(np.median(self.reached(count)))
        if needed > self.budget:
            return None
        return count * (len(self.pool) + 1) / (int(self.pool.top.sum()) + 1) / needed


def course(label: str, pool: Pool, played: Sequence[Played], budget: int) -> Course:
    """The runs of one variant, one per seed, in the order of the seeds. A campaign that ended early found no more."""
    places = np.full((len(played), budget), -1)
    for i, run in enumerate(played):
        for j, (candidate, value) in enumerate(zip(run.candidates, run.values, strict=True)):
            if value is not None and j < budget:
                places[i, j] = pool.place(candidate)
    return Course(label, pool, places, tuple(s for run in played for s in run.seconds))


def half(pool: Pool) -> int:
    """How many rows are half of the best ones, rounded up."""
    return math.ceil(int(pool.top.sum()) / 2)
