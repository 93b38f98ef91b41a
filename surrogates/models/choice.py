"""Which model is fitted: by its name, or whichever predicts held-out results best."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from surrogates.encode import Array
from surrogates.models import exact, heteroscedastic, robust, saas
from surrogates.models.base import Model
from surrogates.models.calibration import coverage
from surrogates.models.forest import Forest
from surrogates.models.gp import Columns
from surrogates.models.wrapped import Wrapped

Factory = Callable[[Array, Array, Array, Columns, int], Model]

FEWEST = 10  # results below which there is nothing to choose by
FOLDS = 5
MOST_REFITTED = 200  # results up to which models are fitted again for each fold; beyond, each leaves out one
SPARSE = 15  # parameters from which few may be thought to matter
BAND = 0.1  # coverage of 90 % intervals may differ by this much, and twice its standard error, from 0.9
SURE = 1.0  # standard errors by which another model must predict better than a process


MODELS: dict[str, Factory] = {
    "gp": exact.fit,
    "saas": saas.fit,
    "forest": partial(Forest.fit, kind="forest"),
    "trees": partial(Forest.fit, kind="trees"),
}
# Of a process only: trees average over gross errors and take what is left for noise as it comes.
NOISES: dict[str, Factory] = {
    "normal": exact.fit,
    "robust": robust.fit,
    "heteroscedastic": heteroscedastic.fit,
}


def fit(model: str, noise: str, U: Array, z: Array, variance: Array, columns: Columns, seed: int) -> Model:
    """The model called `model` (one of MODELS, or auto) with measurements `noise` (one of NOISES), fitted to U (n, d),
    z (n,) standardised, larger is better, and known noise variances (n,), 0 where unknown; n >= 1.

    Raises ValueError for names that there are not, and for a noise other than normal with a model other than a
    process; auto is a process then.
    """
    if model not in MODELS and model != "auto":
        raise ValueError(f"surrogate model {model!r}: wanted one of {', '.join(MODELS)} or auto")
    if noise not in NOISES:
        raise ValueError(f"surrogate noise {noise!r}: wanted one of {', '.join(NOISES)}")
    if noise != "normal":
        if model not in ("gp", "auto"):
            raise ValueError(
                f"surrogate noise {noise!r} goes with model gp, not {model}: leave one of them out"
            )
        return NOISES[noise](U, z, variance, columns, seed)
    if model != "auto":
        return MODELS[model](U, z, variance, columns, seed)
    return choose(U, z, variance, columns, seed)


@dataclass(frozen=True)
class Score:
    """How well a model predicts results that it was not shown: log density of each (n,), and the share of them in
    their 90 % intervals."""

    log_density: Array
    coverage: float

    @property
    def calibrated(self) -> bool:
        return abs(self.coverage - 0.9) <= BAND + 2.0 * math.sqrt(0.09 / len(self.log_density))


def choose(U: Array, z: Array, variance: Array, columns: Columns, seed: int) -> Model:
    """The process, unless another calibrated model predicts held-out results better by more than the standard error
    of the difference, or the process is not calibrated and another one is. Its name says why."""
    if len(z) < FEWEST:
        few = exact.fit(U, z, variance, columns, seed)
        return Wrapped(few, f"{few.name}, not chosen by {len(z)} results")
    names = ["gp", "forest", "trees"] + (["saas"] if columns.n_lengths >= SPARSE else [])
    models = {name: MODELS[name](U, z, variance, columns, seed) for name in names}
    scores = {name: score(MODELS[name], models[name], variance, columns, seed) for name in names}
    means = {name: float(s.log_density.mean()) for name, s in scores.items()}
    best = "gp"
    for name in sorted(names[1:], key=lambda name: -means[name]):
        gain = scores[name].log_density - scores["gp"].log_density
        error = float(gain.std(ddof=1)) / math.sqrt(len(gain))
        if scores[name].calibrated and (gain.mean() > SURE * error or not scores["gp"].calibrated):
            best = name
            break
    rival = max((name for name in names if name != best), key=lambda name: means[name])
    ahead = means[best] - means[rival]
    why = f"chosen over {rival} by" if ahead >= 0 else f"kept, {rival} not surely better by"
    return Wrapped(models[best], f"{models[best].name}, {why} {abs(ahead):.2f} nats")


def score(factory: Factory, model: Model, variance: Array, columns: Columns, seed: int) -> Score:
    """Of `model`, made by `factory`. Trees: by those that have not seen a result. Processes: by FOLDS refits without a
    share of the results, drawn from `seed`; of many results by leaving out one, hyper-parameters kept."""
    U, z = model.U, model.z
    n = len(z)
    if isinstance(model, Forest) or n > MOST_REFITTED:
        mean, sd = model.leave_one_out()
    else:
        mean, sd = np.empty(n), np.empty(n)
        fold = np.random.default_rng([seed, 13]).permutation(n) % FOLDS
        for k in range(FOLDS):
            out = fold == k
            part = factory(U[~out], z[~out], variance[~out], columns, seed)
            mean[out], latent = part.posterior(U[out])
            sd[out] = np.sqrt(latent**2 + part.noise_at(U[out]) + variance[out])
    residual = (z - mean) / sd
    held = coverage(residual)
    assert held is not None  # there are FEWEST results at least
    return Score(-0.5 * residual**2 - np.log(sd) - 0.5 * math.log(2 * math.pi), held)
