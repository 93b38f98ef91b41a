"""A potential that is linear in its coefficients, with all that Bayes's rule says of them: energies, forces, stresses.

The posterior is an ensemble without end: its spread is that of members drawn from it, in closed form. Prior and noise
are the likeliest ones (MacKay, Neural Comput. 4, 415, 1992), as for potentials learned on the fly (Jinnouchi, Karsai,
Kresse, Phys. Rev. B 100, 014105, 2019).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from drivers.labelers.workers.learning.moments import Array, Rows

# Weights of the rows, as standard deviations that are looked for of each kind: eV per atom, eV/angstrom, eV/angstrom^3.
ENERGY, FORCE, STRESS = 1e-3, 2e-2, 1e-3
ROUNDS = 50
LEAST_PRIOR, LEAST_NOISE = 1e-8, 1e-4


class Prediction(NamedTuple):
    """energy of the cell (eV), forces (N, 3) eV/angstrom, stress (6,) eV/angstrom^3, Voigt's order, positive under
    tension; standard deviations, not calibrated: of the energy per atom and the largest of any force component."""

    energy: float
    forces: Array
    stress: Array
    energy_sd: float
    force_sd: float


class LinearPotential:
    """Coefficients (F,), learned from rows."""

    def __init__(self, size: int) -> None:
        self.n_learned = 0  # calculations
        self._gram = np.zeros((size, size))
        self._towards = np.zeros(size)
        self._squares, self._n_rows = 0.0, 0
        self._fit: tuple[Array, Array, Array, float] | None = None

    def learn(self, rows: Rows, energy: float, forces: Array, stress: Array | None) -> None:
        """From one calculation: energy of the cell, forces (N, 3), stress (6,) or None; units as in `Prediction`."""
        design = [rows.energy[None] / (rows.n * ENERGY), rows.forces / FORCE]
        values = [np.array([energy / (rows.n * ENERGY)]), forces.ravel() / FORCE]
        if stress is not None:
            design.append(rows.stress / STRESS)
            values.append(stress / STRESS)
        a, y = np.concatenate(design), np.concatenate(values)
        self._gram += a.T @ a
        self._towards += a.T @ y
        self._squares += float(y @ y)
        self._n_rows += len(y)
        self.n_learned += 1
        self._fit = None

    def strange(self, rows: Rows) -> bool:
        """Whether something is in these rows that no calculation had: an element, say."""
        known = np.diag(self._gram) > 0
        return bool(np.any(np.abs(rows.energy[~known]) > 0))

    def predict(self, rows: Rows) -> Prediction:
        """Raises ValueError before anything was learned."""
        if self.n_learned == 0:
            raise ValueError("nothing was learned yet")
        scale, mean, half, noise = self._fitted()
        energy, forces = rows.energy * scale, rows.forces * scale
        doubt = float(np.sum((energy @ half) ** 2)) / rows.n**2 + noise * ENERGY**2
        of_forces = np.sum((forces @ half) ** 2, axis=1) + noise * FORCE**2
        return Prediction(
            float(energy @ mean),
            (forces @ mean).reshape(-1, 3),
            (rows.stress * scale) @ mean,
            float(np.sqrt(doubt)),
            float(np.sqrt(of_forces.max())),
        )

    def _fitted(self) -> tuple[Array, Array, Array, float]:
        """Scale of the features, coefficients, a square root of their covariance, variance of the noise."""
        if self._fit is None:
            diagonal = np.diag(self._gram)
            scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal / self._n_rows, 1.0))
            values, vectors = np.linalg.eigh(self._gram * scale[:, None] * scale)
            values = np.clip(values, 0.0, None)
            towards = vectors.T @ (self._towards * scale)
            prior, noise = 1e-3, 1.0  # precision of the coefficients, variance of the rows
            for _ in range(ROUNDS):
                before = prior, noise
                mean = towards / (values + prior * noise)
                effective = float(np.sum(values / (values + prior * noise)))
                left = self._squares - 2 * float(mean @ towards) + float(mean**2 @ values)
                noise = max(left, 0.0) / max(self._n_rows - effective, 1.0)
                noise = max(noise, LEAST_NOISE)
                prior = max(effective / max(float(mean @ mean), 1e-12), LEAST_PRIOR)
                if np.allclose(before, (prior, noise), rtol=1e-3):
                    break
            mean = towards / (values + prior * noise)
            half = vectors / np.sqrt(values / noise + prior)
            self._fit = scale, vectors @ mean, half, noise
        return self._fit
