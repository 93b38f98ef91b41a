"""One model of the films for each member of the ensemble, and all of them as one belief."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from surrogates.acquisition.thompson import draw
from surrogates.encode import Array, Encoder
from surrogates.joint.axis import MaterialAxis
from surrogates.learn import Own
from surrogates.models.base import Model
from surrogates.models.gp import Columns


@dataclass(frozen=True)
class View:
    """What one member's model sees of the unit columns: those at `columns`, times `scale` (k,)."""

    columns: Array
    scale: Array

    def of(self, X: Array) -> Array:
        """(m, k) of unit rows X (m, d)."""
        out: Array = X[:, self.columns] * self.scale
        return out

    def along(self, columns: Array) -> Array:
        """Places among `columns` of unit columns, which the view must hold as they are."""
        return np.searchsorted(self.columns, columns)


def views(axis: MaterialAxis, encoder: Encoder, material: int) -> tuple[View, ...]:
    """Of each member: what it says of the material, in units of the pool's spread, and all that is no material."""
    own = encoder.columns[material]
    others = np.setdiff1d(np.arange(encoder.n_columns), np.arange(own.start, own.stop))
    out = []
    for k in range(axis.members):
        said = own.start + axis.of_member(k)
        columns = np.sort(np.concatenate([said, others]))
        properties = np.isin(columns, said[: axis.targets])
        out.append(View(columns, np.where(properties, math.sqrt(axis.members), 1.0)))
    return tuple(out)


class Members:
    """Each member's word taken for the truth by a model of its own, each as likely: mean and variance by the laws of
    total expectation and variance. The mean of the models' variances is what the films leave open; the variance of
    their means is what the ensemble does not know of the material, as far as it matters for the films.

    smooth  whether every model has gradients
    """

    def __init__(self, models: Sequence[Model], views: Sequence[View], U: Array) -> None:
        """`models`, fitted to the same results through `views`; U (n, d): their unit rows."""
        self.models, self.views, self.U = tuple(models), tuple(views), U
        self.z, self.smooth = models[0].z, all(model.smooth for model in models)
        self.noise = float(np.mean([model.noise for model in models]))
        lengths = [model.lengths for model in models if model.lengths is not None]
        self.lengths = np.mean(np.array(lengths) ** -2.0, axis=0) ** -0.5 if lengths else None

    @property
    def name(self) -> str:
        return f"{len(self.models)} members of {self.models[0].name}"

    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the noise-free function at X (m, d)."""
        return _moments(*self._each(X))

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, sd and their gradients (m, len(along)) by the numeric columns `along`, none of them the material's."""
        parts = [
            model.posterior_gradient(view.of(X), view.along(along))
            for model, view in zip(self.models, self.views, strict=True)
        ]
        means, sds, mean_slopes, sd_slopes = (np.array([part[i] for part in parts]) for i in range(4))
        mean, sd = _moments(means, sds)
        slope = mean_slopes.mean(axis=0)
        half = sds[..., None] * sd_slopes + (means - mean)[..., None] * (mean_slopes - slope)
        return mean, sd, slope, half.mean(axis=0) / sd[:, None]

    def covariance(self, X: Array, Y: Array) -> Array:
        """Posterior covariance (len(X), len(Y)) of the noise-free function."""
        left, right = self._each(X)[0], self._each(Y)[0]
        out: Array = (left - left.mean(axis=0)).T @ (right - right.mean(axis=0)) / len(self.models)
        for model, view in zip(self.models, self.views, strict=True):
            out += model.covariance(view.of(X), view.of(Y)) / len(self.models)
        return out

    def condition(self, U: Array, z: Array | None = None) -> Members:
        """Every model told the same more points; without z that the mean of all was found."""
        if not len(U):
            return self
        z = self.posterior(U)[0] if z is None else z
        told = [model.condition(view.of(U), z) for model, view in zip(self.models, self.views, strict=True)]
        return Members(told, self.views, np.vstack([self.U, U]))

    def parts(self, X: Array) -> tuple[Array, Array]:
        """Variances (m,) at X (m, d) whose sum is that of the belief: of what is not known of the material, and of what
        the films leave open."""
        means, sds = self._each(X)
        return means.var(axis=0), (sds**2).mean(axis=0)

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each observation, noise included, predicted from the others."""
        parts = [model.leave_one_out() for model in self.models]
        return _moments(np.array([p[0] for p in parts]), np.array([p[1] for p in parts]))

    def importance(self) -> Array:
        """(n_lengths,): the mean of what matters to each model."""
        out: Array = np.mean([model.importance() for model in self.models], axis=0)
        return out

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d)."""
        each = [model.noise_at(view.of(X)) for model, view in zip(self.models, self.views, strict=True)]
        out: Array = np.mean(each, axis=0)
        return out

    def sample(self, seed: int) -> Callable[[Array], Array]:
        """A function drawn from one of the models. Raises UnsupportedMethod where none can be drawn from it."""
        k = int(np.random.default_rng([seed, 2]).integers(len(self.models)))
        drawn, view = draw(self.models[k], seed), self.views[k]
        return lambda X: drawn(view.of(X))

    def _each(self, X: Array) -> tuple[Array, Array]:
        """Means and sds (M, m) of the models."""
        parts = [model.posterior(view.of(X)) for model, view in zip(self.models, self.views, strict=True)]
        return np.array([p[0] for p in parts]), np.array([p[1] for p in parts])


def by_members(views: Sequence[View]) -> Callable[[Own], Own]:
    """From a way to fit a model to the same way, done for each member with what it sees."""

    def adapted(own: Own) -> Own:
        def fit(U: Array, z: Array, variance: Array, columns: Columns, seed: int) -> Model:
            seen = [Columns(columns.group[view.columns], columns.numeric[view.columns]) for view in views]
            pairs = zip(views, seen, strict=True)
            return Members([own(view.of(U), z, variance, part, seed) for view, part in pairs], views, U)

        return fit

    return adapted


def _moments(means: Array, sds: Array) -> tuple[Array, Array]:
    """Mean and sd (m,) of equally likely normals with means and sds (M, m)."""
    variance = (sds**2).mean(axis=0) + means.var(axis=0)
    return means.mean(axis=0), np.sqrt(np.maximum(variance, 1e-12))
