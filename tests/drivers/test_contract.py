"""Every driver of the registry keeps the contract; a driver without a case fails here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from drivers import contract, registry
from drivers.contract import Case
from drivers.driver import Driver
from drivers.protocol import Argument

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
    Case("labeler.unsure", settings={"expensive": "labeler.emt", "elements": ["Cu", "Au"]}),
    Case("sim.colour_mixer"),
    Case("sim.stand_in", settings={"driver": "sim.colour_mixer"}),
)
# The same class with other settings, and codes that are not everywhere: tests/drivers/labelers is about them. Films of
# perovskites and tables of moduli know only the crystals of their table, and no other text, and a mixture has a sum:
# tests/drivers/test_perovskite_film.py, test_elastic_table.py, test_mixing_robot.py.
ELSEWHERE = {
    "labeler.ase",
    "labeler.chgnet",
    "labeler.espresso",
    "labeler.gpaw",
    "sim.elastic_table",
    "sim.perovskite_film",
    "sim.mixing_robot",
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


def with_table(case: Case, directory: Path) -> Case:
    if case.driver != "replay":
        return case
    table = directory / "table.csv"
    table.write_text("temperature,gas,yield\n300,air,1\n300,air,2\n400,argon,3\n500,air,4\n")
    columns = {"inputs": {"temperature": "temperature", "gas": "gas"}, "outputs": {"yield": "yield"}}
    return Case("replay", {"table": str(table), **columns, **case.settings})


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
