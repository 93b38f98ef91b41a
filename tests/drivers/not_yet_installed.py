"""Drivers by name, before the package that names them has been installed anew."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from types import MappingProxyType

import pytest

from drivers import registry


def known(monkeypatch: pytest.MonkeyPatch, **drivers: str) -> None:
    """`registry` knows these as well: name (__ for a dot) -> "module:Class". What is installed must be the same."""
    entries = dict(registry.known())
    for written, value in drivers.items():
        name = written.replace("__", ".")
        if name in entries:
            assert entries[name].value == value
        entries[name] = EntryPoint(name, value, registry.GROUP)
    monkeypatch.setattr(registry, "known", lambda: MappingProxyType(entries))
