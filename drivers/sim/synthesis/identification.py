"""Which phases a powder pattern shows, and how much of each: non-negative least squares on the whole profile.

The analysis has the pattern and the calculated patterns of the system's phases, and nothing else. It takes up one
phase after another, each time the one (at the lattice strain) that explains most of what is left, fits all amounts
and the background together, and stops where the next one explains too little. Strains are then tuned, and a phase
below the limit of detection is left out. What no phase explains is the residual; a pattern of which a large part is
unexplained holds a phase that the table does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from drivers.sim.synthesis.diffraction import ANGLES, profile, reflections
from drivers.sim.synthesis.phases import Phase, System

STRAINS = np.linspace(-0.01, 0.01, 21)  # real lattices against calculated ones, and the height of the sample
MOST = 6  # phases
DETECTED = 0.02  # weight fraction
GAIN = 0.02  # of what is unexplained, that a further phase must explain
UNEXPLAINED = 0.27  # share of the net counts above which the pattern holds something unknown
SYSTEMATIC = 0.05  # relative uncertainty of an amount from texture, that the fit does not see
BACKGROUND = 8  # polynomials


@dataclass(frozen=True)
class Found:
    """Weight fractions of the phases that were recognised, largest first, their standard uncertainties, and the share
    of the net counts that none of them explains."""

    fractions: dict[str, float]
    sigmas: dict[str, float]
    residual: float

    @property
    def complete(self) -> bool:
        return self.residual <= UNEXPLAINED


class Library:
    """Calculated profiles of some phases at each strain: `profiles` (phases, strains, angles)."""

    def __init__(self, phases: Sequence[Phase]) -> None:
        self.formulas = tuple(phase.formula for phase in phases)
        rows = []
        for phase in phases:
            lines = reflections(phase)
            rows.append([profile(lines, strain=strain) for strain in STRAINS])
        self.profiles = np.array(rows, np.float32)
        x = (ANGLES - ANGLES[0]) / (ANGLES[-1] - ANGLES[0])
        k = np.arange(BACKGROUND)
        # Bernstein's polynomials, crowded at low angles where a background falls steeply; none is negative.
        u = np.sqrt(x)[:, None]
        self.background = (u**k * (1 - u) ** (BACKGROUND - 1 - k)).T * 2.0**BACKGROUND


@lru_cache(maxsize=4)
def library(system: System) -> Library:
    """Of all phases of a system, made once (seconds)."""
    return Library(system.phases)


def identify(counts: np.ndarray, library: Library) -> Found:
    """The phases in a pattern: `counts` at ANGLES. Raises ValueError for another number of them."""
    if counts.shape != ANGLES.shape:
        raise ValueError(
            f"wanted {len(ANGLES)} counts, {ANGLES[0]:g} to {ANGLES[-1]:g} deg, got {counts.shape}"
        )
    fit = _Fit(counts, library)
    while len(fit.chosen) < MOST:
        before, kept = fit.misfit, dict(fit.chosen)
        fit.add()
        if fit.misfit > (1 - GAIN) * before or fit.misfit > before - 0.02 * len(counts):
            fit.choose(kept)
            break
    fit.tune()
    while fit.chosen and min(fit.fractions().values()) < DETECTED:
        small = min(fit.fractions().items(), key=lambda one: one[1])[0]
        fit.choose({k: s for k, s in fit.chosen.items() if k != small})
    fractions, sigmas = fit.fractions(), fit.sigmas()
    order = sorted(fractions, key=lambda k: -fractions[k])
    names = library.formulas
    return Found(
        {names[k]: fractions[k] for k in order}, {names[k]: sigmas[k] for k in order}, fit.unexplained()
    )


class _Fit:
    """`chosen`: phase -> place of its strain; amounts and background fit to the counts, each point by its own noise."""

    def __init__(self, counts: np.ndarray, library: Library) -> None:
        self.counts, self.library = counts, library
        self.weight = 1 / np.sqrt(np.maximum(counts, 1.0))
        flat = library.profiles.reshape(-1, len(counts))
        self._norms = np.sqrt((flat.astype(np.float32) ** 2) @ (self.weight**2).astype(np.float32))
        self.choose({})

    def choose(self, chosen: dict[int, int]) -> None:
        from scipy.optimize import nnls

        self.chosen = chosen
        columns = [self.library.profiles[k, s] for k, s in chosen.items()]
        self.matrix = np.vstack([*columns, self.library.background]).astype(float) * self.weight
        scale = np.linalg.norm(self.matrix, axis=1)
        amounts, _ = nnls((self.matrix / scale[:, None]).T, self.counts * self.weight)
        self.amounts = amounts / scale
        self.rest = self.counts * self.weight - self.amounts @ self.matrix
        self.misfit = float(self.rest @ self.rest)

    def add(self) -> None:
        """Take up the phase that looks most like what is left."""
        profiles = self.library.profiles
        flat = profiles.reshape(-1, len(self.counts))
        alike = (flat @ (self.rest * self.weight).astype(np.float32)) / self._norms
        alike = alike.reshape(profiles.shape[:2])
        alike[list(self.chosen)] = -np.inf
        k, s = np.unravel_index(int(np.argmax(alike)), alike.shape)
        self.choose({**self.chosen, int(k): int(s)})
        self._nudge(int(k))

    def tune(self) -> None:
        for k in list(self.chosen):
            self._nudge(k)

    def _nudge(self, k: int) -> None:
        """Move one phase's strain downhill."""
        for way in (-1, 1):
            while 0 <= self.chosen[k] + way < len(STRAINS):
                before, kept = self.misfit, dict(self.chosen)
                self.choose({**kept, k: kept[k] + way})
                if self.misfit >= before:
                    self.choose(kept)
                    break

    def fractions(self) -> dict[int, float]:
        amounts = self.amounts[: len(self.chosen)]
        total = amounts.sum()
        return {k: float(a / total) if total > 0 else 0.0 for k, a in zip(self.chosen, amounts, strict=True)}

    def sigmas(self) -> dict[int, float]:
        n = len(self.chosen)
        total = self.amounts[:n].sum()
        if not total > 0:
            return dict.fromkeys(self.chosen, 1.0)
        spread = np.linalg.pinv(self.matrix @ self.matrix.T) * max(self.misfit / len(self.counts), 1.0)
        own = np.sqrt(np.maximum(np.diag(spread)[:n], 0.0)) / total
        shares = self.amounts[:n] / total
        return {
            k: float(np.hypot(own[i], SYSTEMATIC * shares[i] * (1 - shares[i])) + 1e-4)
            for i, k in enumerate(self.chosen)
        }

    def unexplained(self) -> float:
        n = len(self.chosen)
        noise = 1 / self.weight
        peaks = (self.counts * self.weight - self.amounts[n:] @ self.matrix[n:]) * noise
        off = np.maximum(np.abs(self.rest) - 1.0, 0.0) * noise
        return float(min(off.sum() / max(np.abs(peaks).sum(), 1.0), 1.0))
