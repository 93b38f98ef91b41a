"""When the ensemble is trained: a function of how many energies the campaign has been told, so that any request can be
answered again from the log alone, whatever models are still there."""

from __future__ import annotations

import math
from typing import NamedTuple

GROWTH = 0.5  # with so many more labels than at the last full training, relative to it, all is trained from the start
STEP = 0.025  # with so many more, relative to the last full training, it is trained on, from the last full training


class Turn(NamedTuple):
    """Of the labels told after `n_seeds` known ones: how many the last full training and the last warm start had."""

    full: int
    warm: int


def turn(n_seeds: int, told: int, batch: int = 1) -> Turn:
    """The trainings that a model of `told` labels, besides `n_seeds` known beforehand, is made by.

    Full trainings are at n = n_seeds, then whenever n has grown by `growth`; warm starts begin at the last full
    training, never at another warm start, so that at most two trainings make a model. Who asks for a `batch` of half
    that many or more has all labels learned from; for one crystal after another, between two warm starts lie STEP times
    the labels of the full training, and the labels after the last one are not learned from yet.
    """
    at = n_seeds
    while True:
        more = max(at + 1, math.ceil(at * (1 + GROWTH)))
        if more > n_seeds + told:
            break
        at = more
    between = max(1, round(STEP * at))
    if 2 * batch >= between:
        between = 1
    behind = n_seeds + told - at
    return Turn(at - n_seeds, at - n_seeds + behind // between * between)
