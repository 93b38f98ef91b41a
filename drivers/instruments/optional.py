"""Libraries that only some instruments need: `pip install 'alquimia-lab[instruments]'`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from drivers.errors import SettingsError


def installed(*packages: str) -> str:
    """The version of the first of `packages`. Raises SettingsError naming the cure where one is not installed."""
    for package in reversed(packages):
        try:
            found = version(package)
        except PackageNotFoundError as error:
            raise SettingsError(
                f"{package} is not installed in this environment: pip install 'alquimia-lab[instruments]'"
            ) from error
    return found
