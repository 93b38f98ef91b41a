"""An exact Gaussian process in numpy float64: the model, likelihood, priors and bounds of a botorch SingleTaskGP,
fitted with hand-written gradients.

Why own code: the same fit through gpytorch costs 60-80 likelihood calls of 4-8 ms each, nearly all of it Python
overhead; here a fit of 50 points takes 4 ms where that takes 300 ms. The fitted hyper-parameters
load into a botorch model (`surrogates.models.botorch_model`), whose posterior agrees.

The kernel is k(x, x') = g(r2 over numeric columns) * exp(-r2 over one-hot columns / 2): an ARD kernel on numbers
times a Hamming-type kernel on choices. The prior mean is the generalised-least-squares constant, which maximises
the likelihood for given kernel and noise, so it needs no place among the fitted parameters.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtrtri
from scipy.optimize import minimize

from surrogates.encode import Array
from surrogates.models.kernels import MIN_LENGTH, MIN_NOISE, Recipe

JITTER = 1e-8
BAD = 1e25  # loss of a covariance that is not positive definite: the line search steps back
MAX_LOG_LENGTH, MAX_LOG_NOISE = 12.0, 5.0


@dataclass(frozen=True)
class Columns:
    """Which length scale rules each column of the unit cube, and which columns are numeric (the others one-hot)."""

    group: Array  # (d,) int
    numeric: Array  # (d,) bool

    @property
    def n_lengths(self) -> int:
        return int(self.group.max(initial=-1)) + 1

    def numeric_lengths(self) -> Array:
        """(n_lengths,) bool: the length scales of numeric columns."""
        out = np.zeros(self.n_lengths, bool)
        out[self.group[self.numeric]] = True
        return out


class Likelihood:
    """Negative log posterior of theta = (log lengths, log noise) for points U (n, d), values z (n,), known noise
    variances (n,), with its gradient. Squared differences are kept per pair and length scale."""

    def __init__(self, U: Array, z: Array, variance: Array, columns: Columns, recipe: Recipe) -> None:
        self.n, self.q = len(U), columns.n_lengths
        self.z, self.variance, self.recipe = z, variance, recipe
        # Pairs column by column, so that `flat` fills the lower triangle of a Fortran-ordered matrix.
        self.j, self.i = np.triu_indices(self.n, 1)
        self.flat = self.j * self.n + self.i
        square = (U[self.i] - U[self.j]) ** 2
        self.pairs = np.zeros((len(self.i), self.q))
        for column, g in enumerate(columns.group):
            self.pairs[:, g] += square[:, column]
        self.numeric = columns.numeric_lengths()
        self.mixed = not bool(self.numeric.all())
        self.lengths, self.noise = recipe.lengths(max(self.q, 1)), recipe.noise()
        self.both = np.column_stack([np.ones(self.n), z])

    def covariance(self, theta: Array) -> tuple[Array, Array, Array]:
        """Kernel values of the pairs, the derivative of each by its length scale's r2, and the full matrix
        (lower triangle) with noise on its diagonal."""
        inverse_square = np.exp(-2 * theta[: self.q])
        kernel = self.recipe.kernel
        if self.mixed:
            r2 = self.pairs[:, self.numeric] @ inverse_square[self.numeric]
            choices = np.exp(-0.5 * (self.pairs[:, ~self.numeric] @ inverse_square[~self.numeric]))
            g = kernel.profile(r2)
            k, slope = g * choices, kernel.slope(r2, g) * choices
        else:
            r2 = self.pairs @ inverse_square
            k = kernel.profile(r2)
            slope = kernel.slope(r2, k)
        A = np.zeros(self.n * self.n)
        A[self.flat] = k
        A[:: self.n + 1] = 1.0 + math.exp(theta[-1]) + self.variance + JITTER
        return k, slope, A.reshape(self.n, self.n, order="F")

    def __call__(self, theta: Array) -> tuple[float, Array]:
        n, q = self.n, self.q
        k, slope, A = self.covariance(theta)
        L, info = dpotrf(A, lower=1, overwrite_a=1)
        if info:
            return BAD, np.zeros(len(theta))
        solved, _ = dpotrs(L, self.both, lower=1)
        mean = solved[:, 1].sum() / solved[:, 0].sum()
        a = solved[:, 1] - mean * solved[:, 0]
        log_l, log_noise = theta[:q], theta[-1:]
        value = 0.5 * float((self.z - mean) @ a) + float(np.log(np.diagonal(L)).sum())
        value += 0.5 * n * math.log(2 * math.pi)
        value -= float(self.lengths.log_density(log_l).sum() + self.noise.log_density(log_noise).sum())
        inverse, _ = dpotri(L, lower=1, overwrite_c=1)
        diagonal = np.diagonal(inverse)
        W = inverse.ravel(order="F")[self.flat] - a[self.i] * a[self.j]
        by_r2 = (W * slope) @ self.pairs
        if self.mixed:
            by_r2[~self.numeric] = -0.5 * ((W * k) @ self.pairs[:, ~self.numeric])
        gradient = np.empty(len(theta))
        gradient[:q] = -2 * by_r2 * np.exp(-2 * log_l) - self.lengths.slope(log_l)
        gradient[-1] = 0.5 * math.exp(theta[-1]) * (diagonal.sum() - a @ a) - self.noise.slope(log_noise)[0]
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            return BAD, np.zeros(len(theta))
        return value, gradient


class GP:
    """A fitted process. `theta` = (log length scales, log noise variance); `mean` its constant prior mean;
    `evidence` the log posterior density of theta up to the evidence's constant. Everything in standardised units."""

    smooth = True

    def __init__(
        self,
        U: Array,
        z: Array,
        variance: Array,
        columns: Columns,
        recipe: Recipe,
        theta: Array,
        mean: float | None = None,
    ) -> None:
        self.U, self.z, self.variance, self.columns, self.recipe, self.theta = (
            U,
            z,
            variance,
            columns,
            recipe,
            theta,
        )
        self.n, self.d = U.shape
        q = columns.n_lengths
        self.lengths, self.noise = np.exp(theta[:q]), math.exp(theta[-1])
        self.evidence = -math.inf
        self._scale = 1.0 / self.lengths[columns.group]
        self._numeric, self._mixed = columns.numeric, not bool(columns.numeric.all())
        self._V = U * self._scale
        K = self._kernel(self._V, self._V)[0]
        jitter = JITTER
        while True:
            A = K.copy(order="F")
            A[np.diag_indices(self.n)] = 1.0 + self.noise + variance + jitter
            L, info = dpotrf(A, lower=1, clean=1)
            if not info:
                break
            jitter *= 10.0  # unit diagonal: at jitter of order one this is positive definite
        self._inverse_L, _ = dtrtri(L, lower=1)
        ones, values = self._inverse_L.sum(axis=1), self._inverse_L @ z
        self.mean = float(ones @ values / (ones @ ones)) if mean is None else mean
        self.weights = self._inverse_L.T @ (values - self.mean * ones)

    @classmethod
    def fit(cls, U: Array, z: Array, variance: Array, columns: Columns, recipe: Recipe) -> GP:
        """Maximum a posteriori from a short and a long start, by L-BFGS-B. U (n, d), z (n,) standardised, known
        noise variances (n,) in the same units (zero where none is known). n >= 1."""
        loss, q = Likelihood(U, z, variance, columns, recipe), columns.n_lengths
        root = math.sqrt(max(q, 1))
        bounds = [(math.log(MIN_LENGTH), MAX_LOG_LENGTH)] * q + [(math.log(MIN_NOISE), MAX_LOG_NOISE)]
        best, theta = math.inf, None
        for length, noise in ((0.2 * root, 0.007), (0.6 * root, 0.14)):
            start = np.r_[np.full(q, math.log(length)), math.log(noise)]
            found = minimize(
                loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 100}
            )
            if theta is None or found.fun < best:
                best, theta = float(found.fun), found.x
        assert theta is not None
        out = cls(U, z, variance, columns, recipe, theta)
        out.evidence = -best
        return out

    def condition(self, U: Array, z: Array | None = None) -> GP:
        """The same process told more points, hyper-parameters and prior mean unchanged; without z the points are
        believed to give their posterior mean (kriging believer, Ginsbourger et al. 2010).

        The factor grows by a block, (L, 0; B, S) with B = k L^-T, so that m points cost O(n^2 m), not O(n^3).
        """
        if not len(U):
            return self
        V = U * self._scale
        k = self._kernel(V, self._V)[0]
        B = k @ self._inverse_L.T
        schur = self._kernel(V, V)[0] - B @ B.T
        z = self.mean + k @ self.weights if z is None else z
        jitter = JITTER
        while True:
            A = schur.copy(order="F")
            A[np.diag_indices(len(U))] += self.noise + jitter
            S, info = dpotrf(A, lower=1, clean=1)
            if not info:
                break
            jitter *= 10.0
        inverse_S, _ = dtrtri(S, lower=1)
        out, n = copy(self), self.n + len(U)
        out.U, out._V = np.vstack([self.U, U]), np.vstack([self._V, V])
        out.z, out.variance = np.concatenate([self.z, z]), np.concatenate([self.variance, np.zeros(len(U))])
        out.n, out.evidence = n, -math.inf
        inverse = np.zeros((n, n))
        inverse[: self.n, : self.n] = self._inverse_L
        inverse[self.n :, : self.n] = -inverse_S @ (B @ self._inverse_L)
        inverse[self.n :, self.n :] = inverse_S
        out._inverse_L = inverse
        out.weights = inverse.T @ (inverse @ (out.z - out.mean))
        return out

    def _kernel(self, V: Array, W: Array) -> tuple[Array, Array]:
        """k and its derivative by the numeric r2, for scaled points V (a, d) and W (b, d): two (a, b) arrays."""
        number = self._numeric
        if not self._mixed:
            r2 = _square_distances(V, W)
            k = self.recipe.kernel.profile(r2)
            return k, self.recipe.kernel.slope(r2, k)
        choices = np.exp(-0.5 * _square_distances(V[:, ~number], W[:, ~number]))
        r2 = _square_distances(V[:, number], W[:, number])
        g = self.recipe.kernel.profile(r2)
        return g * choices, self.recipe.kernel.slope(r2, g) * choices

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free function at X (m, d)."""
        k = self._kernel(X * self._scale, self._V)[0]
        B = k @ self._inverse_L.T
        return self.mean + k @ self.weights, np.sqrt(np.maximum(1.0 - (B**2).sum(axis=1), 1e-12))

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, sd and their gradients (m, len(along)) by the numeric columns `along`."""
        V = X * self._scale
        k, slope = self._kernel(V, self._V)
        B = k @ self._inverse_L.T
        sd = np.sqrt(np.maximum(1.0 - (B**2).sum(axis=1), 1e-12))
        scale, at, points = self._scale[along], V[:, along], self._V[:, along]

        def pull(weights: Array) -> Array:  # sum_i weights_i dk_i/dx
            w = 2.0 * weights * slope
            return (w.sum(axis=1)[:, None] * at - w @ points) * scale

        return (
            self.mean + k @ self.weights,
            sd,
            pull(self.weights[None]),
            pull(-(B @ self._inverse_L) / sd[:, None]),
        )

    def covariance(self, X: Array, Y: Array) -> Array:
        """Posterior covariance (len(X), len(Y)) of the noise-free function."""
        A, B = X * self._scale, Y * self._scale
        left = self._kernel(A, self._V)[0] @ self._inverse_L.T
        right = self._kernel(B, self._V)[0] @ self._inverse_L.T
        return self._kernel(A, B)[0] - left @ right.T

    @property
    def name(self) -> str:
        return f"gp({self.recipe.name})"

    def importance(self) -> Array:
        """(n_lengths,): see `Model`."""
        return _importance(self.lengths)

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d): the same everywhere."""
        return np.full(len(X), self.noise)

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each observation (noise included) predicted from all others, hyper-parameters and
        prior mean kept (Rasmussen and Williams 2006, eq. 5.12)."""
        precision = (self._inverse_L**2).sum(axis=0)
        return self.z - self.weights / precision, np.sqrt(1.0 / precision)


def _importance(lengths: Array) -> Array:
    """Share of each length scale in the squared gradient of a stationary process, 1 / length^2 (n_lengths,)."""
    if not len(lengths):
        return lengths
    weight = (lengths.min() / lengths) ** 2
    share: Array = weight / weight.sum()
    return share


def _square_distances(a: Array, b: Array) -> Array:
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * (a @ b.T)
    return np.maximum(square, 0.0)
