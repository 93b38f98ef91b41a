"""Results of another set-up, and the process that they alone give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surrogates.encode import Array
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths

RECIPE = Recipe(Matern52(), shared_lengths, loose_noise)
MOST = 300  # rows of one source that its own process is fitted to


@dataclass(frozen=True, eq=False)
class Source:
    """Results of another campaign or of a simulation: `U` (m, d) unit-cube rows in the columns of this campaign, `z`
    (m,) standardised by the source's own transform, larger is better, `variance` (m,) known noise variances in the
    same units, 0 where unknown.

    Raises ValueError where there is no row, shapes differ or a value is not finite.
    """

    name: str
    U: Array
    z: Array
    variance: Array

    def __post_init__(self) -> None:
        m = len(self.U)
        if self.U.ndim != 2 or m == 0 or self.z.shape != (m,) or self.variance.shape != (m,):
            raise ValueError(
                f"history {self.name!r}: wanted at least one row, as many z and variances as rows; "
                f"got U {self.U.shape}, z {self.z.shape}, variance {self.variance.shape}"
            )
        if not all(np.isfinite(part).all() for part in (self.U, self.z, self.variance)):
            raise ValueError(f"history {self.name!r}: wanted finite numbers; leave out rows without a result")

    def thinned(self, most: int) -> Source:
        """At most `most` rows that stand for all: the best quarter, then always the row farthest from those kept
        (Gonzalez 1985), so that the whole of what was covered stays covered."""
        if len(self.z) <= most:
            return self
        kept = list(np.argsort(-self.z, kind="stable")[: max(most // 4, 1)])
        away = np.full(len(self.z), np.inf)
        for i in kept:
            away = np.minimum(away, ((self.U - self.U[i]) ** 2).sum(axis=1))
        away[kept] = -1.0
        while len(kept) < most:
            i = int(np.argmax(away))
            kept.append(i)
            away = np.minimum(away, ((self.U - self.U[i]) ** 2).sum(axis=1))
            away[kept] = -1.0
        rows = np.sort(kept)
        return Source(self.name, self.U[rows], self.z[rows], self.variance[rows])


def fit_sources(sources: Sequence[Source], columns: Columns) -> tuple[GP, ...]:
    """A process for each source from its own results. They change only with the source: fit once, keep."""
    thin = [source.thinned(MOST) for source in sources]
    return tuple(GP.fit(s.U, s.z, s.variance, columns, RECIPE) for s in thin)
