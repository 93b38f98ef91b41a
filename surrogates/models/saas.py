"""Sparse axis-aligned subspaces: a process for many parameters of which few matter, and few results.

The prior is that of Eriksson and Jankowiak (High-dimensional Bayesian optimization with sparse axis-aligned
subspaces, UAI 2021): every inverse square length scale half-Cauchy with a common scale tau, tau half-Cauchy(0.1). They
sample its posterior by Hamiltonian Monte Carlo, which costs minutes. Maxima at fixed tau are found in a second but are
poor guides: with few results they take up a dozen parameters that explain noise, or at small tau none. Here the modes
of the posterior, each a set of parameters that matter, are searched for and weighed by Laplace's approximation of
their evidence, tau summed out: Bayesian model averaging over a window of sets (Madigan and Raftery, JASA 89, 1994).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from surrogates.encode import Array
from surrogates.models.gp import GP, MAX_LOG_LENGTH, MAX_LOG_NOISE, Columns, Likelihood
from surrogates.models.kernels import MIN_LENGTH, MIN_NOISE, Matern52, Prior, Recipe, loose_noise
from surrogates.models.mixture import MixtureOfGPs

TAU = 0.1  # median of the common scale
TAUS = np.exp(np.linspace(math.log(1e-3), 0.0, 7))
# Log odds against a parameter's mattering, beside those of the half-Cauchy, whose masses for on and off overlap. 0 and
# 1 find 8 parameters where 3 matter and results are few, 3 finds none.
DOUBT = 1.5
STARTS = (
    (0.6, 1.0),
    (2.0, 1.0),
    (0.6, 0.1),
)  # lengths over sqrt(q), and tau, of the searches over all parameters
SIZES = (1, 2, 3, 4, 5, 6, 8, 11)  # sets of those that matter most there
TRIED, ROUNDS, MOVES = 4, 4, 100  # parameters switched at a time, rounds of that, random changes
MOST, LEAST = 12, 0.02  # processes kept, and their smallest share of the largest weight
STEPS = 60
OFF = 6.0  # log length at which slopes by the inverse square length of a parameter that is off are taken
LONGEST = 0.5  # log length at most from which a parameter that is on starts


@dataclass(frozen=True)
class HalfCauchy:
    """Of x = length^-2, with median `tau`: a density that peaks at x = 0, so that a parameter is off unless the
    results need it, with so heavy a tail that one which matters may matter as much as it likes.

    `log_density` is that of x itself; of the log length where `of_log` is set, for parameters known to be on.
    """

    tau: float
    of_log: bool = False

    def log_density(self, log_x: Array) -> Array:
        """Of log lengths (q,): (q,)."""
        square = (np.exp(-2.0 * log_x) / self.tau) ** 2
        density: Array = math.log(2.0 / (math.pi * self.tau)) - np.log1p(square)
        return density + math.log(2.0) - 2.0 * log_x if self.of_log else density

    def slope(self, log_x: Array) -> Array:
        square = (np.exp(-2.0 * log_x) / self.tau) ** 2
        slope: Array = 4.0 * square / (1.0 + square) - (2.0 if self.of_log else 0.0)
        return slope


def sparse_lengths(q: int) -> Prior:
    """Of parameters that matter: half-Cauchy with the median scale, as a density of the log lengths."""
    return HalfCauchy(TAU, of_log=True)


RECIPE = Recipe(Matern52(), sparse_lengths, loose_noise)


@dataclass(frozen=True)
class Mode:
    """One set of parameters that matter.

    theta     (q + 1,) log lengths and log noise, the lengths of all others at their bound
    evidence  its logarithm, up to a constant common to all sets
    slope     (q,) of the loss by each inverse square length: what it would cost to switch one on
    """

    active: tuple[int, ...]
    theta: Array
    evidence: float
    slope: Array


class Modes:
    """Sets of parameters that matter, tried one by one."""

    def __init__(self, U: Array, z: Array, variance: Array, columns: Columns) -> None:
        self.U, self.z, self.variance, self.columns = U, z, variance, columns
        self.q = columns.n_lengths
        self.whole = Likelihood(U, z, variance, columns, RECIPE)
        self.tried: dict[tuple[int, ...], Mode] = {}

    def best(self) -> list[Mode]:
        """All that were tried, the likeliest first."""
        return sorted(self.tried.values(), key=lambda mode: -mode.evidence)

    def weights(self) -> Array:
        """Probabilities (k,) of the modes of `best`."""
        evidence = np.array([mode.evidence for mode in self.best()])
        weights: Array = np.exp(evidence - logsumexp(evidence))
        return weights

    def rank(self) -> None:
        """Sets of the parameters with the shortest length scales at the maxima for fixed tau."""
        self._try((), np.zeros(self.q + 1))
        for over_root, tau in STARTS:
            self.whole.lengths = HalfCauchy(tau)
            start = np.full(self.q + 1, math.log(over_root * math.sqrt(max(self.q, 1))))
            start[-1] = math.log(0.05)
            theta = _descend(self.whole, start)
            order = np.argsort(theta[:-1], kind="stable")
            for size in SIZES:
                self._try(order[:size].tolist(), theta)

    def improve(self) -> None:
        """Single parameters switched on, off, or one for another, in the likeliest set until none is likelier."""
        for _ in range(ROUNDS):
            mode = self.best()[0]
            on = [int(i) for i in np.argsort(mode.slope, kind="stable") if i not in mode.active][:TRIED]
            off = sorted(mode.active, key=lambda i: -mode.theta[i])[:TRIED]
            sets = [{*mode.active, i} for i in on] + [set(mode.active) - {i} for i in off]
            sets += [{*mode.active, i} - {off[0]} for i in on[:2] if off]
            for some in sets:
                self._try(some, mode.theta)
            if self.best()[0] is mode:
                return

    def wander(self, rng: np.random.Generator) -> None:
        """Random changes of sets drawn by their weights."""
        for _ in range(MOVES):
            mode = self.best()[int(rng.choice(len(self.tried), p=self.weights()))]
            some, kind = set(mode.active), int(rng.integers(3))
            on = [int(i) for i in np.argsort(mode.slope, kind="stable") if i not in mode.active]
            if kind != 1 and on:
                some.add(on[min(int(rng.exponential(3.0)), len(on) - 1)])
            if kind != 0 and mode.active:
                some.discard(mode.active[int(rng.integers(len(mode.active)))])
            self._try(some, mode.theta)

    def _try(self, active: Iterable[int], start: Array) -> None:
        """The mode at which `active` parameters are on and no others, from `start` (q + 1,)."""
        some = tuple(sorted(active))
        if some in self.tried:
            return
        index, keep = [*some, self.q], np.isin(self.columns.group, some)
        part = Columns(np.searchsorted(some, self.columns.group[keep]), self.columns.numeric[keep])
        loss = Likelihood(self.U[:, keep], self.z, self.variance, part, RECIPE)
        begin = start[index].copy()
        begin[:-1] = np.clip(begin[:-1], -2.0, LONGEST)
        found = _descend(loss, begin)
        theta = np.full(self.q + 1, MAX_LOG_LENGTH)
        theta[index] = found
        slope = self._slope(theta)
        off = np.setdiff1d(np.arange(self.q), some)
        evidence = -loss(found)[0] + _log_volume(loss, found) + _log_prior(found[:-1], slope[off])
        self.tried[some] = Mode(some, theta, evidence - DOUBT * len(some), slope)

    def _slope(self, theta: Array) -> Array:
        at = theta.copy()
        at[:-1] = np.minimum(at[:-1], OFF)
        by_log = self.whole(at)[1][:-1] + self.whole.lengths.slope(at[:-1])
        slope: Array = -0.5 * by_log * np.exp(2.0 * at[:-1])
        return slope


def fit(U: Array, z: Array, variance: Array, columns: Columns, seed: int) -> MixtureOfGPs:
    """U (n, d), z (n,) standardised, known noise variances (n,), 0 where unknown; n >= 1."""
    modes = Modes(U, z, variance, columns)
    modes.rank()
    modes.improve()
    modes.wander(np.random.default_rng([seed, len(z), 12]))
    weights = modes.weights()[:MOST]
    weights = weights[weights >= LEAST * weights[0]]
    gps = [GP(U, z, variance, columns, RECIPE, mode.theta) for mode in modes.best()[: len(weights)]]
    return MixtureOfGPs(gps, weights / weights.sum(), "saas")


def _descend(loss: Likelihood, start: Array) -> Array:
    bounds = [(math.log(MIN_LENGTH), MAX_LOG_LENGTH)] * loss.q + [(math.log(MIN_NOISE), MAX_LOG_NOISE)]
    found: Array = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS}
    ).x
    return found


def _log_volume(loss: Likelihood, theta: Array) -> float:
    """Log of the volume of the normal peak at theta (k,): (2 pi)^(k / 2) / sqrt(det Hessian), in no direction wider
    than one standard deviation of a logarithm."""
    step = 1e-3
    H = np.array([(loss(theta + e)[1] - loss(theta - e)[1]) / (2 * step) for e in step * np.eye(len(theta))])
    curvature = np.linalg.eigvalsh(0.5 * (H + H.T))
    return float(0.5 * (math.log(2 * math.pi) - np.log(np.maximum(curvature, 1.0))).sum())


def _log_prior(on: Array, slope: Array) -> float:
    """Log of a sum over tau: how much likelier log lengths `on` (k,) are than at the median tau, times the mass that
    each parameter which is off keeps where it does not hurt, P(x < 1 / slope) for `slope` (q - k,)."""
    prior = np.log(TAUS) - np.log1p((TAUS / TAU) ** 2)  # half-Cauchy, over a grid even in log tau
    cost = np.maximum(slope, 1e-12)
    median = HalfCauchy(TAU).log_density(on).sum()
    terms = [
        HalfCauchy(float(tau)).log_density(on).sum()
        - median
        + np.log(2.0 / math.pi * np.arctan(1.0 / (cost * tau))).sum()
        for tau in TAUS
    ]
    return float(logsumexp(prior - logsumexp(prior) + np.array(terms)))
