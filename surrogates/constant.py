"""The belief that cannot fail: nothing is known, so spread out.

Used to explore, before the first result, and whenever the model or the process that holds it cannot answer.
numpy and scipy only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from campaigns.space import Space, Value
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
) -> list[Proposal]:
    """The next `n` designs from number `index` on that are none of `avoid` (measured, pending or failed).

    What was measured in another context counts as measured. A function of its arguments alone.
    Raises SpaceExhausted where fewer than `n` candidates are left, and
    InfeasibleSpace where the space has none.
    """
    sampler = space if isinstance(space, Sampler) else Sampler(space)
    context = {p.name for p in sampler.space.context}

    def chosen(candidate: Mapping[str, Value]) -> Key:
        return key({name: value for name, value in candidate.items() if name not in context})

    taken = {chosen(sampler.space.canonical(candidate)) for candidate in avoid}
    size = None if sampler.pool is None else len(sampler.pool)
    out: list[Proposal] = []
    at, misses = index, 0
    while len(out) < n:
        if misses > (TRIES if size is None else size):
            raise SpaceExhausted(
                f"asked for {n} new candidates; {len(out)} are left that are not measured or pending"
            )
        candidate = sampler.design(1, seed=seed, index=at, method=method)[0]
        at += 1
        if chosen(candidate) in taken:
            misses += 1
            continue
        taken.add(chosen(candidate))
        out.append(
            Proposal(candidate, mode, method, None, None, None, "constant", seed, n_observed, fallback)
        )
    return out
