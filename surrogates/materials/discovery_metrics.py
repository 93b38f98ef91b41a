"""The figures that discovery is judged by: what was found, how well it was foreseen, and what a set is biased to.

Energies above hull in eV per atom; a structure is stable at or below a threshold. A share of nothing is NaN.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from campaigns.structure import Structure

Array = NDArray[np.float64]
LEVELS = (0.5, 0.68, 0.8, 0.9, 0.95)
DOPED = 0.10  # a smallest atomic fraction at or below it reads as doping (Liu and Meng on GNoME's release)


@dataclass(frozen=True)
class Confusion:
    """Counts of what was called stable and what is."""

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def n(self) -> int:
        return self.tp + self.fp + self.tn + self.fn

    @property
    def precision(self) -> float:
        """Share of what was called stable that is: the hit rate of a screening."""
        return _share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of what is stable that was called so."""
        return _share(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def accuracy(self) -> float:
        return _share(self.tp + self.tn, self.n)

    @property
    def prevalence(self) -> float:
        """Share that is stable: the hit rate of random choice."""
        return _share(self.tp + self.fn, self.n)

    @property
    def acceleration(self) -> float:
        """Discovery acceleration factor: precision over prevalence (Riebesell et al., Nat. Mach. Intell. 7, 836,
        2025)."""
        return self.precision / self.prevalence if self.prevalence else float("nan")


def confusion(predicted: ArrayLike, true: ArrayLike, threshold: float = 0.0) -> Confusion:
    """From predicted and true energies above hull (n,). Raises ValueError: lengths differ, or not finite."""
    called, real = (x <= threshold for x in _pair(predicted, true))
    return Confusion(
        int(np.sum(called & real)),
        int(np.sum(called & ~real)),
        int(np.sum(~called & ~real)),
        int(np.sum(~called & real)),
    )


def hit_rate(above_hull: ArrayLike, threshold: float = 0.0) -> float:
    """Share of the labelled that are stable, (n,) energies above hull; NaN, a failed label, is no hit."""
    values = np.asarray(above_hull, float)
    return _share(int(np.sum(values <= threshold)), values.size)


@dataclass(frozen=True)
class Errors:
    """Of predictions, in their own unit; `r2` is against the mean of the true values."""

    n: int
    mae: float
    rmse: float
    bias: float
    r2: float


def errors(predicted: ArrayLike, true: ArrayLike) -> Errors:
    """Of (n,) predictions; bias is predicted minus true. Raises ValueError: lengths differ, or not finite."""
    p, t = _pair(predicted, true)
    if not t.size:
        return Errors(0, *[float("nan")] * 4)
    off = p - t
    spread = float(np.sum((t - t.mean()) ** 2))
    r2 = 1.0 - float(np.sum(off**2)) / spread if spread > 0.0 else float("nan")
    return Errors(
        t.size, float(np.mean(np.abs(off))), float(np.sqrt(np.mean(off**2))), float(np.mean(off)), r2
    )


def coverage(true: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Share of the true values (n,) within their intervals, ends included."""
    t, a, b = np.broadcast_arrays(*(np.asarray(x, float) for x in (true, low, high)))
    return _share(int(np.sum((a <= t) & (t <= b))), t.size)


def calibration(
    true: ArrayLike, mean: ArrayLike, sd: ArrayLike, levels: Sequence[float] = LEVELS
) -> dict[float, float]:
    """Level -> share of the true values (n,) within the central normal interval of that level."""
    from scipy.stats import norm

    t, m = _pair(true, mean)
    s = np.asarray(sd, float)
    half = {level: float(norm.ppf(0.5 + 0.5 * level)) for level in levels}
    return {level: coverage(t, m - z * s, m + z * s) for level, z in half.items()}


def new_systems(found: Iterable[Collection[str]], known: Iterable[Collection[str]]) -> float:
    """Share of the structures found, each given by its elements, whose chemical system none of the known has."""
    old = {frozenset(one) for one in known}
    systems = [frozenset(one) for one in found]
    return _share(sum(one not in old for one in systems), len(systems))


@dataclass(frozen=True)
class Bias:
    """What a set of structures leans to; shares are of its structures."""

    n: int
    all_metal: float
    with_oxygen: float
    doped: float  # smallest atomic fraction at most DOPED
    systems: int  # different sets of elements
    elsewhere_unknown: float  # in a chemical system that none of the other sets has
    abundance: dict[str, float]  # element -> share of the structures with it, largest first


def bias(structures: Sequence[Structure], others: Iterable[Collection[str]] = ()) -> Bias:
    """The bias report; `others`: the elements of each structure of the sets compared with. An element is a metal as
    pymatgen has it."""
    n = len(structures)
    systems = [frozenset(one.counts) for one in structures]
    metals = sum(all(map(_is_metal, system)) for system in systems)
    least = [min(one.counts.values()) / one.n_atoms for one in structures]
    count: dict[str, int] = {}
    for system in systems:
        for symbol in system:
            count[symbol] = count.get(symbol, 0) + 1
    return Bias(
        n,
        _share(metals, n),
        _share(sum("O" in system for system in systems), n),
        _share(sum(fraction <= DOPED for fraction in least), n),
        len(set(systems)),
        new_systems(systems, others),
        {symbol: _share(count[symbol], n) for symbol in sorted(count, key=lambda s: (-count[s], s))},
    )


@lru_cache(maxsize=200)
def _is_metal(symbol: str) -> bool:
    from pymatgen.core import Element

    return bool(Element(symbol).is_metal)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    x, y = np.asarray(a, float), np.asarray(b, float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"wanted two arrays (n,) of one length, got {x.shape} and {y.shape}")
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        raise ValueError("wanted finite numbers: leave out what has no label")
    return x, y
