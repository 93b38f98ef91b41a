"""Properties of crystals in a table, as if they were calculated now: a search whose labels are hidden is tried out on
what is known already."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from drivers.driver import Action, ActionFailed, Attribution, LabContext, Reading, Repeat, action
from drivers.errors import SettingsError
from drivers.protocol import DeviceSpec, ResultSpec
from drivers.sim.device import SimulatedDevice

CALCULATION_S = 86400.0  # of lab time: phonons by density-functional perturbation theory take about a day


class CrystalTable(SimulatedDevice):
    """Gives what a table has of a crystal."""

    class Settings(SimulatedDevice.Settings):
        """`table`: JSON lines (.jsonl, .jsonl.gz), a crystal a line, with its id under `id`, or a pandas table (.json,
        .json.gz, orient 'split'), whose index is the ids. `readings`: reading -> column, which in JSON lines may stand
        under "values"; `units`: of readings, else "". `takes_s`: lab seconds for one label."""

        table: str | None = None
        id: str = "id"
        readings: Mapping[str, str] = Field(min_length=1)
        units: Mapping[str, str] = Field(default_factory=dict)
        takes_s: float = Field(default=CALCULATION_S, ge=0)

        @model_validator(mode="after")
        def _names(self) -> CrystalTable.Settings:
            if unknown := set(self.units) - set(self.readings):
                raise ValueError(f"units name {', '.join(sorted(unknown))}: no such reading")
            return self

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self._rows = _rows(self.settings)

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """With the readings and the duration of the settings. Raises SettingsError for a table that is none."""
        _rows(settings)
        spec = super().describe(settings)
        results = {
            name: ResultSpec(unit=settings.units.get(name, ""), doc=f"column {column!r}")
            for name, column in settings.readings.items()
        }
        label = spec.actions["label"].model_copy(update={"results": results, "takes_s": settings.takes_s})
        return spec.model_copy(update={"actions": {**spec.actions, "label": label}})

    @action(Repeat.REPEATABLE, gives={})  # what it gives, the settings say
    async def label(self, material: str, action: Action) -> Mapping[str, Reading]:
        """Give what is known of the crystal with this id."""
        found = self._rows.get(material)
        if found is None:
            reason = (
                f"{self.settings.table} has no crystal {material!r} with {', '.join(self.settings.readings)}"
            )
            raise ActionFailed(Attribution.INFEASIBLE, reason)
        takes_s = self.settings.takes_s
        await self.work(action, takes_s, lambda elapsed_s: dict(found) if elapsed_s >= takes_s else None)
        return self.readings(action, {name: (value, None) for name, value in found.items()})


def _rows(settings: CrystalTable.Settings) -> Mapping[str, Mapping[str, float]]:
    if settings.table is None:
        raise SettingsError(
            "no table is bound: give it on the command line with --table PATH (.jsonl or a pandas .json)"
        )
    path = Path(settings.table).expanduser()
    try:
        stat = path.stat()
        return _read(path, settings.id, tuple(settings.readings.items()), stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise SettingsError(f"the table {path} cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=4)
def _read(
    path: Path, id: str, readings: tuple[tuple[str, str], ...], mtime_ns: int, size: int
) -> Mapping[str, Mapping[str, float]]:
    """By id, the crystals with all readings. Read again only after the file has changed. Raises SettingsError, and
    OSError."""
    content = path.read_bytes()
    try:
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        rows = list(_pandas(path, text) if ".json" in path.suffixes else _lines(path, text, id))
    except (UnicodeDecodeError, ValueError, EOFError, gzip.BadGzipFile) as error:
        raise SettingsError(f"{path} is no table of JSON: {error}") from error
    found: dict[str, Mapping[str, float]] = {}
    for n, (name, row) in enumerate(rows, start=1):
        if name in found:
            raise SettingsError(f"{path}, row {n}: wanted an id of its own, got {name!r} again")
        values = {reading: row.get(column) for reading, column in readings}
        if any(value is None for value in values.values()):
            continue
        for reading, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise SettingsError(
                    f"{path}, row {n} ({name}): {reading}: wanted a finite number, got {value!r}"
                )
        found[name] = {reading: float(value) for reading, value in values.items() if value is not None}
    if not found:
        columns = sorted({key for _, row in rows for key in row})
        wanted = ", ".join(repr(column) for _, column in readings)
        raise SettingsError(f"{path}: wanted rows with {wanted}, got none; it has {', '.join(columns)[:200]}")
    return found


def _lines(path: Path, text: str, id: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for n, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        row = json.loads(line)
        if not isinstance(row, dict) or not isinstance(row.get(id), str):
            raise SettingsError(f"{path}, row {n}: wanted a mapping with an id in {id!r}, got {line[:80]}")
        more = row.get("values")
        yield row[id], {**row, **(more if isinstance(more, dict) else {})}


def _pandas(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    table = json.loads(text)
    if not isinstance(table, dict) or not {"index", "columns", "data"} <= table.keys():
        raise SettingsError(f"{path}: wanted a pandas table (orient 'split'), got another kind of JSON")
    for name, row in zip(table["index"], table["data"], strict=True):
        yield str(name), dict(zip(table["columns"], row, strict=True))
