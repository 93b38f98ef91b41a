"""The belief that cannot fail: nothing is known, so spread out.

Used to explore, before the first result, and whenever the model or the process that holds it cannot answer.
numpy and scipy only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count

from campaigns.space import Space, Value
from surrogates import shared
from surrogates.errors import SpaceExhausted
from surrogates.proposal import Mode, Proposal
from surrogates.sampling import Design, Key, Sampler, key

TRIES = 64  # draws without a new candidate before a continuous or very large space counts as used up


def propose(
    space: Space | Sampler,
    n: int,
    *,
    seed: int,
    index: int,
    avoid: Iterable[Mapping[str, Value]] = (),
    method: Design = "sobol",
    mode: Mode = "explore",
    n_observed: int = 0,
    fallback: str | None = None,
    share: Sequence[str] = (),
    batch: Sequence[Mapping[str, Value]] = (),
) -> list[Proposal]:
    """The next `n` designs from number `index` on that are none of `avoid` (measured, pending or failed).

    What was measured in another context counts as measured. A function of its arguments alone.
    share  parameters that have one value in the whole batch, which `batch` has begun
    Raises SpaceExhausted where fewer than `n` candidates are left, and
    InfeasibleSpace where the space has none.
    """
    sampler = space if isinstance(space, Sampler) else Sampler(space)
    context = {p.name for p in sampler.space.context}

    def chosen(candidate: Mapping[str, Value]) -> Key:
        return key({name: value for name, value in candidate.items() if name not in context})

    before = [sampler.space.canonical(candidate) for candidate in avoid]
    taken = {chosen(candidate) for candidate in before}
    size = None if sampler.pool is None else len(sampler.pool)
    begun = [sampler.space.canonical(candidate) for candidate in batch]
    out: list[Proposal] = []
    designs, at, misses = _designs(sampler, share, begun, before, seed, index, method), index, 0
    while len(out) < n:
        candidate = None if misses > (TRIES if size is None else size) else next(designs, None)
        if candidate is None:
            alike = f" with the same {', '.join(share)}" if share and begun else ""
            raise SpaceExhausted(
                f"asked for {n} new candidates{alike}; {len(out)} are left that are not measured or pending"
            )
        at += 1
        if chosen(candidate) in taken:
            misses += 1
            continue
        taken.add(chosen(candidate))
        out.append(
            Proposal(candidate, mode, method, None, None, None, "constant", seed, n_observed, fallback)
        )
        if share:
            begun.append(candidate)
            designs, misses = _designs(sampler, share, begun, before, seed, at, method), 0
    return out


def _designs(
    sampler: Sampler,
    share: Sequence[str],
    batch: Sequence[Mapping[str, Value]],
    before: Sequence[Mapping[str, Value]],
    seed: int,
    index: int,
    method: Design,
) -> Iterator[dict[str, Value]]:
    """Candidates in the order in which they are tried."""
    if not share:
        return (sampler.design(1, seed=seed, index=i, method=method)[0] for i in count(index))
    if not batch:
        return shared.beginning(sampler, share, before, seed=seed, index=index, method=method)
    return shared.others(sampler, share, batch, seed=seed, index=index, method=method)
