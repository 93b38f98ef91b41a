"""Which crystals go up in a funnel: by what is believed of its last stage, learned from the labels of all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from campaigns.funnel import Funnel
from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.errors import SpaceExhausted
from surrogates.joint.alike import Unexplained
from surrogates.joint.labels import table
from surrogates.materials.funnel import Belief, acquisition, beliefs
from surrogates.models.calibration import Diagnostics
from surrogates.proposal import Method, Proposal

if TYPE_CHECKING:
    from surrogates.joint.service import Known

DRAWN, LOOKED = 5, 6  # streams of random numbers apart from others
DOUBT = 0.5  # of the spread of a stage: how far the next may be from it before this is learned
EACH = 16  # draws of every member, for the chance that bounds are kept


@dataclass(frozen=True)
class _Seen:
    """What the stages say of N crystals, in the objective's unit, smaller is better. `stages`: the belief about each
    stage's reading; `last` that of the last with its labels; `counts`: labels of each stage; `screened`: whether the
    networks have learned the reading that the chain begins with."""

    stages: list[Belief]
    last: Belief
    labels: Array
    counts: list[int]
    screened: bool


def believable(funnel: Funnel, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Observations without the readings of stages whose own bounds of plausibility they break: of these only what broke
    a bound is kept, so that networks learn where that happens."""
    out = []
    for row in rows:
        values = dict(row["values"])
        for stage in funnel.stages:
            broken = {
                bound.name
                for bound in stage.plausible
                if bound.name in values and not bound.met(float(values[bound.name]["value"]))
            }
            if broken:
                values = {
                    name: value
                    for name, value in values.items()
                    if name in broken or name not in (stage.reading, *stage.learns)
                }
        out.append({**row, "values": values})
    return out


def looked_at(
    funnel: Funnel, found: Mapping[str, Structure], met: Collection[str], seed: int
) -> dict[str, Structure]:
    """Of the pool's crystals by id as many as the networks look at, drawn once and for all, and all that were met."""
    most = None if funnel.screen is None else funnel.screen.take
    if most is None or len(found) <= most:
        return dict(found)
    ids = list(found)
    drawn = {ids[k] for k in np.random.default_rng([seed, LOOKED]).permutation(len(ids))[:most]}
    return {id: structure for id, structure in found.items() if id in drawn or id in met}


def answer(known: Known, request: Mapping[str, Any]) -> dict[str, Any]:
    """The reply to the stage that asks ("loop"), of the crystals that it may take: "promoted", for the first stage all
    that no label of it is known of. Raises SpaceExhausted where none is left."""
    funnel, loop = known.aim.funnel, str(request.get("loop", ""))
    at = None if funnel is None else funnel.place(loop)
    if funnel is None or at is None:
        raise ValueError(f"wanted a stage of a funnel, got {loop!r}")
    open_ = _open(known, request, funnel, at)
    if not open_.any():
        raise SpaceExhausted(f"{known.parameter.name}: no crystal is left for {funnel.stages[at].name}")
    n, seed, index = int(request["n"]), int(request["seed"]), int(request["index"])
    seen = _seen(known, funnel)
    rng = np.random.default_rng([seed, index, DRAWN])
    sign = _sign(known)
    if at == 0 and not seen.screened:
        chosen = [int(k) for k in rng.permutation(np.flatnonzero(open_))[:n]]
        said = f"too few labels of {funnel.screens} are known to learn from: at random"
        drawn = [
            _proposal(known, request, funnel, at, k, seen, "random", None, None, said, ()) for k in chosen
        ]
        return {"proposals": drawn, "diagnostics": _diagnostics(seen, at, None), "gated": None}
    below = seen.stages[0].mean if at == 0 else seen.labels[:, at - 1]
    chance, unknown = _chance(known, rng)
    # As where labels are chosen otherwise: a factor of e in the chance is worth the spread of what is expected.
    penalty = -float(seen.last.mean[open_].std()) * np.log(chance) if funnel.promote != "random" else 0.0
    by_mean = np.argsort(np.where(open_, seen.last.mean, np.inf), kind="stable")
    place = {int(k): rank for rank, k in enumerate(by_mean, start=1)}
    left = _left(known, request, funnel) if at == 0 and funnel.promote in ("ucb", "variance") else None
    known_sd, whole_variance = seen.last.sd, None if left is None else left.variance.copy()
    n_open = int(open_.sum())
    proposals: list[dict[str, Any]] = []
    while len(proposals) < n and open_.any():
        sd = known_sd
        if left is not None and whole_variance is not None:  # less of it, by what those before will tell
            sd = np.sqrt(np.maximum(known_sd**2 - (whole_variance - left.variance), 0.0))
        value = acquisition(funnel.promote, Belief(seen.last.mean, sd), below, funnel.beta, rng) + penalty
        k = int(np.argmin(np.where(open_, value, np.inf)))
        open_[k] = False
        if left is not None:
            left.take(k)
        why = _why(known, funnel, at, seen, k, place[k], n_open, n, float(chance[k]))
        why += tuple(f"nothing is known yet of {name}: not asked for" for name in unknown)
        own = -float(value[k]) if funnel.promote in ("variance", "random") else sign * float(value[k])
        proposals.append(
            _proposal(known, request, funnel, at, k, seen, funnel.promote, own, float(chance[k]), None, why)
        )
    return {"proposals": proposals, "diagnostics": _diagnostics(seen, at, open_), "gated": None}


def _left(known: Known, request: Mapping[str, Any], funnel: Funnel) -> Unexplained:
    """What the networks would still not know of the reading that they screen by, once what is begun has its label."""
    whole = known.representation
    t = whole.targets.index(funnel.screens)
    out = Unexplained(whole.epistemic[:, t], whole.places, whole.aleatoric[:, t] ** 2)
    for candidate in request["pending"]:
        at = known.place.get(str(candidate[known.parameter.name]))
        if at is not None:
            out.take(at)
    return out


def _sign(known: Known) -> float:
    """1 where the smallest is sought, -1 where the largest is."""
    return 1.0 if known.aim.objectives[0].direction == "minimise" else -1.0


def _open(known: Known, request: Mapping[str, Any], funnel: Funnel, at: int) -> Array:
    """(N,) bool: what the stage may take."""
    name = known.parameter.name
    tried = {str(candidate[name]) for candidate in request["pending"]}
    tried |= {str(row["candidate"][name]) for row in request["observations"]}
    out = np.array([id not in tried for id in known.ids], bool)
    if at:
        passed = set(request.get("promoted", ()))
        out &= np.array([id in passed for id in known.ids], bool)
    else:
        have = table(known.labels.whole, (funnel.stages[0].reading,), known.ids)
        out &= ~np.isfinite(have[:, 0])
    made = known.aim.surrogate.materials.synthesizability
    if known.likely is not None and made is not None and made.at_least is not None:
        out &= known.likely > 0
    return out


def _seen(known: Known, funnel: Funnel) -> _Seen:
    readings = [stage.reading for stage in funnel.stages]
    sign = _sign(known)
    labels = sign * table(known.labels.whole, readings, known.ids)
    counts = [int(n) for n in np.isfinite(labels).sum(axis=0)]
    whole, first = known.representation, labels[:, 0]
    screened = funnel.screens in whole.targets
    if screened:
        t = whole.targets.index(funnel.screens)
        # A calculation has no noise: what labels would teach is what the members do not agree on.
        base = Belief(sign * whole.mean[:, t], whole.epistemic[:, t])
    else:  # the first stage's labels alone: all others are like them
        some = first[np.isfinite(first)]
        centre, spread = (float(some.mean()), float(some.std())) if len(some) else (0.0, 1.0)
        base = Belief(
            np.where(np.isfinite(first), first, centre), np.where(np.isfinite(first), 0.0, spread or 1.0)
        )
    # What the networks have learned of the first stage has its labels in it: there is nothing to correct.
    learned = not screened or funnel.screens == readings[0]
    also = [whole.targets.index(name) for name in funnel.stages[0].learns if name in whole.targets]
    features = np.hstack([whole.components(), whole.mean[:, also]])
    chain, last = beliefs(base, labels[:, 1:] if learned else labels, features, DOUBT)
    return _Seen([base, *chain] if learned else chain, last, labels, counts, screened)


def _chance(known: Known, rng: np.random.Generator) -> tuple[Array, list[str]]:
    """(N,) that a label of this stage keeps the bounds, and can be made; and the bounds that nothing is known of."""
    whole = known.representation
    heeded = [bound for bound in known.aim.outcome_constraints if bound.name in whole.targets]
    kept = np.ones(len(known.ids))
    if heeded:
        drawn = whole.draws([bound.name for bound in heeded], EACH, rng)
        inside = np.ones(drawn.shape[:2], bool)
        for k, bound in enumerate(heeded):
            inside &= bound.at_least is None or drawn[:, :, k] >= bound.at_least
            inside &= bound.at_most is None or drawn[:, :, k] <= bound.at_most
        # No certainty comes of a few draws.
        kept = (inside.sum(axis=0) + 0.5) / (len(drawn) + 1.0)
    if known.likely is not None:
        kept = kept * np.maximum(known.likely, 1e-6)
    return kept, [bound.name for bound in known.aim.outcome_constraints if bound not in heeded]


def _why(
    known: Known, funnel: Funnel, at: int, seen: _Seen, k: int, rank: int, n_open: int, n: int, chance: float
) -> tuple[str, ...]:
    """In words: where it comes from, what the chain believes, and whether it is promising or uncertain."""
    stage, last, sign = funnel.stages[at], funnel.stages[-1], _sign(known)
    whence = "the networks look at" if at == 0 else f"{funnel.stages[at - 1].name} has passed on"
    learned = ", ".join(f"{c} {s.name}" for s, c in zip(funnel.stages, seen.counts, strict=True))
    mean, sd = sign * float(seen.last.mean[k]), float(seen.last.sd[k])
    words = [
        f"one of {n_open} that {whence}, for {stage.name}",
        f"{last.reading} believed {mean:.4g} ± {sd:.2g} of {last.name}, from labels of {learned}",
    ]
    if funnel.promote in ("ucb", "thompson", "greedy"):
        promising = rank <= n
        words.append(
            f"number {rank} by the mean: promising" if promising else f"number {rank} by the mean: uncertain"
        )
    if chance < 0.5:
        words.append(f"chance that its bounds are kept {chance:.0%}")
    return tuple(words)


def _proposal(
    known: Known,
    request: Mapping[str, Any],
    funnel: Funnel,
    at: int,
    k: int,
    seen: _Seen,
    rule: str,
    value: float | None,
    chance: float | None,
    fallback: str | None,
    reasons: tuple[str, ...],
) -> dict[str, Any]:
    stage, method, sign = funnel.stages[at], Method(**request["method"]), _sign(known)
    own = seen.stages[at]
    knows = at > 0 or seen.screened
    mean, sd = (sign * float(own.mean[k]), float(own.sd[k])) if knows else (None, None)
    if sd is not None and not at and seen.screened:  # a prediction has all that may be wrong with it
        sd = float(
            np.hypot(
                sd, known.representation.aleatoric[k, known.representation.targets.index(funnel.screens)]
            )
        )
    made = Proposal(
        candidate={known.parameter.name: known.ids[k]},
        mode=method.mode,
        acquisition=f"promote: {rule}",
        value=value,
        mean=mean,
        sd=sd,
        model=f"chain of {len(funnel.stages)} stages; materials: {known.model}" if knows else "constant",
        seed=int(request["seed"]),
        n_observed=len(known.labels.whole),
        fallback=fallback,
        predictions={stage.reading: (mean, sd)} if mean is not None and sd is not None else {},
        feasible=chance if known.aim.outcome_constraints else None,
        reasons=reasons,
    )
    believed = {
        "stage": stage.name,
        "from": funnel.stages[at - 1].name if at else (funnel.screen.name if funnel.screen else ""),
        "rule": rule,
        "mean": sign * float(seen.last.mean[k]) if knows else None,
        "sd": float(seen.last.sd[k]) if knows else None,
        "labels": seen.counts,
    }
    return made.to_json() | {"material": known.about(known.ids[k]) | {"funnel": believed}}


def _diagnostics(seen: _Seen, at: int, open_: Array | None) -> dict[str, Any] | None:
    """Figures of merit of the last stage's belief over what is still to be chosen."""
    n = sum(seen.counts)
    if not n or open_ is None or not open_.any():
        return asdict(Diagnostics(n=n)) if n else None
    sd = seen.last.sd[open_]
    return asdict(
        Diagnostics(
            n=n, max_sd=float(sd.max()), mean_sd=float(sd.mean()), mean_variance=float((sd**2).mean())
        )
    )
