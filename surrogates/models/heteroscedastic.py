"""Noise that depends on the recipe: the most likely heteroscedastic process.

One process models the objective, a second one the logarithm of the noise variance, each fitted to what the other
leaves (Kersting, Plagemann, Pfaff and Burgard, ICML 2007). What the second is fitted to are variances of replicates
where there are some, else squared leave-one-out errors; both are gamma-distributed about the noise variance, so
that their logarithms have a known bias and variance.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import digamma, polygamma

from surrogates.encode import Array
from surrogates.models.exact import DEFAULT as RECIPE
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import (
    MIN_NOISE,
    LogNormal,
    Matern52,
    Prior,
    Recipe,
    shared_lengths,
    wide_lengths,
)
from surrogates.models.wrapped import Wrapped

TURNS = 3
FEWEST = 12  # results below which the noise is taken to be the same everywhere
SPREAD = 1.5  # prior standard deviation of the logarithm of the noise variance over the space
# Log evidence that noise which varies must have over noise that does not. Of sixty data sets without variation two
# passed 2.5, of sixty with a tenfold variation of the sd and a hundred results six did not.
EVIDENCE = 3.0


def settled_noise() -> Prior:
    """LogNormal at the least noise, narrow: for a process whose noise is given per result."""
    return LogNormal(math.log(2 * MIN_NOISE), 0.3)


GIVEN = Recipe(Matern52(), shared_lengths, settled_noise)
FIELD = Recipe(Matern52(), wide_lengths, settled_noise)


class Field:
    """Noise variance over the space: level * exp(SPREAD * a process)."""

    def __init__(self, process: GP | None, level: float) -> None:
        self.process, self.level = process, level

    def at(self, X: Array) -> Array:
        """Noise variance (m,) at X (m, d): that at the mean of its logarithm."""
        if self.process is None:
            return np.full(len(X), self.level)
        return self.level * np.exp(SPREAD * self.process.posterior(X)[0])


class Heteroscedastic(Wrapped):
    """A process whose measurements are noisier in some places than in others.

    noise  variance of one measurement, the mean over the results
    """

    def __init__(self, gp: GP, field: Field, known: Array) -> None:
        """`gp` fitted with the field's variances and `known` (n,) ones for its own."""
        noise = gp.noise + field.at(gp.U)
        most = math.sqrt(float(noise.max() / noise.min()))
        kernel = f"{gp.recipe.kernel.name}/{gp.recipe.lengths.__name__}"
        super().__init__(gp, f"heteroscedastic({kernel}, noise up to {most:.1f} times the least)")
        self.gp, self.field, self.known = gp, field, known
        self.noise = float(noise.mean())

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d)."""
        return self.gp.noise + self.field.at(X)

    def condition(self, U: Array, z: Array | None = None) -> Heteroscedastic:
        """Told more points, each with the noise of its place; without z they are believed to give their mean."""
        if not len(U):
            return self
        gp, known = self.gp, np.concatenate([self.known, np.zeros(len(U))])
        z = gp.posterior(U)[0] if z is None else z
        points = np.vstack([gp.U, U])
        variance = known + self.field.at(points)
        told = GP(points, np.concatenate([gp.z, z]), variance, gp.columns, gp.recipe, gp.theta, gp.mean)
        return Heteroscedastic(told, self.field, known)


def fit(U: Array, z: Array, variance: Array, columns: Columns, seed: int) -> Heteroscedastic:
    """U (n, d), z (n,), known noise variances (n,), 0 where unknown; n >= 1. What is learned comes on top of what is
    known."""
    gp = GP.fit(U, z, variance, columns, RECIPE)
    if len(z) < FEWEST:
        return Heteroscedastic(gp, Field(None, 0.0), variance)
    field = Field(None, gp.noise)
    for turn in range(TURNS):
        found = _field(gp, field.at(U), variance, columns, sure=turn > 0)
        if found is None:
            return Heteroscedastic(gp, Field(None, 0.0), variance)
        field = found
        gp = GP.fit(U, z, variance + field.at(U), columns, GIVEN)
    return Heteroscedastic(gp, field, variance)


def _field(gp: GP, noise: Array, known: Array, columns: Columns, sure: bool) -> Field | None:
    """The noise over the space from a process with noise variances `noise` (n,) beside the `known` (n,); None where
    there is no evidence that it varies, unless that is `sure`."""
    places, squares, degrees = _squares(gp, noise, known)
    log_variance = np.log(np.maximum(squares, MIN_NOISE * 1e-2)) - digamma(degrees / 2) + np.log(degrees / 2)
    width = polygamma(1, degrees / 2)
    level = float(np.average(log_variance, weights=1.0 / width))
    t, known_width = (log_variance - level) / SPREAD, width / SPREAD**2
    process = GP.fit(gp.U[places], t, known_width, columns, FIELD)
    q = columns.n_lengths
    priors = FIELD.lengths(max(q, 1)).log_density(process.theta[:q]).sum()
    priors += FIELD.noise().log_density(process.theta[q:]).sum()
    level_only = -0.5 * (t**2 / known_width + np.log(2 * math.pi * known_width)).sum()
    if not sure and process.evidence - priors - level_only < EVIDENCE:
        return None
    return Field(process, math.exp(level))


def _squares(gp: GP, noise: Array, known: Array) -> tuple[Array, Array, Array]:
    """Estimates of the noise variance where there are results: row of U (k,), estimate (k,), degrees of freedom (k,).

    Of m replicates: m - 1 degrees from their scatter, one from how far their mean is from what the others say. What
    such a squared error holds beside noise is taken off in proportion, so that it stays positive.
    """
    _, places, group, size = np.unique(
        gp.U.round(9), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    group = group.ravel()
    own, told, center = (np.bincount(group, v) / size for v in (noise, known, gp.z))
    theta = np.append(gp.theta[:-1], math.log(MIN_NOISE))
    means = GP(gp.U[places], center, (own + told) / size, gp.columns, gp.recipe, theta, gp.mean)
    mean, sd = means.leave_one_out()
    share = own / (own + told)
    scatter = np.bincount(group, (gp.z - center[group]) ** 2)
    return places, share * (scatter + (center - mean) ** 2 * (own + told) / sd**2) / size, size.astype(float)
