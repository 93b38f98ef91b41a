"""The same ordeal in a laboratory with places: at the end every crucible is where the log says."""

from __future__ import annotations

from pathlib import Path

from drivers.sim.tally import read_facts
from tests.promises.kills import Ordeal

TABLE = Path(__file__).resolve().parents[3] / "shared/data/materials/mp_chemsys_entries/cl_mn_na_o_y.jsonl.gz"

CAMPAIGN = """
alquimia: 1
campaign: carried-under-fire
space:
  mass: {continuous: [0.5, 2.0], unit: g}
objectives:
  - {maximise: dosed, unit: g}
recipe:
  - {id: dose,   do: doser.dose, with: {precursor: MnO, mass: $mass}, gives: {dosed: dosed}}
  - {id: mix,    do: mill.mix}
  - {id: grind,  do: grinder.regrind}
plan:
  - {explore: sobol, batch: 4}
budget: {experiments: 100000}
lab: simulated/carried
seed: 3
"""

LAB = f"""
alquimia_lab: 1
name: simulated/carried
clock: virtual
world: {{model: solid_state, seed: 1}}
devices:
  doser:
    driver: sim.powder_doser
    host: film_lab
    settings: {{dawdle_s: 0.05, table: {TABLE}}}
  mill:    {{driver: sim.mill, host: film_lab, settings: {{dawdle_s: 0.05}}}}
  grinder: {{driver: sim.mill, host: film_lab, settings: {{dawdle_s: 0.05}}}}
  arm:
    driver: sim.crucible_arm
    host: film_lab
    settings: {{dawdle_s: 0.05, stations: [doser, mill, grinder]}}
places:
  rack:    {{slots: 5}}
  doser:   {{device: doser}}
  mill:    {{device: mill}}
  grinder: {{device: grinder}}
  store:   {{slots: many}}
samples: {{begin: rack, end: store}}
transports:
  - {{do: arm.be_at, between: [rack, doser, mill, grinder, store]}}
"""


class Carried(Ordeal):
    """Crucibles between a rack, three stations and a store."""

    campaign, lab = CAMPAIGN, LAB
    once = ("dose",)
    n_carried = 0

    def _compare(self) -> None:
        super()._compare()
        at: dict[str, str] = {}
        for fact in read_facts(self.tally):
            if fact.verb == "be_at":
                at[str(fact.sample)] = fact.effect["to"]
                self.n_carried += 1
        samples = self._state().samples
        for name, place in samples.left.items():
            if place != "gone" and at.get(name) != place:
                self.verdict.silent.append(f"{name} is at {at.get(name)}, the log says {place}")
        for name, one in samples.here.items():
            truth = at.get(name, one.home)
            if truth not in ({one.at} if one.at is not None else set(one.maybe)):
                self.verdict.silent.append(f"{name} is at {truth}, the log says {one.at or one.maybe}")
