"""How far the model can be believed, and how far the campaign has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from surrogates.encode import Array
from surrogates.materials.discovery.belief import Belief
from surrogates.materials.discovery.learner import Learned
from surrogates.materials.discovery.squeeze import squeeze, stretch
from surrogates.materials.discovery.state import Label, State
from surrogates.materials.discovery.trainer import Trainer
from surrogates.materials.hull import Hull
from surrogates.models.calibration import Diagnostics, errors

FEWEST = 10  # predictions before the label below which their coverage says nothing


@dataclass(frozen=True)
class Progress:
    """Of the campaign, as the labels stand.

    n_labelled    crystals with an energy; n_seeds of them known beforehand
    n_failed      crystals that came to no result
    n_candidates  crystals that may be asked for, generated ones (n_generated) included
    stable        ids on the hull of all known energies; n_new of them were measured here
    hits, asked   of the last batch's labels, those that are on that hull, and how many labels it had
    hit_rate      of all labels measured here, the share that is on that hull; None before the first
    mae_before    of labels since the last full training, mean absolute error of what was predicted before, eV per atom
    n_before      how many those are
    refused       of generated crystals, how many were left out, by reason
    """

    n_labelled: int
    n_seeds: int
    n_failed: int
    n_candidates: int
    n_generated: int
    stable: tuple[str, ...]
    n_new: int
    hits: int
    asked: int
    hit_rate: float | None
    mae_before: float | None = None
    n_before: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


def progress(state: State, hull: Hull, batch: int, n_candidates: int, n_generated: int) -> Progress:
    told = tuple(dict.fromkeys(label.id for label in state.told))
    stable, known = set(hull.stable), {label.id for label in state.seeds}
    new = [id for id in told if id in stable and id not in known]
    last = told[-batch:]
    return Progress(
        n_labelled=len(hull),
        n_seeds=len(known),
        n_failed=len(state.failed),
        n_candidates=n_candidates,
        n_generated=n_generated,
        stable=hull.stable,
        n_new=len(new),
        hits=sum(id in stable for id in last),
        asked=len(last),
        hit_rate=len(new) / len(told) if told else None,
    )


def diagnose(
    state: State,
    learned: Learned,
    belief: Belief,
    before: tuple[Learned, tuple[Label, ...]] | None,
    improvement: float | None,
    trainer: Trainer,
) -> tuple[Diagnostics, float | None, int]:
    """Figures of merit of the ensemble, and the mean absolute error, eV per atom, of so many predictions.

    Leaving one label out of an ensemble costs a training each. Instead its errors and the coverage of its intervals
    are of predictions that the last full training makes of labels that came after it (None where there are fewer than
    FEWEST): they were chosen, not drawn, so that this is what the campaign has met, not what a random crystal would
    give. `loo_nrmse` is over the spread of all decomposition energies learned."""
    some, variance = len(belief.ids) > 0, belief.epistemic**2
    error, inside = _before(state, before, trainer) if before is not None else (np.zeros(0), np.zeros(0))
    enough = len(error) >= FEWEST
    rmse, _ = errors(error, np.zeros(len(error))) if enough else (None, None)
    found = Diagnostics(
        n=learned.n,
        coverage_90=float(inside.mean()) if enough else None,
        loo_rmse=rmse,
        loo_nrmse=None if rmse is None or learned.spread <= 0 else rmse / learned.spread,
        max_sd=float(belief.epistemic.max()) if some else None,
        mean_sd=float(belief.epistemic.mean()) if some else None,
        mean_variance=float(variance.mean()) if some else None,
        noise_sd=float(np.median(belief.aleatoric)) if some else None,
        improvement_probability=improvement,
    )
    return found, float(np.abs(error).mean()) if len(error) else None, len(error)


def _before(state: State, before: tuple[Learned, tuple[Label, ...]], trainer: Trainer) -> tuple[Array, Array]:
    """Errors (k,) of predictions, eV per atom, and whether the 90 % interval held the label."""
    base, labels = before
    structures = [state.structures[label.id] for label in labels]
    hull, usable = base.hull.references([s.counts for s in structures]), trainer.usable(structures)
    judged = np.flatnonzero(np.isfinite(hull) & usable)
    if not len(judged):
        return np.zeros(0), np.zeros(0)
    said = base.ensemble.predict([structures[k] for k in judged])
    low, high = said.interval(0.9)
    truth = np.array([labels[k].energy for k in judged]) - hull[judged]
    level = squeeze(truth)
    return stretch(said.mean[:, 0]) - truth, (low[:, 0] <= level) & (level <= high[:, 0])


def shown(found: Diagnostics | None, said: Progress) -> dict[str, object]:
    """As the reply holds it. Before there is a model only the progress is known."""
    figures = asdict(found) if found is not None else {"n": 0}
    return figures | {
        "discovery": {**asdict(said), "stable": list(said.stable), "n_stable": len(said.stable)}
    }
