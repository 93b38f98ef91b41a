"""Unit columns back to codes: the inverse of `Encoder.unit`, for what is a function of the candidate itself."""

from __future__ import annotations

import numpy as np

from surrogates.encode import Array, Encoder

CHUNK = 8192


def decode(encoder: Encoder, X: Array) -> Array:
    """Codes (m, p) of unit rows X (m, d).

    Exact to rounding where X came from codes. Elsewhere a continuous parameter is clipped to its bounds, and a discrete
    one takes the value whose columns are nearest.
    """
    codes = np.repeat(encoder.low[None], len(X), axis=0)
    if len(encoder.continuous):
        codes = encoder.move(codes, X[:, encoder.continuous_columns])
    ends = encoder.unit(np.vstack([encoder.low, encoder.high]))
    for j in np.flatnonzero(encoder.discrete):
        columns, levels = encoder.columns[j], encoder.levels[j]
        if len(levels):
            every = np.repeat(encoder.low[None], len(levels), axis=0)
            every[:, j] = levels
            codes[:, j] = levels[_nearest_rows(encoder.unit(every)[:, columns], X[:, columns])]
            continue
        first, last = ends[:, columns.start]
        share = (X[:, columns.start] - first) / (last - first if last > first else 1.0)
        value = np.rint(encoder.low[j] + share * (encoder.high[j] - encoder.low[j]))
        codes[:, j] = np.clip(value, encoder.low[j], encoder.high[j])
    return codes


def _nearest_rows(rows: Array, X: Array) -> Array:
    """Index (m,) of the row of `rows` (k, w) nearest to each of X (m, w)."""
    half = 0.5 * (rows**2).sum(axis=1)
    parts = [np.argmax(X[i : i + CHUNK] @ rows.T - half, axis=1) for i in range(0, len(X), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros(0, int)
