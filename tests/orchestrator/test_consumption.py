"""Consumables of a lab.yaml: bound in their units, or refused with line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.errors import CampaignError, Fault
from orchestrator.consumption import counted, needs
from orchestrator.labfile import Laboratory, bind_lab, read_lab

LAB = """\
alquimia_lab: 1
name: counted
clock: virtual
world: {model: thin_film, seed: 1}
devices:
  dispenser: {driver: sim.dispenser, host: film}
  oven_1: {driver: sim.furnace, host: film}
  oven_2: {driver: sim.furnace, host: film}
groups: {oven: [oven_1, oven_2]}
consumables:
  toluene: {amount: 0.25 L, low: 25 mL, uses: {dispenser.mix: {takes: 2 mL, when: {solvent: toluene}}}}
  argon:
    amount: 200 L
    uses: {oven.heat: {takes: 0.5 L/min, per: $hold}, oven_2.heat: {takes: 1 L, when: {temperature: 126.85 degC}}}
  wear: {amount: 2 h, uses: {oven.heat: {takes: $hold}}}
  tips:
    amount: 96
    low: 12
    uses:
      dispenser.mix: [{takes: 2}, {takes: 1, when: {solvent: anisole}}, {takes: 10, per: $dopant_fraction}]
"""


def read(tmp_path: Path, text: str) -> Laboratory:
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    return bind_lab(*read_lab("whatever", path))


def faults(tmp_path: Path, text: str) -> tuple[Fault, ...]:
    with pytest.raises(CampaignError) as caught:
        read(tmp_path, text)
    return caught.value.faults


def test_what_an_action_takes_is_in_the_units_of_its_consumables(tmp_path: Path) -> None:
    lab = read(tmp_path, LAB)
    of = lab.consumption
    assert of.units == {"toluene": "L", "argon": "L", "wear": "h", "tips": ""}
    assert counted(lab.file.consumables["toluene"]) == (0.25, "L", pytest.approx(0.025))
    mix = {"dopant_fraction": 0.2, "solvent": "toluene"}
    assert needs(of, "dispenser", "mix", mix) == pytest.approx({"toluene": 0.002, "tips": 4.0})
    mix = {"dopant_fraction": 0.0, "solvent": "anisole"}
    assert needs(of, "dispenser", "mix", mix) == {"tips": 3.0}, "entries add up, nothing is no need"
    hot = {"temperature": 400.0, "hold": 90.0}
    first, second = (needs(of, device, "heat", hot) for device in ("oven_1", "oven_2"))
    assert first == pytest.approx({"argon": 0.75, "wear": 0.025}), "0.5 L/min for 90 s, 90 s of 2 h"
    assert second == pytest.approx({"argon": 1.75, "wear": 0.025}), (
        "a conversion away from 126.85 degC is that"
    )
    assert needs(of, "oven_2", "heat", hot | {"temperature": 400.5}) == pytest.approx(first)
    assert needs(of, "dispenser", "rinse", mix) == needs(of, "nobody", "mix", mix) == {}


def test_what_the_log_keeps_binds_to_the_same(tmp_path: Path) -> None:
    lab = read(tmp_path, LAB)
    assert bind_lab(lab.file.model_validate(lab.to_json())).consumption == lab.consumption


CASES = {
    "an unknown device": (
        "dispenser.mix: {takes: 2 mL", "dispensr.mix: {takes: 2 mL", "E405", 11, "did you mean 'dispenser'"),
    "an unknown action": ("dispenser.mix: {takes: 2 mL", "dispenser.mx: {takes: 2 mL", "E405", 11, "no action 'mx'"),
    "an unknown argument": ("per: $hold", "per: $hodl", "E405", 14, "did you mean 'hold'"),
    "an unknown argument in when": (
        "when: {solvent: toluene", "when: {solvant: toluene", "E405", 11, "did you mean 'solvent'"),
    "an argument that is no number": ("{takes: $hold}", "{takes: $ramp_up}", "E405", 15, "no argument 'ramp_up'"),
    "a choice to be counted": (
        "takes: 10, per: $dopant_fraction", "takes: 10, per: $solvent", "E405", 20, "a number is wanted"),
    "a value that the argument cannot have": ("solvent: anisole", "solvent: water", "E405", 20, "wanted one of"),
    "an amount of the wrong dimension": (
        "takes: 2 mL", "takes: 2 mg", "E405", 11, "counted in L, and this comes in mg"),
    "an amount without a unit": ("takes: 2 mL", "takes: 2", "E405", 11, "this comes without a unit"),
    "a unit where pieces are counted": ("{takes: 2}", "{takes: 2 mL}", "E405", 20, "counted in pieces"),
    "a rate without its time": ("takes: 0.5 L/min, per: $hold", "takes: 0.5 L/min", "E405", 14, "counted in L"),
    "a rate times what is no time": ("per: $hold", "per: $temperature", "E405", 14, "counted in L"),
    "nothing taken": ("takes: 2 mL", "takes: 0 mL", "E405", 11, "more than nothing"),
    "less than nothing there": ("amount: 0.25 L", "amount: -0.25 L", "E405", 11, "nothing or more"),
    "an unknown unit": ("amount: 0.25 L", "amount: 0.25 litrs", "E405", 11, "litrs"),
    "a mark in another dimension": ("low: 25 mL", "low: 25 g", "E405", 11, "converted"),
    "a temperature": ("amount: 2 h", "amount: 300 K", "E405", 15, "temperature"),
    "no action": ("dispenser.mix: {takes: 2 mL", "dispenser: {takes: 2 mL", "E401", 11, "device.verb"),
    "a per that is no argument": ("per: $hold", "per: hold", "E401", 14, "as in $hold"),
    "an unknown key": ("low: 25 mL", "lwo: 25 mL", "E401", 11, "lwo"),
    "a name with a blank": ("  wear: {", "  wear and tear: {", "E401", 15, "wear and tear"),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_a_fault_has_its_code_line_and_cure(tmp_path: Path, what: str) -> None:
    before, after, code, line, said = CASES[what]
    assert LAB.count(before) == 1
    (found,) = [f for f in faults(tmp_path, LAB.replace(before, after)) if f.code == code][:1]
    assert found.line == line and said in found.render(), found.render()


def test_every_fault_is_said_at_once(tmp_path: Path) -> None:
    text = LAB.replace("takes: 2 mL", "takes: 2 mg").replace("{takes: $hold}", "{takes: $hodl}")
    text = text.replace("takes: 10, per: $dopant_fraction", "takes: 10 s")
    assert [(f.code, f.line) for f in faults(tmp_path, text)] == [("E405", 11), ("E405", 15), ("E405", 20)]
