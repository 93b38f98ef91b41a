"""Elastic moduli of a table, as if they were calculated now: a search over crystals whose moduli are hidden is tried
out on what density-functional theory has said already."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from drivers.driver import Action, ActionFailed, Attribution, Gives, LabContext, Reading, Repeat, action
from drivers.errors import SettingsError
from drivers.mechanics import Strength, strength
from drivers.protocol import DeviceSpec
from drivers.sim.device import SimulatedDevice

CALCULATION_S = 14400.0  # of lab time: an elastic tensor by density-functional theory, some 24 strained cells
AVERAGE = "Voigt-Reuss-Hill average"


@dataclass(frozen=True)
class Moduli:
    """GPa, and what follows from them."""

    bulk: float
    shear: float
    strength: Strength


class ElasticTable(SimulatedDevice):
    """Gives the moduli of a crystal as a table has them, and the hardness and toughness that follow from them."""

    class Settings(SimulatedDevice.Settings):
        """`table`: a JSON-lines file (.jsonl, .jsonl.gz), a crystal a line: id, lattice (three vectors in angstrom),
        species, and moduli in GPa. `id`, `bulk`, `shear`: its keys. `takes_s`: lab seconds for one label."""

        table: str | None = None
        id: str = "id"
        bulk: str = "k_vrh"
        shear: str = "g_vrh"
        takes_s: float = Field(default=CALCULATION_S, ge=0)

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self._moduli = _moduli(self.settings)

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared, with the duration of the settings. Raises SettingsError for a table that is none."""
        _moduli(settings)
        spec = super().describe(settings)
        elastic = spec.actions["elastic"].model_copy(update={"takes_s": settings.takes_s})
        return spec.model_copy(update={"actions": {**spec.actions, "elastic": elastic}})

    @action(
        Repeat.REPEATABLE,
        gives={
            "bulk_modulus": Gives("GPa", at_least=0, at_most=2000, doc=AVERAGE),
            "shear_modulus": Gives("GPa", at_least=0, at_most=2000, doc=AVERAGE),
            "young_modulus": Gives("GPa", at_least=0, at_most=5000),
            "poisson_ratio": Gives("", at_least=-1, at_most=0.5),
            "hardness": Gives("GPa", at_least=0, at_most=500, doc="Vickers, after Mazhnik and Oganov"),
            "toughness": Gives("MPa*m^0.5", at_least=0, at_most=500, doc="K_IC, after Mazhnik and Oganov"),
        },
    )
    async def elastic(self, material: str, action: Action) -> Mapping[str, Reading]:
        """Give moduli, hardness and toughness of the crystal with this id."""
        try:
            found = self._moduli[material]
        except KeyError:
            reason = f"{self.settings.table} has no crystal {material!r}"
            raise ActionFailed(Attribution.INFEASIBLE, reason) from None
        takes_s = self.settings.takes_s
        seen = {"what": "elastic tensor", "bulk_modulus": found.bulk, "shear_modulus": found.shear}
        await self.work(action, takes_s, lambda elapsed_s: seen if elapsed_s >= takes_s else None)
        said = {"bulk_modulus": found.bulk, "shear_modulus": found.shear, **found.strength._asdict()}
        return self.readings(action, {name: (value, None) for name, value in said.items()})


def _moduli(settings: ElasticTable.Settings) -> Mapping[str, Moduli]:
    if settings.table is None:
        raise SettingsError(
            "no table is bound: give it on the command line with --table PATH (a JSON-lines file)"
        )
    path = Path(settings.table).expanduser()
    try:
        stat = path.stat()
        keys = settings.id, settings.bulk, settings.shear
        return _read(path, keys, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise SettingsError(f"the table {path} cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=4)
def _read(path: Path, keys: tuple[str, str, str], mtime_ns: int, size: int) -> Mapping[str, Moduli]:
    """By id. Read again only after the file has changed. Raises SettingsError, and OSError."""
    content = path.read_bytes()
    try:
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (UnicodeDecodeError, ValueError, EOFError, gzip.BadGzipFile) as error:
        raise SettingsError(f"{path} is no JSON-lines table: {error}") from error
    found: dict[str, Moduli] = {}
    for n, row in enumerate(rows, start=1):
        name, bulk, shear = (_value(path, n, row, key) for key in keys)
        if not isinstance(name, str) or name in found:
            raise SettingsError(f"{path}, row {n}: wanted an id of its own in {keys[0]!r}, got {name!r}")
        try:
            found[name] = Moduli(float(bulk), float(shear), strength(bulk, shear, _volume(row)))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise SettingsError(f"{path}, row {n} ({name}): {reason}") from error
    if not found:
        raise SettingsError(f"{path} has no rows")
    return found


def _value(path: Path, n: int, row: Any, key: str) -> Any:
    if not isinstance(row, dict) or key not in row:
        has = ", ".join(map(repr, row)) if isinstance(row, dict) else repr(row)[:80]
        raise SettingsError(f"{path}, row {n}: wanted {key!r}, got {has}")
    value = row[key]
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{path}, row {n}: wanted a finite number in {key!r}, got {value!r}")
    return value


def _volume(row: Mapping[str, Any]) -> float:
    """Per atom, angstrom^3."""
    (a, b, c), n = row["lattice"], len(row["species"])
    x = b[1] * c[2] - b[2] * c[1]
    y = b[2] * c[0] - b[0] * c[2]
    z = b[0] * c[1] - b[1] * c[0]
    return abs(float(a[0] * x + a[1] * y + a[2] * z)) / n
