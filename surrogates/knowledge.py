"""Everything believed after the results so far: one surrogate per reading, and the belief about what is sought."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from surrogates.acquisition.feasible import Chance
from surrogates.encode import Array, Encoder
from surrogates.models.base import Model
from surrogates.models.calibration import Diagnostics
from surrogates.models.feasibility import Feasibility
from surrogates.models.gp import Columns
from surrogates.models.surrogate import Surrogate
from surrogates.observation import Observations

if TYPE_CHECKING:
    from surrogates.goals.outputs import Outputs


@dataclass(frozen=True)
class Knowledge:
    """`readings` by name; `sought`, the belief that a scalar acquisition ranks by, fitted at the results with `codes`
    (n, p); `outputs`, the objectives side by side where a Pareto front is sought; `promised`, the chance that all
    outcome constraints hold, None without any."""

    encoder: Encoder
    observations: Observations
    readings: dict[str, Surrogate]
    sought: Model
    codes: Array
    outputs: Outputs | None = None
    promised: Chance | None = None

    @property
    def n(self) -> int:
        """Results behind what is sought."""
        return max(surrogate.n for surrogate in self.readings.values())

    @property
    def name(self) -> str:
        """Of all models, for the record."""
        names = {reading: surrogate.name for reading, surrogate in self.readings.items()}
        if len(names) == 1:
            return next(iter(names.values()))
        return "; ".join(f"{reading}: {name}" for reading, name in names.items())

    @cached_property
    def achievable(self) -> Chance | None:
        """The chance that an experiment comes to a result at all; None as long as none has failed."""
        failed = self.observations.failed()
        if not failed.any():
            return None
        units = self.encoder.unit(self.encoder.codes(self.observations.candidates()))
        return Feasibility(units, failed, Columns(self.encoder.group, self.encoder.numeric_columns))

    @cached_property
    def _standing(self) -> Array:
        """Posterior mean (n,) of what is sought at the results, those unlikely to meet the constraints behind."""
        mean = self.sought.posterior(self.sought.U)[0]
        if self.promised is not None:
            likely = self.promised.log_probability(self.sought.U) >= np.log(0.5)
            if likely.any():
                return np.where(likely, mean, mean - 1e6)
        return mean

    def incumbents(self, n: int) -> Array:
        """Codes of the `n` results with the highest posterior mean, best first."""
        return self.codes[np.argsort(-self._standing, kind="stable")[:n]]

    def best(self) -> float:
        """Highest posterior mean at a result, standardised: what noise leaves of the best one."""
        best = float(self._standing.max(initial=-np.inf))
        return best if best > -1e5 else float(self.sought.posterior(self.sought.U)[0].max())

    def diagnose(self, codes: Array) -> Diagnostics:
        """Figures of merit; `codes` (m, p) stand for the space. Of several readings those of the first, and the
        coverage that is farthest from what it should be."""
        found = [surrogate.diagnose(codes) for surrogate in self.readings.values()]
        covered = [d.coverage_90 for d in found if d.coverage_90 is not None]
        worst = max(covered, key=lambda share: abs(share - 0.9), default=None)
        return replace(found[0], coverage_90=worst)
