"""The brain's side of choosing routes: free energies from the table that the request names, then the planner."""

from __future__ import annotations

from functools import cache
from typing import Any

from drivers.sim.synthesis.gibbs import OXYGEN_BAR, formation_energy, gas_potential
from drivers.sim.synthesis.phases import System, read_system
from surrogates.synthesis.chemistry import Chemistry, counts_of
from surrogates.synthesis.service import handle as answer


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """The reply to a request with "energies": the path of a table of calculated entries."""
    atmosphere = request["aim"]["synthesis"]["atmosphere"]
    return answer(request, chemistry(read_system(request["energies"]), atmosphere))


def chemistry(system: System, atmosphere: str) -> Chemistry:
    """Gibbs energies by the descriptor of Bartel et al. (2018) over the table's formation energies at 0 K, oxygen at
    its pressure in air or argon (`drivers.sim.synthesis.gibbs`)."""

    @cache
    def potential(formula: str, temperature: float) -> float:
        phase = system.phase(formula)
        oxygen = gas_potential(OXYGEN_BAR[atmosphere], temperature)
        per_atom = formation_energy(phase, temperature) - oxygen * phase.fractions.get("O", 0.0)
        return per_atom * sum(counts_of(formula).values())

    return Chemistry(potential, "O", supplied=atmosphere == "air")
