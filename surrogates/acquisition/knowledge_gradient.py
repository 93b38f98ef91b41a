"""The knowledge gradient: how much better the best that is believed will be for one more measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.acquisition.base import Acquisition, Belief, Differences
from surrogates.acquisition.improvement import LogExpectedImprovement, log_improvement
from surrogates.encode import Array

COARSE = 12
BLOCK = 64  # rows whose covariance with their own answers is taken from one small matrix
NOTHING = -1e6  # log of what a measurement is worth that changes no belief at all


@dataclass(frozen=True)
class KnowledgeGradient(Differences):
    """log of E[max_i mean'(i)] - max_i mean(i): the maximum of the posterior mean after one more measurement at x, over
    that before it, i over `reference` (r, d) and x itself. Exact for that set (Frazier, Powell and Dayanik 2009; with x
    itself: Scott, Frazier and Powell 2011).

    reference  unit rows among which the best is looked for, the most promising first: the best results and the maxima
               of the mean, then points that stand for the space
    noise      variance of the measurement, standardised
    answer     (columns, values): what `x itself` is moved to, where x is measured at one fidelity and counts at another

    Nothing else is needed for several fidelities: with reference and answer at the target fidelity this is what a
    measurement at any fidelity says about the best at the target, and over its cost the multi-fidelity knowledge
    gradient (Poloczek, Wang and Frazier, NeurIPS 2017; Wu and Frazier 2016).
    """

    reference: Array
    noise: float
    answer: tuple[Array, Array] | None = None

    def value(self, belief: Belief, X: Array) -> Array:
        """(m,) at X (m, d), standardised."""
        sd = belief.posterior(X)[1]
        over = 1.0 / np.sqrt(sd**2 + self.noise)
        slopes = np.empty((len(X), len(self.reference) + 1))
        slopes[:, 1:] = belief.covariance(X, self.reference) * over[:, None]
        means = np.empty_like(slopes)
        means[:, 1:] = belief.posterior(self.reference)[0]
        if self.answer is None:
            means[:, 0], slopes[:, 0] = belief.posterior(X)[0], sd**2 * over
        else:
            there = X.copy()
            there[:, self.answer[0]] = self.answer[1]
            means[:, 0] = belief.posterior(there)[0]
            for i in range(0, len(X), BLOCK):
                part = slice(i, i + BLOCK)
                slopes[part, 0] = np.diagonal(belief.covariance(X[part], there[part])) * over[part]
        return log_rise(means, slopes)

    def coarse(self) -> Acquisition | None:
        """Improvement over the best mean of the reference, a third of the price of anything that asks for covariances;
        where x counts at another fidelity, the same over the most promising of the reference."""
        if self.answer is None:
            return _ImprovementOnBestMean(self.reference)
        if len(self.reference) <= COARSE:
            return None
        return KnowledgeGradient(self.reference[:COARSE], self.noise, self.answer)


@dataclass(frozen=True)
class _ImprovementOnBestMean(Differences):
    """A logarithm, as the knowledge gradient is: what is done with one may be done with the other."""

    reference: Array

    def value(self, belief: Belief, X: Array) -> Array:
        best = float(belief.posterior(self.reference)[0].max())
        return LogExpectedImprovement(best).value(belief, X)


def log_rise(means: Array, slopes: Array) -> Array:
    """log(E[max_i(a_i + b_i Z)] - max_i a_i) (m,) for Z standard normal, means a and slopes b (m, r).

    Of the lines a + b z only those on the upper envelope count. They are found from left to right, for all rows at
    once: the next is that which crosses the present one first. Each crossing at c adds (rise in slope) h(-|c|),
    h(z) = pdf(z) + z cdf(z) (Frazier et al. 2009, eq. 14), summed as logarithms. At least NOTHING.
    """
    m = len(means)
    out = np.full(m, -np.inf)
    rows = np.arange(m)
    # The line that is highest at z = -inf: least slope, of equal ones the highest.
    least = slopes.min(axis=1, keepdims=True)
    at = np.where(slopes == least, means, -np.inf).argmax(axis=1)
    while len(rows):
        a, b = means[rows, at], slopes[rows, at]
        rise = slopes[rows] - b[:, None]
        ahead = rise > 0
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            crossing = np.where(ahead, (a[:, None] - means[rows]) / rise, np.inf)
        at = crossing.argmin(axis=1)
        pick = np.arange(len(rows))
        c, step = crossing[pick, at], rise[pick, at]
        going = np.isfinite(c) & (step > 0)
        rows, at, c, step = rows[going], at[going], c[going], step[going]
        out[rows] = np.logaddexp(out[rows], np.log(step) + log_improvement(-np.abs(c))[0])
    known = np.isfinite(means).all(axis=1) & np.isfinite(slopes).all(axis=1)
    return np.where(known, np.maximum(out, NOTHING), np.nan)
