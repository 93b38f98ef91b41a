"""A belief about a function of several measured quantities, made of a belief about each.

Modelling what is measured and composing afterwards knows more than modelling the composed number (Astudillo and
Frazier, ICML 2019): a target value or a threshold bends the number sharply, not the quantities. The expectation has
no closed form; it is taken over fixed quasi-Monte-Carlo nodes, the same for every point, so that what is searched is
one smooth function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

import numpy as np
from scipy.special import ndtri

from surrogates.encode import Array
from surrogates.goals.outputs import Outputs
from surrogates.low_discrepancy import sobol

Back = Callable[[Array], Array]  # z of one quantity to its own unit, of any shape, value by value
Scalarise = Callable[[Array], Array]  # values (..., k) in own units to (...,), larger is better

NODES = 64
STEP = 1e-6
MOST_APART = 4.0  # standard deviations that a part is moved at most to explain a composed result


def normal_nodes(k: int, n: int = NODES, seed: int = 0) -> Array:
    """Standard normal points (n, k), n a power of two above k: scrambled Sobol, brought to mean 0 and unit
    covariance exactly, so that linear functions are composed without error."""
    points = ndtri(sobol(k, np.random.default_rng([seed, k])).random(n))
    points = points - points.mean(axis=0)
    whiten: Array = np.linalg.inv(np.linalg.cholesky(points.T @ points / n)).T
    out: Array = points @ whiten
    return out


class Composite:
    """A `Model` of `scalarise(own values)`. Mean and sd are those of the composed number, standardised by its mean and
    sd over the results; an acquisition takes it as normal, which matches its first two moments.

    U, z    (n, d), (n,): the results in which everything was measured, composed and standardised
    center, width  what `z` is standardised by, in the unit of `scalarise`
    """

    def __init__(
        self,
        outputs: Outputs,
        backs: tuple[Back, ...],
        scalarise: Scalarise,
        nodes: Array | None = None,
        complete: Sequence[Array] | None = None,
        name: str = "composite",
    ) -> None:
        """nodes     standard normal (q, k); default `normal_nodes`
        complete  for each part the numbers (n,) of its rows that hold one and the same n results (`complete_rows`);
                  default: all rows, the same in all parts

        Raises ValueError where the parts' rows differ and `complete` is missing, or names different points.
        """
        k = len(outputs.parts)
        if len(backs) != k:
            raise ValueError(f"wanted {k} functions back to own units, got {len(backs)}")
        self.outputs, self.backs, self.scalarise, self.title = outputs, backs, scalarise, name
        self.nodes = normal_nodes(k) if nodes is None else nodes
        if self.nodes.shape[1:] != (k,):
            raise ValueError(f"wanted nodes (q, {k}), got {self.nodes.shape}")
        if complete is None:
            complete = tuple(np.arange(len(part.U)) for part in outputs.parts)
        self.complete = tuple(complete)
        self._check()
        values = self._measured()
        spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        size = float(np.abs(values).max(initial=0.0))
        self.center = float(values.mean()) if len(values) else 0.0
        self.width = spread if spread > 1e-13 * max(size, 1e-300) else (size or 1.0)

    def _check(self) -> None:
        rows = [part.U[chosen] for part, chosen in zip(self.outputs.parts, self.complete, strict=True)]
        for name, other in zip(self.outputs.names, rows, strict=True):
            if not np.array_equal(other, rows[0]):
                raise ValueError(
                    f"rows of {name} are not those of {self.outputs.names[0]}; pass `complete` (complete_rows)"
                )

    # -- what it was fitted to -------------------------------------------------
    @property
    def name(self) -> str:
        parts = zip(self.outputs.names, self.outputs.parts, strict=True)
        return f"{self.title} of " + ", ".join(f"{name}: {part.name}" for name, part in parts)

    @property
    def smooth(self) -> bool:
        return self.outputs.smooth

    @property
    def U(self) -> Array:
        out: Array = self.outputs.parts[0].U[self.complete[0]]
        return out

    @property
    def z(self) -> Array:
        return (self._measured() - self.center) / self.width

    @property
    def noise(self) -> float:
        """Mean over the results of `noise_at`."""
        return float(self.noise_at(self.U).mean()) if len(self.U) else 0.0

    @property
    def lengths(self) -> Array | None:
        """Lengths whose 1 / length^2 is the parts' mean, weighted by how much each part moves the composed number."""
        each = [part.lengths for part in self.outputs.parts]
        if any(lengths is None for lengths in each):
            return None
        squares = np.array([1.0 / np.asarray(lengths) ** 2 for lengths in each])
        return 1.0 / np.sqrt(self._shares() @ squares)

    def importance(self) -> Array:
        out: Array = self._shares() @ np.array([part.importance() for part in self.outputs.parts])
        return out

    # -- belief ----------------------------------------------------------------
    def posterior(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and sd (m,) of the composed noise-free quantities at X (m, d)."""
        return self._compose(*self.outputs.posterior(X))

    def posterior_gradient(self, X: Array, along: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, sd and their gradients (m, len(along)), by the chain rule through the parts' means and sds."""
        m, s, m_slope, s_slope = self.outputs.posterior_gradient(X, along)
        g, slope = self._slopes(m, s)
        mean, sd = self._moments(g)
        by_m, by_s = slope, slope * self.nodes
        above = ((g - mean[:, None]) / sd[:, None])[:, :, None]

        def chain(a: Array, b: Array) -> Array:
            out: Array = np.einsum("mk,mka->ma", a, m_slope) + np.einsum("mk,mka->ma", b, s_slope)
            return out

        return (
            mean,
            sd,
            chain(by_m.mean(axis=1), by_s.mean(axis=1)),
            chain((above * by_m).mean(axis=1), (above * by_s).mean(axis=1)),
        )

    def covariance(self, X: Array, Y: Array) -> Array:
        """(len(X), len(Y)). The correlation is that of the best linear function of the parts at each point (its
        slopes are E dg/dz: Stein's lemma), the variances are those of `posterior`."""
        (a, x_sd), (b, y_sd) = self._linear(X), self._linear(Y)
        shared = np.einsum("mk,lk,mlk->ml", a, b, self.outputs.covariance(X, Y))
        out: Array = shared * x_sd[:, None] * y_sd
        return out

    def condition(self, U: Array, z: Array | None = None) -> Composite:
        """Told more points U (m, d), standardisation kept. Values z are either (m, k), standardised values of the
        parts, or (m,), of this: then each part is told its most probable value given that, to first order."""
        if not len(U):
            return self
        if z is not None and z.ndim == 1:
            z = self._explain(U, z)
        out = copy(self)
        out.outputs = self.outputs.condition(U, z)
        new = [len(part.U) + np.arange(len(U)) for part in self.outputs.parts]
        out.complete = tuple(np.concatenate(pair) for pair in zip(self.complete, new, strict=True))
        return out

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each composed result, noise included, predicted from the others."""
        each = [part.leave_one_out() for part in self.outputs.parts]
        mean, sd = (
            np.stack([pair[i][rows] for pair, rows in zip(each, self.complete, strict=True)], axis=1)
            for i in (0, 1)
        )
        return self._compose(mean, sd)

    def noise_at(self, X: Array) -> Array:
        """(m,): the parts' noise at X to first order."""
        m, s = self.outputs.posterior(X)
        out: Array = (self._slopes(m, s)[1].mean(axis=1) ** 2 * self.outputs.noise_at(X)).sum(axis=1)
        return out

    def moments(self, mean: Array, sd: Array) -> tuple[Array, Array]:
        """Standardised mean and sd in the unit of `scalarise`."""
        return self.center + self.width * mean, self.width * sd

    def composed(self, z: Array) -> Array:
        """(...,) of what the parts model, z (..., k), standardised."""
        return self._of_own(self._own(z))

    # -- composing -------------------------------------------------------------
    def _own(self, z: Array) -> Array:
        return np.stack([back(z[..., j]) for j, back in enumerate(self.backs)], axis=-1)

    def _measured(self) -> Array:
        parts = zip(self.outputs.parts, self.complete, strict=True)
        return self.scalarise(self._own(np.stack([part.z[rows] for part, rows in parts], axis=1)))

    def _of_own(self, Y: Array) -> Array:
        return (self.scalarise(Y) - self.center) / self.width

    def _moments(self, g: Array) -> tuple[Array, Array]:
        mean = g.mean(axis=1)
        return mean, np.maximum(np.sqrt(((g - mean[:, None]) ** 2).mean(axis=1)), 1e-9)

    def _compose(self, mean: Array, sd: Array) -> tuple[Array, Array]:
        """Moments (m,) of the composed number for independent normal parts with means and sds (m, k)."""
        return self._moments(self._of_own(self._own(mean[:, None] + sd[:, None] * self.nodes)))

    def _slopes(self, mean: Array, sd: Array) -> tuple[Array, Array]:
        """The composed number (m, q) at the nodes and its slopes (m, q, k) by the parts' z, by differences."""
        z = mean[:, None] + sd[:, None] * self.nodes
        here, moved = self._own(z), self._own(z + STEP)
        g, slope = self._of_own(here), np.empty(z.shape)
        for j in range(z.shape[2]):
            one = here.copy()
            one[..., j] = moved[..., j]
            slope[..., j] = (self._of_own(one) - g) / STEP
        return g, slope

    def _linear(self, X: Array) -> tuple[Array, Array]:
        """Mean slopes (m, k) at X, over the sd that they alone give, and the whole sd (m,)."""
        m, s = self.outputs.posterior(X)
        g, slope = self._slopes(m, s)
        a = slope.mean(axis=1)
        return a / np.maximum(np.sqrt(((a * s) ** 2).sum(axis=1)), 1e-12)[:, None], self._moments(g)[1]

    def _explain(self, U: Array, z: Array) -> Array:
        m, s = self.outputs.posterior(U)
        g, slope = self._slopes(m, s)
        a = slope.mean(axis=1)
        whole = np.maximum(((a * s) ** 2).sum(axis=1), 1e-24)
        move = s * a * ((z - g.mean(axis=1)) / whole)[:, None]
        out: Array = m + s * np.clip(move, -MOST_APART, MOST_APART)
        return out

    def _shares(self) -> Array:
        """(k,) summing to 1: mean square slope of the composed number by each part over the results."""
        if not len(self.U):
            return np.full(len(self.backs), 1.0 / len(self.backs))
        slope = self._slopes(*self.outputs.posterior(self.U))[1]
        square = (slope**2).mean(axis=(0, 1))
        whole = float(square.sum())
        return square / whole if whole > 0 else np.full(len(self.backs), 1.0 / len(self.backs))
