"""Everything here needs PyLabRobot."""

from __future__ import annotations

import pytest

pytest.importorskip("pylabrobot", reason="liquid handlers need the extra 'instruments'")

from tests.drivers.not_yet_installed import known


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, liquid_handler="drivers.instruments.liquid_handler:LiquidHandler")
