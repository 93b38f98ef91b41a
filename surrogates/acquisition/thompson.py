"""Thompson sampling: one function drawn from the belief, and its maximum."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from surrogates.acquisition.base import Belief, Differences
from surrogates.encode import Array
from surrogates.errors import UnsupportedMethod
from surrogates.goals.composite import Composite
from surrogates.models.gp import GP
from surrogates.models.kernels import RBF, Kernel, Matern52
from surrogates.models.mixture import MixtureOfGPs
from surrogates.models.wrapped import Wrapped

FREQUENCIES = 512
ROWS = 128  # looked at together: their phases stay in the cache
STREAM = 11  # apart from the other random numbers of the same seed and index


@runtime_checkable
class Sampled(Protocol):
    """A belief that draws functions itself: `sample(seed)` gives values (m,) at X (m, d), the same for the same X."""

    def sample(self, seed: int) -> Callable[[Array], Array]: ...


class ThompsonSampling(Differences):
    """An `Acquisition`: the values of one function drawn from the posterior (Thompson 1933; Russo et al. 2018).

    Each point of a batch is the maximum of another draw: give each its own `index`, and the same belief, for what the
    others are believed to give adds nothing to a draw but certainty that is not there. Nothing is fixed but the draw:
    when the belief is told more, the same prior function is corrected by more results.
    """

    def __init__(self, seed: int, index: int) -> None:
        """Raises ValueError for a negative seed or index."""
        self._seed, self._index = seed, index
        self._stream = int(np.random.SeedSequence([seed, index, STREAM]).generate_state(1)[0])
        self._made: tuple[Belief, Callable[[Array], Array]] | None = None

    def value(self, belief: Belief, X: Array) -> Array:
        """(m,) at X (m, d). Raises UnsupportedMethod where no function can be drawn from the belief."""
        return self._of(belief)(X)

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        """Value (m,) and gradient (m, len(along)): exact for a process, else by differences."""
        draw = self._of(belief)
        if isinstance(draw, PosteriorDraw):
            return draw.gradient(X, along)
        return super().gradient(belief, X, along)

    def __repr__(self) -> str:
        return f"ThompsonSampling(seed={self._seed}, index={self._index})"

    def _of(self, belief: Belief) -> Callable[[Array], Array]:
        if self._made is None or self._made[0] is not belief:
            self._made = (belief, draw(belief, self._stream))
        return self._made[1]


def draw(belief: Belief, seed: int) -> Callable[[Array], Array]:
    """A function drawn from a belief: of a mixture, from one of its processes, by their weights; of a composition, the
    composition of a draw from each part. Raises UnsupportedMethod for a belief that cannot be drawn from."""
    if isinstance(belief, GP):
        return PosteriorDraw(belief, seed)
    if isinstance(belief, Sampled):
        return belief.sample(seed)
    if isinstance(belief, Wrapped):
        return draw(belief.model, seed)
    if isinstance(belief, MixtureOfGPs):
        rng = np.random.default_rng([seed, 1])
        return PosteriorDraw(belief.gps[rng.choice(len(belief.gps), p=belief.weights)], seed)
    if isinstance(belief, Composite):
        parts = [draw(part, seed + j) for j, part in enumerate(belief.outputs.parts)]
        return lambda X: belief.composed(np.stack([part(X) for part in parts], axis=1))
    raise UnsupportedMethod(
        f"thompson needs a belief that functions can be drawn from, got {type(belief).__name__}"
    )


class PosteriorDraw:
    """A function drawn from a process by Matheron's rule (Wilson et al., ICML 2020): a draw f from the prior plus the
    correction k(x, U) (K + noise)^-1 (z - f(U) - e) by what it gets wrong at the results, e a draw of their noise.

    The prior draw is a sum of random cosines (Rahimi and Recht, NeurIPS 2007), each of amplitude sqrt(2 / F) times a
    Rayleigh number and of uniform phase, which is a sine and a cosine with normal weights: 512 of them are 1024 Fourier
    features. The frequencies belong to the draw, so that over many draws mean and covariance are the posterior's own
    and not those of one approximate kernel.
    """

    def __init__(self, gp: GP, seed: int, frequencies: int = FREQUENCIES) -> None:
        rng = np.random.default_rng(seed)
        self._gp = gp
        numeric, scale = gp.columns.numeric, 1.0 / gp.lengths[gp.columns.group]
        spread = rng.standard_normal((frequencies, gp.d))
        spread[:, numeric] *= _tail(gp.recipe.kernel, rng, frequencies)[:, None]
        self._turns = (spread * scale).T / (2 * math.pi)  # (d, F), in turns per unit of the cube
        self._phase = rng.random(frequencies)
        self._amplitude = rng.rayleigh(1.0, frequencies) / math.sqrt(frequencies)
        noise = np.sqrt(gp.noise + gp.variance) * rng.standard_normal(gp.n)
        wrong = gp.z - gp.mean - self._prior(gp.U) - noise
        self._weights = solve(gp, wrong)

    def __call__(self, X: Array) -> Array:
        """(m,) at X (m, d)."""
        k = self._gp._kernel(X * self._gp._scale, self._gp._V)[0]
        out: Array = self._gp.mean + self._prior(X) + k @ self._weights
        return out

    def gradient(self, X: Array, along: Array) -> tuple[Array, Array]:
        """Value (m,) and gradient (m, len(along)) by the numeric columns `along`."""
        gp = self._gp
        V = X * gp._scale
        k, by_r2 = gp._kernel(V, gp._V)
        angle = 2 * math.pi * (X @ self._turns + self._phase)
        value = gp.mean + np.cos(angle) @ self._amplitude + k @ self._weights
        slope = -(np.sin(angle) * self._amplitude) @ (2 * math.pi * self._turns[along].T)
        w = 2.0 * by_r2 * self._weights
        slope += (w.sum(axis=1)[:, None] * V[:, along] - w @ gp._V[:, along]) * gp._scale[along]
        return value, slope

    def _prior(self, X: Array) -> Array:
        """The prior draw (m,). NumPy's cosine of 10^5 x 512 numbers takes a second; after reduction to a quarter turn
        a polynomial, equal to it to rounding, takes a fifth of that."""
        out = np.empty(len(X))
        for i in range(0, len(X), ROWS):
            turns = X[i : i + ROWS] @ self._turns
            turns += self._phase
            turns -= np.rint(turns)
            np.abs(turns, out=turns)
            np.subtract(0.25, turns, out=turns)  # cos(2 pi t) = sin(2 pi (1/4 - |t|))
            square = turns**2
            sine = square * SINE[-1]
            for c in SINE[-2:0:-1]:
                sine += c
                sine *= square
            sine += SINE[0]
            sine *= turns
            out[i : i + ROWS] = sine @ self._amplitude
        return out


SINE = [(-1) ** k * (2 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(10)]


def solve(gp: GP, values: Array) -> Array:
    """(K + noise)^-1 values (n,), from the inverse of the Cholesky factor that the process keeps."""
    out: Array = gp._inverse_L.T @ (gp._inverse_L @ values)
    return out


def _tail(kernel: Kernel, rng: np.random.Generator, n: int) -> Array:
    """What (n,) normal frequencies are multiplied by: those of a Matern kernel of smoothness nu follow a multivariate
    t distribution with 2 nu degrees of freedom (Rasmussen and Williams 2006, section 4.2.1)."""
    if isinstance(kernel, Matern52):
        return np.sqrt(5.0 / rng.chisquare(5.0, n))
    if isinstance(kernel, RBF):
        return np.ones(n)
    raise TypeError(f"thompson: wanted a kernel whose spectrum is known (matern52, rbf), got {kernel.name}")
