"""Free energies at temperature: solids by a descriptor, gases by their tabulated chemical potential.

Solids. Bartel et al., Nat. Commun. 9, 4168 (2018), equation 4: with V the volume per atom (angstrom^3), m the reduced
mass (u) and T in K, the Gibbs energy of a compound beyond its formation enthalpy is, in eV per atom,

    G_delta(T) = (-2.48e-4 ln V - 8.94e-5 m / V) T + 0.181 ln T - 0.882

and the Gibbs energy of formation is H_f + G_delta(T) - sum_i x_i G_i(T), the G_i those of the elements in their
standard states (FactSage's, as pymatgen carries them). H_f is taken to be the formation energy at 0 K. The descriptor
was fitted to 300-1800 K and is off by about 50 meV per atom; it has no phase transitions, melting or boiling.

Gases. Formation energies count from O2 and Cl2 at 1 bar, so at the partial pressure p an atom of them has kT/2 ln p.
The absolute G(T) of O2 that is in the G_i is that of NIST's Shomate equation to 5 meV per atom (a test says so).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from drivers.sim.synthesis.phases import Phase

K_B = 8.617333e-5  # eV/K
LOWEST_K, HIGHEST_K = 300.0, 1800.0
# Bar. Argon of the usual purity has 5 ppm of oxygen; chlorine that forms is swept away.
OXYGEN_BAR = {"air": 0.2095, "argon": 5e-6}
CHLORINE_BAR = 1e-3


@lru_cache(maxsize=1)
def _elements() -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    """Temperatures, K, and by element the Gibbs energy at each, eV per atom."""
    from pymatgen.entries.computed_entries import G_ELEMS

    table: Mapping[str, Mapping[str, float]] = G_ELEMS
    temperatures = sorted(table, key=float)
    symbols = set.intersection(*(set(row) for row in table.values()))
    return np.array([float(T) for T in temperatures]), {
        symbol: np.array([table[T][symbol] for T in temperatures]) for symbol in symbols
    }


def element_energy(symbol: str, temperature: float) -> float:
    """Gibbs energy of an element in its standard state at `temperature` K against its enthalpy at 298 K, eV per atom.

    Raises ValueError beyond 300-1800 K, KeyError for an element that is not tabulated.
    """
    if not LOWEST_K <= temperature <= HIGHEST_K:
        raise ValueError(f"wanted {LOWEST_K:g} to {HIGHEST_K:g} K, got {temperature:g} K")
    temperatures, energies = _elements()
    return float(np.interp(temperature, temperatures, energies[symbol]))


def formation_energy(phase: Phase, temperature: float) -> float:
    """Gibbs energy of formation of a solid at `temperature` K, eV per atom; an element has its energy at 0 K."""
    if len(phase.counts) == 1:
        return phase.energy
    delta = (
        (-2.48e-4 * math.log(phase.volume) - 8.94e-5 * phase.reduced_mass / phase.volume) * temperature
        + 0.181 * math.log(temperature)
        - 0.882
    )
    elements = sum(x * element_energy(symbol, temperature) for symbol, x in phase.fractions.items())
    return phase.energy + delta - elements


def gas_potential(bar: float, temperature: float) -> float:
    """Chemical potential of an atom of a diatomic gas at `bar` and `temperature` K, against that at 1 bar, eV."""
    return 0.5 * K_B * temperature * math.log(bar)
