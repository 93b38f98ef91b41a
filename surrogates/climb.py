"""Uphill from given codes, each staying in its piece of the space: by gradients, or by values alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize

from surrogates.acquisition.base import Acquisition, Belief, score
from surrogates.domain import Domain
from surrogates.encode import Array

GENERATIONS, CHILDREN = 12, 32  # of a search by values; the mutations narrow by a quarter each time


def climb(domain: Domain, acquisition: Acquisition, belief: Belief, codes: Array, steps: int) -> Array:
    """The codes (n, p) with their continuous parameters where a local search by gradients takes them."""
    e = domain.encoder
    along = e.continuous_columns
    if not len(along) or not len(codes):
        return codes
    low, high = domain.bounds(codes)
    still = low == high
    below, above = e.unit(low)[:, along], e.unit(high)[:, along]
    base = e.unit(codes)
    held = still[:, e.continuous]
    # A parameter that may not move keeps its column as it is: where it is inactive that is no image of its code.
    below, above = np.where(held, base[:, along], below), np.where(held, base[:, along], above)
    if domain.linear:
        moved = np.array(
            [
                _constrained(domain, acquisition, belief, code, unit, (a, b))
                for code, unit, a, b in zip(codes, base, below, above, strict=True)
            ]
        )
    else:

        def negative(flat: Array) -> tuple[float, Array]:
            X = base.copy()
            X[:, along] = flat.reshape(len(codes), -1)
            value, gradient = acquisition.gradient(belief, X, along)
            return -float(value.sum()), -gradient.ravel()

        found = minimize(
            negative,
            np.clip(base[:, along], below, above).ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(below.ravel(), above.ravel(), strict=True)),
            options={"maxiter": steps},
        )
        moved = e.move(codes, found.x.reshape(len(codes), -1))
    moved = np.where(still, codes, moved)
    return _lawful(domain, codes, moved) if domain.space.rules else moved


def _lawful(domain: Domain, codes: Array, moved: Array) -> Array:
    """As far along the way from `codes` to `moved` as the rules allow, by halves."""
    out, open_ = codes.copy(), np.arange(len(codes))
    for part in (1.0, 0.5, 0.25, 0.125, 0.0625):
        trial = codes[open_] + part * (moved[open_] - codes[open_])
        good = domain.holds(trial, 1e-6)
        out[open_[good]] = trial[good]
        open_ = open_[~good]
        if not len(open_):
            break
    return out


def _constrained(
    domain: Domain,
    acquisition: Acquisition,
    belief: Belief,
    code: Array,
    unit: Array,
    bounds: tuple[Array, Array],
) -> Array:
    """One code (p,) uphill under the linear constraints of its piece."""
    e, along = domain.encoder, domain.encoder.continuous_columns
    polytope = domain.piece(domain.supports.present(code[None])[0]) if domain.supports else domain.polytope
    rows = polytope.rows[:, e.continuous]
    if not rows.any():
        rows = rows[:0]
    scale = np.maximum(np.abs(polytope.rows * polytope.span).sum(axis=1), 1e-300)

    def at(u: Array) -> Array:
        moved: Array = e.move(code[None], u[None])[0]
        return moved

    def negative(u: Array) -> tuple[float, Array]:
        X = unit.copy()
        X[along] = u
        value, gradient = acquisition.gradient(belief, X[None], along)
        return -float(value[0]), -gradient[0]

    conditions: list[dict[str, Any]] = []
    for k in range(len(rows)):
        for bound, sign in ((polytope.at_least[k], 1.0), (polytope.at_most[k], -1.0)):
            if not np.isfinite(bound) or (polytope.equality[k] and sign < 0):
                continue
            conditions.append(
                {
                    "type": "eq" if polytope.equality[k] else "ineq",
                    "fun": lambda u, k=k, b=bound, s=sign: s * (polytope.rows[k] @ at(u) - b) / scale[k],
                    "jac": lambda u, k=k, s=sign: s * rows[k] * e.slope(at(u)[None])[0] / scale[k],
                }
            )
    below, above = bounds
    found = minimize(
        negative,
        np.clip(unit[along], below, above),
        jac=True,
        method="SLSQP",
        bounds=list(zip(below, above, strict=True)),
        constraints=conditions,
        options={"maxiter": 50},
    )
    if not np.isfinite(found.x).all():
        return code
    reached = np.where(below == above, code[e.continuous], at(found.x)[e.continuous])
    out = code.copy()
    out[e.continuous] = reached
    moved = polytope.project(out[None], ~e.discrete)
    inside = polytope.holds(moved, 1e-6)[0] and (not domain.supports or domain.supports.holds(moved)[0])
    return moved[0] if inside else code


def by_values(
    acquisition: Acquisition,
    belief: Belief,
    domain: Domain,
    codes: Array,
    mutate: Callable[[Array, int, float], Array],
    keep: int,
) -> Array:
    """The best `keep` of `codes` (n, p) and of what `mutate(code, number, width)` made of the best, generation after
    generation (an evolution strategy with plus selection; Rechenberg 1973). Needs no gradient."""
    e = domain.encoder
    values, width = score(acquisition, belief, e.unit(codes)), 0.1
    for _ in range(GENERATIONS):
        top = np.argsort(-values, kind="stable")[:keep]
        codes, values = codes[top], values[top]
        children = np.vstack([mutate(code, CHILDREN, width) for code in codes])
        if len(children):
            codes = np.vstack([codes, children])
            values = np.concatenate([values, score(acquisition, belief, e.unit(children))])
        width *= 0.75
    return codes[np.argsort(-values, kind="stable")[:keep]]
