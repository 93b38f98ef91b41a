"""From the results of one reading to a fitted model: transform, limits of size, and the way back to its own unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from surrogates.encode import Array, Encoder
from surrogates.models import exact
from surrogates.models.base import Model
from surrogates.models.calibration import Diagnostics, coverage, errors
from surrogates.models.gp import Columns
from surrogates.models.outcome import Outcome
from surrogates.observation import Observation

MOST_KEPT = 1500  # results that the posterior is conditioned on
# From unit rows (n, d), standardised values (n,) and known noise variances (n,) to a model, and a word about it.
Fit = Callable[[Array, Array, Array, Columns], tuple[Model, str]]


def plainly(U: Array, z: Array, variance: Array, columns: Columns) -> tuple[Model, str]:
    """The default: an exact Gaussian process."""
    return exact.fit(U, z, variance, columns), ""


class Surrogate:
    """A model fitted to all results of one reading.

    belief   the fitted model, standardised; larger is better where the reading is to be maximised or minimised
    outcome  the transform of the reading that it models
    codes    (n, p) of the results and `y` (n,) their values, of which `kept` are in the model
    told     which rows of the observations those in the model are
    name     what it is, for the record
    """

    def __init__(
        self,
        encoder: Encoder,
        rows: Sequence[Observation],
        told: Sequence[int],
        reading: str,
        *,
        maximise: bool = True,
        fit: Fit = plainly,
        elsewhere: Array | None = None,
        most: int = MOST_KEPT,
    ) -> None:
        """`told`: the numbers of those of `rows` that have a value of `reading`. `elsewhere`: values of it in other
        set-ups, which set the scale where nothing is told yet. `most`: results that the model is made of."""
        self.encoder, self.reading, self.n = encoder, reading, len(told)
        found = [rows[i] for i in told]
        self.codes = encoder.codes([row.candidate for row in found])
        self.y = np.array([row.values[reading] for row in found], float)
        sigmas = np.array([row.sigmas.get(reading, 0.0) for row in found], float)
        known = self.y if len(self.y) or elsewhere is None else elsewhere
        self.outcome = Outcome.fit(known, maximise=maximise)
        z, variance = self.outcome.forward(self.y), self.outcome.variance(self.y, sigmas)
        self.kept = exact.thinned(z, most)
        self.told = np.asarray(told, int)[self.kept]
        columns = Columns(encoder.group, encoder.numeric_columns)
        U = encoder.unit(self.codes[self.kept])
        self.belief, said = fit(U, z[self.kept], variance[self.kept], columns)
        parts = [self.belief.name, f"yeo-johnson {self.outcome.exponent:.2f}"]
        if len(self.kept) < self.n:
            parts.append(f"{len(self.kept)} of {self.n} results")
        self.name = ", ".join(parts) + (f"; {said}" if said else "")

    def predict(self, codes: Array) -> tuple[Array, Array]:
        """Mean and sd of the noise-free reading in its own unit and sign."""
        mean, sd = self.belief.posterior(self.encoder.unit(codes))
        return self.outcome.moments(mean, sd)

    def measured_sd(self, codes: Array) -> Array:
        """Sd (m,) that measurements at `codes` (m, p) should show about the mean: the belief's and the noise."""
        unit = self.encoder.unit(codes)
        mean, sd = self.belief.posterior(unit)
        return self.outcome.moments(mean, np.sqrt(sd**2 + self.belief.noise_at(unit)))[1]

    def by_parameter(self, per_group: Array, how: Callable[[Array], float]) -> dict[str, float]:
        """A figure per length scale (n_lengths,) as one per free parameter: a parameter may have several."""
        owner = self.encoder.group_parameter
        return {
            name: float(how(per_group[owner == j])) if (owner == j).any() else 0.0
            for j, name in enumerate(self.encoder.names)
        }

    def diagnose(self, codes: Array) -> Diagnostics:
        """Figures of merit; `codes` (m, p) stand for the space."""
        _, sd = self.predict(codes)
        mean, spread = self.belief.leave_one_out()
        rmse, nrmse = errors(self.y[self.kept], self.outcome.moments(mean, spread)[0])
        noise = self.outcome.moments(np.zeros(1), np.full(1, math.sqrt(self.belief.noise)))[1]
        bounded = np.minimum(sd, 1e150)
        return Diagnostics(
            n=self.n,
            coverage_90=coverage((self.belief.z - mean) / spread),
            loo_rmse=rmse,
            loo_nrmse=nrmse,
            max_sd=float(sd.max()),
            mean_sd=float(np.minimum(sd, 1.7e308 / len(sd)).mean()),
            mean_variance=float((bounded**2).mean()),
            noise_sd=float(noise[0]),
            length_scales=None
            if self.belief.lengths is None
            else self.by_parameter(self.belief.lengths, lambda lengths: float(lengths.min())),
            importance=self.by_parameter(self.belief.importance(), lambda shares: float(shares.sum())),
        )
