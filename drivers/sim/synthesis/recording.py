"""A pattern as the diffractometer records it: true amounts, and all that stands between them and the counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random

import numpy as np

from drivers.sim.randomness import chance
from drivers.sim.synthesis.diffraction import ANGLES, Lines, profile, reflections
from drivers.sim.synthesis.phases import Phase, System

STRAIN = 0.003  # sd: real lattices against the calculated ones; the same in every sample of a laboratory
HEIGHT_DEG = 0.03  # sd of the shift by the sample's height
SIZE_NM, SIZE_SPREAD = 60.0, 0.4  # crystallites: median, and sd of its logarithm
TEXTURE_SPREAD = 0.15  # sd of ln r
STRONGEST, LEVEL = 8000.0, 150.0  # counts: of the highest line, and of the background


@lru_cache(maxsize=512)
def _lines(phase: Phase) -> Lines:
    return reflections(phase)


def lattice_strain(seed: int, formula: str, noise: float) -> float:
    """Of the real lattice of a phase against the calculated one."""
    return max(-0.008, min(0.008, noise * chance(seed, "lattice", formula).gauss(0.0, STRAIN)))


def record(
    system: System,
    fractions: Mapping[str, float],
    draw: Callable[[str], Random],
    *,
    seed: int = 0,
    noise: float = 1.0,
) -> np.ndarray:
    """Counts at ANGLES of a mixture of weight `fractions`; `draw(purpose)` gives random numbers of this measurement.

    `seed` is that of the laboratory's lattices; `noise` scales every error, at 0 the counts are not whole numbers.
    """
    shift = noise * draw("height").gauss(0.0, HEIGHT_DEG)
    pattern = np.zeros(len(ANGLES))
    for formula, share in fractions.items():
        if share < 1e-4:
            continue
        luck = draw(f"grains of {formula}")
        size = SIZE_NM * float(np.exp(noise * luck.gauss(0.0, SIZE_SPREAD)))
        r = float(np.exp(noise * luck.gauss(0.0, TEXTURE_SPREAD)))
        strain = lattice_strain(seed, formula, noise)
        made = profile(_lines(system.phase(formula)), strain=strain, size=size, r=r, shift=shift)
        pattern += share * made
    pattern *= STRONGEST / max(float(pattern.max()), 1e-300)
    x = (ANGLES - ANGLES[0]) / (ANGLES[-1] - ANGLES[0])
    luck = draw("background")
    hump = (1 + noise * luck.gauss(0.0, 0.2)) * np.exp(-(((ANGLES - 25.0) / 8.0) ** 2))
    pattern += LEVEL * (0.4 + np.exp(-4 * x) + 0.5 * hump)
    if not noise:
        return pattern
    counts = np.random.default_rng(draw("counting").getrandbits(64)).poisson(pattern)
    return np.asarray(counts, float)
