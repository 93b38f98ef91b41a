"""Log noisy expected improvement: improvement over the best of noisy results, whose true values are not known either.

botorch's own acquisition on botorch's own model (Balandat et al. 2020; Ament et al., NeurIPS 2023): the expectation
over the joint posterior at all results has no closed form. It costs a hundred times an upper confidence bound, and
loads torch, so it is for those who ask for it.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from botorch.acquisition import qLogNoisyExpectedImprovement
from botorch.sampling import SobolQMCNormalSampler
from linear_operator.utils.warnings import NumericalWarning

from surrogates.acquisition.base import Belief
from surrogates.acquisition.improvement import LogExpectedImprovement
from surrogates.encode import Array
from surrogates.models.botorch_model import FLOAT, load
from surrogates.models.gp import GP

SAMPLES = 64
ROWS = 512  # scored at a time: each row brings a joint posterior with all results


@contextlib.contextmanager
def _jitter_is_fine() -> Iterator[None]:
    """Pending points are believed without noise, close ones make a matrix singular; the jitter then added is 1e-8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericalWarning)
        yield


class LogNoisyExpectedImprovement:
    """An `Acquisition`. The samples are fixed by `seed`: the function searched is one function.

    `best` is the highest posterior mean at a result, standardised, by which large pools are screened.
    """

    def __init__(self, seed: int, best: float) -> None:
        self._seed, self._best = seed, best
        self._made: tuple[Belief, qLogNoisyExpectedImprovement] | None = None

    def value(self, belief: Belief, X: Array) -> Array:
        """(m,) at X (m, d)."""
        function = self._of(belief)
        with torch.no_grad(), _jitter_is_fine():
            parts = [function(rows.unsqueeze(-2)) for rows in torch.as_tensor(X, dtype=FLOAT).split(ROWS)]
        return torch.cat(parts).numpy()

    def gradient(self, belief: Belief, X: Array, along: Array) -> tuple[Array, Array]:
        """Value (m,) and gradient (m, len(along)), by autograd."""
        rows = torch.tensor(X, dtype=FLOAT, requires_grad=True)
        with _jitter_is_fine():
            values = self._of(belief)(rows.unsqueeze(-2))
            (slope,) = torch.autograd.grad(values.sum(), rows)
        return values.detach().numpy(), slope.numpy()[:, along]

    def coarse(self) -> LogExpectedImprovement:
        """Improvement over one known best: in closed form, and nearly the same ranking."""
        return LogExpectedImprovement(self._best)

    def _of(self, belief: Belief) -> qLogNoisyExpectedImprovement:
        if self._made is None or self._made[0] is not belief:
            if not isinstance(belief, GP):
                raise TypeError(f"wanted a fitted process, got {type(belief).__name__}")
            with (
                torch.random.fork_rng(),
                _jitter_is_fine(),
            ):  # leaving out hopeless results draws from the global generator
                torch.manual_seed(self._seed)
                function = qLogNoisyExpectedImprovement(
                    load(belief),
                    X_baseline=torch.as_tensor(np.unique(belief.U, axis=0), dtype=FLOAT),
                    sampler=SobolQMCNormalSampler(torch.Size([SAMPLES]), seed=self._seed),
                    prune_baseline=True,
                )
            self._made = (belief, function)
        return self._made[1]
