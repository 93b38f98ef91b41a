"""Hardness and fracture toughness from the moduli of a polycrystal, by formulas; floats only.

The same formulas over arrays, with their domain and with others beside them, are `surrogates.materials.mechanics`,
which a driver may not import; a test holds the two equal.
"""

from __future__ import annotations

from typing import NamedTuple

GAMMA0, ALPHA0 = 0.096, 8840.0  # of covalent and ionic crystals; ALPHA0 in GPa
MEGAPASCAL = 1000.0  # in a gigapascal


class Strength(NamedTuple):
    """Poisson's ratio; Young's modulus and Vickers hardness in GPa; fracture toughness K_IC in MPa m^(1/2)."""

    poisson_ratio: float
    young_modulus: float
    hardness: float
    toughness: float


def strength(bulk: float, shear: float, volume: float) -> Strength:
    """Moduli in GPa, volume per atom in angstrom^3, all above 0 (Mazhnik and Oganov, J. Appl. Phys. 126, 125109,
    2019).

    For nu < 0 the formulas were not made: they are given nu = 0. K_IC is that of covalent and ionic crystals: of
    metals it is far too small. Raises ValueError for a number that is not above 0.
    """
    if not (bulk > 0 and shear > 0 and volume > 0):
        raise ValueError(
            f"wanted moduli and volume above 0, got {bulk:g} GPa, {shear:g} GPa and {volume:g} A^3"
        )
    nu = (3 * bulk - 2 * shear) / (2 * (3 * bulk + shear))
    young = 9 * bulk * shear / (3 * bulk + shear)
    n = max(nu, 0.0)
    chi = (1 - 8.5 * n + 19.5 * n**2) / (1 - 7.5 * n + 12.2 * n**2 + 19.6 * n**3)
    zeta = (1 - 13.7 * n + 48.6 * n**2) / (1 - 15.2 * n + 70.2 * n**2 - 81.5 * n**3)
    toughness = MEGAPASCAL * ALPHA0**-0.5 * (volume * 1e-30) ** (1 / 6) * (zeta * young) ** 1.5
    return Strength(nu, young, GAMMA0 * chi * young, toughness)
