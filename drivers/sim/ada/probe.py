"""A simulated four-point probe on an XY stage: maps of conductance and, with the slide's sheet, of mobility."""

from __future__ import annotations

from drivers.driver import Action, ActionFailed, Attribution, Given, Gives, Repeat, action
from drivers.sim.ada.device import SlideDevice
from drivers.sim.ada.laboratory import Sheet
from drivers.sim.ada.robust import middle, spread
from drivers.sim.ada.slide import POSITIONS, Coat
from drivers.sim.film import Q

TAKES_S = 300.0
RELATIVE, FLOOR_S = 0.01, 1e-12
TIPS = 4
FEWEST = 3  # sound places without which nothing is said
SEEN = 3.0  # standard uncertainties that the cation's band must stand out by
CALIBRATION = 0.5  # of the largest drift: its standard uncertainty


class MappingProbe(SlideDevice):
    """Maps a film without changing it. A place where a tip stands on a hole or a crack has no contact and is left
    out.
    """

    version = "1"

    @action(
        Repeat.REPEATABLE,
        takes_s=TAKES_S,
        gives={
            "hole_mobility": Gives(
                "cm^2/V/s",
                at_least=0,
                at_most=10,
                doc="median over sound places of sheet conductance / charge per area",
            ),
            "conductivity": Gives("S/cm", at_least=0, at_most=1e4, doc="median over sound places"),
            "spread": Gives("", at_least=0, at_most=100, doc="robust relative spread of the conductivity"),
            "sound": Gives("", at_least=0, at_most=1, doc="share of the places with contact"),
        },
    )
    async def map(self, sample: str, action: Action) -> Given:
        """Map the conductance and, by the spectrometer's sheet, conductivity and mobility; the record has all maps."""
        coat = self.coated(sample)
        sheet = self.slide(sample).sheet
        if sheet is None:
            raise ActionFailed(
                Attribution.LOGISTICS, f"{sample} has no spectra since it was last changed: take them first"
            )
        seen = {"what": "measurement", "of": "conductance"}
        await self.work(action, TAKES_S, lambda elapsed_s: seen if elapsed_s >= TAKES_S else None)
        self.kept(coat)
        conductances = self._conductances(action, coat)
        maps = _maps(conductances, sheet)
        record = {"positions_mm": [list(place) for place in POSITIONS], **maps}
        conductivity = [one for one in maps["conductivity_s_per_cm"] if one is not None]
        mobility = [one for one in maps["mobility_cm2_per_v_s"] if one is not None]
        if len(conductivity) < FEWEST:
            found = f"{len(conductivity)} of {len(POSITIONS)} places have contact"
            raise ActionFailed(Attribution.INFEASIBLE, f"the film does not conduct: {found}", record=record)
        if len(mobility) < FEWEST:
            raise ActionFailed(
                Attribution.INFEASIBLE,
                "no band of the cation: too few carriers for a mobility",
                record=record,
            )
        scale = CALIBRATION * self.films.settings.drift
        value, sigma = middle(conductivity, scale)
        readings = self.readings(
            action,
            {
                "hole_mobility": middle(mobility, scale),
                "conductivity": (value, sigma),
                "spread": (spread(conductivity) / value if value else 0.0, None),
                "sound": (len(conductivity) / len(POSITIONS), None),
            },
        )
        return Given(readings, record)

    def _conductances(self, action: Action, coat: Coat) -> list[float | None]:
        """Of the sheet, S, at POSITIONS; None without contact."""
        gain = self.gain(action.id)
        read: list[float | None] = []
        for n, (x, y) in enumerate(POSITIONS):
            here = coat.at(x, y)
            open_share = 1 - here.coverage * (1 - here.crack_fraction)
            tips = self.world.chance(action, f"tips {n}")
            if any(tips.random() < open_share for _ in range(TIPS)):
                read.append(None)
                continue
            value = gain * here.conductance * (1 + self.error(action, f"gain {n}", RELATIVE))
            read.append(max(value + self.error(action, f"floor {n}", FLOOR_S), 0.0))
        return read


def _maps(conductances: list[float | None], sheet: Sheet) -> dict[str, list[float | None]]:
    """Conductance, conductivity and mobility by place; None where there is none."""
    conductivity: list[float | None] = []
    mobility: list[float | None] = []
    for n, conductance in enumerate(conductances):
        thickness, carriers = sheet.thickness_nm[n], sheet.carriers_cm2[n]
        if conductance is None or thickness <= 0:
            conductivity.append(None)
            mobility.append(None)
            continue
        conductivity.append(conductance / (thickness * 1e-7))
        there = carriers > SEEN * sheet.carriers_sigma[n]
        mobility.append(conductance / (Q * carriers) if there else None)
    return {
        "conductance_s": conductances,
        "conductivity_s_per_cm": conductivity,
        "mobility_cm2_per_v_s": mobility,
    }
