"""What all candidates of one batch have in common: eight crucibles in one furnace have one temperature.

The first candidate of a batch is chosen freely; the others are sought where the shared parameters have its values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from campaigns.space import Space, Value
from surrogates.encode import Array, Encoder
from surrogates.errors import InfeasibleSpace, SpaceExhausted
from surrogates.region import Region
from surrogates.sampling import Design, Sampler, distances, herd

CROWD, FINE = 512, 256  # feasible points that stand for a space, and for what is left of it
APART = 0.01  # of the unit cube: two candidates of one batch are at least so far apart in some parameter
ROUNDING = 1e-9


def columns(encoder: Encoder, names: Sequence[str]) -> list[int]:
    """Where the shared parameters stand among the codes; what is fixed is shared anyway.

    Raises ValueError for a name that is no free parameter, and for a context, which nobody chooses."""
    fixed = {p.name for p in encoder.space.parameters} - set(encoder.names)
    at = []
    for name in names:
        if name in fixed:
            continue
        if name not in encoder.names or encoder.context[encoder.names.index(name)]:
            free = ", ".join(n for n, c in zip(encoder.names, encoder.context, strict=True) if not c)
            raise ValueError(f"share: wanted parameters that are chosen ({free}), got {name!r}")
        at.append(encoder.names.index(name))
    return at


def pinned(encoder: Encoder, code: Array, names: Sequence[str], within: Region | None = None) -> Region:
    """The part of a region (None: of the space) where the shared parameters are as in `code` (p,)."""
    region = within or Region(encoder.low, encoder.high)
    low, high = region.low.copy(), region.high.copy()
    at = columns(encoder, names)
    low[at] = high[at] = code[at]
    for j in np.flatnonzero(encoder.context).tolist() if within is None else ():
        low[j] = high[j] = encoder.assumed[j]
    return Region(low, high)


def agreeing(
    space: Space, candidate: Mapping[str, Value], first: Mapping[str, Value], names: Sequence[str]
) -> dict[str, Value] | None:
    """The candidate with exactly the shared values of the first; None where that is no candidate of the space."""
    same = space.canonical(dict(candidate) | {name: first[name] for name in names})
    return None if space.violations(same) else same


def beginning(
    sampler: Sampler,
    names: Sequence[str],
    before: Sequence[Mapping[str, Value]],
    *,
    seed: int,
    index: int,
    method: Design,
) -> Iterator[dict[str, Value]]:
    """First candidates for a batch, the best first. For `sobol` shared values that, with those of all candidates
    `before`, stand for their whole range: a low-discrepancy sequence taken a batch at a time would not."""
    if method == "random" or not before:
        while True:
            yield sampler.design(1, seed=seed, index=index, method=method)[0]
            index += 1
    encoder, at = sampler.encoder, columns(sampler.encoder, names)
    unit = [c for j in at for c in range(encoder.columns[j].start, encoder.columns[j].stop)]
    codes = sampler.stand_in(CROWD, np.random.default_rng([seed, index, 8]))
    crowd = encoder.unit(codes)[:, unit]
    known = encoder.unit(encoder.codes(before))[:, unit]
    pull = distances(crowd, crowd).mean(axis=1)
    push = distances(crowd, known).sum(axis=1) / (len(known) + 1)
    for i in np.argsort(pull - push, kind="stable"):
        candidate = sampler.settle(codes[i])
        if candidate is not None:
            yield candidate


def others(
    sampler: Sampler,
    names: Sequence[str],
    batch: Sequence[Mapping[str, Value]],
    *,
    seed: int,
    index: int,
    method: Design,
) -> Iterator[dict[str, Value]]:
    """Candidates that share the named parameters with the first of a batch, the best spread first, none a near
    duplicate of one in the batch while there is another."""
    encoder, first = sampler.encoder, batch[0]
    code = encoder.codes([first])[0]
    members = encoder.unit(encoder.codes(batch))
    rng = np.random.default_rng([seed, index, 9])
    codes = _left(sampler, code, names, rng)
    unit = encoder.unit(codes)
    order = rng.permutation(len(codes))
    if method == "sobol" and len(codes):
        order = _spread(unit, members)
    close = np.abs(unit[:, None] - members[None]).max(axis=2, initial=0.0).min(axis=1) < APART
    for i in [*order[~close[order]], *order[close[order]]]:
        candidate = sampler.settle(codes[i])
        same = None if candidate is None else agreeing(sampler.space, candidate, first, names)
        if same is not None:
            yield same


def _left(sampler: Sampler, code: Array, names: Sequence[str], rng: np.random.Generator) -> Array:
    """Codes (n, p) of candidates with the shared values of one code (p,)."""
    encoder = sampler.encoder
    if sampler.pool is not None:
        at = columns(encoder, names)
        near = np.abs(sampler.pool[:, at] - code[at]) <= ROUNDING * np.maximum(1.0, np.abs(code[at]))
        return sampler.pool[near.all(axis=1)]
    from surrogates.domain import Domain

    try:
        return Domain(encoder, pinned(encoder, code, names)).draw(FINE, rng)
    except InfeasibleSpace as fault:
        shared = ", ".join(names)
        raise SpaceExhausted(f"no other candidate has the same {shared}: {fault}") from fault


def _spread(unit: Array, members: Array) -> Array:
    """All of unit (n, d) in an order whose beginning, together with `members` (m, d), stands for the whole."""
    pull = distances(unit, unit[:1024]).mean(axis=1)
    push = distances(unit, members).sum(axis=1) / (len(members) + 1)
    best = int(np.argmin(pull - push))
    rest = herd(unit, min(len(unit), 64), first=best)
    return np.concatenate([rest, np.setdiff1d(np.arange(len(unit)), rest)])
