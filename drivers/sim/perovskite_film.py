"""A simulated laboratory for perovskite films: compounds of a table, made into films and measured, or calculated."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from drivers.driver import (
    Action,
    ActionFailed,
    Attribution,
    Gives,
    LabContext,
    Quantity,
    Reading,
    Repeat,
    action,
)
from drivers.errors import SettingsError
from drivers.protocol import DeviceSpec
from drivers.sim.device import SimulatedDevice
from drivers.sim.perovskite import current

RELATIVE, FLOOR = 0.04, 0.1  # of the current; mA/cm^2
HANDLING_S, CALCULATION_S = 1800.0, 3600.0
LARGEST = 1 << 24  # characters of a cell of the table: CIFs are long


@dataclass(frozen=True)
class Compound:
    """What the table says: gap, eV, and heat of formation, eV per cell."""

    gap: float
    heat: float


class PerovskiteFilm(SimulatedDevice):
    """Makes films of the compounds of a table and measures them as electrodes, or calculates the compounds.

    The same file holds the truth, and only `calculate` shows any of it. Every film is a new one, made from its
    ingredients: to make it again after a crash is as good as once, and gives the same film.
    """

    class Settings(SimulatedDevice.Settings):
        """`table`: a CSV file (.csv, .csv.gz) with a row per compound; `id`, `gap`, `heat`: its columns. `noise`: 1 is
        typical, 0 is none."""

        table: str | None = None
        id: str = "material_id"
        gap: str = "dir_gap"
        heat: str = "heat_all"
        noise: float = Field(default=1.0, ge=0)

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self._compounds = _compounds(self.settings)

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared. Raises SettingsError for a table that is none."""
        _compounds(settings)
        return super().describe(settings)

    @action(
        Repeat.REPEATABLE,
        takes_s=HANDLING_S,
        and_s=("time",),
        gives={
            "current": Gives("mA/cm^2", at_least=0, at_most=100, doc="of the film, in light, at a fixed bias")
        },
    )
    async def make_and_measure(
        self,
        material: str,
        action: Action,
        temperature: Annotated[float, Quantity("K", at_least=300, at_most=1000)],
        time: Annotated[float, Quantity("s", at_least=1, at_most=86400)],
        thickness: Annotated[float, Quantity("nm", at_least=10, at_most=10000)],
    ) -> Mapping[str, Reading]:
        """Coat a film of the compound, anneal it, and measure its current in light."""
        compound = self._compound(material)
        true = current(compound.gap, compound.heat, temperature, time, thickness)
        took_s = HANDLING_S + time
        seen = {"what": "film", "current": true}
        await self.work(action, took_s, lambda elapsed_s: seen if elapsed_s >= took_s else None)
        noise = self.settings.noise
        read = true * (1 + noise * RELATIVE * self._chance(action, "gain").gauss(0.0, 1.0))
        read = min(max(read + noise * FLOOR * self._chance(action, "floor").gauss(0.0, 1.0), 0.0), 100.0)
        sigma = noise * math.hypot(RELATIVE * read, FLOOR)
        return self.readings(action, {"current": (read, sigma or None)})

    @action(
        Repeat.REPEATABLE,
        takes_s=CALCULATION_S,
        gives={
            "gap": Gives("eV", at_least=0, doc="of the compound, by density-functional theory"),
            "heat": Gives("eV", doc="of formation, of the cell of five atoms, by density-functional theory"),
        },
    )
    async def calculate(self, material: str, action: Action) -> Mapping[str, Reading]:
        """Give gap and heat of formation of the compound as the table has them."""
        compound = self._compound(material)
        seen = {"what": "calculation", "gap": compound.gap, "heat": compound.heat}
        await self.work(action, CALCULATION_S, lambda elapsed_s: seen if elapsed_s >= CALCULATION_S else None)
        return self.readings(action, {"gap": (compound.gap, None), "heat": (compound.heat, None)})

    def _compound(self, material: str) -> Compound:
        try:
            return self._compounds[material]
        except KeyError:
            raise ActionFailed(
                Attribution.INFEASIBLE, f"{self.settings.table} has no compound {material!r}"
            ) from None


def _compounds(settings: PerovskiteFilm.Settings) -> Mapping[str, Compound]:
    if settings.table is None:
        raise SettingsError("no table is bound: give it on the command line with --table PATH (a CSV file)")
    path = Path(settings.table).expanduser()
    try:
        stat = path.stat()
        return _read(path, (settings.id, settings.gap, settings.heat), stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise SettingsError(f"the table {path} cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=4)
def _read(path: Path, columns: tuple[str, str, str], mtime_ns: int, size: int) -> Mapping[str, Compound]:
    """Compounds by id. Read again only after the file has changed. Raises SettingsError, and OSError."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    before = csv.field_size_limit(LARGEST)
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise SettingsError(f"{path} has no column {', '.join(map(repr, missing))}")
        found: dict[str, Compound] = {}
        for n, row in enumerate(reader, start=1):
            name, gap, heat = (row[column] or "" for column in columns)
            if not name or name in found:
                raise SettingsError(
                    f"{path}, data row {n}: wanted an id of its own in {columns[0]!r}, got {name!r}"
                )
            found[name] = Compound(
                _number(path, n, columns[1], gap, at_least=0.0), _number(path, n, columns[2], heat)
            )
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path} is no CSV table: {error}") from error
    finally:
        csv.field_size_limit(before)
    if not found:
        raise SettingsError(f"{path} has no rows")
    return found


def _number(path: Path, n: int, column: str, text: str, at_least: float = -math.inf) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < at_least:
        wanted = "a finite number" + (f" of {at_least:g} or more" if math.isfinite(at_least) else "")
        raise SettingsError(f"{path}, column {column!r}, data row {n}: wanted {wanted}, got {text!r}")
    return value
