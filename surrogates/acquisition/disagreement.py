"""Learning where processes that are all plausible predict different things.

`gps` are draws from the posterior of the hyper-parameters (`surrogates.models.hyperparameters.neighbours`). A belief
that was told more points than they, such as pending ones, has them told the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from surrogates.acquisition.base import Belief, Differences
from surrogates.acquisition.variance import IntegratedVariance
from surrogates.encode import Array
from surrogates.models.base import Model
from surrogates.models.gp import GP
from surrogates.models.mixture import MixtureOfGPs


class Committee:
    """The processes `gps`, each as likely, told what a belief was told."""

    def __init__(self, gps: Sequence[GP]) -> None:
        self.whole = MixtureOfGPs(gps, np.full(len(gps), 1.0 / len(gps)), "committee")
        self._told: tuple[Belief, MixtureOfGPs] | None = None

    def told(self, belief: Belief) -> MixtureOfGPs:
        if self._told is None or self._told[0] is not belief:
            n, more = len(self.whole.U), cast(Model, belief)
            self._told = (belief, self.whole.condition(more.U[n:], more.z[n:]))
        return self._told[1]


class Disagreement(Differences):
    """Information in nats of one measurement about the length scales, the mixture of the processes being taken for a
    normal: log sd of the mixture minus mean log sd of its members (BALD: Houlsby et al., arXiv 1112.5745, 2011; Riis
    et al., NeurIPS 2022). The mean noise is part of every sd: members with a noise of their own would have the same
    point measured again and again to tell which is right.

    For learning the objective it is worse than random choice: held-out error 11 % higher on three measured pools.
    """

    def __init__(self, gps: Sequence[GP]) -> None:
        self._committee = Committee(gps)

    def value(self, belief: Belief, X: Array) -> Array:
        """(m,) at X (m, d), not below 0."""
        committee = self._committee.told(belief)
        parts = [gp.posterior(X) for gp in committee.gps]
        means = np.array([mean for mean, _ in parts])
        variances = np.array([sd**2 for _, sd in parts]) + committee.noise
        whole = variances.mean(axis=0) + means.var(axis=0)
        out: Array = 0.5 * (np.log(whole) - np.log(variances).mean(axis=0))
        return out


class IntegratedDisagreement(Differences):
    """Integrated variance of the mixture of the processes: how much of what is not known over `reference` (r, d), the
    disagreement about the hyper-parameters included, one measurement would take away, in standardised units.

    To first order in what is measured, the mixture being taken for one normal.
    """

    def __init__(self, gps: Sequence[GP], reference: Array) -> None:
        self._gps, self._committee, self.reference = tuple(gps), Committee(gps), reference

    def value(self, belief: Belief, X: Array) -> Array:
        """(m,) at X (m, d), not below 0."""
        committee = self._committee.told(belief)
        return IntegratedVariance(self.reference, committee.noise).value(committee, X)

    def coarse(self) -> IntegratedDisagreement | None:
        return IntegratedDisagreement(self._gps, self.reference[::8]) if len(self.reference) >= 64 else None
