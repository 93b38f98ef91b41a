"""Which drivers are installed: what packages name in the entry-point group `alquimia.drivers`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from drivers.driver import Driver
from drivers.errors import DriverNotFound, DriverNotLoaded

GROUP = "alquimia.drivers"


@cache
def known() -> MappingProxyType[str, EntryPoint]:
    """Name -> entry point of every installed driver, sorted by name; nothing is imported."""
    return MappingProxyType({entry.name: entry for entry in sorted(entry_points(group=GROUP))})


def driver(name: str) -> type[Driver]:
    """The driver class called `name`. Raises DriverNotFound (with the known names) or DriverNotLoaded."""
    entry = known().get(name)
    if entry is None:
        raise DriverNotFound(name, tuple(known()))
    try:
        loaded = entry.load()
    except (ImportError, AttributeError) as error:
        raise DriverNotLoaded(f"driver {name!r} ({entry.value}) cannot be imported: {error}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, Driver)):
        raise DriverNotLoaded(f"driver {name!r} ({entry.value}) is no subclass of drivers.driver.Driver")
    return loaded
