"""The Kob-Andersen mixture in numbers (Kob and Andersen, Phys. Rev. E 51, 4626, 1995): 80 % of A and 20 % of B, of one
mass, Lennard-Jones pairs cut at 2.5 of their own sigma and shifted to zero there.

Everything is in reduced units: lengths in sigma and energies in epsilon of A-A, masses in that of A, temperatures in
epsilon / k_B, times in tau = sigma sqrt(m / epsilon). Structures are in angstrom all the same, so that the mixture is
written as the Ni80P20 that it was meant for: A is Ni, B is P, with units chosen for nickel. No result depends on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

A, B = "Ni", "P"
SPECIES = (A, B)
PAIRS: Mapping[tuple[str, str], tuple[float, float]] = {  # epsilon, sigma
    (A, A): (1.0, 1.0),
    (A, B): (1.5, 0.8),
    (B, B): (0.5, 0.88),
}
CUTOFF = 2.5  # of each pair's sigma
DENSITY = 1.2  # particles per sigma^3, that of nearly all published work
TIME_STEP = 0.005

SIGMA = 2.2183  # angstrom
EPSILON = 0.080478  # eV, 933.9 K
MASS = 58.693  # u
KELVIN = EPSILON / 8.617333e-5  # of a reduced temperature of 1
PICOSECOND = SIGMA * math.sqrt(MASS / EPSILON) * 0.010180506  # of tau; sqrt(u / eV) angstrom is 10.18 fs
