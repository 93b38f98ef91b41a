"""The scale that energies above the hull are learned on: even near the hull, logarithmic far from it."""

from __future__ import annotations

import numpy as np

from surrogates.encode import Array

# eV per atom. Whether a crystal is 2 or 3 eV above the hull decides nothing, but as plain energies the few such ones
# are most of the squared error; squeezed, the error of those within 0.1 eV of the hull fell by a quarter.
UNIT = 0.1
MOST = 6.0  # in units: 20 eV per atom; a network far from all it knows may say anything


def squeeze(energy: Array) -> Array:
    """UNIT asinh(energy / UNIT): the energy itself near 0, its logarithm far away."""
    out: Array = UNIT * np.arcsinh(energy / UNIT)
    return out


def stretch(level: Array) -> Array:
    """The inverse, up to MOST units either way."""
    out: Array = UNIT * np.sinh(np.clip(level / UNIT, -MOST, MOST))
    return out


def slope(level: Array) -> Array:
    """By how much the energy changes with the level: what a standard deviation there is worth in eV."""
    out: Array = np.cosh(np.clip(level / UNIT, -MOST, MOST))
    return out
