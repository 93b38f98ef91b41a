"""How fast the phases of a mixed powder react in a furnace: pairwise reactions with an Arrhenius rate each.

Every two phases in contact react as `Hull.reaction` says (the products of largest driving force), and a phase that is
not stable decomposes. All reactions go on side by side; whichever is driven most goes first because its barrier is the
lowest. What forms is a phase like any other and reacts further. The rate, moles of atoms per second of one mole, is

    r = k f_A f_B mixed / (1 + layer / LAYER)       k = ATTEMPTS exp(-(Q + W) / kT)
    W = 16 pi GAMMA^3 / (3 (E / v)^2)

f: volume fractions (two phases touch as often as chance has it); W: the barrier of classical nucleation, with the
driving force E and the products' volume v per atom; Q: migration of the fastest cation of the pair through the
product, as in Tammann's rule that the more mobile side carries the reaction; layer: what has reacted per atom since
the powder was last ground (Jander: the product lies between the reactants). A decomposition needs no contact.

The constants are typical values, fixed before any planner was tried on the laboratory:
    GAMMA     0.08 J/m^2: 0.3-1 J/m^2 of oxide interfaces, lowered by wetting (nucleation where grains touch). Of 0.12,
              0.10, 0.08 and 0.06 the one with which the share of stable ternary phases that any recipe makes (20 of 33)
              is nearest the A-Lab's 36 of 57. Steps below some 30 meV per atom are then slow; the A-Lab names 50
    Q         eV: 0.9 Li, 1.0 Na (alkali diffusion in oxides), 1.2 Cl, 1.4 P, 1.5 Fe and Mn, 2.0 Y (rare earths are the
              slowest: their manganites want 1000 degC and more)
    ATTEMPTS  1000 /s: micron grains of Fe and Mn oxides that are driven hard react within hours at 700 degC
    LAYER     0.3
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from drivers.sim.synthesis.gibbs import K_B
from drivers.sim.synthesis.hull import Hull, hull
from drivers.sim.synthesis.phases import System
from drivers.sim.synthesis.powder import Atmosphere, Powder, schedule

ATTEMPTS = 1000.0  # 1/s
GAMMA = 0.08 / 16.0218  # J/m^2 in eV/angstrom^2
MIGRATION = {"Li": 0.9, "Na": 1.0, "Cl": 1.2, "P": 1.4, "Fe": 1.5, "Mn": 1.5, "Y": 2.0}  # eV
SLOWEST = 2.0  # of elements not in the list
LAYER = 0.3
DULL_K = 500.0  # nothing is driven over its barrier below
TRACE = 1e-6  # share of the moles below which a phase is not there
STEPS = 400  # at most, at one temperature


def barrier(driving: float, volume: float) -> float:
    """Of nucleation, eV, for `driving` in eV per atom and `volume` in angstrom^3 per atom."""
    return 16 * math.pi * GAMMA**3 / (3 * (driving / volume) ** 2)


def rate_constant(driving: float, volume: float, migration: float, temperature: float) -> float:
    """1/s."""
    return ATTEMPTS * math.exp(-(migration + barrier(driving, volume)) / (K_B * temperature))


@dataclass(frozen=True)
class _Network:
    """The reactions among some phases: `changes` (reactions, phases), `pairs` (reactions, 2), `rates` 1/s, and which of
    them need contact."""

    phases: tuple[int, ...]
    changes: np.ndarray
    pairs: np.ndarray
    rates: np.ndarray
    touching: np.ndarray
    volumes: np.ndarray


def heated(
    system: System, powder: Powder, temperature: float, hold: float, atmosphere: Atmosphere
) -> list[tuple[float, Powder]]:
    """The powder at its start and after each step of the heating: (seconds since the start, powder).

    `temperature` in K (at most 1800), `hold` in s. Raises KeyError for a phase that the system does not have.
    """
    moles = np.zeros(len(system.phases))
    for formula, n in powder.moles.items():
        moles[system.number[system.phase(formula).formula]] += n
    course, seconds, layer = [(0.0, powder)], 0.0, powder.layer
    for at, lasts in schedule(temperature, hold):
        if at > DULL_K:
            moles, layer = _hold(hull(system, at, atmosphere), moles, powder.mixed, layer, at, lasts)
        seconds += lasts
        there = {system.phases[k].formula: float(moles[k]) for k in np.flatnonzero(moles > 0)}
        course.append((seconds, Powder(there, powder.mixed, layer)))
    return course


def _hold(
    hull: Hull, moles: np.ndarray, mixed: float, layer: float, temperature: float, seconds: float
) -> tuple[np.ndarray, float]:
    left, moles = seconds, moles.copy()
    for _ in range(STEPS):
        total = moles.sum()
        present = tuple(np.flatnonzero(moles > TRACE * total).tolist())
        network = _network(hull, present, round(temperature, 3))
        if left <= 0 or not len(network.rates):
            break
        n = moles[list(network.phases)]
        share = n * network.volumes
        share = share / share.sum()
        contact = mixed / (1 + layer / LAYER)
        a, b = network.pairs.T
        speed = network.rates * share[a] * np.where(network.touching, contact * share[b], 1.0) * total
        change = speed @ network.changes
        losing = np.flatnonzero((change < 0) & (n > 0))
        if not len(losing):
            break
        # A step takes a tenth of what shrinks fastest among what is there in quantity; of the rest at most all.
        worth = losing[n[losing] > 1e-2 * total]
        step = left
        if len(worth):
            step = min(step, 0.1 * float((n[worth] / -change[worth]).min()))
        spent = step * (speed @ np.minimum(network.changes, 0.0))
        scarce = np.where(spent < 0, np.minimum(1.0, n / np.maximum(-spent, 1e-300)), 1.0)
        speed = speed * np.minimum(scarce[a], scarce[b])
        n = np.maximum(n + step * (speed @ network.changes), 0.0)
        moles[list(network.phases)] = n
        layer += step * float(speed[network.touching].sum()) / total
        left -= step
    return moles, layer


@lru_cache(maxsize=20000)
def _network(hull: Hull, present: tuple[int, ...], temperature: float) -> _Network:
    found = []
    for i, a in enumerate(present):
        for b in present[i:]:
            reaction = hull.reaction(a, b)
            if reaction is not None:
                solids = (hull.system.phases[a], hull.system.phases[b])
                migration = min(MIGRATION.get(e, SLOWEST) for p in solids for e in p.counts if e != "O")
                rate = rate_constant(reaction.driving, reaction.volume, migration, temperature)
                if rate > 1e-9:
                    found.append((a, b, reaction, rate))
    phases = tuple(sorted({*present, *(k for *_, reaction, _ in found for k in reaction.changes)}))
    place = {k: i for i, k in enumerate(phases)}
    changes = np.zeros((len(found), len(phases)))
    for row, (_, _, reaction, _) in zip(changes, found, strict=True):
        for k, n in reaction.changes.items():
            row[place[k]] = n
    return _Network(
        phases=phases,
        changes=changes,
        pairs=np.array([(place[a], place[b]) for a, b, _, _ in found], int).reshape(-1, 2),
        rates=np.array([rate for *_, rate in found]),
        touching=np.array([a != b for a, b, _, _ in found], bool),
        volumes=np.array([hull.system.phases[k].volume for k in phases]),
    )
