"""A simulated dispenser: doses dopant and solvent into the sample's vial, which stands on a balance."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from drivers.driver import Action, Quantity, Repeat, Testimony, action
from drivers.protocol import DeviceSpec
from drivers.sim import film
from drivers.sim.device import SimulatedDevice
from drivers.sim.film import Solvent
from drivers.sim.film_device import FilmDevice

TAKES_S = 20.0  # of lab time, where the settings say nothing else
DOSING_ERROR = 0.01  # relative
BALANCE_G = 0.02  # what the balance can tell apart: a dose weighs about a gram


class Dispenser(FilmDevice):
    """Doses ink: a fixed volume of solvent, and dopant for the fixed amount of host in the vial."""

    class Settings(SimulatedDevice.Settings):
        """`takes_s`: lab seconds of a dose, mixing included."""

        takes_s: float = Field(default=TAKES_S, gt=0, le=3600)

    settings: Settings

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared, of the duration that the settings say."""
        spec = super().describe(settings)
        dose = spec.actions["mix"].model_copy(update={"takes_s": settings.takes_s})
        return spec.model_copy(update={"actions": {"mix": dose}})

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
        takes_s = self.settings.takes_s
        await self.work(action, takes_s, lambda elapsed_s: dosed if elapsed_s >= takes_s else None)

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
