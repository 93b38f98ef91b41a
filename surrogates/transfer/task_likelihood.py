"""The likelihood of one process over several tasks, with its gradient."""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

from surrogates.encode import Array
from surrogates.models.gp import BAD, JITTER, Columns, Likelihood
from surrogates.models.kernels import LogNormal, Recipe

# Length scale of a source's column; a length of 1.5 is a correlation of 0.8 with the target, one sd reaches
# from 0.2 to 0.97.
APART = LogNormal(math.log(1.5), 0.9)
# Each task is standardised over what was measured there: a campaign that ended near its optimum saw a part of the range
# only. The sd is that of the logarithm of what its values must be multiplied by.
STRETCH = 0.6


class TaskLikelihood:
    """Negative log posterior of theta = (log lengths of the parameters, log lengths of the source columns, log noise
    of each task, log scale of each task) for rows U (n, d + sources) of which `task` (n,) says whose they are.

    Values of task t, times its scale, are a process with unit variance about the task's own constant mean
    (see `means`), with the task's own noise variance; known variances come on top.
    """

    def __init__(
        self, U: Array, z: Array, variance: Array, task: Array, columns: Columns, recipe: Recipe
    ) -> None:
        self.U, self.z, self.variance, self.n = U, z, variance, len(z)
        self.task, self.columns = task, columns
        self.tasks = int(task.max()) + 1
        self.member = (task[:, None] == np.arange(self.tasks)).astype(float)
        self.size = self.member.sum(axis=0)
        self.kernel = Likelihood(U, z, np.zeros(len(z)), columns, recipe)
        self.q = columns.n_lengths
        self.own = self.q - self.tasks + 1  # lengths of the parameters, which come first
        self.lengths, self.noise = recipe.lengths(max(self.own, 1)), recipe.noise()

    def parts(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log lengths (q,), log noises (tasks,), log scales (tasks,)."""
        return theta[: self.q], theta[self.q : self.q + self.tasks], theta[self.q + self.tasks :]

    def means(self, theta: Array) -> Array:
        """Means (tasks,) of the scaled values, by generalised least squares."""
        _, _, A, y, _, _ = self._system(theta)
        factor, info = dpotrf(A, lower=1)
        if info:
            raise np.linalg.LinAlgError("the covariance of the fitted tasks is not positive definite")
        return self._means(dpotrs(factor, np.column_stack([self.member, y]), lower=1)[0])

    def _means(self, solved: Array) -> Array:
        """From the inverse covariance times (member, y)."""
        system = self.member.T @ solved[:, : self.tasks]
        out: Array = np.linalg.solve(system, self.member.T @ solved[:, self.tasks])
        return out

    def _system(self, theta: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
        """Kernel of the pairs and its slope, covariance (lower triangle), scaled values, learned and known noise
        of each row."""
        log_lengths, log_noise, log_scale = self.parts(theta)
        k, slope, A = self.kernel.covariance(np.r_[log_lengths, -30.0])
        noise, scale = np.exp(log_noise)[self.task], np.exp(log_scale)[self.task]
        known = self.variance * scale**2
        A[np.diag_indices(self.n)] = 1.0 + noise + known + JITTER
        return k, slope, A, self.z * scale, noise, known

    def __call__(self, theta: Array) -> tuple[float, Array]:
        log_lengths, log_noise, log_scale = self.parts(theta)
        k, slope, A, y, noise, known = self._system(theta)
        L, info = dpotrf(A, lower=1, overwrite_a=1)
        if info:
            return BAD, np.zeros(len(theta))
        solved, _ = dpotrs(L, np.column_stack([self.member, y]), lower=1)
        mean = self._means(solved)
        a = solved[:, -1] - solved[:, :-1] @ mean
        value = 0.5 * float((y - self.member @ mean) @ a) + float(np.log(np.diagonal(L)).sum())
        value += 0.5 * self.n * math.log(2 * math.pi) - float(self.size @ log_scale)
        own, apart = log_lengths[: self.own], log_lengths[self.own :]
        value -= float(self.lengths.log_density(own).sum() + APART.log_density(apart).sum())
        value -= float(self.noise.log_density(log_noise).sum())
        value += 0.5 * float((log_scale**2).sum()) / STRETCH**2

        inverse, _ = dpotri(L, lower=1, overwrite_c=1)
        diagonal = np.diagonal(inverse) - a**2
        kernel = self.kernel
        W = inverse.ravel(order="F")[kernel.flat] - a[kernel.i] * a[kernel.j]
        by_r2 = (W * slope) @ kernel.pairs
        by_r2[~kernel.numeric] = -0.5 * ((W * k) @ kernel.pairs[:, ~kernel.numeric])
        gradient = np.empty(len(theta))
        gradient[: self.q] = -2 * by_r2 * np.exp(-2 * log_lengths)
        gradient[: self.own] -= self.lengths.slope(own)
        gradient[self.own : self.q] -= APART.slope(apart)
        by_noise, by_scale = self.parts(gradient)[1:]
        by_noise[:] = 0.5 * self.member.T @ (noise * diagonal) - self.noise.slope(log_noise)
        by_scale[:] = self.member.T @ (y * a + known * diagonal) - self.size + log_scale / STRETCH**2
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            return BAD, np.zeros(len(theta))
        return value, gradient
