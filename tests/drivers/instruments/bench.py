"""What the instruments' tests share: drivers under their names, devices on the wall clock, the pages' lab.yaml."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from ruamel.yaml import YAML

from drivers import registry
from drivers.clock import WallClock
from drivers.driver import Driver, LabContext
from drivers.lab import LabFile
from drivers.protocol import Action, Argument

ROOT = Path(__file__).resolve().parents[3]
NAMES = {
    "modbus.furnace": "drivers.instruments.modbus.furnace:ModbusFurnace",
    "scpi.smu": "drivers.instruments.scpi.smu:SourceMeasureUnit",
    "rest": "drivers.instruments.rest.device:RestDevice",
}
_numbers = itertools.count(1)


def know(monkeypatch: pytest.MonkeyPatch) -> None:
    """The instruments' drivers are installed, whatever the installed package's metadata say."""
    entries = {name: EntryPoint(name, target, registry.GROUP) for name, target in NAMES.items()}
    known = MappingProxyType({**registry.known(), **entries})
    monkeypatch.setattr(registry, "known", lambda: known)


def device(kind: type[Driver], directory: Path, settings: Mapping[str, Any]) -> Any:
    """A device on the wall clock, not yet connected."""
    lab = LabContext(WallClock(), None, 0, directory)
    return kind("device", kind.Settings.model_validate(dict(settings)), lab)


@contextlib.asynccontextmanager
async def connected(kind: type[Driver], directory: Path, settings: Mapping[str, Any]) -> AsyncIterator[Any]:
    one = device(kind, directory, settings)
    await one.connect()
    try:
        yield one
    finally:
        await one.disconnect()


def request(verb: str, id: str = "", sample: str | None = "s1", **args: Argument) -> Action:
    return Action(
        id=id or f"a{next(_numbers)}", device="device", verb=verb, args=args, sample=sample, epoch=1
    )


def printed_lab(page: str) -> str:
    """The lab.yaml that a page of the documentation prints, as it stands there."""
    text = (ROOT / "docs" / "instruments" / page).read_text()
    labs = [
        block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "alquimia_lab: 1" in block
    ]
    assert len(labs) == 1, f"{page} prints {len(labs)} laboratories"
    return str(labs[0])


def lab_from(text: str) -> LabFile:
    return LabFile.model_validate(YAML(typ="safe", pure=True).load(text))
