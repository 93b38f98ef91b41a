"""Every driver of the registry keeps the contract; a driver without a case fails here."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from drivers import contract, registry
from drivers.contract import Case, allowed
from drivers.driver import Driver
from drivers.protocol import Argument, ParameterSpec

MIX: tuple[str, str, Mapping[str, Argument]] = (
    "sim.dispenser",
    "mix",
    {"dopant_fraction": 0.1, "solvent": "anisole"},
)
SPIN: tuple[str, str, Mapping[str, Argument]] = ("sim.coater", "spin", {"speed": 200.0, "duration": 30.0})
SLIDE: tuple[str, str, Mapping[str, Argument]] = ("sim.slide_coater", *SPIN[1:])
SPECTRA: tuple[str, str, Mapping[str, Argument]] = ("sim.spectrometer", "spectra", {})
CASES = (
    Case("sim.dispenser", world="thin_film"),
    Case("sim.coater", world="thin_film", before=(MIX,)),
    Case("sim.furnace", world="thin_film"),
    Case("sim.probe", world="thin_film", before=(MIX, SPIN)),
    Case("sim.dispenser", world="ada", settings={"takes_s": 120.0}),
    Case("sim.slide_coater", world="ada", before=(MIX,)),
    Case("sim.furnace", world="ada", before=(MIX, SLIDE)),
    Case("sim.dark_field", world="ada", before=(MIX, SLIDE)),
    Case("sim.spectrometer", world="ada", before=(MIX, SLIDE)),
    Case("sim.mapping_probe", world="ada", before=(MIX, SLIDE, SPECTRA)),
    Case("sim.instant"),
    Case("sim.instant", world="bench", settings={"repeat": "testable"}),
    Case("replay"),
    Case("replay", settings={"match": "nearest", "replicates": "draw", "takes_s": 60.0}),
    Case("labeler.emt"),
    Case(
        "labeler.ase",
        settings={
            "calculator": "emt",
            "method": "effective medium",
            "fidelity": "potential",
            "code_version": "3",
        },
    ),
    Case("labeler.unsure", settings={"expensive": "labeler.emt", "elements": ["Cu", "Au"]}),
    Case("sim.colour_mixer"),
    Case("sim.crystal_table"),
    Case("sim.elastic_table"),
    Case("sim.perovskite_film"),
    Case("sim.mixing_robot"),
    Case("sim.stand_in", settings={"driver": "sim.colour_mixer"}),
)
# Codes that are not everywhere, and a network that takes seconds to load: tests/drivers/labelers is about them.
ELSEWHERE = {
    "labeler.chgnet",
    "labeler.espresso",
    "labeler.gpaw",
    "labeler.kob_andersen",
    # Each beside the server, broker or chemistry that it is tried against.
    "human",
    "liquid_handler",
    "modbus.furnace",
    "mqtt.sensors",
    "rest",
    "scpi.smu",
    "sila",
    "sim.box_furnace",
    "sim.crucible_arm",
    "sim.diffractometer",
    "sim.mill",
    "sim.powder_doser",
}


COPPER = {**allowed(ParameterSpec(kind="structure")), "id": "text", "k_vrh": 140.0, "g_vrh": 48.0}  # type: ignore[dict-item]
TABLES = {
    "replay": (
        "table.csv",
        "temperature,gas,yield\n300,air,1\n300,air,2\n400,argon,3\n500,air,4\n",
        {"inputs": {"temperature": "temperature", "gas": "gas"}, "outputs": {"yield": "yield"}},
    ),
    "sim.crystal_table": ("table.jsonl", json.dumps(COPPER) + "\n", {"readings": {"bulk_modulus": "k_vrh"}}),
    "sim.elastic_table": ("table.jsonl", json.dumps(COPPER) + "\n", {}),
    "sim.perovskite_film": ("table.csv", 'material_id,cif,heat_all,dir_gap\ntext,"a",0.5,2.0\n', {}),
    # Two components of 0 to 100 %: half of each is a mixture.
    "sim.mixing_robot": (
        "table.csv",
        "A,B,y\n" + "".join(f"{a},{100 - a},{1 + a * (100 - a)}\n" for a in range(0, 101, 4)),
        {"components": {"a": "A", "b": "B"}, "output": "y", "reading": "y", "output_unit": "S/cm"},
    ),
}


def with_table(case: Case, directory: Path) -> Case:
    """The case with a table of its own, in which the suite's own arguments can be looked up."""
    if case.driver not in TABLES:
        return case
    name, text, settings = TABLES[str(case.driver)]
    table = directory / name
    table.write_text(text)
    return Case(case.driver, {"table": str(table), **settings, **case.settings})


@pytest.mark.parametrize("keeps", contract.PROMISES, ids=lambda keeps: keeps.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.driver}-{len(case.settings)}")
async def test_it_keeps_the_contract(
    case: Case, keeps: Callable[[Driver], Awaitable[None]], tmp_path: Path
) -> None:
    device = await with_table(case, tmp_path).ready(tmp_path)
    await keeps(device)
    await device.disconnect()
    if device.lab.world is not None:
        device.lab.world.close()


def test_every_driver_of_this_package_has_a_case_and_every_promise_is_tried() -> None:
    ours = {name for name, entry in registry.known().items() if entry.value.startswith("drivers.")}
    assert ours == {case.driver for case in CASES} | ELSEWHERE
    names = {name for name in vars(contract) if name.startswith("keeps_")}
    assert names == {keeps.__name__ for keeps in contract.PROMISES}
