"""A trust region: the box around the best in which to search, where the whole space is too large to be known.

TuRBO-1 (Eriksson et al., NeurIPS 2019): the region doubles after successes, halves after failures, and when it has
become too small the search starts anew elsewhere. A function of the results alone, so nothing needs to be stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from surrogates.decode import decode
from surrogates.encode import Array, Encoder
from surrogates.models.gp import Columns
from surrogates.region import Region

LENGTH, SHORTEST, LONGEST = 0.8, 0.5**7, 1.6
SUCCESSES = 3
BETTER = 1e-3  # share of the range of results by which one must be better to be a success
SHORT, LONG = 0.005, 2.0  # length scales beyond which a parameter matters alike: TuRBO's own bounds
MANY_DIMENSIONS, MANY_RESULTS = 15, 500
SAME = 1e-9


@dataclass(frozen=True)
class Trust:
    """The region after the results so far, in unit columns.

    length     of its side, before each is stretched by its length scale; 1 is the cube
    centre     row of the best result since the last restart, -1 where there is none since
    restarts   how often the region has become too small
    since      row of the first result after the last restart
    missing    results still wanted, spread over the whole space, before there is a region; until then it is all of it
    low, high  (d,) its ends; one-hot columns are never confined
    """

    length: float
    centre: int
    restarts: int
    since: int
    missing: int
    low: Array
    high: Array


def wanted(n: int, d: int, setting: Literal["auto", "on", "off"]) -> bool:
    """Whether to search in a trust region, with `n` results in `d` free parameters."""
    if setting == "auto":
        return d > MANY_DIMENSIONS or n > MANY_RESULTS
    return setting == "on"


def trust_region(
    units: Array,
    z: Array,
    columns: Columns,
    lengths: Array | None = None,
    batch: int = 1,
    initial: int | None = None,
) -> Trust:
    """The region after results z (n,), larger is better, at units (n, d), in the order told.

    lengths  (n_lengths,) length scale of each free parameter: sides are proportional to them, the volume kept
    batch    results that come together: one success or failure for all. The last ones of an unfinished batch move the
             centre only
    initial  results of the first design and of that after each restart, which count as neither success nor failure;
             twice the number of numeric parameters

    A success is better than all since the restart by 0.1 % of the range of these results, so that the unit of z does
    not matter. After a restart the results before it are no longer looked at here, or the centre would jump back to
    where the search was stuck; the model keeps them.

    Raises ValueError where units and z do not go together, or batch or initial are below 1.
    """
    if units.ndim != 2 or len(units) != len(z) or units.shape[1] != len(columns.group):
        raise ValueError(
            f"trust region: wanted units (n, {len(columns.group)}) and z (n,), got {units.shape} and {z.shape}"
        )
    d = len(np.unique(columns.group[columns.numeric]))
    initial = max(2 * d, 1) if initial is None else initial
    if batch < 1 or initial < 1:
        raise ValueError(f"trust region: wanted batch and initial of at least 1, got {batch} and {initial}")
    patience = math.ceil(max(4.0 / batch, d / batch))
    length, successes, failures, restarts, since = LENGTH, 0, 0, 0, 0
    at = initial
    while at + batch <= len(z):
        before, new = z[since:at], z[at : at + batch]
        at += batch
        if new.max() > before.max() + BETTER * (before.max() - before.min()):
            successes, failures = successes + 1, 0
        else:
            successes, failures = 0, failures + 1
        if successes == SUCCESSES:
            length, successes = min(2.0 * length, LONGEST), 0
        elif failures == patience:
            length, failures = length / 2.0, 0
        if length < SHORTEST:
            length, successes, failures, restarts, since = LENGTH, 0, 0, restarts + 1, at
            at += initial
    low, high = np.zeros(units.shape[1]), np.ones(units.shape[1])
    centre = since + int(np.argmax(z[since:])) if len(z) > since else -1
    missing = max(since + initial - len(z), 0)
    if not missing:
        number = columns.numeric
        side = length * _stretch(columns, lengths)[number]
        low[number] = np.clip(units[centre, number] - side / 2, 0.0, 1.0)
        high[number] = np.clip(units[centre, number] + side / 2, 0.0, 1.0)
    return Trust(length, centre, restarts, since, missing, low, high)


def as_region(trust: Trust, encoder: Encoder) -> Region:
    """The region in codes. Integers and levels are rounded outwards, so that the next on either side can be reached;
    choices are free."""
    ends = decode(encoder, np.vstack([trust.low, trust.high]), conditioned=False)
    low, high = encoder.low.copy(), encoder.high.copy()
    number = encoder.ordered & ~encoder.context
    low[number], high[number] = ends[0, number], ends[1, number]
    for j in np.flatnonzero(encoder.discrete & number):
        column, levels = encoder.columns[j].start, encoder.levels[j]
        unit = encoder.axes[j].unit(ends[:, j])[:, 0]
        inwards = unit[0] > trust.low[column] + SAME, unit[1] < trust.high[column] - SAME
        if len(levels):
            below, above = np.searchsorted(levels, (low[j], high[j]))
            low[j] = levels[max(below - inwards[0], 0)]
            high[j] = levels[min(above + inwards[1], len(levels) - 1)]
        else:
            low[j] = max(low[j] - inwards[0], encoder.low[j])
            high[j] = min(high[j] + inwards[1], encoder.high[j])
    return Region(low, high)


def _stretch(columns: Columns, lengths: Array | None) -> Array:
    """Length of each column's side (d,), their geometric mean over numeric parameters 1."""
    if lengths is None:
        return np.ones(len(columns.group))
    logs = np.log(np.clip(lengths, SHORT, LONG))
    numeric = columns.numeric_lengths()
    out: Array = np.exp(logs - logs[numeric].mean())[columns.group]
    return out
