"""One process over this campaign and its sources: values here and there are correlated, how much is learned.

The kernel of the parameters times one of the tasks: each source has a column, 1 on its rows and 0 elsewhere, whose
length scale l makes the correlation between this campaign and the source exp(-1 / (2 l^2)), and that between two
sources the product of theirs. An intrinsic coregionalisation (Bonilla et al., NIPS 2007) with one number per source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy

import numpy as np
from scipy.optimize import minimize

from surrogates.encode import Array
from surrogates.models.gp import GP, MAX_LOG_LENGTH, MAX_LOG_NOISE, Columns
from surrogates.models.kernels import MIN_LENGTH, MIN_NOISE
from surrogates.transfer.source import RECIPE, Source
from surrogates.transfer.task_likelihood import TaskLikelihood

FITTED, KEPT = (
    100,
    200,
)  # rows of all sources together that set hyper-parameters (of results too), and that are kept
MAX_LOG_SCALE = 3.0
STARTS = ((0.2, 0.007), (0.6, 0.14))  # length scale in units of sqrt(parameters), noise variance


class MultiTask:
    """A `Model` of this campaign's own quantity; the sources and their columns are hidden in `process`.

    U, z         this campaign's results alone
    relatedness  correlation of this campaign with each source, by name
    """

    smooth = True

    def __init__(
        self,
        U: Array,
        z: Array,
        process: GP,
        own: int,
        offset: float,
        scale: float,
        relatedness: dict[str, float],
    ) -> None:
        """`process`: over scale * z - offset of this campaign, whose rows come first, and the sources' likewise;
        `own`: how many of its length scales belong to parameters."""
        self.U, self.z, self.process, self.relatedness = U, z, process, relatedness
        self._own, self._offset, self._scale, self._n = own, offset, scale, len(U)
        self.lengths, self.noise = process.lengths[:own], process.noise / scale**2

    @property
    def name(self) -> str:
        sources = ", ".join(f"{name} {value:.2f}" for name, value in self.relatedness.items())
        return f"multi-task({self.process.recipe.name}, {sources})"

    def _widened(self, X: Array) -> Array:
        """X (m, d) with the columns of the sources, all 0: this campaign."""
        return np.column_stack([X, np.zeros((len(X), len(self.relatedness)))])

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free function at X (m, d)."""
        mean, sd = self.process.posterior(self._widened(X))
        return (self._offset + mean) / self._scale, sd / self._scale

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, sd and their gradients (m, len(along)) by the numeric columns `along`."""
        mean, sd, mean_slope, sd_slope = self.process.posterior_gradient(self._widened(X), along)
        c = self._scale
        return (self._offset + mean) / c, sd / c, mean_slope / c, sd_slope / c

    def covariance(self, X: Array, Y: Array) -> Array:
        """Posterior covariance (len(X), len(Y)) of the noise-free function."""
        return self.process.covariance(self._widened(X), self._widened(Y)) / self._scale**2

    def condition(self, U: Array, z: Array | None = None) -> MultiTask:
        """Told more results of this campaign; without z they are believed to give their mean."""
        if not len(U):
            return self
        z = self.posterior(U)[0] if z is None else z
        out = copy(self)
        out.process = self.process.condition(self._widened(U), self._scale * z - self._offset)
        out.U, out.z = np.vstack([self.U, U]), np.concatenate([self.z, z])
        return out

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each result of this campaign (noise included) predicted from its others and the
        sources, hyper-parameters kept."""
        mean, sd = self.process.leave_one_out()
        told = len(self.U) - self._n  # points told later come after the sources' rows
        rows = np.r_[: self._n, len(mean) - told : len(mean)]
        return (self._offset + mean[rows]) / self._scale, sd[rows] / self._scale

    def importance(self) -> Array:
        """(n_lengths,): see `Model`."""
        weight = (self.lengths.min(initial=np.inf) / self.lengths) ** 2
        share: Array = weight / weight.sum()
        return share

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d): the same everywhere."""
        return np.full(len(X), self.noise)


def fit_multi_task(
    U: Array, z: Array, variance: Array, sources: Sequence[Source], columns: Columns, seed: int = 0
) -> MultiTask:
    """Maximum a posteriori, by L-BFGS-B from a short and a long start. U (n, d), z (n,), known noise variances (n,),
    n >= 1; at least one source. Nothing is drawn: `seed` is there because every model is given one."""
    own, s = Source("results", U, z, variance), len(sources)
    thin = [own.thinned(FITTED), *(source.thinned(max(FITTED // s, 1)) for source in sources)]
    theta = _fitted(_likelihood(thin, columns), columns.n_lengths)
    parts = [own, *(source.thinned(max(KEPT // s, 1)) for source in sources)]
    loss = _likelihood(parts, columns)
    log_lengths, log_noise, log_scale = loss.parts(theta)
    task, noise, scale = loss.task, np.exp(log_noise), np.exp(log_scale)
    # The process has one noise, this campaign's: the others' enters by what it differs.
    spread = loss.variance * scale[task] ** 2 + (noise - noise[0])[task]
    means = loss.means(theta)
    values = loss.z * scale[task] - means[task]
    process = GP(loss.U, values, spread, loss.columns, RECIPE, np.r_[log_lengths, log_noise[0]], 0.0)
    correlations = np.exp(-0.5 * np.exp(-2.0 * log_lengths[columns.n_lengths :])).tolist()
    related = dict(zip((source.name for source in sources), correlations, strict=True))
    return MultiTask(U, z, process, columns.n_lengths, float(means[0]), float(scale[0]), related)


def _likelihood(parts: Sequence[Source], columns: Columns) -> TaskLikelihood:
    """Of this campaign's rows, which come first, and the sources', with a column for each source."""
    task = np.repeat(np.arange(len(parts)), [len(part.z) for part in parts])
    others = np.arange(1, len(parts))
    rows = np.column_stack([np.vstack([part.U for part in parts]), task[:, None] == others])
    values = np.concatenate([part.z for part in parts])
    known = np.concatenate([part.variance for part in parts])
    group = np.r_[columns.group, columns.n_lengths - 1 + others]
    wide = Columns(group, np.r_[columns.numeric, np.zeros(len(others), bool)])
    return TaskLikelihood(rows, values, known, task, wide, RECIPE)


def _fitted(loss: TaskLikelihood, q: int) -> Array:
    """theta at the smaller of two minima; `q`: length scales of parameters."""
    tasks, best, theta = loss.tasks, math.inf, None
    bounds = [(math.log(MIN_LENGTH), MAX_LOG_LENGTH)] * (q + tasks - 1)
    bounds += [(math.log(MIN_NOISE), MAX_LOG_NOISE)] * tasks + [(-MAX_LOG_SCALE, MAX_LOG_SCALE)] * tasks
    for length, noise in STARTS:
        start = np.r_[
            np.full(q, math.log(length * math.sqrt(max(q, 1)))),
            np.full(tasks - 1, math.log(1.5)),
            np.full(tasks, math.log(noise)),
            np.zeros(tasks),
        ]
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 100})
        if theta is None or found.fun < best:
            best, theta = float(found.fun), found.x
    assert theta is not None
    return theta
