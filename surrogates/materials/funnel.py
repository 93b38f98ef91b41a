"""A funnel: from many candidates to few, in stages of rising accuracy and cost, each with its capacity.

Stage 0 predicts everything; each later stage labels some of those that the stage before has labelled. Who goes up is
chosen by what is believed of the last stage, learned from all of them: promising and uncertain candidates go up.

The belief is a chain of autoregressive models (Kennedy and O'Hagan, Biometrika 87, 1, 2000, fitted stage by stage as by
Le Gratiet and Garnier, Int. J. Uncertain. Quantif. 4, 365, 2014): y_s(x) = a + rho y_(s-1)(x) + d(x), d a Gaussian
process over features.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogates.encode import Array

Rule = Literal["ucb", "thompson", "greedy", "rank", "random", "variance"]
FEWEST = 6  # labels of a stage before anything is learned from them
PRIOR_ROWS = 1.0  # how many labels the prior of a straight line, y_s = y_(s-1), counts for


@dataclass(frozen=True)
class Stage:
    """capacity: labels at most; cost: of one, in a unit that all stages share; rounds: batches, with what was learned
    from one used in the next."""

    name: str
    capacity: int
    cost: float
    rounds: int = 4

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.rounds < 1 or self.cost < 0:
            got = f"{self.capacity}, {self.rounds} and {self.cost:g}"
            raise ValueError(
                f"stage {self.name}: wanted capacity and rounds from 1 and a cost from 0, got {got}"
            )


class Belief(NamedTuple):
    """Of N candidates: mean and standard deviation."""

    mean: Array
    sd: Array


@dataclass(frozen=True)
class Passed:
    """What a funnel has done. `labels` (N, S): of each stage, NaN where there is none; a label that failed stays NaN.
    `order`: of each stage the candidates in the order that they were asked for. `belief`: of the last stage."""

    stages: tuple[Stage, ...]
    labels: Array
    order: tuple[tuple[int, ...], ...]
    belief: Belief

    @property
    def costs(self) -> tuple[float, ...]:
        """Of each stage; what failed is paid for."""
        return tuple(len(o) * s.cost for o, s in zip(self.order, self.stages, strict=True))

    def finalists(self) -> NDArray[np.intp]:
        """Candidates with a label of the last stage, the smallest first."""
        last = self.labels[:, -1]
        known = np.flatnonzero(np.isfinite(last))
        out: NDArray[np.intp] = known[np.argsort(last[known], kind="stable")]
        return out


def run(
    screened: Belief,
    features: Array,
    stages: Sequence[Stage],
    label: Callable[[int, list[int]], Array],
    *,
    rule: Rule = "ucb",
    beta: float = 2.0,
    seed: int = 0,
) -> Passed:
    """Seek the smallest value of the last of `stages`.

    screened: what stage 0 predicts of the N candidates; features (N, F): what corrections between stages depend on;
    label: values (n,) of stage k (from 0, in `stages`) of n candidates, NaN where a label failed. rule: ucb, lowest
    mean - beta sd; thompson, lowest draw; greedy, lowest mean; rank, lowest value of the stage before with nothing
    learned; random; variance, largest sd. Raises ValueError for a capacity that is larger than the stage's before.
    """
    n = len(screened.mean)
    room = n
    for stage in stages:
        if stage.capacity > room:
            raise ValueError(f"stage {stage.name}: wanted a capacity of at most {room}, got {stage.capacity}")
        room = stage.capacity
    rng = np.random.default_rng(seed)
    labels = np.full((n, len(stages)), np.nan)
    order: list[tuple[int, ...]] = []
    for s, stage in enumerate(stages):
        open_ = np.ones(n, bool) if s == 0 else np.isfinite(labels[:, s - 1])
        asked: list[int] = []
        for part in np.array_split(np.arange(stage.capacity), min(stage.rounds, stage.capacity)):
            belief = believe(screened, labels, features)
            value = acquisition(rule, belief, screened.mean if s == 0 else labels[:, s - 1], beta, rng)
            value = np.where(open_, value, np.inf)
            chosen = [int(i) for i in np.argsort(value, kind="stable")[: len(part)] if np.isfinite(value[i])]
            if not chosen:
                break
            labels[chosen, s] = label(s, chosen)
            open_[chosen] = False
            asked += chosen
        order.append(tuple(asked))
    return Passed(tuple(stages), labels, tuple(order), believe(screened, labels, features))


def believe(screened: Belief, labels: Array, features: Array) -> Belief:
    """Of the last stage, from labels (N, S) of all of them; where the last stage has a label, that label."""
    return beliefs(screened, labels, features)[1]


def beliefs(
    screened: Belief, labels: Array, features: Array, doubt: float = 0.0
) -> tuple[list[Belief], Belief]:
    """Of each stage, in their order, and of the last: as `believe`. doubt: how far a stage may be from the one before
    while it has too few labels to learn from, as a share of the spread of those before; counts as one label."""
    mean, sd = screened.mean.astype(float), screened.sd.astype(float)
    out: list[Belief] = []
    for s in range(labels.shape[1]):
        known = np.isfinite(labels[:, s])
        if known.sum() >= FEWEST:
            mean, sd = _next(mean, sd, labels[:, s], known, features)
        elif doubt:
            sure = sd == 0
            spread = float(mean[sure].std()) if sure.sum() > 1 else float(mean.std())
            off = labels[known, s] - mean[known]
            step = np.sqrt(((doubt * spread) ** 2 + float(off @ off)) / (1 + len(off)))
            sd = np.hypot(sd, step)
        mean = np.where(known, labels[:, s], mean)
        sd = np.where(known, 0.0, sd)
        out.append(Belief(mean, sd))
    return out, out[-1] if out else screened


def _next(
    mean: Array, sd: Array, labels: Array, known: NDArray[np.bool_], features: Array
) -> tuple[Array, Array]:
    """The belief of a stage from that of the one before and from labels where `known`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    x, y = mean[known], labels[known]
    # A line with a prior about y = x, in the units of the spread before.
    centre, unit = float(x.mean()), float(x.std()) or 1.0
    basis = np.column_stack([np.ones_like(x), (x - centre) / unit])
    off = np.linalg.solve(basis.T @ basis + PRIOR_ROWS * np.eye(2), basis.T @ (y - x))
    rho = 1.0 + off[1] / unit
    line = mean + off[0] + off[1] * (mean - centre) / unit
    rest = y - line[known]
    scale = float(rest.std()) or 1.0
    columns = np.column_stack([features, (mean - centre) / unit])
    spread = np.where(columns[known].std(axis=0) > 0, columns[known].std(axis=0), 1.0)
    Z = (columns - columns[known].mean(axis=0)) / spread / np.sqrt(columns.shape[1])
    kernel = ConstantKernel(0.5, (1e-2, 10.0)) * Matern(1.0, (0.1, 100.0), nu=2.5) + WhiteKernel(
        0.5, (1e-3, 2.0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # bounds are there to be met: labels without noise
        process = GaussianProcessRegressor(kernel, random_state=0).fit(Z[known], rest / scale)
    more, doubt = process.predict(Z, return_std=True)
    return line + scale * more, np.hypot(rho * sd, scale * doubt)


def acquisition(rule: Rule, belief: Belief, below: Array, beta: float, rng: np.random.Generator) -> Array:
    """(N,) of which the lowest go up, by what is believed of the last stage. `below` (N,): the stage before, all that
    `rank` looks at."""
    if rule == "random":
        out: Array = rng.random(len(belief.mean))
    elif rule == "rank":
        out = below
    elif rule == "greedy":
        out = belief.mean
    elif rule == "thompson":
        out = belief.mean + belief.sd * rng.standard_normal(len(belief.mean))
    elif rule == "ucb":
        out = belief.mean - beta * belief.sd
    elif rule == "variance":
        out = -belief.sd
    else:
        raise ValueError(f"wanted a rule of ucb, thompson, greedy, rank, random or variance, got {rule!r}")
    return out
