"""A simulated dispenser: doses dopant and solvent into the sample's vial, which stands on a balance."""

from __future__ import annotations

from typing import Annotated

from drivers.driver import Action, Quantity, Repeat, Testimony, action
from drivers.sim import film
from drivers.sim.film import Solvent
from drivers.sim.film_device import FilmDevice

TAKES_S = 20.0
DOSING_ERROR = 0.01  # relative
BALANCE_G = 0.02  # what the balance can tell apart: a dose weighs about a gram


class Dispenser(FilmDevice):
    """Doses ink: a fixed volume of solvent, and dopant for the fixed amount of host in the vial."""

    @action(Repeat.TESTABLE, takes_s=TAKES_S)
    async def mix(
        self,
        sample: str,
        action: Action,
        dopant_fraction: Annotated[float, Quantity("", 0, 0.5, doc="dopant / (dopant + host)")],
        solvent: Solvent,
    ) -> None:
        """Dose dopant and one volume of solvent into the vial. A second dose adds to the first."""
        wanted = dopant_fraction * (1 + self.error(action, "dosing", DOSING_ERROR))
        dosed = {"what": "dose", "dopant_fraction": min(max(wanted, 0.0), 0.5), "solvent": solvent}
        await self.work(action, TAKES_S, lambda elapsed_s: dosed if elapsed_s >= TAKES_S else None)

    @mix.testify
    async def mix_testimony(self, action: Action) -> Testimony:
        """Weigh the vial: empty, one dose of this kind, or something a balance cannot explain.

        A balance cannot tell the second of two equal doses from the first; recipes dose a vial once.
        """
        arguments = self.check(action)
        ink = self.films.sample(str(action.sample)).ink
        weight = ink.mass_g if ink else 0.0
        one_dose = film.mix(None, float(arguments["dopant_fraction"]), str(arguments["solvent"])).mass_g
        seen = f"the vial holds {weight:.3f} g, this dose weighs {one_dose:.3f} g"
        if weight < BALANCE_G:
            return Testimony(verdict="not done", reason=seen)
        if abs(weight - one_dose) < BALANCE_G:
            return Testimony(verdict="done", reason=seen)
        return Testimony(verdict="unknown", reason=seen)
