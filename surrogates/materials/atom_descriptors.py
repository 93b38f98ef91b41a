"""An atom's surroundings as a row of numbers, and the linear model on them: what a network has to be better than."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials.crystals import neighbours

PENALTIES = tuple(np.logspace(-1, 5, 7))  # of the ridge, tried on the configurations learned from
FOLDS = 5


@dataclass(frozen=True)
class RadialParameters:
    """Radial order parameters and their means over the surroundings (Boattini, Smallenburg, Filion, Phys. Rev. Lett.
    127, 088007, 2021; Alkemade et al., J. Chem. Phys. 156, 204503, 2022).

    G_i(r, s) = sum over neighbours j of element s of exp(-(r_ij - r)^2 / 2 w^2), and, `steps` times,
    x_i' = sum_j exp(-r_ij / l) x_j / sum_j exp(-r_ij / l), the atom itself among the j.

    elements  whose densities are counted
    radii     (k,) r, angstrom; widths (k,) w, angstrom
    length    l, angstrom; reach: neighbours are as far, angstrom
    steps     how often it is averaged; the parameters of every step are kept
    """

    elements: tuple[str, ...]
    radii: Array
    widths: Array
    length: float
    reach: float
    steps: int = 1

    @classmethod
    def in_units(cls, sigma: float, elements: Sequence[str], steps: int = 1) -> RadialParameters:
        """Those for a liquid of particles of diameter `sigma`, angstrom: fine within the first shell, coarse beyond."""
        near = np.arange(0.80, 1.60, 0.05)
        far = np.arange(1.60, 2.80, 0.10)
        radii = np.concatenate([near, far]) * sigma
        widths = np.concatenate([np.full(len(near), 0.05), np.full(len(far), 0.10)]) * sigma
        return cls(tuple(elements), radii, widths, 1.0 * sigma, 3.0 * sigma, steps)

    def __call__(self, structure: Structure) -> Array:
        """(n_atoms, k * elements * (steps + 1))."""
        i, j, r = neighbours(structure, self.reach)
        n = structure.n_atoms
        near = np.exp(-(((r[:, None] - self.radii) / self.widths) ** 2) / 2)
        symbols = np.array(structure.species)
        first = []
        for element in self.elements:
            of = symbols[j] == element
            total = np.zeros((n, len(self.radii)))
            np.add.at(total, i[of], near[of])
            first.append(total)
        rows = [np.hstack(first)]
        own = np.arange(n)
        weights = csr_array(
            (np.concatenate([np.exp(-r / self.length), np.ones(n)]), (np.append(i, own), np.append(j, own))),
            shape=(n, n),
        )
        total = np.asarray(weights.sum(axis=1)).reshape(n, 1)
        for _ in range(self.steps):
            rows.append((weights @ rows[-1]) / total)
        return np.hstack(rows)


class Describes(Protocol):
    """Rows of numbers (n_atoms, k) of a structure; `elements` whose atoms are described."""

    @property
    def elements(self) -> tuple[str, ...]: ...
    def __call__(self, structure: Structure) -> Array: ...


class RidgePerAtom:
    """A ridge for each element on rows such as `RadialParameters`; the penalty, one for all targets, is chosen by
    leaving out whole configurations of those it learns from."""

    def __init__(self, parameters: Describes) -> None:
        self.parameters = parameters

    def fit(self, structures: Sequence[Structure], atoms: Sequence[Array]) -> RidgePerAtom:
        """atoms: per structure (n_atoms, p). Raises ValueError for fewer than two structures."""
        from sklearn.linear_model import RidgeCV
        from sklearn.model_selection import GroupKFold
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if len(structures) < 2:
            raise ValueError(f"wanted two structures at least, got {len(structures)}")
        symbols = np.concatenate([np.array(s.species) for s in structures])
        groups = np.repeat(np.arange(len(structures)), [s.n_atoms for s in structures])
        rows = np.vstack([self.parameters(s) for s in structures])
        table = np.concatenate([np.asarray(a, float) for a in atoms])
        self.models = {}
        for symbol in self.parameters.elements:
            of = symbols == symbol
            scale = table[of].std(axis=0)
            scale = np.where(
                scale > 0, scale, 1.0
            )  # a target's size must not choose the penalty of the others
            folds = list(GroupKFold(min(FOLDS, len(structures))).split(rows[of], groups=groups[of]))
            model = make_pipeline(StandardScaler(), RidgeCV(alphas=PENALTIES, cv=folds))
            self.models[symbol] = model.fit(rows[of], table[of] / scale), scale
        return self

    def predict(self, structures: Sequence[Structure]) -> list[Array]:
        """Per structure (n_atoms, p)."""
        out = []
        for structure in structures:
            symbols, rows = np.array(structure.species), self.parameters(structure)
            said = np.full((structure.n_atoms, len(next(iter(self.models.values()))[1])), np.nan)
            for symbol, (model, scale) in self.models.items():
                of = symbols == symbol
                if of.any():
                    said[of] = model.predict(rows[of]).reshape(int(of.sum()), -1) * scale
            out.append(said)
        return out
