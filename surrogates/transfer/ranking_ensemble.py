"""Processes of this campaign and of its sources, weighed by how well each orders this campaign's results (RGPE:
Feurer, Letham and Bakshy, AutoML workshop at ICML 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

import numpy as np

from surrogates.encode import Array
from surrogates.models.base import Model
from surrogates.models.gp import GP, Columns
from surrogates.transfer.aligned import Aligned
from surrogates.transfer.ranking import ranking_weights
from surrogates.transfer.source import Source, fit_sources

Fit = Callable[[Array, Array, Array, Columns, int], Model]


class RankingEnsemble:
    """A `Model`: one of the members is right, each with its weight.

    Mean sum_i w_i m_i, variance sum_i w_i (s_i^2 + (m_i - m)^2), that of the mixture, and not the paper's
    sum_i w_i^2 s_i^2: that is the variance of a mean of independent errors, which shrinks with every further source
    that says the same, and its intervals are too narrow.

    U, z     this campaign's results
    target   the model of this campaign's own results, None where there are none
    weights  of each source, by name; `own_weight` that of the target
    """

    def __init__(self, target: Model | None, members: Sequence[Aligned], weights: Array, d: int) -> None:
        """`weights` (1 + members,): the target's first, 0 where there is none; they sum to 1."""
        self.target = target
        self.own_weight = float(weights[0])
        self.weights = dict(zip((m.name for m in members), weights[1:].tolist(), strict=True))
        self._members: list[Model | Aligned] = [] if target is None else [target]
        self._members += list(members)
        shares = weights if target is not None else weights[1:]
        kept = np.flatnonzero(shares > 0)
        self._members, self._shares = [self._members[i] for i in kept], shares[kept]
        self.U: Array = np.zeros((0, d)) if target is None else target.U
        self.z: Array = np.zeros(0) if target is None else target.z
        self.smooth = all(m.smooth for m in self._members if not isinstance(m, Aligned))
        self.noise = float(self._shares @ [m.noise for m in self._members])

    @property
    def name(self) -> str:
        parts = [
            f"{share:.2f} {member.name}" for share, member in zip(self._shares, self._members, strict=True)
        ]
        return f"ranking ensemble({', '.join(parts)})"

    @property
    def lengths(self) -> Array | None:
        """(n_lengths,): their inverse squares are the weighted means of the members'; None where one has none."""
        all_lengths = [_process(member).lengths for member in self._members]
        if any(lengths is None for lengths in all_lengths):
            return None
        return (self._shares @ np.array(all_lengths, float) ** -2.0) ** -0.5

    def importance(self) -> Array:
        """(n_lengths,): the weighted mean of what matters to each member."""
        share: Array = self._shares @ np.array([_process(member).importance() for member in self._members])
        return share

    def _mixed(self, means: Array, sds: Array) -> tuple[Array, Array]:
        mean = self._shares @ means
        return mean, np.sqrt(np.maximum(self._shares @ (sds**2 + (means - mean) ** 2), 1e-12))

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free function at X (m, d)."""
        means, sds = zip(*(member.posterior(X) for member in self._members), strict=True)
        return self._mixed(np.array(means), np.array(sds))

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, sd and their gradients (m, len(along)) by the numeric columns `along`."""
        parts = zip(*(member.posterior_gradient(X, along) for member in self._members), strict=True)
        means, sds, mean_slopes, sd_slopes = (np.array(part) for part in parts)
        mean, sd = self._mixed(means, sds)
        mean_slope = np.tensordot(self._shares, mean_slopes, 1)
        half = sds[..., None] * sd_slopes + (means - mean)[..., None] * (mean_slopes - mean_slope)
        return mean, sd, mean_slope, np.tensordot(self._shares, half, 1) / sd[:, None]

    def covariance(self, X: Array, Y: Array) -> Array:
        """Posterior covariance (len(X), len(Y)) of the noise-free function."""
        left = np.array([member.posterior(X)[0] for member in self._members])
        right = np.array([member.posterior(Y)[0] for member in self._members])
        out: Array = ((left - self._shares @ left) * self._shares[:, None]).T @ (right - self._shares @ right)
        for share, member in zip(self._shares, self._members, strict=True):
            out += share * member.covariance(X, Y)
        return out

    def condition(self, U: Array, z: Array | None = None) -> RankingEnsemble:
        """Every member told the same more points, weights kept; without z that the ensemble's mean was found."""
        if not len(U):
            return self
        z = self.posterior(U)[0] if z is None else z
        out = copy(self)
        out._members = [member.condition(U, z) for member in self._members]
        out.U, out.z = np.vstack([self.U, U]), np.concatenate([self.z, z])
        return out

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each result (noise included) predicted from all others, weights kept."""
        means, sds = zip(*(member.leave_one_out() for member in self._members), strict=True)
        return self._mixed(np.array(means), np.array(sds))

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d): the target's where it is a member."""
        if self.target is None:
            return np.full(len(X), self.noise)
        return self.target.noise_at(X)


def fit_ranking_ensemble(
    U: Array,
    z: Array,
    variance: Array,
    sources: Sequence[Source],
    columns: Columns,
    seed: int,
    fit_target: Fit,
    processes: Sequence[GP] | None = None,
) -> RankingEnsemble:
    """U (n, d), z (n,), known noise variances (n,); n >= 0, at least one source. `fit_target(U, z, variance, columns,
    seed)` models this campaign's own results; `processes`: `fit_sources(sources, columns)` where already at hand.

    Below two results there is no pair to order: the sources share the belief equally.
    """
    target = fit_target(U, z, variance, columns, seed) if len(z) else None
    return ensemble_of(target, U, sources, processes or fit_sources(sources, columns), seed)


def ensemble_of(
    target: Model | None,
    U: Array,
    sources: Sequence[Source],
    processes: Sequence[GP],
    seed: int,
) -> RankingEnsemble:
    """The ensemble of a fitted target (None without results) and fitted sources."""
    z = np.zeros(0) if target is None else target.z
    if target is None or len(z) < 2:
        weights = np.r_[0.0, np.full(len(sources), 1.0 / len(sources))]
    else:
        weights = ranking_weights(target, processes, seed)
    members = []
    for source, process in zip(sources, processes, strict=True):
        noise = process.noise if target is None or len(z) < 2 else target.noise
        members.append(Aligned(source.name, process, U, z, noise))
    return RankingEnsemble(target, members, weights, U.shape[1])


def _process(member: Model | Aligned) -> Model:
    return member.process if isinstance(member, Aligned) else member
