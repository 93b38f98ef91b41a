"""From the told results to a fitted process: transform, choice of recipe, size limits."""

from __future__ import annotations

import math

import numpy as np

from surrogates.encode import Array, Encoder
from surrogates.models.calibration import Diagnostics, coverage, errors
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths
from surrogates.models.outcome import Outcome
from surrogates.observation import Observations

MOST_FITTED, MOST_KEPT = (
    400,
    1500,
)  # results that set hyper-parameters, and that the posterior is conditioned on
DEFAULT = Recipe(Matern52(), shared_lengths, loose_noise)


class Surrogate:
    """A process fitted to all results with a value.

    gp       the fitted process, standardised, larger is better
    outcome  the transform of the objective that it models
    name     what it is, for the record
    """

    def __init__(
        self, encoder: Encoder, observations: Observations, *, maximise: bool, recipe: Recipe = DEFAULT
    ) -> None:
        self.encoder = encoder
        rows = observations.measured
        self.n = len(rows)
        self.codes = encoder.codes([row.candidate for row in rows])
        self.y = observations.values()
        self.outcome = Outcome.fit(self.y, maximise=maximise)
        z, variance = self.outcome.forward(self.y), self.outcome.variance(self.y, observations.sigmas())
        U, columns = encoder.unit(self.codes), Columns(encoder.group, encoder.numeric_columns)
        kept = _keep(z, MOST_KEPT)
        fitted = kept if len(kept) <= MOST_FITTED else kept[_keep(z[kept], MOST_FITTED)]
        self.gp = GP.fit(U[fitted], z[fitted], variance[fitted], columns, recipe)
        if len(fitted) < len(kept):
            self.gp = GP(U[kept], z[kept], variance[kept], columns, recipe, self.gp.theta)
        self.kept = kept
        self.name = f"gp({recipe.name}, yeo-johnson {self.outcome.exponent:.2f})" + (
            f" on {len(kept)} of {self.n}" if len(kept) < self.n else ""
        )

    def best_codes(self, n: int) -> Array:
        """Codes of the `n` measured candidates with the highest posterior mean, best first."""
        mean = self.gp.posterior(self.gp.U)[0]
        return self.codes[self.kept[np.argsort(-mean, kind="stable")[:n]]]

    def best_mean(self) -> float:
        """Highest posterior mean at a measured point, standardised: what noise leaves of the best result."""
        return float(self.gp.posterior(self.gp.U)[0].max())

    def predict(self, codes: Array) -> tuple[Array, Array]:
        """Mean and sd of the noise-free objective in its own unit and sign."""
        mean, sd = self.gp.posterior(self.encoder.unit(codes))
        return self.outcome.moments(mean, sd)

    def measured_sd(self, codes: Array) -> Array:
        """Sd (m,) that measurements at `codes` (m, p) should show about the mean: the belief's and the noise."""
        mean, sd = self.gp.posterior(self.encoder.unit(codes))
        return self.outcome.moments(mean, np.sqrt(sd**2 + self.gp.noise))[1]

    def diagnose(self, codes: Array) -> Diagnostics:
        """Figures of merit; `codes` (m, p) stand for the space."""
        _, sd = self.predict(codes)
        mean, spread = self.gp.leave_one_out()
        rmse, nrmse = errors(self.y[self.kept], self.outcome.moments(mean, spread)[0])
        noise = self.outcome.moments(np.zeros(1), np.full(1, math.sqrt(self.gp.noise)))[1]
        lengths = {name: float(v) for name, v in zip(self.encoder.names, self.gp.lengths, strict=True)}
        return Diagnostics(
            n=self.n,
            coverage_90=coverage((self.gp.z - mean) / spread),
            loo_rmse=rmse,
            loo_nrmse=nrmse,
            max_sd=float(sd.max()),
            mean_sd=float(np.minimum(sd, 1.7e308 / len(sd)).mean()),
            noise_sd=float(noise[0]),
            length_scales=lengths,
        )


def _keep(z: Array, most: int) -> Array:
    """Rows (sorted) that stand for all where there are too many: the best quarter, the rest evenly in time."""
    if len(z) <= most:
        return np.arange(len(z))
    best = np.argsort(-z, kind="stable")[: most // 4]
    rest = np.setdiff1d(np.arange(len(z)), best)
    return np.sort(np.concatenate([best, rest[np.linspace(0, len(rest) - 1, most - len(best)).astype(int)]]))
