"""Every page of an instrument prints a laboratory that is read and bound as it is printed."""

from __future__ import annotations

import pytest

from drivers.binding import bind
from orchestrator.labfile import bind_lab
from tests.drivers.pages import DOCS, printed


@pytest.mark.parametrize("page", ["human", "mqtt", "sila", "liquid_handler"])
def test_the_printed_laboratory_is_bound_as_it_is_printed(page: str) -> None:
    for library, needs in (("sila2", "sila"), ("pylabrobot", "liquid_handler"), ("aiomqtt", "mqtt")):
        if page == needs:
            pytest.importorskip(library, reason="instruments need the extra 'instruments'")
    laboratory = bind_lab(printed(f"instruments/{page}.md", {}))
    ((_, device),) = laboratory.devices.items()
    assert device.spec.simulated == (laboratory.file.reality == "simulated")
    for limit, bound in laboratory.limits[device.name].items():
        assert bound.at_least is not None or bound.at_most is not None, limit
    assert bind(laboratory.file) and (DOCS / "instruments" / f"{page}.md").exists()
