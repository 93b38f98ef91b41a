"""Learning from positive and unlabelled examples by transductive bagging.

Each bag calls another part of the unlabelled negative and learns to tell it from the positive; an example is scored by
the bags that have not seen it (Mordelet and Vert, Pattern Recognit. Lett. 37, 201, 2014; for synthesisability Jang et
al., J. Am. Chem. Soc. 142, 18836, 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from surrogates.materials.bags import Array, Classifier, Flags, Later, done, drawn_bag, scored

BAGS = 100
HELD_OUT = 0.2  # of the positive, never trained on; of the unlabelled of each bag, not in that bag
CALLED = 0.5


@dataclass(frozen=True)
class Bagged:
    """`scores` (n,): mean of an example's scores over the bags that did not train on it, NaN where all did; `tested`:
    the positive examples that no bag trained on; `classifiers`: one per bag."""

    scores: Array
    positive: Flags
    tested: Flags
    classifiers: tuple[Classifier, ...]

    @property
    def true_positive_rate(self) -> float:
        """Share of the positive examples never trained on that are called positive."""
        return float(np.mean(self.scores[self.tested] > CALLED)) if np.any(self.tested) else float("nan")

    @property
    def called(self) -> float:
        """Share of the unlabelled examples that are called positive. What share of these is rightly so cannot be known
        from positive and unlabelled examples alone."""
        scores = self.scores[~self.positive]
        scores = scores[np.isfinite(scores)]
        return float(np.mean(scores > CALLED)) if scores.size else float("nan")

    def probability(self, examples: Any) -> Array:
        """(m,) mean of the scores of new examples over all bags."""
        if not len(examples):
            return np.zeros(0)
        out: Array = np.mean([scored(one, examples) for one in self.classifiers], axis=0)
        return out


def bag(
    make: Callable[[int], Classifier],
    examples: Any,
    positive: ArrayLike,
    *,
    bags: int = BAGS,
    held_out: float = HELD_OUT,
    seed: int,
    workers: int = 1,
    keep: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Bagged:
    """`make(seed)` gives the classifier of one bag; `positive` (n,) says which examples are.

    The same share `held_out` of the positive is left out of every bag. A bag draws as many unlabelled as there are
    positive, leaves the same share of them out, and trains on the rest; where the unlabelled are fewer than twice the
    positive, it draws half of them, and as many of the positive, so that both are always equally many and every
    unlabelled example is outside of about half of the bags.

    `workers`: processes that bags are made in; `make` is then one that a module has by name. `keep`: a folder of this
    data set and this classifier alone, where the scores of each finished bag are kept: a run that was broken off goes
    on from there. The result depends on neither.

    Raises ValueError: fewer than five of either kind, or lengths differ.
    """
    labels = np.asarray(positive, bool)
    n = len(examples)
    if labels.shape != (n,):
        raise ValueError(f"positive: wanted one flag for each of {n} examples, got {labels.shape}")
    p, u = np.flatnonzero(labels), np.flatnonzero(~labels)
    if min(len(p), len(u)) < 5:
        raise ValueError(f"wanted five positive and five unlabelled at least, got {len(p)} and {len(u)}")
    rng = np.random.default_rng([seed, 0])
    tested = np.zeros(n, bool)
    tested[rng.choice(p, max(1, round(held_out * len(p))), replace=False)] = True
    drawn = min(len(p), len(u) // 2)
    used = max(1, round((1.0 - held_out) * drawn))
    plan = [drawn_bag(seed, k, p[~tested[p]], u, drawn, used) for k in range(bags)]
    total, times = np.zeros(n), np.zeros(n, int)
    classifiers: list[Classifier] = []
    for k, one in enumerate(done(make, examples, labels, plan, workers, keep)):
        total[one.out] += one.scores
        times[one.out] += 1
        classifiers.append(one.classifier or Later(make, examples, labels, plan[k]))
        if progress is not None:
            progress(k + 1, bags)
    scores = np.divide(total, times, out=np.full(n, np.nan), where=times > 0)
    return Bagged(scores, labels, tested, tuple(classifiers))


def null_run(
    make: Callable[[int], Classifier], examples: Any, positive: ArrayLike, *, seed: int, **how: Any
) -> Bagged:
    """The same with the labels shuffled: what it still finds, it finds in anything. Its true positive rate is to be
    about one half. `how`: as for `bag`."""
    labels = np.asarray(positive, bool)
    shuffled = np.random.default_rng([seed, 2]).permutation(labels)
    return bag(make, examples, shuffled, seed=seed, **how)
