"""A model of a doped organic hole conductor on its way from ink to film: pure functions, no noise, no state.

The workflow is Ada's (MacLeod et al., Sci. Adv. 6, eaaz8867, 2020: dopant and annealing of spiro-OMeTAD
films, measured by a mobility proxy). This is a model, not a fit: the equations are textbook, the constants
typical of the literature named with them, and chosen so that the best recipe lies inside the space and
depends on solvent, dopant, temperature and time together.

Ink. A vial holds a fixed amount of host. Each dose adds one volume of solvent and r = x / (1 - x) dopant per
host, so two doses of x give 2r / (1 + 2r) in a thinner ink.

Spin coating (Meyerhofer, J. Appl. Phys. 49, 3993, 1978): h ~ c (eta * e)^(1/3) omega^(-1/2), with solids
content c, viscosity eta, evaporation e ~ vapour pressure (Trouton's rule, dS_vap = 10.6 R). A puddle at
rest stays finite: omega + OMEGA_PUDDLE. Solvent left after t: RETAINED + (1 - RETAINED) exp(-t / tau), tau
~ 1 / (e omega^(1/2)). Slow drying gives seeds of order (X0, by solvent).

Annealing for t at T; all exponents add up over successive anneals of one film:
    solvent left    w   = w0 exp(-k_w t)             k_w ~ vapour pressure at T
    crystallinity   X   = 1 - (1 - X0) exp(-theta^n) theta = k_c (t + P * integral of w), Avrami, n = 1.5; k_c
                    Arrhenius, slowed by exp(-x / X_SLOW) (dopant disturbs), sped up by solvent (P)
    active dopant   x_a = x exp(-k_v t)              dopant sublimes, k_v Arrhenius
    intact matrix   B   = exp(-k_o t)                traces of oxygen, k_o Arrhenius with E_O < E_C < E_D: so
                    neither 'low and slow' nor 'hot and short' is free
    covered area    C   = 1 / (1 + phi^2)            phi = k_d t, k_d Arrhenius, ~ h^-2 (thin films de-wet
                    first: Reiter, Phys. Rev. Lett. 68, 75, 1992), faster for badly wetting solvents; the
                    sigmoid is this model's own: holes open, grow, and leave ever fewer bridges

Mobility, cm^2/V/s: mu = MU_BEST * trap * disorder * order * C^2 * B * dry * thick * layers, where
    trap     = F0 + (1 - F0) x_a / (x_a + X_TRAP)    dopants fill traps (Olthof et al., Phys. Rev. Lett. 109,
               176601, 2012)
    disorder = exp(-(x_a / x_d)^2)                   dopant ions broaden the density of states (Arkhipov et
               al., Phys. Rev. B 72, 235202, 2005); x_d = x_s (1 - REJECTION X): beyond the solubility x_s of
               the cast film they cluster, and crystals reject them
    order    = G0 + (1 - G0) X^2                     percolation of crystalline domains
    dry      = 1 / (1 + w / W_DRY)
    thick    = h / (h + H_INTERFACE) * exp(-h / H_ROUGH)
    layers   = LAYER^(n_layers - 1)                  a second coat redissolves the first
Conductance of the sheet, S: q p mu h with p ~ N_HOST x_a / (x_a + X_TRAP) * EFFICIENCY.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

R = 8.314  # J/mol/K
TROUTON = 88.0 / R  # entropy of vaporisation over R
ROOM_K = 298.15

Solvent = Literal["chlorobenzene", "toluene", "anisole"]


@dataclass(frozen=True)
class SolventData:
    """Bulk data at 25 degC (CRC Handbook), and what the model says of films cast from it."""

    boiling_K: float
    viscosity_mPa_s: float
    density_g_mL: float
    seeds: float  # X0
    solubility: float  # x_s
    dewetting: float  # rate relative to chlorobenzene


SOLVENTS: Mapping[str, SolventData] = {
    "chlorobenzene": SolventData(404.9, 0.753, 1.106, seeds=0.06, solubility=0.46, dewetting=1.0),
    "toluene": SolventData(383.8, 0.560, 0.867, seeds=0.02, solubility=0.28, dewetting=1.6),
    "anisole": SolventData(426.8, 1.056, 0.989, seeds=0.12, solubility=0.36, dewetting=0.8),
}
assert set(SOLVENTS) == set(get_args(Solvent))

DOSE_ML = 1.0
HOST_MG = 40.0
DOPANT_MG = 30.0  # per host equivalent: mass of r = 1
H_REF_NM, OMEGA_REF, OMEGA_PUDDLE = 140.0, 209.44, 5.0
TAU_REF_S, RETAINED = 6.0, 0.08
K_W_BOILING = 0.06  # 1/s at the boiling point
PLASTICISED = 3.0
AVRAMI, K_C_REF, T_C_REF, E_C, X_SLOW = 1.5, 1 / 60.0, 430.0, 80e3, 0.35
K_V_REF, T_V_REF, E_V = 1 / 300.0, 470.0, 110e3
K_O_REF, T_O_REF, E_O = 1 / 700.0, 430.0, 45e3
K_D_REF, T_D_REF, E_D = 1 / 160.0, 470.0, 140e3
MU_BEST = 8.0e-3
F0, X_TRAP, REJECTION = 0.05, 0.10, 0.30
G0, W_DRY = 0.06, 0.04
H_INTERFACE, H_ROUGH, LAYER = 25.0, 600.0, 0.55
Q, N_HOST_PER_CM3, EFFICIENCY = 1.602e-19, 8.0e20, 0.05
NO_FILM = 0.005  # covered fraction below which nothing conducts from contact to contact


@dataclass(frozen=True)
class Ink:
    """What is in a vial: dopant per host (r), and solvents in mL."""

    dopant_ratio: float
    solvents: Mapping[str, float]

    @property
    def dopant_fraction(self) -> float:
        return self.dopant_ratio / (1 + self.dopant_ratio)

    @property
    def volume_mL(self) -> float:
        return sum(self.solvents.values())

    @property
    def mass_g(self) -> float:
        """Mass of everything that doses have added (the host was there before)."""
        solvent = sum(SOLVENTS[name].density_g_mL * volume for name, volume in self.solvents.items())
        return solvent + DOPANT_MG / 1000 * self.dopant_ratio


@dataclass(frozen=True)
class Film:
    """A coat on a substrate; `x` is the dopant fraction as cast, exponents are sums over all anneals."""

    x: float
    thickness_nm: float
    wet: float
    seeds: float
    solubility: float
    boiling_K: float
    dewetting: float
    layers: int = 1
    crystal_exponent: float = 0.0
    loss_exponent: float = 0.0
    oxidation_exponent: float = 0.0
    dewetting_exponent: float = 0.0

    @property
    def crystallinity(self) -> float:
        return 1 - (1 - self.seeds) * math.exp(-(self.crystal_exponent**AVRAMI))

    @property
    def active_dopant(self) -> float:
        return self.x * math.exp(-self.loss_exponent)

    @property
    def coverage(self) -> float:
        return 1 / (1 + self.dewetting_exponent**2)


def arrhenius(k_ref: float, energy: float, at_ref_K: float, temperature_K: float) -> float:
    """k(T) = k_ref exp(-E/R (1/T - 1/T_ref)), 1/s; k_ref exp(E/R/T_ref) is the usual prefactor A."""
    return k_ref * math.exp(-energy / R * (1 / temperature_K - 1 / at_ref_K))


def vapour_pressure(boiling_K: float, temperature_K: float) -> float:
    """In atm, by Trouton's rule."""
    return math.exp(-TROUTON * (boiling_K / temperature_K - 1))


def mix(ink: Ink | None, dopant_fraction: float, solvent: str, volume_mL: float = DOSE_ML) -> Ink:
    """One more dose in a vial (None: one that holds only the host)."""
    before = ink or Ink(0.0, {})
    solvents = dict(before.solvents)
    solvents[solvent] = solvents.get(solvent, 0.0) + volume_mL
    return Ink(before.dopant_ratio + dopant_fraction / (1 - dopant_fraction), solvents)


def coat(ink: Ink, speed: float, duration: float, film: Film | None = None) -> Film:
    """The film after spinning `ink` at `speed` rad/s for `duration` s, on top of `film` if there is one."""
    blend = {name: volume / ink.volume_mL for name, volume in ink.solvents.items()}

    def mean(attribute: str) -> float:
        return sum(share * float(getattr(SOLVENTS[name], attribute)) for name, share in blend.items())

    boiling_K = mean("boiling_K")
    reference = SOLVENTS["chlorobenzene"]
    drying = vapour_pressure(boiling_K, ROOM_K) / vapour_pressure(reference.boiling_K, ROOM_K)
    turning = (speed + OMEGA_PUDDLE) / (OMEGA_REF + OMEGA_PUDDLE)
    thinning = (mean("viscosity_mPa_s") / reference.viscosity_mPa_s * drying) ** (1 / 3) / math.sqrt(turning)
    undried = math.exp(-duration * drying * math.sqrt(turning) / TAU_REF_S)
    solids = (1 + ink.dopant_ratio * DOPANT_MG / HOST_MG) * DOSE_ML / ink.volume_mL
    below = film.thickness_nm if film else 0.0
    return Film(
        x=ink.dopant_fraction,
        thickness_nm=below + H_REF_NM * solids * thinning * (1 + 2 * undried),
        wet=RETAINED + (1 - RETAINED) * undried,
        seeds=mean("seeds"),
        solubility=mean("solubility"),
        boiling_K=boiling_K,
        dewetting=mean("dewetting"),
        layers=1 + (film.layers if film else 0),
    )


def anneal(film: Film, temperature: float, hold: float) -> Film:
    """The film after `hold` s at `temperature` K. anneal(t1) then anneal(t2) is anneal(t1 + t2)."""
    k_w = K_W_BOILING * vapour_pressure(film.boiling_K, temperature)
    wet = film.wet * math.exp(-k_w * hold)
    k_c = arrhenius(K_C_REF, E_C, T_C_REF, temperature) * math.exp(-film.x / X_SLOW)
    k_v = arrhenius(K_V_REF, E_V, T_V_REF, temperature)
    k_o = arrhenius(K_O_REF, E_O, T_O_REF, temperature)
    k_d = arrhenius(K_D_REF, E_D, T_D_REF, temperature) * film.dewetting
    k_d *= (H_REF_NM / max(film.thickness_nm, 1.0)) ** 2
    return replace(
        film,
        wet=wet,
        crystal_exponent=film.crystal_exponent + k_c * (hold + PLASTICISED * (film.wet - wet) / k_w),
        loss_exponent=film.loss_exponent + k_v * hold,
        oxidation_exponent=film.oxidation_exponent + k_o * hold,
        dewetting_exponent=film.dewetting_exponent + k_d * hold,
    )


def mobility(film: Film) -> float:
    """Hole mobility of the film, cm^2/V/s, finite and never negative."""
    x, order, h = film.active_dopant, film.crystallinity, film.thickness_nm
    trap = F0 + (1 - F0) * x / (x + X_TRAP)
    disorder = math.exp(-((x / (film.solubility * (1 - REJECTION * order))) ** 2))
    percolation = G0 + (1 - G0) * order**2
    dry = 1 / (1 + film.wet / W_DRY)
    thick = h / (h + H_INTERFACE) * math.exp(-h / H_ROUGH)
    stacked = LAYER ** (film.layers - 1)
    intact = film.coverage**2 * math.exp(-film.oxidation_exponent)
    return MU_BEST * trap * disorder * percolation * intact * dry * thick * stacked


def conductance(film: Film) -> float:
    """Sheet conductance, S: q p mu h."""
    x = film.active_dopant
    carriers = N_HOST_PER_CM3 * EFFICIENCY * x / (x + X_TRAP)
    return Q * carriers * mobility(film) * film.thickness_nm * 1e-7


def truth(
    dopant_fraction: float,
    solvent: str,
    temperature: float,
    hold: float,
    speed: float = OMEGA_REF,
    duration: float = 30.0,
) -> Film:
    """The film of a perfectly executed recipe (K, s, rad/s, s): its `mobility` is the true objective."""
    return anneal(coat(mix(None, dopant_fraction, solvent), speed, duration), temperature, hold)
