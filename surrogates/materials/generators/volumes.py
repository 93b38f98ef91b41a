"""How large a cell will be before anything is relaxed: volumes of the elements from the radii of their atoms, set right
by the known structures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import nnls

from campaigns.structure import Structure
from surrogates.materials.crystals import atomic_volume

PACKED = 0.64  # median share of its cell that a crystal's atoms fill as spheres (binaries of the Materials Project)
# Anions are as large as in contact (Bondi's radii, A), not as the atoms that they are made of: without known structures
# that lowers the median error of the volumes of binaries with one of them from 33 to 24 %. Oxygen of Slater's 0.6 A
# made cells of 1.4 A^3 per atom where it took the place of a metal.
BONDI = {
    "N": 1.55, "O": 1.52, "F": 1.47, "S": 1.80, "Cl": 1.75, "Se": 1.90, "Br": 1.85, "Te": 2.06, "I": 1.98,
}  # fmt: skip
ANION = 0.7  # of that sphere's volume
LEAST, MOST = 0.3, 3.0  # times what the radii say that fitted volumes may be
PRIOR = 1.0  # structures that the radii count for


class ElementVolumes:
    """A^3 per atom of each element: a cell's volume is their sum. Those of the known structures' elements fit their
    volumes best (least squares of relative errors), with the radii as one structure each. Among 822 pairs of crystals
    of one prototype that differ in an element, scaling by fitted volumes errs by 5 % in the median, by Slater's radii
    by 7 %, pymatgen's DLSVolumePredictor by 10 %."""

    def __init__(self, known: Sequence[Structure] = ()) -> None:
        self._fitted: dict[str, float] = {}
        symbols = sorted({symbol for each in known for symbol in each.elements})
        if not symbols:
            return
        radii = np.array([_expected(symbol) for symbol in symbols])
        rows = np.array([[each.counts.get(s, 0) / each.volume for s in symbols] for each in known]) * radii
        weighted = np.concatenate([rows, np.sqrt(PRIOR) * np.eye(len(symbols))])
        target = np.concatenate([np.ones(len(known)), np.full(len(symbols), np.sqrt(PRIOR))])
        scale = nnls(weighted, target)[0]
        self._fitted = {
            s: float(v) for s, v in zip(symbols, radii * np.clip(scale, LEAST, MOST), strict=True)
        }

    def of(self, counts: Mapping[str, float]) -> float:
        """Volume, A^3, of a cell with these atoms."""
        return sum(n * self._fitted.get(s, _expected(s)) for s, n in counts.items())


def _expected(symbol: str) -> float:
    """Volume, A^3, of an atom in a crystal by its radius alone."""
    if symbol in BONDI:
        return ANION * 4.0 / 3.0 * math.pi * BONDI[symbol] ** 3
    return atomic_volume(symbol) / PACKED
