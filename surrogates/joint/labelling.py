"""Which materials the labeler is given: the answer to the loop beside the experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogates.encode import Array
from surrogates.errors import SpaceExhausted, UnsupportedMethod
from surrogates.joint.choose import Choice, largest_variance
from surrogates.joint.improve import Question, best
from surrogates.joint.labels import table
from surrogates.models.calibration import Diagnostics
from surrogates.proposal import Method, Proposal

if TYPE_CHECKING:
    from surrogates.joint.service import Known

RANDOM, DRAWS = 3, 4  # streams of random numbers apart from each other


def answer(known: Known, request: Mapping[str, Any]) -> dict[str, Any]:
    """The reply: proposals of materials that no label is known of, none is being made of, and none has failed.

    explore: at random; learn: the largest epistemic variance of the objectives, or of the readings that a loop learns;
    optimise: see `improve`. Crystals that cannot be made, by the campaign's own words, are left out, or weighed by the
    chance. Raises SpaceExhausted where no material is left.
    """
    name, method = known.parameter.name, Method(**request["method"])
    readings = tuple(objective.name for objective in known.aim.objectives)
    begun = {str(candidate[name]) for candidate in request["pending"]}
    failed = {str(row["candidate"][name]) for row in request["observations"] if row["failed"]}
    have = table(known.labels.whole, readings, known.ids)
    open_ = ~np.isfinite(have).all(axis=1)
    open_ &= np.array([id not in begun | failed for id in known.ids], bool)
    made = known.aim.surrogate.materials.synthesizability
    if known.likely is not None and made is not None and made.at_least is not None:
        open_ &= known.likely > 0
    if not open_.any():
        raise SpaceExhausted(f"{name}: each of the {len(known.ids)} materials is labelled, pending or failed")
    targets = tuple(r for r in readings if r in known.representation.targets)
    pending = np.array([known.place[id] for id in sorted(begun) if id in known.place], int)
    fallback, acquisition = None, "variance"
    if method.mode == "explore" or not targets:
        chosen, acquisition = _drawn(open_, request), "random"
        if method.mode != "explore":
            few = ", ".join(readings)
            fallback = f"too few labels of {few} are known to learn from ({len(known.labels.whole)})"
    elif method.mode == "optimise" and (why_not := _why_not(known, targets, readings)) is None:
        try:
            chosen, fallback = _best(known, method, request, open_, pending)
            acquisition = method.name
        except UnsupportedMethod as fault:
            chosen = _learned(known, targets, request, open_, pending)
            fallback = f"{fault}; variance is used instead"
    else:
        chosen = _learned(known, targets, request, open_, pending)
        if method.mode == "optimise":
            fallback = f"{method.mode}: {why_not}; variance is used instead"
        elif method.name != "variance":
            fallback = f"{method.mode}: {method.name} is not made for labels; variance is used instead"
    proposals = [_proposal(known, each, targets, acquisition, method, request, fallback) for each in chosen]
    return {"proposals": proposals, "diagnostics": _diagnostics(known, targets, open_), "gated": None}


def _learned(
    known: Known, targets: Sequence[str], request: Mapping[str, Any], open_: Array, pending: Array
) -> list[Choice]:
    return largest_variance(
        known.representation, tuple(targets), int(request["n"]), open_, pending, _spread(known, targets)
    )


def _why_not(known: Known, targets: Sequence[str], readings: Sequence[str]) -> str | None:
    """Why nothing can be optimised, or None."""
    if known.aim.goal not in ("single", "pareto"):
        return f"goal {known.aim.goal} is not sought by labels of materials"
    if len(targets) < len(readings):
        return f"too few labels of {', '.join(r for r in readings if r not in targets)} are known"
    return None


def _best(
    known: Known, method: Method, request: Mapping[str, Any], open_: Array, pending: Array
) -> tuple[list[Choice], str | None]:
    """What improves the objectives, and what could not be heeded. Raises UnsupportedMethod."""
    whole, bounds = known.representation, known.aim.outcome_constraints
    heeded = tuple(c for c in bounds if c.name in whole.targets)
    names = [o.name for o in known.aim.objectives]
    values = table(known.labels.whole, [*names, *(c.name for c in heeded)])
    kept = np.isfinite(values[:, : len(names)]).all(axis=1)
    for k, bound in enumerate(heeded, start=len(names)):
        kept &= np.array([not np.isfinite(v) or bound.met(v) for v in values[:, k].tolist()], bool)
    likely = np.ones(len(known.ids)) if known.likely is None else known.likely
    question = Question(
        whole, known.aim.objectives, heeded, values[kept, : len(names)], open_, likely, pending
    )
    rng = np.random.default_rng([int(request["seed"]), int(request["index"]), DRAWS])
    chosen = best(question, method, int(request["n"]), rng)
    unknown = [c.name for c in bounds if c not in heeded]
    return chosen, f"nothing is known yet of {', '.join(unknown)}: not asked for" if unknown else None


def _drawn(open_: Array, request: Mapping[str, Any]) -> list[Choice]:
    rng = np.random.default_rng([int(request["seed"]), int(request["index"]), RANDOM])
    rows = rng.permutation(np.flatnonzero(open_))[: int(request["n"])]
    return [Choice(int(at), float("nan")) for at in rows]


def _spread(known: Known, targets: Sequence[str]) -> Array:
    """Standard deviation (T,) of the labels of each target, 1 where they are all the same."""
    values = table(known.labels.whole, targets)
    spread = np.nanstd(values, axis=0)
    return np.where(spread > 0, spread, 1.0)


def _proposal(
    known: Known,
    choice: Choice,
    targets: Sequence[str],
    acquisition: str,
    method: Method,
    request: Mapping[str, Any],
    fallback: str | None,
) -> dict[str, Any]:
    whole, at = known.representation, choice.at
    predictions = {}
    for target in targets:
        t = whole.targets.index(target)
        sd = float(np.hypot(whole.epistemic[at, t], whole.aleatoric[at, t]))
        predictions[target] = (float(whole.mean[at, t]), sd)
    mean, sd_first = predictions[targets[0]] if targets else (None, None)
    made = Proposal(
        candidate={known.parameter.name: known.ids[at]},
        mode=method.mode,
        acquisition=acquisition,
        value=choice.value if np.isfinite(choice.value) else None,
        mean=mean,
        sd=sd_first,
        model=known.model if targets else "constant",
        seed=int(request["seed"]),
        n_observed=len(known.labels.whole),
        fallback=fallback,
        predictions=predictions,
    )
    return made.to_json() | {"material": known.about(known.ids[at])}


def _diagnostics(known: Known, targets: Sequence[str], open_: Array) -> dict[str, Any] | None:
    """Figures of merit about the first reading over what has no label; None without any label."""
    if not known.labels.whole:
        return None
    if not targets:
        return asdict(Diagnostics(n=len(known.labels.whole)))
    whole = known.representation
    sd = whole.epistemic[open_, whole.targets.index(targets[0])]
    return asdict(
        Diagnostics(
            n=len(known.labels.whole),
            max_sd=float(sd.max()),
            mean_sd=float(sd.mean()),
            mean_variance=float((sd**2).mean()),
        )
    )
