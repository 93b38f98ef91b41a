"""Libraries that only some drivers need: what says which extra brings one that is missing."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from drivers.errors import SettingsError


def installed(package: str, extra: str) -> str:
    """The version of a package that `alquimia-lab[extra]` brings.

    Raises SettingsError with the cure where it is missing.
    """
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise SettingsError(
            f"{package} is not installed in this environment: pip install 'alquimia-lab[{extra}]'"
        ) from error
