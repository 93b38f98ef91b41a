"""Trees that vote: random forests and bootstrapped extremely randomised trees as beliefs with an uncertainty.

Trees need no length scale, take jumps and choices as they come, and are as good as processes at finding the best of
measured pools (Liang et al., npj Comput. Mater. 7, 188, 2021). Far from all results they are as sure as at the
nearest one, and they have no gradient: a process is better where the objective is smooth and results are few.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array

from surrogates.encode import Array
from surrogates.models.conditioned import Conditioned, Draw
from surrogates.models.gp import Columns

Kind = Literal["forest", "trees"]
TREES = 100
FEATURES = 5 / 6  # share of the columns tried at a split (Hutter et al. 2014)
DOUBT = 0.1  # variance that a result has beside its known one, for how often it is drawn
SCALES, NOISES = np.exp(np.linspace(-3.0, 2.0, 26)), np.exp(np.linspace(-9.0, 1.0, 41))


class Forest:
    """Trees grown on bootstraps of the results, noisy ones drawn less often. A tree says that the function is level
    within each of its leaves, normal about the leaf's mean with the leaf's variance; all trees are equally likely. So,
    by the laws of total variance and covariance,

    var f(x) = s * (variance of the leaf means over trees + mean of the leaf variances)  (Hutter et al. 2014, SMAC)
    cov(f(x), f(y)) = s * (covariance of the leaf means + mean of the variances of the leaves that x and y share)

    where the scale s and the noise variance make the out-of-bag residuals most likely: the plain sums (s = 1) hold
    noise as well and are too wide where there is much of it. A leaf holds one result or its replicates: with two at
    least, a forest finds a third as many of the best of crossed_barrel.
    """

    smooth = False
    lengths = None

    def __init__(self, U: Array, z: Array, variance: Array, columns: Columns, seed: int, kind: Kind) -> None:
        """U (n, d), z (n,), known noise variances (n,), 0 where unknown; n >= 1."""
        self.U, self.z, self.variance, self.columns, self.kind = U, z, variance, columns, kind
        rng = np.random.default_rng([seed, len(z), 11])
        n = len(z)
        chance = 1.0 / (DOUBT + variance)
        counts = rng.multinomial(n, chance / chance.sum(), TREES)
        self._trees = [
            _grow(U, z, row.astype(float), int(s), kind)
            for row, s in zip(counts, rng.integers(0, 2**31, TREES), strict=True)
        ]
        sizes = [tree.node_count for tree in self._trees]
        self._offset = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._n_leaves = int(np.sum(sizes))
        self._means = np.concatenate([tree.value[:, 0, 0] for tree in self._trees])
        self._variances = np.maximum(np.concatenate([tree.impurity for tree in self._trees]), 0.0)
        self._out = self._out_of_bag(counts == 0)
        self.scale, self.noise = _calibrated(z - self._out[0], self._out[1], variance)

    @classmethod
    def fit(
        cls, U: Array, z: Array, variance: Array, columns: Columns, seed: int, kind: Kind = "forest"
    ) -> Forest:
        return cls(U, z, variance, columns, seed, kind)

    def _leaves(self, X: Array) -> Array:
        """(m, trees): number of the leaf that each row falls into."""
        rows = np.ascontiguousarray(X, np.float32)
        return np.stack([tree.apply(rows) for tree in self._trees], axis=1) + self._offset

    def _out_of_bag(self, out: Array) -> tuple[Array, Array]:
        """Mean and unscaled variance (n,) of each result over the trees (trees, n) that have not seen it; over all
        trees where none has not."""
        leaves = self._leaves(self.U)
        never: Array = ~np.any(out, axis=0)
        seen = out.T | never[:, None]
        count, means = seen.sum(axis=1), self._means[leaves]
        mean = (means * seen).sum(axis=1) / count
        spread = ((means - mean[:, None]) ** 2 + self._variances[leaves]) * seen
        return mean, spread.sum(axis=1) / count

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free function at X (m, d)."""
        leaves = self._leaves(X)
        means = self._means[leaves]
        variance = means.var(axis=1) + self._variances[leaves].mean(axis=1)
        return means.mean(axis=1), np.sqrt(np.maximum(self.scale * variance, 1e-12))

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Raises TypeError: trees are level almost everywhere."""
        raise TypeError(f"{self.name} has no gradient: search by values where `smooth` is False")

    def covariance(self, X: Array, Y: Array) -> Array:
        """Posterior covariance (len(X), len(Y)) of the noise-free function."""
        left, right = self._leaves(X), self._leaves(Y)
        a, b = self._means[left], self._means[right]
        between = (a - a.mean(axis=1, keepdims=True)) @ (b - b.mean(axis=1, keepdims=True)).T
        shared = (self._membership(left) @ self._membership(right).T).toarray()
        out: Array = (self.scale / TREES) * (between + shared)
        return out

    def _membership(self, leaves: Array) -> csr_array:
        """(m, leaves): standard deviation of each leaf that a row is in."""
        m = len(leaves)
        return csr_array(
            (np.sqrt(self._variances[leaves]).ravel(), leaves.ravel(), np.arange(m + 1) * TREES),
            shape=(m, self._n_leaves),
        )

    @property
    def name(self) -> str:
        return f"{self.kind}({TREES} trees)"

    @cached_property
    def _importance(self) -> Array:
        by_column = np.mean([tree.compute_feature_importances() for tree in self._trees], axis=0)
        by_length = np.bincount(self.columns.group, by_column, minlength=self.columns.n_lengths)
        total = by_length.sum()
        return by_length / total if total > 0 else np.full(len(by_length), 1.0 / max(len(by_length), 1))

    def importance(self) -> Array:
        """(n_lengths,): the reduction of variance by splits along each parameter (Breiman et al. 1984)."""
        return self._importance

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d): the same everywhere."""
        return np.full(len(X), self.noise)

    def condition(self, U: Array, z: Array | None = None) -> Forest | Conditioned:
        """Told more points, the trees kept: see `Conditioned`."""
        if not len(U):
            return self
        return Conditioned(self, U, self.posterior(U)[0] if z is None else z)

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each observation, noise included, by the trees that have not seen it (Breiman 1996).

        Such a tree saw 63 % of the other results, not all of them: errors come out a little too large.
        """
        mean, spread = self._out
        return mean, np.sqrt(self.scale * spread + self.noise + self.variance)

    def sample(self, seed: int) -> Draw:
        """One function drawn, mean and covariance those of the belief: that of one tree drawn at random, each leaf's
        height drawn too. Level within leaves, so many candidates tie."""
        rng = np.random.default_rng([seed, 0])
        t, root = int(rng.integers(TREES)), np.sqrt(self.scale)
        tree, at = self._trees[t], self._offset[t]
        heights = rng.standard_normal(tree.node_count) * np.sqrt(self._variances[at : at + tree.node_count])

        def function(X: Array) -> Array:
            leaves = self._leaves(X)
            means, own = self._means[leaves], leaves[:, t]
            out: Array = (1.0 - root) * means.mean(axis=1) + root * (self._means[own] + heights[own - at])
            return out

        return function


def _grow(U: Array, z: Array, weight: Array, seed: int, kind: Kind) -> Any:
    """The nodes of one regression tree grown on weighted results."""
    from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

    make = DecisionTreeRegressor if kind == "forest" else ExtraTreeRegressor
    tree = make(max_features=FEATURES, random_state=seed)
    rows = np.ascontiguousarray(U, np.float32)
    return tree.fit(rows, z, sample_weight=weight, check_input=False).tree_


def _calibrated(residual: Array, spread: Array, variance: Array) -> tuple[float, float]:
    """Scale of the trees' variances (n,) and noise variance that make normal residuals (n,) most likely, under the
    priors scale ~ LogNormal(0, 0.7), noise ~ LogNormal(-3, 1.5), by a grid."""
    scale, noise = np.meshgrid(SCALES, NOISES, indexing="ij")
    total = scale[..., None] * spread + noise[..., None] + variance
    loss = 0.5 * (np.log(total) + residual**2 / total).sum(axis=-1)
    loss += 0.5 * (np.log(scale) / 0.7) ** 2 + 0.5 * ((np.log(noise) + 3.0) / 1.5) ** 2
    best = np.unravel_index(int(np.argmin(loss)), loss.shape)
    return float(scale[best]), float(noise[best])
