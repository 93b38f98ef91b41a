"""A film on a slide: what `drivers.sim.film` says of a film, with a thickness over the slide and with defects.

Pure functions, no noise, no state. As there, this is a model and not a fit; constants marked `own` are this model's.

Thickness, nm, at x, y (mm from the middle of a slide of 75 x 25 mm), with r, angle from the axis of spinning:
    h = h0 (1 + bow (r / R)^2) (1 + bead exp(-d / BEAD_MM)) (1 + STRIATION cos(N angle + phase) min(r / 10 mm, 1))
d is the distance from the nearest edge. Spinning levels a film (Emslie, Bonner and Peck, J. Appl. Phys. 29, 858,
1958); what is left is a bow, and a bead where the liquid hangs on the edge: both go as omega^(-1/2) (own). Striations
are radial, from surface tension during drying. `h0` is `drivers.sim.film.coat`'s.

Defects, as shares of the area:
    holes     1 - C with C = 1 / (1 + phi^2): `film` de-wetting, faster with dopant and with solvent left (own), and as
              h^-2, so that thin places open first
    cracks    1 - exp(-rho CRACK_MM), rho the length of cracks per area, 1/mm. A film under tension cracks where the
              energy it releases is more than a new surface costs: e = (strain / STRAIN_C)^2 h / H_REF_NM - 1 > 0
              (Griffith; Hutchinson and Suo, Adv. Appl. Mech. 29, 63, 1992); rho = RHO_MAX (1 - exp(-e / E_SATURATES))
              (own)
    clusters  of dopant beyond its solubility in the cast film: CLUSTERS (x / x_s - 1)
The strain is that of cooling from the hottest anneal, of shrinking by crystallisation, and of drying fast.

Conduction along the sheet: holes by C^2 (`film`), cracks by 1 / (1 + pi alpha OPEN), alpha the sum of squared half-
lengths per area of randomly oriented cuts (Kachanov and Sevostianov, Int. J. Solids Struct. 42, 309, 2005), OPEN the
share of a crack that goes through (own).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from random import Random

from drivers.sim import film
from drivers.sim.film import H_REF_NM, OMEGA_PUDDLE, OMEGA_REF, ROOM_K, Film, Ink

WIDTH_MM, HEIGHT_MM = 75.0, 25.0
FIELD_MM = 10.0  # a side of what is photographed, in the middle
COLUMNS, ROWS = 7, 3
# Where spectra and conductance are taken, mm from the middle, row by row.
POSITIONS = tuple((9.0 * column, 7.0 * row) for row in (-1, 0, 1) for column in range(-3, 4))

BOW, BEAD, BEAD_MM = -0.06, 0.5, 1.5
STRIATION, STRIATIONS = 0.01, 14
OFF_CENTRE_MM = 1.0
DOPANT_DEWETS, SOLVENT_DEWETS = 2.0, 5.0
THERMAL_PER_K, SHRINKING, DRYING, RATE_PER_S = 80e-6, 0.015, 0.003, 0.002
STRAIN_C, E_SATURATES, RHO_MAX = 0.024, 0.8, 4.0
CRACK_MM, CRACK_LENGTH_MM, OPEN = 0.06, 1.5, 0.05
CLUSTERS, CLUSTERS_MOST = 0.05, 0.3


@dataclass(frozen=True, kw_only=True)
class Coat(Film):
    """A film whose place on the slide matters. `grain` seeds whatever is irregular about it."""

    grain: int
    bow: float
    bead: float
    centre_mm: tuple[float, float]
    phase: float
    drying_per_s: float = 0.0  # the fastest that it lost solvent, share of the wet film's per s
    hottest_K: float = ROOM_K

    @property
    def strain(self) -> float:
        """Of the film at room temperature, tension."""
        cooling = THERMAL_PER_K * (self.hottest_K - ROOM_K)
        shrinking = SHRINKING * (self.crystallinity - self.seeds)
        return cooling + shrinking + DRYING * math.log1p(self.drying_per_s / RATE_PER_S)

    @property
    def crack_density(self) -> float:
        """Length of cracks per area, 1/mm."""
        excess = (self.strain / STRAIN_C) ** 2 * self.thickness_nm / H_REF_NM - 1
        return RHO_MAX * (1 - math.exp(-excess / E_SATURATES)) if excess > 0 else 0.0

    @property
    def crack_fraction(self) -> float:
        return 1 - math.exp(-self.crack_density * CRACK_MM)

    @property
    def cluster_fraction(self) -> float:
        return min(CLUSTERS * max(self.x / self.solubility - 1, 0.0), CLUSTERS_MOST)

    @property
    def defect_fraction(self) -> float:
        """Share of the area that is hole, crack or cluster, on average over many films of this kind."""
        return 1 - self.coverage * (1 - self.crack_fraction) * (1 - self.cluster_fraction)

    def thickness_at(self, x_mm: float, y_mm: float) -> float:
        """In nm."""
        dx, dy = x_mm - self.centre_mm[0], y_mm - self.centre_mm[1]
        r = math.hypot(dx, dy)
        edge = min(WIDTH_MM / 2 - abs(x_mm), HEIGHT_MM / 2 - abs(y_mm))
        bowed = 1 + self.bow * (r / (WIDTH_MM / 2)) ** 2
        beaded = 1 + self.bead * math.exp(-max(edge, 0.0) / BEAD_MM)
        striated = 1 + STRIATION * math.cos(STRIATIONS * math.atan2(dy, dx) + self.phase) * min(r / 10, 1.0)
        return self.thickness_nm * bowed * beaded * striated

    def at(self, x_mm: float, y_mm: float) -> Coat:
        """The film as it is around that place: of that thickness everywhere."""
        here = self.thickness_at(x_mm, y_mm)
        opened = self.dewetting_exponent * (self.thickness_nm / here) ** 2
        return replace(self, thickness_nm=here, dewetting_exponent=opened)

    @property
    def conductance(self) -> float:
        """Of the sheet, S, cracks included."""
        half = CRACK_LENGTH_MM / 2
        alpha = self.crack_density / CRACK_LENGTH_MM * half**2
        return film.conductance(self) / (1 + math.pi * alpha * OPEN)

    @property
    def carriers_cm2(self) -> float:
        """Holes per area of sound film, 1/cm^2."""
        x = self.active_dopant
        density = film.N_HOST_PER_CM3 * film.EFFICIENCY * x / (x + film.X_TRAP)
        return density * self.thickness_nm * 1e-7

    @property
    def mobility(self) -> float:
        """cm^2/V/s: what conducts, by the holes that are there to conduct on the area that is covered."""
        carriers = self.carriers_cm2 * self.coverage
        return self.conductance / (film.Q * carriers) if carriers > 0 else 0.0


def coat(ink: Ink, speed: float, duration: float, grain: int, below: Film | None = None) -> Coat:
    """The film after spinning at `speed` rad/s for `duration` s; what is irregular about it is drawn by `grain`."""
    flat = film.coat(ink, speed, duration, below)
    slow = 1 / math.sqrt((speed + OMEGA_PUDDLE) / (OMEGA_REF + OMEGA_PUDDLE))
    draw = Random(grain)
    wetting = (1 + DOPANT_DEWETS * flat.x) * (1 + SOLVENT_DEWETS * flat.wet)
    values = {one.name: getattr(flat, one.name) for one in fields(Film)}
    return Coat(
        **values | {"dewetting": flat.dewetting * wetting},
        grain=grain,
        bow=BOW * slow,
        bead=BEAD * slow,
        centre_mm=(draw.gauss(0, OFF_CENTRE_MM), draw.gauss(0, OFF_CENTRE_MM)),
        phase=draw.uniform(0, 2 * math.pi),
    )


def anneal(coated: Coat, temperature: float, hold: float) -> Coat:
    """The film after `hold` s at `temperature` K. anneal(t1) then anneal(t2) is anneal(t1 + t2)."""
    if hold <= 0:
        return coated
    annealed = film.anneal(coated, temperature, hold)
    assert isinstance(annealed, Coat)  # of the kind that it was
    leaving = film.K_W_BOILING * film.vapour_pressure(coated.boiling_K, temperature) * coated.wet
    return replace(
        annealed,
        drying_per_s=max(coated.drying_per_s, leaving),
        hottest_K=max(coated.hottest_K, temperature),
    )


def truth(
    dopant_fraction: float,
    solvent: str,
    temperature: float,
    hold: float,
    speed: float = OMEGA_REF,
    duration: float = 60.0,
    grain: int = 0,
) -> Coat:
    """The film of a perfectly executed recipe (K, s, rad/s, s)."""
    coated = coat(film.mix(None, dopant_fraction, solvent), speed, duration, grain)
    return anneal(coated, temperature, hold)
