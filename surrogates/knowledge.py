"""Everything believed after the results so far: one surrogate per reading, and the belief about what is sought."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from surrogates.acquisition.feasible import Chance
from surrogates.encode import Array, Encoder
from surrogates.goals.outputs import Outputs
from surrogates.models.base import Model
from surrogates.models.calibration import Diagnostics
from surrogates.models.feasibility import Feasibility
from surrogates.models.gp import Columns
from surrogates.models.surrogate import Surrogate
from surrogates.observation import Observations


@dataclass(frozen=True)
class Target:
    """The unit columns of the fidelity and their values where results count."""

    columns: Array
    values: Array

    def of(self, X: Array) -> Array:
        """X (m, d) as if measured at the target."""
        out = X.copy()
        out[:, self.columns] = self.values
        return out


@dataclass(frozen=True)
class Knowledge:
    """`readings` by name; `sought`, the belief that a scalar acquisition ranks by, fitted at the results with `codes`
    (n, p); `outputs`, the objectives side by side where a Pareto front is sought; `promised`, the chance that all
    outcome constraints hold, None without any; `target`, the fidelity that counts, None where there is but one;
    `reaching`, that no result is likely to meet the constraints yet, `sought` being how well they are met."""

    encoder: Encoder
    observations: Observations
    readings: dict[str, Surrogate]
    sought: Model
    codes: Array
    outputs: Outputs | None = None
    promised: Chance | None = None
    target: Target | None = None
    reaching: bool = False

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
    def _standing(self) -> tuple[Array, Array]:
        """Posterior mean (n,) of what is sought at the results, at the fidelity that counts, and which of them are more
        likely than not to meet the outcome constraints."""
        X = self.sought.U if self.target is None else self.target.of(self.sought.U)
        mean = self.sought.posterior(X)[0]
        if self.promised is None:
            return mean, np.ones(len(mean), bool)
        return mean, self.promised.log_probability(X) >= np.log(0.5)

    @property
    def kept(self) -> Array:
        """Mask (n,) of the results that are more likely than not to meet the outcome constraints."""
        return self._standing[1]

    def incumbents(self, n: int, since: int = 0) -> Array:
        """Codes of the `n` results with the highest posterior mean, best first, those that may break a constraint last;
        `since`: of the results from that row on."""
        mean, kept = self._standing
        order = np.lexsort((-mean, ~kept))
        return self.codes[order[order >= since][:n]]

    def best(self) -> float:
        """Highest posterior mean at a result, standardised: what noise leaves of the best one. While none is likely to
        meet the constraints, the best of the others counts; before any result, the average of related history."""
        mean, kept = self._standing
        return float((mean[kept] if kept.any() else mean).max()) if len(mean) else 0.0

    def diagnose(self, codes: Array) -> Diagnostics:
        """Figures of merit; `codes` (m, p) stand for the space. Of several readings those of the first, and the
        coverage that is farthest from what it should be."""
        found = [surrogate.diagnose(codes) for surrogate in self.readings.values()]
        covered = [d.coverage_90 for d in found if d.coverage_90 is not None]
        worst = max(covered, key=lambda share: abs(share - 0.9), default=None)
        return replace(found[0], coverage_90=worst)
