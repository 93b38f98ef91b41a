"""A simulated powder doser: drops precursors into a crucible that stands on a balance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from drivers.driver import Action, Given, Gives, Quantity, Reading, Repeat, Testimony, action
from drivers.errors import SettingsError
from drivers.protocol import DeviceSpec
from drivers.sim.synthesis.device import ChemistryDevice, read, with_choices

if TYPE_CHECKING:
    from drivers.sim.synthesis.phases import System

TAKES_S = 60.0  # per powder
RELATIVE, GRAIN_G = 0.005, 0.0005  # sd of a dose: of its mass, and of the last grains
BALANCE_G = 0.0001  # sd of a reading
SAME, SAME_G = 0.05, 0.005  # a line of the log and a request within this share and grams are the same dose
Share = Annotated[float, Field(gt=0)]


class Doser(ChemistryDevice):
    """Doses the compounds of its table. `dose` is one powder, `dose_mixture` a set that the settings name."""

    version = "1"

    class Settings(ChemistryDevice.Settings):
        """`mixtures`: name -> formula -> formula units of it (as in the table; any common multiple), or a list of what
        speaks for itself: `[2 MnO + Na2O2, Mn2O3 + Na2O]`."""

        mixtures: Mapping[str, Annotated[Mapping[str, Share], Field(min_length=1)]] = {}

        @field_validator("mixtures", mode="before")
        @classmethod
        def _spelled_out(cls, given: Any) -> Any:
            return {str(text): units_of(str(text)) for text in given} if isinstance(given, list) else given

    settings: Settings

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """Precursors are the table's phases, mixtures those of the settings. Raises SettingsError."""
        system = read(settings.table)
        for name, mixture in settings.mixtures.items():
            if strangers := [formula for formula in mixture if formula not in system.number]:
                raise SettingsError(
                    f"the mixture {name!r} has {strangers[0]!r}; {system.path} has {', '.join(system.number)}"
                )
        spec = with_choices(super().describe(settings), "dose", "precursor", system.formulas)
        if settings.mixtures:
            return with_choices(spec, "dose_mixture", "mixture", tuple(settings.mixtures))
        actions = {verb: one for verb, one in spec.actions.items() if verb != "dose_mixture"}
        return spec.model_copy(update={"actions": actions})

    @action(Repeat.TESTABLE, takes_s=TAKES_S, gives={"dosed": Gives("g", at_least=0)})
    async def dose(
        self,
        sample: str,
        action: Action,
        precursor: str,
        mass: Annotated[float, Quantity("g", at_least=0.01, at_most=20)],
    ) -> Given:
        """Dose one precursor into the crucible. A second dose adds to the first; the powders are not mixed."""
        self.reached(sample)
        return await self._drop(action, {precursor: mass})

    @action(Repeat.TESTABLE, takes_s=4 * TAKES_S, gives={"dosed": Gives("g", at_least=0)})
    async def dose_mixture(
        self,
        sample: str,
        action: Action,
        mixture: str,
        mass: Annotated[float, Quantity("g", at_least=0.05, at_most=20, doc="of all powders together")],
    ) -> Given:
        """Dose the powders of a mixture one after another, in its proportions. They are not mixed."""
        self.reached(sample)
        masses = mixture_masses(self.system, self.settings.mixtures[mixture], mass)
        return await self._drop(action, masses)

    async def _drop(self, action: Action, masses: Mapping[str, float]) -> Given:
        """What the balance shows, and what each powder has lost."""
        used: dict[str, Reading] = {}
        for n, (formula, wanted) in enumerate(masses.items()):
            error = self.error(action, f"dose {n}", 1.0)
            grams = max(wanted + error * (RELATIVE * wanted + GRAIN_G), 0.1 * wanted)
            dosed = {
                "what": "dose", "precursor": formula, "grams": grams,
                "moles": grams / self.system.phase(formula).mass,
            }  # fmt: skip
            await self.work(action, TAKES_S, lambda s, d=dosed: d if s >= TAKES_S else None)  # type: ignore[misc]
            used[formula] = Reading(value=grams, unit="g")
        sigma = BALANCE_G * self.bench.settings.noise
        total = sum(one.value for one in used.values())
        shown = max(total + self.error(action, "balance", BALANCE_G), 0.0)
        return Given(self.readings(action, {"dosed": (shown, sigma or None)}), {}, used)

    @dose.testify
    async def dose_testimony(self, action: Action) -> Testimony:
        """Read the balance's log of this crucible. Of two equal doses the second looks like the first."""
        arguments = self.check(action)
        return self._told(str(action.sample), {str(arguments["precursor"]): float(arguments["mass"])})

    @dose_mixture.testify
    async def dose_mixture_testimony(self, action: Action) -> Testimony:
        """Read the balance's log of this crucible: all powders, none, or some."""
        arguments = self.check(action)
        mixture = self.settings.mixtures[str(arguments["mixture"])]
        masses = mixture_masses(self.system, mixture, float(arguments["mass"]))
        return self._told(str(action.sample), masses)

    def _told(self, sample: str, masses: Mapping[str, float]) -> Testimony:
        log = self.bench.crucible(sample).doses
        seen = "the balance's log has " + (
            ", ".join(f"{d.grams:.3f} g of {d.precursor}" for d in log) or "nothing"
        )
        total, done, begun = 0.0, True, False
        for formula, wanted in masses.items():
            there = [d.grams for d in log if d.precursor == formula]
            same = [g for g in there if abs(g - wanted) <= SAME * wanted + SAME_G]
            total, done, begun = total + sum(same[:1]), done and bool(same), begun or bool(there)
        if done:
            return Testimony(verdict="done", readings={"dosed": Reading(value=total, unit="g")}, reason=seen)
        return Testimony(verdict="unknown" if begun else "not done", reason=seen)


def units_of(text: str) -> dict[str, float]:
    """Formula units of each powder: `2 MnO + Na2O2` is {"MnO": 2, "Na2O2": 1}. Raises ValueError."""
    found: dict[str, float] = {}
    for part in text.split("+"):
        *number, formula = part.split() or [""]
        if len(number) > 1 or not formula or formula in found:
            raise ValueError(f"wanted powders such as '2 MnO + Na2O2', got {text!r}")
        found[formula] = float(number[0]) if number else 1.0
    return found


def mixture_masses(system: System, mixture: Mapping[str, float], mass: float) -> dict[str, float]:
    """Grams of each powder: `mixture` in formula units as they are written, `mass` in grams of all together."""
    from pymatgen.core import Composition

    # A phase counts in the smallest whole numbers, Na2O2 as NaO: of the formula as it is written it may be half.
    grams = {f: n * Composition(f).num_atoms * system.phase(f).mass for f, n in mixture.items()}
    total = sum(grams.values())
    return {f: mass * g / total for f, g in grams.items()}
