"""Unit columns back to codes: the inverse of `Encoder.unit`, for what is a function of the candidate itself."""

from __future__ import annotations

import numpy as np

from surrogates.columns import Whole
from surrogates.encode import Array, Encoder


def decode(encoder: Encoder, X: Array, *, conditioned: bool = True) -> Array:
    """Codes (m, p) of unit rows X (m, d); where `conditioned`, inactive parameters have their value of then.

    Exact to rounding where X came from codes. Elsewhere a continuous parameter is clipped to its bounds, and a discrete
    one takes the value whose columns are nearest.
    """
    codes = np.repeat(encoder.low[None], len(X), axis=0)
    if len(encoder.continuous):
        codes = encoder.move(codes, X[:, encoder.continuous_columns])
    for j in np.flatnonzero(encoder.discrete):
        axis, columns = encoder.axes[j], X[:, encoder.columns[j]]
        if isinstance(axis, Whole):
            codes[:, j] = np.clip(np.rint(axis.offset + columns[:, 0] * axis.span), axis.low, axis.high)
        else:
            codes[:, j] = axis.code(columns)
    return encoder.conditioned(codes) if conditioned else codes
