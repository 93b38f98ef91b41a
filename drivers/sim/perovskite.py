"""A model of a water-splitting electrode, a film of a perovskite compound: pure functions, no noise, no state.

Two things are known of a compound, both from density-functional theory: its gap (eV) and its heat of formation (eV per
cell of five atoms; low is strongly bound). This is a model, not a fit: equations are textbook, constants typical, and
chosen so that the best process depends on the compound and the best compound on what can be done with it. Castelli et
al. (Energy Environ. Sci. 5, 9034, 2012) calculated such compounds for this use.

The current at a fixed bias, mA/cm^2, has two parts:
    dark   j_d = DARK / cosh((h - BEST_HEAT) / WIDTH), a volcano in the enthalpy with a round top (Trasatti, J.
           Electroanal. Chem. 111, 125, 1980: oxides that bind too strongly or too weakly catalyse badly)
    light  j_l = photons above the gap, of a black-body sun of 6000 K that sends 100 mW/cm^2, an electron each; a gap
           below NEEDED drives no reaction (a logistic step of STEP)
A film of thickness d absorbs the share 1 - exp(-2 d / ABSORBING_NM) of the light, which passes twice, and conducts
exp(-d / (DIFFUSION_NM X^2)) of all current, which grain boundaries stop; of the substrate it covers
1 - exp(-(d / ROUGH_NM)^2).

Annealing for t at T, with Arrhenius rates around temperatures that depend on the heat of formation h:
    crystallinity   X = X0 + (1 - X0) (1 - exp(-(k_c t)^n)), Avrami, n = 1; strongly bound compounds need more heat,
                    T_c = 620 K - 70 K h / eV
    intact share    B = exp(-(k_d + k_o) t); weakly bound compounds decompose, T_d = 780 K - 130 K h / eV, and traces of
                    oxygen take their share of all, with an energy so low that slow annealing at low heat is not free
so that the window between T_c and T_d closes as h grows. The current is that of the film times X times B.

Activation energies are low, as of diffusion along grain boundaries: a film annealed 100 K off its best gives a third,
and a search has something to climb. A first version, of 120 and 180 kJ/mol and a volcano half as wide, gave nothing in
nine processes of ten; 60 films were then too few even for a search that was told each compound's true gap and heat.
"""

from __future__ import annotations

import math
from functools import lru_cache

R = 8.314e-3  # kJ/mol/K
K_B = 8.617333e-5  # eV/K
SUN_K, SUN_MW = 6000.0, 100.0
TERMS = 60  # of the series of the photon flux

DARK, BEST_HEAT, WIDTH = 12.0, 0.3, 0.5
NEEDED, STEP = 1.5, 0.25  # eV: the reaction's 1.23 eV and what is lost on the way
ABSORBING_NM, DIFFUSION_NM, ROUGH_NM = 400.0, 1500.0, 120.0
SEEDS, AVRAMI, K_C, E_C = 0.2, 1.0, 1 / 600.0, 50.0  # 1/s at T_c, kJ/mol
K_D, E_D = 1 / 1200.0, 70.0
K_O, E_O, T_O = 1 / 20000.0, 30.0, 550.0
T_C, T_C_SLOPE, T_D, T_D_SLOPE, COLDEST = 620.0, 70.0, 780.0, 130.0, 250.0


def photons(x: float) -> float:
    """The integral of t^2 / (e^t - 1) from x >= 0 on, to which the flux of a black body above x kT is proportional:
    the sum over the terms of 1 / (e^t - 1)."""
    return sum(
        math.exp(-n * x) * (x * x / n + 2 * x / n**2 + 2 / n**3) for n in range(1, TERMS) if n * x < 700
    )


@lru_cache(maxsize=65536)
def light_current(gap: float) -> float:
    """mA/cm^2 of a thick film of `gap` (eV); none of a metal."""
    if gap <= 0:
        return 0.0
    kt = K_B * SUN_K
    electrons = SUN_MW * photons(gap / kt) / (kt * math.pi**4 / 15)
    return electrons / (1 + math.exp(min((NEEDED - gap) / STEP, 700.0)))


def dark_current(heat: float) -> float:
    """mA/cm^2 of a film of `heat` (eV per cell)."""
    return DARK / math.cosh((heat - BEST_HEAT) / WIDTH)


def rate(at: float, energy: float, reference: float, temperature: float) -> float:
    """Arrhenius: `at` (1/s) at the `reference` temperature, activation `energy` (kJ/mol)."""
    return at * math.exp(min(-energy / R * (1 / temperature - 1 / reference), 60.0))


def crystallinity(heat: float, temperature: float, time: float) -> float:
    """Share X, 0 to 1, after `time` (s) at `temperature` (K) of a compound of `heat` (eV per cell)."""
    k = rate(K_C, E_C, max(T_C - T_C_SLOPE * heat, COLDEST), temperature)
    return SEEDS + (1 - SEEDS) * -math.expm1(-((k * time) ** AVRAMI))


def intact(heat: float, temperature: float, time: float) -> float:
    """Share B, 0 to 1, that has not decomposed."""
    decomposing = rate(K_D, E_D, max(T_D - T_D_SLOPE * heat, COLDEST), temperature)
    return math.exp(-(decomposing + rate(K_O, E_O, T_O, temperature)) * time)


def current(gap: float, heat: float, temperature: float, time: float, thickness: float) -> float:
    """Of the film, mA/cm^2: `gap` (eV), `heat` (eV per cell), anneal at `temperature` (K) for `time` (s), `thickness`
    (nm)."""
    x = crystallinity(heat, temperature, time)
    absorbed = -math.expm1(-2 * thickness / ABSORBING_NM)
    conducted = math.exp(-thickness / (DIFFUSION_NM * x * x))
    covered = -math.expm1(-((thickness / ROUGH_NM) ** 2))
    given = dark_current(heat) + absorbed * light_current(gap)
    return given * covered * conducted * x * intact(heat, temperature, time)
