"""Whether history is believed: never because it was given, only because it predicts this campaign's own results.

Of three beliefs (the results alone, the ranking ensemble, the multi-task process) the one is taken that predicts the
results best when each is left out, and history must win by a margin of its standard error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surrogates.encode import Array
from surrogates.models.base import Model
from surrogates.models.gp import GP, Columns
from surrogates.transfer.multi_task import MultiTask, fit_multi_task
from surrogates.transfer.ranking import order_kept
from surrogates.transfer.ranking_ensemble import Fit, RankingEnsemble, ensemble_of
from surrogates.transfer.source import Source, fit_sources

FEWEST = 4  # results below which leaving one out says nothing
MANY = 500  # results above which history is not asked any more: it would cost seconds
# By how many standard errors, and nats per result, history must predict better than the results alone. Useful sources
# gain 0.1 to 0.4 nats; gains of hundredths come from the freedom of one more model to choose from.
MARGIN, LEAST_GAIN = 1.0, 0.05
RELATED = 0.5  # correlation below which a source only lends its length scales, which may be wrong here
WORST = -4.0  # log densities below this count as this: one surprise must not decide alone


def with_history(
    U: Array,
    z: Array,
    variance: Array,
    sources: Sequence[Source],
    columns: Columns,
    seed: int,
    fit_target: Fit,
    processes: Sequence[GP] | None = None,
) -> tuple[Model, str]:
    """The belief from results U (n, d), z (n,), known noise variances (n,), n >= 0, and `sources`; and a sentence that
    says what became of history and why.

    `fit_target(U, z, variance, columns, seed)` models the results alone. `processes`: what
    `fit_sources(sources, columns)` gave, so that an unchanging history is fitted once.

    Without results history is all there is; with one to three it is believed while its order of them is right more
    often than wrong. That is weak evidence: what served best was one proposal from history alone, then the designs
    that explore, then this. With an earlier campaign on a related hartmann6 one experiment comes within 5 % of the
    optimum (median; without history more than 25), and with a negated one the final regret is as without. Going on
    from a negated history at once costs regret.

    Raises ValueError where there is neither a result nor a source, or two sources have one name.
    """
    if not sources:
        if not len(z):
            raise ValueError("with_history: wanted a result or a source, got neither")
        return fit_target(U, z, variance, columns, seed), "no history"
    if len({source.name for source in sources}) < len(sources):
        raise ValueError(f"with_history: wanted a name per source, got {[source.name for source in sources]}")
    processes = processes or fit_sources(sources, columns)
    names = ", ".join(repr(source.name) for source in sources)
    if not len(z):
        return ensemble_of(None, U, sources, processes, seed), f"history {names} alone: no result yet"
    alone = fit_target(U, z, variance, columns, seed)
    if len(z) > MANY:
        return alone, f"history {names} set aside: it is not asked above {MANY} results"
    ensemble = ensemble_of(alone, U, sources, processes, seed)
    if len(z) < FEWEST:
        return _by_order(alone, ensemble, processes, names)
    others: list[RankingEnsemble | MultiTask] = [] if ensemble.own_weight == 1.0 else [ensemble]
    if (tasks := _related_tasks(U, z, variance, sources, columns, seed)) is not None:
        others.append(tasks)
    return _by_prediction(alone, others, names)


def _related_tasks(
    U: Array, z: Array, variance: Array, sources: Sequence[Source], columns: Columns, seed: int
) -> MultiTask | None:
    """The multi-task process over the sources that are correlated with the results; None where none is."""
    model = fit_multi_task(U, z, variance, sources, columns, seed)
    kept = [source for source in sources if model.relatedness[source.name] >= RELATED]
    if kept and len(kept) < len(sources):
        return _related_tasks(U, z, variance, kept, columns, seed)
    return model if kept else None


def _by_order(
    alone: Model, ensemble: RankingEnsemble, processes: Sequence[GP], names: str
) -> tuple[Model, str]:
    n = len(alone.z)
    if n < 2:
        return ensemble, f"history {names} used: one result says nothing against it"
    kept = order_kept(np.mean([p.posterior(alone.U)[0] for p in processes], axis=0), alone.z)
    said = f"it orders {kept:.0%} of the pairs of {n} results as they are"
    return (
        (ensemble, f"history {names} used: {said}")
        if kept > 0.5
        else (alone, f"history {names} set aside: {said}")
    )


def _by_prediction(
    alone: Model, others: Sequence[RankingEnsemble | MultiTask], names: str
) -> tuple[Model, str]:
    aside = f"history {names} set aside: it"
    if not others:
        return (
            alone,
            f"{aside} orders the results worse than they order each other, and is not correlated with them",
        )
    base = log_density(alone)
    gains = [log_density(other) - base for other in others]
    means = [float(gain.mean()) for gain in gains]
    i = int(np.argmax(means))
    error = float(gains[i].std(ddof=1)) / math.sqrt(len(base))
    figures = f"{abs(means[i]):.2f} nats per result (standard error {error:.2f})"
    if means[i] > max(MARGIN * error, LEAST_GAIN):
        return others[i], f"history used: {_shown(others[i])}; leave-one-out it predicts better by {figures}"
    if means[i] > 0:
        return alone, f"{aside} predicts better by only {figures}"
    return alone, f"{aside} predicts worse than the results alone by {figures}"


def _shown(model: RankingEnsemble | MultiTask) -> str:
    tasks = isinstance(model, MultiTask)
    pairs = model.relatedness if isinstance(model, MultiTask) else model.weights
    what = "multi-task process, correlation with " if tasks else "ranking ensemble, weight of "
    return what + ", ".join(f"{name!r} {value:.2f}" for name, value in pairs.items())


def log_density(model: Model) -> Array:
    """Of each result (n,), predicted from the others, in nats; not below `WORST`."""
    mean, sd = model.leave_one_out()
    density = -0.5 * ((model.z - mean) / sd) ** 2 - np.log(sd) - 0.5 * math.log(2 * math.pi)
    out: Array = np.maximum(density, WORST)
    return out
