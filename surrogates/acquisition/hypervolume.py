"""Several objectives at once: how much a candidate is expected to add to what the front dominates.

Own code beside botorch's qLogNoisyExpectedHypervolumeImprovement, whose values the tests hold this to. Given values at
the measured points the expectation over one candidate has a closed form, so only those values are sampled, and no
autograd is needed: an ask with two objectives costs a tenth of a second where that costs one or two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logsumexp, ndtri

from surrogates.acquisition.base import Belief, Differences
from surrogates.acquisition.feasible import Chance
from surrogates.acquisition.improvement import log_improvement
from surrogates.encode import Array
from surrogates.goals.cells import cells
from surrogates.goals.outputs import Outputs
from surrogates.goals.pareto import non_dominated
from surrogates.low_discrepancy import sobol

SAMPLES, FEWEST_SAMPLES = 16, 2
MOST_BOXES = 2000  # above which fewer samples are taken: four objectives have hundreds of boxes in each
MOST_BASELINE = 400  # measured points whose values are sampled together
ENTRIES = 1_000_000  # rows times boxes worked on at a time
JITTER = 1e-10


class Boxes:
    """What fronts leave to be won, over one or several equally likely fronts, and what is expected of it."""

    def __init__(self, fronts: list[Array], reference: Array) -> None:
        """`fronts`: of each sample (n_s, k); `reference` (k,)."""
        each = [cells(front, reference) for front in fronts]
        self.samples, k = len(fronts), len(reference)
        owner = np.repeat(np.arange(self.samples), [len(low) for low, _ in each])
        corners = [np.vstack([pair[i] for pair in each]) for i in (0, 1)]
        self.count = len(owner)
        self.edges: list[tuple[Array, Array]] = []  # of each objective: values (t,) and whose sample (t,)
        self.sides: list[tuple[Array, Array]] = []  # of each box: numbers (c,) of its lower and upper edge
        for j in range(k):
            pairs = np.column_stack([np.tile(owner, 2), np.concatenate([corner[:, j] for corner in corners])])
            different, number = np.unique(pairs, axis=0, return_inverse=True)
            self.edges.append((different[:, 1], different[:, 0].astype(int)))
            low, high = np.split(number.ravel(), 2)
            self.sides.append((low, high))

    def log_expected(self, mean: Array, sd: Array) -> Array:
        """log E[volume won] (m,) for independent normal objectives: means (m, samples, k), sds (m, k).

        Over a box [l, u) that is the product over objectives of E(f - l)+ - E(f - u)+ (Yang et al., J. Glob. Optim. 75,
        3, 2019), here all in logarithms (Ament et al., NeurIPS 2023).
        """
        whole = np.zeros((len(mean), self.count))
        for j, ((edge, sample), (low, high)) in enumerate(zip(self.edges, self.sides, strict=True)):
            finite = np.isfinite(edge)
            t = (mean[:, sample, j] - np.where(finite, edge, 0.0)) / sd[:, j, None]
            above = np.where(finite, np.log(sd[:, j, None]) + log_improvement(t)[0], -np.inf)
            more, less = above[:, low], above[:, high]
            whole += more + np.log(-np.expm1(np.minimum(less - more, 0.0)))
        out: Array = logsumexp(whole, axis=1) - math.log(self.samples)
        return out

    def rows(self) -> int:
        return max(1, ENTRIES // self.count)


@dataclass(frozen=True)
class LogHypervolumeImprovement(Differences):
    """log of the expected hypervolume improvement over the front of the posterior means at the measured points: in
    closed form, and nearly the ranking of the one below."""

    reference: Array  # (k,) standardised
    feasible: Chance | None = None

    def value(self, belief: Belief, X: Array) -> Array:
        """(m,) at X (m, d); `belief` is `Outputs`."""
        outputs = _outputs(belief, self.reference)
        points = _candidates_for_front(outputs, self.feasible)
        boxes = Boxes([_front(outputs.posterior(points)[0], self.reference)], self.reference)

        def of(rows: Array) -> Array:
            mean, sd = outputs.posterior(rows)
            return boxes.log_expected(mean[:, None], sd)

        return _in_parts(of, X, boxes.rows())


class LogNoisyHypervolumeImprovement(Differences):
    """log of the noisy expected hypervolume improvement (Daulton, Balandat and Bakshy, NeurIPS 2021): the front is that
    of the true values at the measured and pending points, which noise hides; they are sampled, `seed` fixing how.

    The belief is `Outputs`, every part standardised and larger is better; `reference` (k,) likewise. With `feasible`
    only measured points that are more likely than not to meet the outcome constraints make the front.
    """

    def __init__(
        self, seed: int, reference: Array, feasible: Chance | None = None, samples: int = SAMPLES
    ) -> None:
        self._seed, self.reference, self.feasible = seed, np.asarray(reference, float), feasible
        self._samples = samples
        self._made: tuple[Belief, _Sampled] | None = None

    def value(self, belief: Belief, X: Array) -> Array:
        """(m,) at X (m, d)."""
        sampled = self._of(belief)
        return _in_parts(sampled.value, X, sampled.boxes.rows())

    def coarse(self) -> LogHypervolumeImprovement:
        return LogHypervolumeImprovement(self.reference, self.feasible)

    def _of(self, belief: Belief) -> _Sampled:
        if self._made is None or self._made[0] is not belief:
            outputs = _outputs(belief, self.reference)
            points = _candidates_for_front(outputs, self.feasible)
            self._made = belief, _Sampled(outputs, points, self.reference, self._seed, self._samples)
        return self._made[1]


class _Sampled:
    """A belief conditioned on sampled true values at those measured points that are on some sample's front."""

    def __init__(self, outputs: Outputs, points: Array, reference: Array, seed: int, samples: int) -> None:
        self.outputs, k = outputs, len(reference)
        values = np.empty((samples, len(points), k))
        mean = outputs.posterior(points)[0]
        # A part at a time: the full covariance of all is block-diagonal.
        normal = _normals(samples, len(points), k, seed)
        for j, part in enumerate(outputs.parts):
            lower = np.tril(_factor(part.covariance(points, points))[0])
            values[:, :, j] = mean[:, j] + normal[:, :, j] @ lower.T
        fronts, member = [], np.zeros(len(points), bool)
        for sample in values:
            rows = np.flatnonzero((sample > reference).all(axis=1))
            rows = rows[non_dominated(sample[rows])]
            fronts.append(sample[rows])
            member[rows] = True
        kept = max(FEWEST_SAMPLES, MOST_BOXES // max(1, len(cells(fronts[0], reference)[0])))
        fronts, values = fronts[:kept], values[:kept]
        self.points = points[member]
        self.boxes = Boxes(fronts, reference)
        self.factors = [_factor(part.covariance(self.points, self.points)) for part in outputs.parts]
        self.weights = [
            cho_solve(factor, (values[:, member, j] - mean[member, j]).T)
            for j, factor in enumerate(self.factors)
        ]
        self.inverses = [np.linalg.inv(np.tril(factor[0])) for factor in self.factors]

    def value(self, X: Array) -> Array:
        mean, sd = self.outputs.posterior(X)
        means = np.repeat(mean[:, None], self.boxes.samples, axis=1)
        if len(self.points):
            for j, part in enumerate(self.outputs.parts):
                shared = part.covariance(X, self.points)
                means[:, :, j] += shared @ self.weights[j]
                left = sd[:, j] ** 2 - ((shared @ self.inverses[j].T) ** 2).sum(axis=1)
                sd[:, j] = np.sqrt(np.maximum(left, 1e-12))
        return self.boxes.log_expected(means, sd)


def _outputs(belief: Belief, reference: Array) -> Outputs:
    if not isinstance(belief, Outputs):
        raise TypeError(f"wanted Outputs, one belief for each objective; got {type(belief).__name__}")
    if np.shape(reference) != (len(belief.parts),):
        raise ValueError(f"wanted a reference point ({len(belief.parts)},), got {np.shape(reference)}")
    return belief


def _candidates_for_front(outputs: Outputs, feasible: Chance | None) -> Array:
    """Measured points that may be on the front: none is hopelessly below another."""
    points = outputs.U
    if feasible is not None:
        points = points[feasible.log_probability(points) >= math.log(0.5)]
    if not len(points):
        return points
    mean, sd = outputs.posterior(points)
    sure = mean - 3.0 * sd
    sure = sure[non_dominated(sure)]
    hopeless = (sure[None] > (mean + 3.0 * sd)[:, None]).all(axis=2).any(axis=1)
    points, mean = points[~hopeless], mean[~hopeless]
    if len(points) > MOST_BASELINE:
        beaten = (mean[None] > mean[:, None]).all(axis=2).sum(axis=1)
        points = points[np.sort(np.argsort(beaten, kind="stable")[:MOST_BASELINE])]
    return points


def _front(V: Array, reference: Array) -> Array:
    above = V[(reference < V).all(axis=1)]
    return above[non_dominated(above)]


def _normals(samples: int, n: int, k: int, seed: int) -> Array:
    if not n:
        return np.empty((samples, 0, k))
    engine = sobol(n * k, np.random.default_rng([seed, n, k]))
    inside = np.clip(engine.random(samples), 1e-9, 1 - 1e-9)  # a scrambled point may be 0
    out: Array = ndtri(inside).reshape(samples, n, k)
    return out


def _factor(covariance: Array) -> tuple[Array, bool]:
    jitter = JITTER
    while True:
        try:
            lower: tuple[Array, bool] = cho_factor(covariance + jitter * np.eye(len(covariance)), lower=True)
            return lower
        except np.linalg.LinAlgError:
            jitter *= 10.0  # variances of at most about one: positive definite at a jitter of that size
            if jitter > 10.0:
                raise


def _in_parts(function: Callable[[Array], Array], X: Array, rows: int) -> Array:
    if len(X) <= rows:
        return function(X)
    return np.concatenate([function(X[i : i + rows]) for i in range(0, len(X), rows)])
