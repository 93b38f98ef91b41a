"""The front of what was measured, and how much it dominates. numpy only: reports read it too.

Values are in own units with a `directions` entry, "maximise" or "minimise", for each column; those of objectives that
match a target go through `goals.sought.larger_is_better` first, all columns then being maximised.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surrogates.encode import Array

MARGIN = 0.1  # share of the front's range by which the inferred reference point lies below its worst values


def front(Y: Array, directions: Sequence[str]) -> Array:
    """Mask (n,) of the rows of Y (n, k) that no other row dominates; of equal rows the first."""
    return non_dominated(signed(Y, directions))


def reference_point(
    Y: Array, directions: Sequence[str], given: Sequence[float | None] | None = None
) -> Array:
    """(k,) in own units: what is `given`, else inferred: the worst of the front, and a tenth of the front's range
    worse (Ishibuchi et al., GECCO 2011, as botorch's `infer_reference_point`). Where the front has no range, that
    of all rows is taken, or the value itself. Raises ValueError for no row where there is something to infer."""
    sign = _signs(directions)
    given = [None] * len(sign) if given is None else list(given)
    if len(given) != len(sign):
        raise ValueError(f"wanted a reference or None for each of {len(sign)} objectives, got {len(given)}")
    known = np.array([np.nan if value is None else value for value in given], float)
    if not np.isnan(known).any():
        return known
    if not len(Y):
        raise ValueError("wanted at least one measured row to infer the reference point from, got none")
    V = signed(Y, directions)
    best = V[non_dominated(V)]
    worst, size = best.min(axis=0), np.ptp(best, axis=0)
    size = np.where(size > 0, size, np.ptp(V, axis=0))
    size = np.where(size > 0, size, np.where(worst != 0, np.abs(worst), 1.0))
    return np.where(np.isnan(known), sign * (worst - MARGIN * size), known)


def hypervolume(Y: Array, reference: Array, directions: Sequence[str]) -> float:
    """Exact volume that the rows of Y (n, k) dominate above `reference` (k,), in the product of the units.

    By a sweep for two objectives, by exclusive volumes for more (While, Bradstreet and Barone, IEEE Trans. Evol.
    Comput. 16, 86, 2012: WFG); meant for up to five.
    """
    above = signed(Y, directions) - _signs(directions) * np.asarray(reference, float)
    above = above[(above > 0).all(axis=1)]
    return _volume(above[non_dominated(above)]) if len(above) else 0.0


def non_dominated(V: Array) -> Array:
    """Mask (n,) of the rows of V (n, k), larger is better, that no other row dominates; of equal rows the first."""
    order = np.lexsort(-V.T[::-1])  # none is dominated by one that comes later
    kept = np.zeros(len(V), bool)
    found = np.empty(V.shape)
    n = 0
    for i in order:
        if not (found[:n] >= V[i]).all(axis=1).any():
            found[n], kept[i] = V[i], True
            n += 1
    return kept


def signed(Y: Array, directions: Sequence[str]) -> Array:
    """Y (n, k) turned so that larger is better."""
    if np.ndim(Y) != 2 or Y.shape[1] != len(directions):
        raise ValueError(f"wanted values (n, {len(directions)}), got {np.shape(Y)}")
    out: Array = np.asarray(Y, float) * _signs(directions)
    return out


def _signs(directions: Sequence[str]) -> Array:
    for direction in directions:
        if direction not in ("maximise", "minimise"):
            raise ValueError(f"wanted maximise or minimise, got {direction!r}; see larger_is_better")
    return np.array([1.0 if direction == "maximise" else -1.0 for direction in directions])


def _volume(V: Array) -> float:
    """Volume dominated above 0 by rows V (n, k), none of which dominates another."""
    if V.shape[1] == 1:
        return float(V.max())
    V = V[np.lexsort(-V.T[::-1])]
    if V.shape[1] == 2:  # first falls, second rises
        return float((V[:, 0] * np.diff(V[:, 1], prepend=0.0)).sum())
    whole = 0.0
    for i, row in enumerate(V):
        limited = np.minimum(V[i + 1 :], row)
        whole += float(np.prod(row))
        if len(limited):
            whole -= _volume(limited[non_dominated(limited)])
    return whole
