"""Which reaction of two phases in contact has the largest driving force, and what it makes: by the convex hull.

Energies are per mole of atoms of the solids that react. In air, oxygen comes and goes at its chemical potential, so
that the hull is one of grand potentials over the other elements. Under argon oxygen may leave the sample, at the
potential of its traces in the gas, and cannot come in: it is then an element like the others, and O2 one more phase.

A reaction x A + (1 - x) B -> products has the driving force E(x) = x G_A + (1 - x) G_B - hull(x). The hull is the
largest of its facets' planes, so E is the smallest of as many lines, and its highest point is found exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from drivers.sim.synthesis.gibbs import CHLORINE_BAR, OXYGEN_BAR, formation_energy, gas_potential
from drivers.sim.synthesis.phases import System
from drivers.sim.synthesis.powder import Atmosphere

NEGLIGIBLE = 1e-4  # eV per atom: what drives no reaction
GRID_K = 25.0  # thermochemistry is looked up at multiples of this
TIGHT = 1e-7


@dataclass(frozen=True)
class Reaction:
    """`changes`: moles of atoms of each solid (by number) per mole of atoms that react, reactants negative; what is
    missing comes from the gas or goes into it. `driving` is in eV per atom that reacts."""

    changes: Mapping[int, float]
    driving: float
    volume: float  # angstrom^3 per atom of the solids that form


class Hull:
    """The hull of a system at `temperature` K in an atmosphere. Reactions are worked out once and kept."""

    def __init__(self, system: System, temperature: float, atmosphere: Atmosphere) -> None:
        self.system = system
        self.temperature = temperature
        oxygen = gas_potential(OXYGEN_BAR[atmosphere], temperature)
        chlorine = gas_potential(CHLORINE_BAR, temperature)
        self.open = atmosphere == "air" and "O" in system.elements
        self.elements = tuple(e for e in system.elements if not (self.open and e == "O"))
        phases = system.phases
        # (phases + gases, elements): atoms per atom of the phase, and the energy of each, eV per atom of the phase.
        amounts = [[p.fractions.get(e, 0.0) for e in self.elements] for p in phases]
        energies = [formation_energy(p, temperature) for p in phases]
        if self.open:
            energies = [g - oxygen * p.fractions.get("O", 0.0) for g, p in zip(energies, phases, strict=True)]
        for element, potential in (("O", oxygen), ("Cl", chlorine)):
            if element in self.elements:
                amounts.append([float(e == element) for e in self.elements])
                energies.append(potential)
        self.amounts, self.energies = np.array(amounts), np.array(energies)
        self.planes, self.corners = self._facets()
        # (phases, facets): how far each phase lies above the plane of each facet, eV per atom of the phase.
        self.above = self.energies[:, None] - self.amounts @ self.planes.T
        self._kept: dict[tuple[int, int], Reaction | None] = {}

    def _facets(self) -> tuple[np.ndarray, np.ndarray]:
        """(facets, elements) chemical potentials on each facet, eV; (facets, elements) the phases at its corners."""
        from scipy.spatial import ConvexHull

        total = self.amounts.sum(axis=1)
        at = np.flatnonzero(total > 0)
        shares, heights = self.amounts[at] / total[at, None], self.energies[at] / total[at]
        if len(self.elements) == 1:
            lowest = int(np.argmin(heights))
            return np.array([[heights[lowest]]]), np.array([[at[lowest]]])
        points = np.column_stack([shares[:, 1:], heights])
        # A lid above everything closes the body, so that a flat hull is one, too; its facets are then left out.
        lid = np.column_stack(
            [np.eye(len(self.elements))[:, 1:], np.full(len(self.elements), heights.max() + 1)]
        )
        body = ConvexHull(np.vstack([points, lid]))
        lower = (body.equations[:, -2] < -1e-9) & (body.simplices < len(at)).all(axis=1)
        simplices = body.simplices[lower]
        planes = np.linalg.solve(shares[simplices], heights[simplices][..., None])[..., 0]
        below = (planes @ shares.T - heights).max(axis=1)
        keep = below < 1e-6  # the plane of a facet that is almost a line can be anything
        return planes[keep], at[simplices[keep]]

    def above_hull(self, formula: str) -> float:
        """Driving force of a phase to decompose, eV per atom; 0 for a stable one."""
        return max(float(self.above[self.system.number[formula]].min()), 0.0)

    def decomposition(self, amounts: np.ndarray) -> dict[int, float]:
        """Number of each phase (gases come after the solids) -> moles of its atoms: the stable mixture of `amounts`."""
        facets = np.argsort(-(self.planes @ amounts), kind="stable")
        for facet in facets:
            corners = self.corners[facet]
            try:
                moles = np.linalg.solve(self.amounts[corners].T, amounts)
            except np.linalg.LinAlgError:
                continue
            if moles.min() > -TIGHT * amounts.sum():
                return {int(c): float(m) for c, m in zip(corners, moles, strict=True) if m > TIGHT}
        raise ValueError(f"no stable mixture of {dict(zip(self.elements, amounts.tolist(), strict=True))}")

    def reaction(self, a: int, b: int) -> Reaction | None:
        """What two phases (by number) do where they touch; of one with itself (a = b), how it decomposes.

        None where nothing drives them, or where one decomposes by itself rather than with the other.
        """
        key = (min(a, b), max(a, b))
        if key not in self._kept:
            self._kept[key] = self._decompose(a) if a == b else self._react(*key)
        return self._kept[key]

    def _decompose(self, a: int) -> Reaction | None:
        driving = float(self.above[a].min())
        return self._made({a: 1.0}, driving) if driving > NEGLIGIBLE else None

    def _react(self, a: int, b: int) -> Reaction | None:
        share, driving = highest(self.above[a], self.above[b])
        alone = max(float(self.above[a].min()), float(self.above[b].min()))
        if driving < NEGLIGIBLE or driving < alone + NEGLIGIBLE or not 1e-6 < share < 1 - 1e-6:
            return None
        return self._made({a: share, b: 1 - share}, driving)

    def _made(self, reactants: Mapping[int, float], driving: float) -> Reaction | None:
        amounts = sum(n * self.amounts[k] for k, n in reactants.items())
        solids = len(self.system.phases)
        products = {k: n for k, n in self.decomposition(np.asarray(amounts)).items() if k < solids}
        changes = dict(products)
        for k, n in reactants.items():
            changes[k] = changes.get(k, 0.0) - n
        made = sum(products.values())
        volume = sum(n * self.system.phases[k].volume for k, n in products.items()) / made if made else 10.0
        return Reaction({k: n for k, n in changes.items() if abs(n) > TIGHT}, driving, volume)


def highest(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """(x, value): the highest point over 0 <= x <= 1 of the smallest of the lines x first + (1 - x) second."""
    low, high = 0.0, 1.0
    left, right = int(np.argmin(second)), int(np.argmin(first))
    x = 0.5
    for _ in range(100):  # each turn cuts off a corner of a polygon: a few are enough
        rise_l, rise_r = first[left] - second[left], first[right] - second[right]
        if rise_l <= 0:
            return low, float(low * first[left] + (1 - low) * second[left])
        if rise_r >= 0:
            return high, float(high * first[right] + (1 - high) * second[right])
        x = float(np.clip((second[right] - second[left]) / (rise_l - rise_r), low, high))
        values = x * first + (1 - x) * second
        lowest = int(np.argmin(values))
        bound = x * first[left] + (1 - x) * second[left]
        if values[lowest] >= bound - 1e-12:
            break
        if first[lowest] > second[lowest]:
            left, low = lowest, 0.0
        else:
            right, high = lowest, 1.0
    return x, float((x * first + (1 - x) * second).min())


def hull(system: System, temperature: float, atmosphere: Atmosphere) -> Hull:
    """The hull of a system at the multiple of 25 K next to `temperature`, made once."""
    return _hull(system, GRID_K * round(temperature / GRID_K), atmosphere)


@lru_cache(maxsize=256)
def _hull(system: System, temperature: float, atmosphere: Atmosphere) -> Hull:
    return Hull(system, temperature, atmosphere)


def balanced(hull: Hull, target: int, precursors: Sequence[int]) -> np.ndarray | None:
    """Moles of atoms of each precursor per mole of atoms of the target, the gas aside.

    None where there is no such mixture with all of them in it.
    """
    from scipy.optimize import nnls

    columns = [hull.amounts[k] for k in precursors]
    gas = np.array([float(e == "O") for e in hull.elements])
    if not hull.open and "O" in hull.elements:
        columns.append(-gas)
    moles, rest = nnls(np.array(columns).T, hull.amounts[target])
    moles = moles[: len(precursors)]
    return moles if rest < 1e-9 and (moles > 1e-6).all() else None
