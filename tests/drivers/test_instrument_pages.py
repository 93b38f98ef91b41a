"""Every page of an instrument prints a laboratory that is read and bound as it is printed."""

from __future__ import annotations

import json

import pytest

from drivers.binding import bind
from drivers.lab import LabFile
from orchestrator.labfile import bind_lab
from tests.drivers.pages import DOCS, printed

PAGES = ("human", "mqtt", "sila", "liquid_handler", "modbus_furnace", "scpi_smu", "rest")
NEEDS = {
    "sila": "sila2", "liquid_handler": "pylabrobot", "mqtt": "aiomqtt", "modbus_furnace": "pymodbus",
    "scpi_smu": "pyvisa", "rest": "httpx",
}  # fmt: skip


def needs(page: str) -> None:
    if (library := NEEDS.get(page)) is not None:
        pytest.importorskip(library, reason="instruments need the extra 'instruments'")


@pytest.mark.parametrize("page", PAGES)
def test_the_printed_laboratory_is_bound_as_it_is_printed(page: str) -> None:
    needs(page)
    laboratory = bind_lab(printed(f"instruments/{page}.md", {}))
    ((_, device),) = laboratory.devices.items()
    assert device.spec.simulated == (laboratory.file.reality == "simulated")
    for limit, bound in laboratory.limits[device.name].items():
        assert bound.at_least is not None or bound.at_most is not None, limit
    assert bind(laboratory.file) and (DOCS / "instruments" / f"{page}.md").exists()


@pytest.mark.parametrize("page", PAGES)
def test_the_laboratory_that_a_log_gives_back_is_the_printed_one(page: str) -> None:
    """A log keeps it as JSON, its keys by the alphabet: no driver may depend on the order of its settings."""
    needs(page)
    laboratory = bind_lab(printed(f"instruments/{page}.md", {}))
    kept = json.dumps(laboratory.to_json(), sort_keys=True)
    again = bind_lab(LabFile.model_validate(json.loads(kept)))
    for name, device in laboratory.devices.items():
        assert again.devices[name].spec == device.spec
